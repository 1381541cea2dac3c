"""
Modules that stand empty until somebody asks for something in them.

Most of a short command is importing, and most of that is for the rest of what the imported
can do: Twisted has a whole HTTP client for one old name of its own, and all of asyncio for
three.  A postponed module is found as ever, but its code waits until a name is asked of it
that is not there.  C{from module import name} asks at once, C{import module} does not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from importlib.abc import Loader  # which imports much itself

__all__ = ["postpone"]

#: Names that a package is asked for at once, and the part of it that each is from: that
#: part is imported then, without the package's own code, which would import the others.
Homes = Mapping[str, str]


def postpone(modules: Mapping[str, Homes]) -> None:
    """
    Have modules wait that were not imported before.

    @param modules: by full name.
    """
    sys.meta_path.insert(0, _Finder(modules))


class _Finder:
    """Finds what would be found without it."""

    def __init__(self, modules: Mapping[str, Homes]) -> None:
        self._modules = modules

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See L{importlib.abc.MetaPathFinder}."""
        if name not in self._modules:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            waiting = _Waiting(spec.loader, self._modules[name])
            spec.loader = cast("Loader", waiting)
        return spec


class _Waiting:
    """Does what a loader does later."""

    def __init__(self, loader: Loader, homes: Homes) -> None:
        self._loader = loader
        self._homes = homes
        self._asking = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See L{importlib.abc.Loader}."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Not yet."""
        module.__class__ = _Postponed

    def ask(self, module: ModuleType, name: str) -> Any:
        """
        What is missing in a module.

        @raise AttributeError: it has no such thing.
        """
        if self._asking:
            # One part of the package imports another, which is looked for in it first.
            raise AttributeError(name)
        if name in self._homes:
            self._asking = True
            try:
                return getattr(import_module(self._homes[name]), name)
            except (ImportError, AttributeError):
                pass  # Another Python has it elsewhere.
            finally:
                self._asking = False
        self._load(module)
        return getattr(module, name)

    def _load(self, module: ModuleType) -> None:
        module.__class__ = ModuleType
        module.__loader__ = self._loader
        assert module.__spec__ is not None
        module.__spec__.loader = self._loader
        try:
            self._loader.exec_module(module)
        except BaseException:
            # As when a part that it needs is being imported itself: the next one asks anew.
            module.__class__ = _Postponed
            module.__loader__ = module.__spec__.loader = cast("Loader", self)
            raise


class _Postponed(ModuleType):
    """A module that nobody has needed yet."""

    def __getattr__(self, name: str) -> Any:
        loader = self.__loader__
        return cast("_Waiting", loader).ask(self, name)
