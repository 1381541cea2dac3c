"""
Two hosts and a router between them, as network namespaces of this machine, whose links
can be cut in every way that cables, routers and firewalls know.

It takes root, C{ip} and C{tc} (iproute2).  Nothing of it is visible outside: no
address, interface or port of this machine is touched.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

__all__ = ["SERVER", "Network", "wait_until"]

#: Where the server is.
SERVER = "10.77.1.2"

_ROUTER_TO_SERVER = "10.77.1.1"
_ROUTER_TO_CLIENT = "10.77.2.1"
_CLIENT = "10.77.2.2"
_CLIENT_ELSEWHERE = "10.77.2.33"

#: What each host calls its only interface, and the router those to them.
_ETHERNET, _TO_SERVER, _TO_CLIENT = "eth0", "server", "client"

#: CLONE_NEWNET of setns(2).
_NETWORK = 0x40000000

#: Seconds between two looks.
_LOOK_EVERY = 0.02

_LIBC = ctypes.CDLL(None, use_errno=True)


def wait_until(
    condition: Callable[[], object], seconds: float, what: str, every: float = _LOOK_EVERY
) -> float:
    """
    Look until C{condition} holds, and say when it did (C{time.monotonic}).

    @param every: seconds between two looks.
    @raise AssertionError: so long it did not.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return time.monotonic()


