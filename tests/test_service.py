"""What twistd starts: options, endpoints, and a service that lets go of everything."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError

from filesrv.service import (
    CannotStart,
    DualStackEndpoint,
    FilesrvService,
    Options,
    makeService,
)
from filesrv.service.endpoints import address_of, endpoint_of
from tests.support.memory import open_descriptors


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


@pytest.fixture(autouse=True)
def in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


class TestOptions:
    def test_without_any_it_serves_a_directory_here_on_port_9000(self, tmp_path: Path) -> None:
        options = parsed()

        assert options["port"] == ["9000"]
        assert options["root"] == str(tmp_path / "filesrv-files")
        assert options["keep-partials"] == 7.0
        assert options["dead-after"] == 30.0
        assert options["stall-timeout"] == 300.0
        assert not options["no-overwrite"]
        assert not (tmp_path / "filesrv-files").exists()

    @pytest.mark.parametrize("state", ["/var/lib/filesrv", "/var/lib/filesrv:/var/lib/other"])
    def test_the_state_directory_of_systemd_is_used_unless_another_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
    ) -> None:
        monkeypatch.setenv("STATE_DIRECTORY", state)
        assert parsed()["root"] == "/var/lib/filesrv"
        assert parsed("--root", "here")["root"] == str(tmp_path / "here")

    def test_ports_may_be_given_more_than_once_and_in_every_form(self) -> None:
        options = parsed(
            "--port", "9001", "-p", "tcp:9002:interface=127.0.0.1", "--port=unix:/run/x"
        )

        assert options["port"] == ["9001", "tcp:9002:interface=127.0.0.1", "unix:/run/x"]
        assert parsed()["port"] == ["9000"]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--keep-partials", "soon"], "--keep-partials takes a number"),
            (["--keep-partials", "-1"], "--keep-partials takes a number"),
            (["--keep-partials", "nan"], "--keep-partials takes a number"),
            (["--keep-partials", "inf"], "--keep-partials takes a number"),
            (["--dead-after", "9"], "--dead-after takes a number from 10 to 300"),
            (["--dead-after", "301"], "--dead-after takes a number from 10 to 300"),
            (["--stall-timeout", "0"], "--stall-timeout takes a number"),
            (["--durability", "perhaps"], "--durability is"),
            (["--no-such-option"], "no-such-option"),
            (["--root"], "root"),
            (["left", "over"], ""),
        ],
    )
    def test_a_mistake_is_one_line_and_no_success(self, arguments: list[str], says: str) -> None:
        with pytest.raises(SystemExit) as ended:
            parsed(*arguments)

        assert isinstance(ended.value.code, str)
        assert ended.value.code.startswith("filesrv: ")
        assert says in ended.value.code
        assert "\n" not in ended.value.code

    def test_the_version_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parsed("--version")

        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("filesrv ")

    def test_the_plugin_leads_here(self) -> None:
        from twisted.application.service import IServiceMaker

        [found] = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "filesrv"]
        assert found.options is Options


class TestEndpoints:
    @pytest.mark.parametrize(
        "text", ["65536", "99999999999", "tcp", "tcp:x", "nonsense:1", "", "-1"]
    )
    def test_what_describes_none_is_said_in_one_line(self, text: str) -> None:
        with pytest.raises(UsageError, match="--port") as refused:
            endpoint_of(MemoryReactorClock(), text)
        assert "\n" not in str(refused.value)

    def test_digits_of_other_scripts_are_no_port(self) -> None:
        with pytest.raises(UsageError):
            endpoint_of(MemoryReactorClock(), "٩٠٠٠")

    def test_a_wrong_one_ends_twistd_before_anything_is_touched(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit) as ended:
            makeService(parsed("--port", "nonsense:1"))

        assert isinstance(ended.value.code, str)
        assert ended.value.code.startswith("filesrv: --port nonsense:1: ")
        assert list(tmp_path.iterdir()) == []


class _Port:
    """A port of a reactor that listens on nothing."""

    def __init__(self, number: int, interface: str, only_six: bool) -> None:
        self._address = (
            IPv6Address("TCP", "::", number)
            if interface == "::"
            else IPv4Address("TCP", "0.0.0.0", number)
        )
        self.socket = socket.socket(socket.AF_INET6 if interface == "::" else socket.AF_INET)
        if interface == "::":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_six)

    def getHost(self) -> IPv4Address | IPv6Address:
        return self._address


class _Machine:
    """A reactor of a machine with or without IPv6."""

    def __init__(self, *, six: int | None = None, four: int | None = None, only_six: bool) -> None:
        self._errors = {"::": six, "": four}
        self._only_six = only_six
        self.ports: list[_Port] = []

    def listenTCP(  # noqa: N802
        self, port: int, factory: Factory, backlog: int = 50, interface: str = ""
    ) -> _Port:
        error = self._errors[interface]
        if error is not None:
            raise CannotListenError(interface, port, OSError(error, os.strerror(error)))
        self.ports.append(_Port(port or 12345, interface, self._only_six))
        return self.ports[-1]


class TestDualStack:
    def _listen(self, machine: _Machine) -> list[str]:
        outcome: list[Any] = []
        DualStackEndpoint(machine, 9000).listen(Factory()).addBoth(outcome.append)
        for port in machine.ports:
            port.socket.close() if outcome and not isinstance(outcome[0], list) else None
        if not isinstance(outcome[0], list):
            outcome[0].raiseException()
        addresses = [address_of(port) for port in outcome[0]]
        for port in machine.ports:
            port.socket.close()
        return addresses

    def test_one_socket_serves_both_families(self) -> None:
        assert self._listen(_Machine(only_six=False)) == ["[::]:9000 (IPv4 and IPv6)"]

    def test_where_ipv6_is_kept_apart_there_are_two(self) -> None:
        assert self._listen(_Machine(only_six=True)) == ["[::]:9000", "0.0.0.0:9000"]

    @pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
    def test_without_ipv6_it_is_ipv4_alone(self, number: int) -> None:
        assert self._listen(_Machine(six=number, only_six=False)) == ["0.0.0.0:9000"]

    def test_a_port_in_use_is_not_taken_for_a_machine_without_ipv6(self) -> None:
        with pytest.raises(CannotListenError):
            self._listen(_Machine(six=errno.EADDRINUSE, only_six=False))


class _Talker(Protocol):
    """A client that keeps what it hears."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.gone: Deferred[None] = Deferred()
        self._awaited: list[tuple[bytes, Deferred[None]]] = []

    async def hear(self, what: bytes) -> None:
        if what not in self.heard:
            self._awaited.append((what, Deferred()))
            await self._awaited[-1][1]

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        for awaited in list(self._awaited):
            if awaited[0] in self.heard:
                self._awaited.remove(awaited)
                awaited[1].callback(None)

    def connectionLost(self, reason: object = None) -> None:
        self.gone.callback(None)


