"""
The interactive session: the same words as the command's, over one connection.

On a terminal prompt_toolkit edits the lines, keeps a history and completes verbs and
the server's names; it needs asyncio, so the reactor is installed on that loop for this
command alone.  Without a terminal, lines are read as they come.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click
from twisted.internet.defer import CancelledError, Deferred

from filesrv.client.errors import ClientError
from filesrv.client.input_lines import InputLines, TooLong
from filesrv.client.outcomes import REFUSED, USAGE, explain
from filesrv.client.session import Session
from filesrv.client.verbs import VERBS, Job
from filesrv.wire.errors import FilesrvError
from filesrv.wire.grammar import MAX_LINE
from filesrv.wire.replies import MalformedReply

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document

__all__ = ["install_reactor", "shell"]

_LEAVE = ("quit", "exit", "close", "bye")

#: Verbs whose words are names on the server.
_OF_THE_SERVER = frozenset({"download", "list", "stat", "hash", "delete", "rename", "discard"})


def install_reactor() -> None:
    """Put Twisted's reactor on asyncio's loop, which prompt_toolkit needs."""
    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)


class _ShellEnded(ClientError):
    """Lines from a pipe: some of them failed."""


async def shell(session: Session) -> None:
    """
    Perform lines until they end.

    @raise ClientError: without a terminal, the last word on lines that failed.
    """
    shell = Shell(session)
    if session.console.stdin.isatty():
        await shell.converse()
        return
    failed = await shell.read_commands()
    if failed:
        raise _ShellEnded(f"{failed} command{'s' * (failed > 1)} failed")


class Shell:
    """One interactive session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._verbs = {verb.name: verb for verb in VERBS}

    async def perform(self, line: str) -> int:
        """
        Perform one line and tell what became of it.

        @return: what would be the exit status of the command.
        """
        try:
            words = shlex.split(line)
            if not words:
                return 0
            if words[0] in ("help", "?"):
                self._help(words[1:])
                return 0
            job = self._parse(words)
        except click.exceptions.Exit as done:
            return done.exit_code
        except click.ClickException as error:
            self._session.console.error(error.format_message())
            return USAGE
        except ValueError as error:  # shlex: a quote is not closed
            self._session.console.error(str(error))
            return USAGE
        return await self._run(job)

    def _parse(self, words: list[str]) -> Job:
        verb = self._verbs.get(words[0])
        if verb is None:
            raise click.UsageError(f"{words[0]} is no command; help lists them")
        with verb.make_context(words[0], words[1:]) as context:
            job: Job = verb.invoke(context)
            return job

    async def _run(self, job: Job) -> int:
        try:
            await job.run(self._session)
        except CancelledError:
            raise
        except (FilesrvError, ClientError, MalformedReply, OSError) as error:
            message, status = explain(error)
            self._session.console.error(message)
            return status or REFUSED
        return 0

    def _help(self, words: list[str]) -> None:
        if words and words[0] in self._verbs:
            verb = self._verbs[words[0]]
            with click.Context(verb, info_name=words[0]) as context:
                text = verb.get_help(context)
        else:
            rows = [(verb.name or "", verb.get_short_help_str(60)) for verb in VERBS]
            rows += [("help [COMMAND]", "This list, or all about one."), ("quit", "Leave.")]
            text = "\n".join(f"{name:<16}{words}" for name, words in rows)
        for line in text.splitlines():
            self._session.console.line(line)

    async def read_commands(self) -> int:
        """
        Perform the lines of a pipe or file, as they come.

        @return: how many of them failed.
        """
        lines = InputLines(self._session.reactor, self._session.console.stdin.fileno(), MAX_LINE)
        failed = 0
        while True:
            try:
                line = await lines.next()
            except TooLong:
                self._session.console.error(f"a line has at most {MAX_LINE} bytes")
                failed += 1
                continue
            text = "" if line is None else line.decode("utf-8", "surrogateescape")
            if line is None or text.strip() in _LEAVE:
                return failed
            failed += await self.perform(text) != 0

    async def converse(self) -> None:
        """Read lines from the terminal, with history and completion."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        history = self._session.state.directory() / "history"
        prompt: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=_completer(self._complete),
            complete_while_typing=False,
        )
        message = f"{self._session.server}> "
        while True:
            try:
                asked = prompt.prompt_async(message, handle_sigint=False)
                line = await Deferred.fromFuture(asyncio.ensure_future(asked))
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if line.strip() in _LEAVE:
                return
            await self._perform_interruptible(line)

    async def _perform_interruptible(self, line: str) -> None:
        """Ctrl-C ends what a line is doing, and not the shell."""
        work = Deferred.fromCoroutine(self.perform(line))
        interrupted = False

        def interrupt(number: int, frame: object) -> None:
            nonlocal interrupted
            interrupted = True
            # Twisted's name for "wake up and do this": what a signal may call.
            self._session.reactor.callFromThread(work.cancel)

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            await work
        except CancelledError:
            if not interrupted:
                raise
            self._session.console.error("interrupted; what has arrived is kept")
        finally:
            signal.signal(signal.SIGINT, before)

    async def _complete(self, text: str) -> list[tuple[str, int]]:
        """
        What may stand at the end of C{text}.

        @return: each with how many characters, counted back from the end, it replaces.
        """
        before, _, begun = text.rpartition(" ")
        words = before.split()
        if not words:
            names = [*(verb.name or "" for verb in VERBS), "help", "quit"]
            return [(f"{name} ", -len(begun)) for name in names if name.startswith(begun)]
        if words[0] in _OF_THE_SERVER:
            return [(name, -len(begun)) for name in await self._names(begun)]
        if words[0] == "upload":
            return [(name, -len(begun)) for name in _local_names(begun)]
        return []

    async def _names(self, begun: str) -> list[str]:
        plain = begun.lstrip("\"'").replace("\\", "")
        directory = plain.rpartition("/")[0]
        try:
            entries = await (await self._session.connection()).list(directory)
        except (FilesrvError, ClientError, MalformedReply):
            return []
        found = [entry.name for entry in entries if entry.name.startswith(plain)]
        return [_as_word(name) for name in found]


def _as_word(name: str) -> str:
    """As L{shlex.split} reads it; a directory stays open for what is in it."""
    if name.isprintable() and shlex.quote(name) == name:
        return name if name.endswith("/") else f"{name} "
    return f"{shlex.quote(name)} "


def _local_names(begun: str) -> list[str]:
    plain = begun.lstrip("\"'")
    directory, leaf = os.path.split(plain)
    try:
        with os.scandir(directory or ".") as scan:
            found = [(entry.name, entry.is_dir()) for entry in scan]
    except OSError:
        return []
    return [
        _as_word(os.path.join(directory, name) + ("/" if is_directory else ""))
        for name, is_directory in sorted(found)
        if name.startswith(leaf) and (leaf or not name.startswith("."))
    ]


def _completer(complete: Callable[[str], Coroutine[Any, Any, list[tuple[str, int]]]]) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class ServerCompleter(Completer):
        """Asks the server without holding up the prompt."""

        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> list[Completion]:
            return []

        async def get_completions_async(
            self, document: Document, complete_event: CompleteEvent
        ) -> AsyncGenerator[Completion, None]:
            found = Deferred.fromCoroutine(complete(document.text_before_cursor))
            # A completion that is no longer wanted must not end the connection.
            words = await asyncio.shield(found.asFuture(asyncio.get_running_loop()))
            for word, start in words:
                yield Completion(word, start_position=start, display=word.strip())

    return ServerCompleter()
