"""What pip makes of this, in fresh virtual environments: wheel, sdist, editable."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from filesrv import __version__
from tests.support.daemon import Daemon, environment, program
from tests.support.shell import shell

REPOSITORY = Path(__file__).parents[2]
MODULES = {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("filesrv/**/*.py")}
#: Where pip has put what filesrv needs; not where this tree is.
NEEDED = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
PLUGIN = "twisted/plugins/filesrv_plugin.py"
#: What is for man, for the shells and for systemd, below the prefix.
SHARED = {
    "share/man/man1/filesrv.1",
    "share/man/man1/filesrv-admin.1",
    "share/man/man8/twistd-filesrv.8",
    "lib/systemd/system/filesrv.service",
    "lib/systemd/system/filesrv.socket",
    "share/doc/filesrv/filesrv.toml",
    "share/bash-completion/completions/filesrv",
    "share/bash-completion/completions/filesrv-admin",
    "share/zsh/site-functions/_filesrv",
    "share/zsh/site-functions/_filesrv-admin",
    "share/fish/vendor_completions.d/filesrv.fish",
    "share/fish/vendor_completions.d/filesrv-admin.fish",
}


def run(*command: object, cwd: Path) -> str:
    """Run something that has to succeed, with nothing of this environment but its programs."""
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INDEX="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def copy_of_tree(target: Path) -> Path:
    """What a build needs, without what earlier builds and runs have left."""
    target.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(REPOSITORY / name, target)
    left = shutil.ignore_patterns("__pycache__", "dropin.cache", "_build")
    for name in ("filesrv", "twisted", "docs", "systemd"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=left)
    return target


class Environment:
    """
    A fresh virtual environment, in which the packages that filesrv needs are found where
    they are already; filesrv itself is not, for the .pth files there do not count.
    """

    def __init__(self, directory: Path) -> None:
        venv.create(directory, with_pip=False)
        self.directory = directory
        self.python = directory / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = directory / "lib" / version / "site-packages"
        (self.packages / "needed.pth").write_text("\n".join(NEEDED) + "\n")
        self.twistd = [str(self.python), program("twistd"), "-n", "--pidfile="]
        self.filesrv = directory / "bin" / "filesrv"

    def install(self, *what: str | Path) -> None:
        """Install with pip."""
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--no-deps"]
        run(*pip, "--no-build-isolation", *what, cwd=self.directory)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with an sdist, and the wheel that was made of that."""
    directory = tmp_path_factory.mktemp("built")
    tree = copy_of_tree(directory / "tree")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory]
    said = run(*build, tree, cwd=directory)
    assert f"filesrv-{__version__}.tar.gz" in said
    return directory


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def of_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("of-wheel") / "venv")
    environment.install(wheel)
    return environment


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    directory = tmp_path_factory.mktemp("editable")
    environment = Environment(directory / "venv")
    environment.install("-e", copy_of_tree(directory / "tree"))
    return environment


@pytest.fixture(params=["of_wheel", "editable"])
def installed(request: pytest.FixtureRequest) -> Environment:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Environment)
    return found


def test_what_is_installed_is_not_the_tree_of_the_tests(installed: Environment) -> None:
    where = "import filesrv, twisted; print(filesrv.__file__); print(twisted.__file__)"
    ours, twisted = run(installed.python, "-c", where, cwd=installed.directory).splitlines()
    assert Path(ours).is_relative_to(installed.directory.parent)
    assert str(Path(twisted).parents[1]) in NEEDED


def test_a_file_goes_both_ways_between_installed_daemon_and_client(
    installed: Environment, tmp_path: Path
) -> None:
    (tmp_path / "photo.bin").write_bytes(os.urandom(300_000))
    variables = {"HOME": tmp_path, "FILESRV": installed.filesrv}
    with Daemon(tmp_path / "root", twistd=installed.twistd, cwd=tmp_path) as daemon:
        line = """
            "$FILESRV" --quiet upload photo.bin
            "$FILESRV" --quiet download photo.bin -o back.bin && cmp photo.bin back.bin
            printf 'DOWNLOAD photo.bin\\n' | nc -N ${FILESRV_SERVER/:/ } | tail -c +1 | wc -c
        """
        server = f"127.0.0.1:{daemon.port}"
        (count,) = shell(line, tmp_path, FILESRV_SERVER=server, **variables)
        assert int(count) > 300_000


def test_pages_and_completions_are_where_man_and_the_shells_look(of_wheel: Environment) -> None:
    for name in SHARED:
        assert (of_wheel.directory / name).stat().st_size > 100


def test_the_command_says_its_version_and_its_help(installed: Environment, tmp_path: Path) -> None:
    assert __version__ in run(installed.filesrv, "--version", cwd=tmp_path)
    said = run(installed.filesrv, "--help", cwd=tmp_path)
    assert "upload" in said
    assert "download" in said


def test_twistd_lists_the_plugin(installed: Environment, tmp_path: Path) -> None:
    said = run(installed.python, program("twistd"), "--help", cwd=tmp_path)
    assert re.search(r"^\s+filesrv\s+A file server", said, re.MULTILINE)
    said = run(*installed.twistd[:2], "filesrv", "--version", cwd=tmp_path)
    assert said == f"filesrv {__version__}\n"


def test_twistd_needs_no_cache_of_plugins_that_it_can_write(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    environment.install(wheel)
    # Nobody, root included, can write a file in the place of a directory.
    (environment.packages / "twisted" / "plugins" / "dropin.cache" / "in the way").mkdir(
        parents=True
    )
    with Daemon(tmp_path / "root", twistd=environment.twistd) as daemon:
        daemon.wait_for_log("serving ")


def test_the_wheel_has_all_modules_the_plugin_and_the_mark_of_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {name for name in names if name.startswith(("filesrv/", "twisted/"))}
    assert modules == MODULES | {PLUGIN, "filesrv/py.typed"}
    assert "twisted/__init__.py" not in names
    assert "twisted/plugins/__init__.py" not in names
    others = {name for name in names - modules if ".dist-info/" not in name}
    assert {name.partition(".data/data/")[2] for name in others} == SHARED
    assert any(name.endswith("LICENSE") for name in names)


def test_the_sdist_has_what_the_wheel_is_built_of(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"setup.cfg", "pyproject.toml", "README.rst", "LICENSE", PLUGIN, "filesrv/py.typed"}
    assert (MODULES | wanted) - names == set()
    assert "twisted/__init__.py" not in names


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_metadata_say_what_it_is_and_needs(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("filesrv", __version__)
    assert said["Requires-Python"] == ">=3.10"
    assert said["Description-Content-Type"] == "text/x-rst"
    assert str(said.get_payload()).startswith("filesrv\n=======\n")


def test_everything_that_is_imported_is_declared(wheel: Path) -> None:
    declared = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        for requirement in metadata(wheel).get_all("Requires-Dist", [])
        if "extra ==" not in requirement
    }
    known = {
        name: {distribution.lower().replace("_", "-") for distribution in distributions}
        for name, distributions in packages_distributions().items()
    }
    used = {name for path in MODULES for name in imported(REPOSITORY / path)}
    # Twisted is made of zope.interface, and brings it.
    # What only another version of Python needs is not installed.
    brought = {name: known.get(name, {name}) for name in used - {"zope"}}
    assert {name for name, by in brought.items() if not by & declared} == set()
    assert declared - {distribution for by in brought.values() for distribution in by} == set()


def imported(path: Path) -> set[str]:
    """The packages that a module imports, but for Python's own and this one."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    tops = {name.partition(".")[0] for name in names}
    return tops - sys.stdlib_module_names - {"filesrv"}