Make = Callable[..., FilesrvService]


@pytest_twisted.async_yield_fixture
async def make(tmp_path: Path) -> AsyncGenerator[Make, None]:
    """Services on ports of this machine alone, stopped in the end."""
    from twisted.internet import reactor

    made: list[FilesrvService] = []

    def start(*arguments: str) -> FilesrvService:
        ports = () if "--port" in arguments else ("--port", "tcp:0:interface=127.0.0.1")
        service = FilesrvService(reactor, parsed("--root", str(tmp_path / "r"), *ports, *arguments))
        made.append(service)
        service.startService()
        return service

    yield start
    for service in made:
        if service.running:
            await service.stopService()


async def connect(service: FilesrvService) -> _Talker:
    from twisted.internet import reactor
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

    host: Any = service.listening[0].getHost()
    talker: _Talker = await connectProtocol(
        TCP4ClientEndpoint(reactor, "127.0.0.1", host.port), _Talker()
    )
    await talker.hear(b"OK filesrv")
    return talker


class TestStarting:
    def test_nothing_is_touched_before_the_start(self, tmp_path: Path) -> None:
        before = open_descriptors()
        FilesrvService(MemoryReactorClock(), parsed("--port", "0"))

        assert list(tmp_path.iterdir()) == []
        assert open_descriptors() == before

    @pytest_twisted.ensureDeferred
    async def test_what_is_asked_of_it_is_done(self, make: Make, tmp_path: Path) -> None:
        service = make("--no-overwrite", "--keep-partials", "2", "--durability", "none")
        talker = await connect(service)
        talker.transport.write(b"UPLOAD f 5 0\nhelloDELETE f\nPENDING\n")
        await talker.hear(b"OK lines=0\n")

        assert b"ERR EXISTS this server does not change what is published\n" in talker.heard
        assert (tmp_path / "r" / "f").read_bytes() == b"hello"
        assert service.factory.registry.keep == 2 * 86400
        assert not service.factory.shelves.root.durable

    @pytest_twisted.ensureDeferred
    async def test_several_ports_serve_one_root(self, make: Make, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        service = make("--port", "tcp:0:interface=127.0.0.1", "--port", f"unix:{path}")
        talker = await connect(service)
        talker.transport.write(b"UPLOAD f 5 0\nhello")
        await talker.hear(b"OK stored=f")

        assert [address_of(port) for port in service.listening][1] == f"unix:{path}"
        assert len(service.listening) == 2


class TestNotStarting:
    @pytest_twisted.ensureDeferred
    async def test_a_port_in_use_is_said_and_nothing_stays_behind(
        self, make: Make, tmp_path: Path
    ) -> None:
        from twisted.internet import reactor

        with socket.create_server(("127.0.0.1", 0)) as other:
            used = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            before = open_descriptors()
            with pytest.raises(CannotStart, match=f"cannot listen on {used}: Address already"):
                make("--port", "tcp:0:interface=127.0.0.1", "--port", used)
            await deferLater(reactor, 0, lambda: None)

        left = {k: v for k, v in open_descriptors().items() if k not in before}
        assert not [place for place in left.values() if str(tmp_path) in place or "socket" in place]

    @pytest_twisted.ensureDeferred
    async def test_one_that_did_not_start_can_be_stopped_and_another_started(
        self, make: Make, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            used = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            with pytest.raises(CannotStart):
                make("--port", used)
        # Its fixture stops the first, too.
        service = make()

        assert service.listening

    @pytest_twisted.ensureDeferred
    async def test_a_root_that_is_served_or_cannot_be_is_said(
        self, make: Make, tmp_path: Path
    ) -> None:
        make()
        with pytest.raises(CannotStart, match="another filesrv serves"):
            make()
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(CannotStart, match="cannot keep files in"):
            make("--root", str(tmp_path / "file"))


class TestStopping:
    @pytest_twisted.ensureDeferred
    async def test_connections_are_told_and_everything_is_let_go(
        self, make: Make, tmp_path: Path
    ) -> None:
        from twisted.internet import reactor

        before = open_descriptors(tmp_path)
        service = make("--drain", "0")
        idle, receiving = await connect(service), await connect(service)
        receiving.transport.write(b"UPLOAD f 9\nabc")
        await receiving.hear(b"OK offset=0")
        stopping = service.stopService()
        await idle.hear(b"ERR SHUTTING_DOWN")
        await receiving.hear(b"ERR SHUTTING_DOWN")
        await stopping

        assert service.listening == []
        assert open_descriptors(tmp_path) == before
        await deferLater(reactor, 0, lambda: None)
        assert not service.factory.connections

    @pytest_twisted.ensureDeferred
    async def test_it_can_be_started_again_and_knows_what_was_unfinished(self, make: Make) -> None:
        service = make("--drain", "0")
        talker = await connect(service)
        talker.transport.write(b"UPLOAD f 9\nabc")
        await talker.hear(b"OK offset=0")
        await service.stopService()
        service.startService()
        talker = await connect(service)
        talker.transport.write(b"UPLOAD f 9\n")
        await talker.hear(b"OK offset=")

        assert b"OK offset=3 length=6 last=server-stopped" in talker.heard

    @pytest_twisted.ensureDeferred
    async def test_stopping_twice_does_no_harm(self, make: Make) -> None:
        service = make("--drain", "0")
        await service.stopService()
        await service.stopService()


class TestTime:
    """Periodic work, by a clock that tests move."""

    def test_what_nobody_came_back_for_expires_while_it_runs(self, tmp_path: Path) -> None:
        reactor = MemoryReactorClock()
        service = FilesrvService(reactor, parsed("--root", str(tmp_path), "--port", "tcp:9000"))
        service.startService()
        protocol = service.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5))
        from twisted.internet.testing import StringTransport

        protocol.makeConnection(StringTransport())
        protocol.dataReceived(b"UPLOAD f 9\nabc")
        protocol.connectionLost()
        assert len(service.factory.registry.all()) == 1
        reactor.advance(7 * 86400 - 1)
        assert len(service.factory.registry.all()) == 1
        reactor.pump([600.0, 600.0])

        assert service.factory.registry.all() == []
        done: list[None] = []
        service.stopService().addCallback(done.append)
        assert done == [None]
        assert reactor.getDelayedCalls() == []