class Network:
    """
    A server's host, a router and a client's host, from the making to L{close}; as a
    context manager, within the block.

    @ivar server: the name of the server's namespace.
    @ivar router: that of the router's.
    @ivar client: that of the client's.
    @ivar client_address: where the client is now.
    """

    def __init__(self, megabits: float | None = None) -> None:
        """
        @param megabits: what goes through the router in a second, in each direction.
        """
        tag = f"filesrv-{secrets.token_hex(4)}"
        self.server, self.router, self.client = (f"{tag}-{end}" for end in ("s", "r", "c"))
        self.client_address = _CLIENT
        self._holes: set[str] = set()
        try:
            self._make(megabits)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, megabits: float | None) -> None:
        for name in self._all:
            _run("ip", "netns", "add", name)
            _ip(name, "link set lo up")
        for host, port in ((self.server, _TO_SERVER), (self.client, _TO_CLIENT)):
            _run(
                *("ip", "link", "add", _ETHERNET, "netns", host, "type", "veth"),
                *("peer", "name", port, "netns", self.router),
            )
        _ip(self.server, f"addr add {SERVER}/24 dev {_ETHERNET}")
        _ip(self.client, f"addr add {_CLIENT}/24 dev {_ETHERNET}")
        _ip(self.router, f"addr add {_ROUTER_TO_SERVER}/24 dev {_TO_SERVER}")
        _ip(self.router, f"addr add {_ROUTER_TO_CLIENT}/24 dev {_TO_CLIENT}")
        for port in (_TO_SERVER, _TO_CLIENT):
            _ip(self.router, f"link set {port} up")
        if megabits is not None:
            self.set_rate(megabits)
        for host, router in ((self.server, _ROUTER_TO_SERVER), (self.client, _ROUTER_TO_CLIENT)):
            _ip(host, f"link set {_ETHERNET} up")
            _ip(host, f"route add default via {router}")
        self.run(self.router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def close(self) -> None:
        """End what still runs there, and take it down."""
        for name in self._all:
            with suppress(subprocess.CalledProcessError):
                for pid in _run("ip", "netns", "pids", name).split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), 9)
            with suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", name)
            directory = _configuration(name)
            if directory.is_dir():
                (directory / "hosts").unlink(missing_ok=True)
                directory.rmdir()

    @property
    def _all(self) -> tuple[str, str, str]:
        return self.server, self.router, self.client

    # What runs there.

    def command(self, where: str, *arguments: str) -> list[str]:
        """The command line that runs another one in a namespace, as the same process."""
        return ["ip", "netns", "exec", where, *arguments]

    def run(self, where: str, *arguments: str) -> str:
        """
        What a command prints there.

        @raise subprocess.CalledProcessError: it failed.
        """
        return _run(*self.command(where, *arguments))

    def connect(self, where: str, address: tuple[str, int], **options: int) -> socket.socket:
        """
        A connection from there, in this process.

        @param options: of L{socket.SOL_SOCKET}, such as C{SO_RCVBUF}, set before it is made.
        """
        made: list[Any] = []

        def in_there() -> None:
            # The namespace is the thread's alone, and ends with it; the socket keeps its own.
            try:
                descriptor = os.open(f"/var/run/netns/{where}", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if _LIBC.setns(descriptor, _NETWORK):
                        raise OSError(ctypes.get_errno(), "setns")
                finally:
                    os.close(descriptor)
                connection = socket.socket()
                connection.settimeout(30)
                for option, value in options.items():
                    connection.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
                connection.connect(address)
                made.append(connection)
            except OSError as error:
                made.append(error)

        thread = Thread(target=in_there)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        connection: socket.socket = made[0]
        return connection

    def established(self, where: str) -> list[str]:
        """The TCP connections that stand there, as ss(8) has them."""
        return _run("ss", "-N", where, "-tnH", "state", "established").splitlines()

    def client_ends(self) -> set[str]:
        """The client's ends of its connections; who comes back has another one."""
        return {line.split()[2] for line in self.established(self.client)}

    def is_quiet(self, where: str) -> bool:
        """Whether connections stand there, and the peer has acknowledged all on each."""
        found = [line.split() for line in self.established(where)]
        return bool(found) and all(words[1] == "0" for words in found)

    def set_rate(self, megabits: float) -> None:
        """What goes through the router in a second, in each direction."""
        shape = f"root tbf rate {megabits}mbit burst 256kb latency 100ms"
        for port in (_TO_SERVER, _TO_CLIENT):
            _run("tc", "-n", self.router, *f"qdisc replace dev {port} {shape}".split())

    # What can go wrong.

    def black_hole(self, *destinations: str) -> None:
        """
        Have the router drop, without a word, what goes to C{"server"} or C{"client"}; if
        none is named, to both.
        """
        for destination in destinations or ("server", "client"):
            address = SERVER if destination == "server" else self.client_address
            _ip(self.router, f"route add blackhole {address}/32")
            self._holes.add(address)

    def heal(self) -> None:
        """Have the router pass everything again."""
        while self._holes:
            _ip(self.router, f"route del blackhole {self._holes.pop()}/32")

    def interface_down(self) -> None:
        """Switch the client's interface off; its routes go with it."""
        _ip(self.client, f"link set {_ETHERNET} down")

    def interface_up(self) -> None:
        """Switch it on again, as who configures it does."""
        _ip(self.client, f"link set {_ETHERNET} up")
        _ip(self.client, f"route replace default via {_ROUTER_TO_CLIENT}")

    def pull_cable(self) -> None:
        """Take the carrier from the client's interface, by the other end of the cable."""
        _ip(self.router, f"link set {_TO_CLIENT} down")

    def plug_in(self) -> None:
        """Put the cable back."""
        _ip(self.router, f"link set {_TO_CLIENT} up")

    def reset(self) -> None:
        """Break every connection of the client, so that the server gets a RST."""
        before = self.client_ends()
        self.run(self.client, "ss", "-K", "-tnH", "state", "established")
        assert not before & self.client_ends(), "this kernel does not know ss -K"

    def move_client(self) -> None:
        """Give the client another address, as another network would."""
        _ip(self.client, f"addr del {self.client_address}/24 dev {_ETHERNET}")
        self.client_address = _CLIENT_ELSEWHERE
        _ip(self.client, f"addr add {self.client_address}/24 dev {_ETHERNET}")
        _ip(self.client, f"route replace default via {_ROUTER_TO_CLIENT}")

    def name_server(self, name: str | None) -> None:
        """
        What the server is called where the client is, for programs that are started from
        now on, and of those that know it by name, for their next question.

        @param name: L{None} takes its name away.
        """
        directory = _configuration(self.client)
        directory.mkdir(parents=True, exist_ok=True)
        known = "" if name is None else f"{SERVER} {name}\n"
        # Written in place: what runs there sees this very file in the place of /etc/hosts.
        (directory / "hosts").write_text(f"127.0.0.1 localhost\n{known}")


def _configuration(name: str) -> Path:
    """Where ip-netns(8) looks for files to put over those in /etc."""
    return Path("/etc/netns") / name


def _ip(name: str, words: str) -> None:
    _run("ip", "-n", name, *words.split())


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr}")
        done.check_returncode()
    return done.stdout
