"""
Putting files on disk without waiting for it in this process.

Linux's own asynchronous I/O (io_submit(2), for which Python has no name) takes any number
of flushes at a time; the kernel does them side by side, so that many share one commit of
the file system's journal, and tells through an eventfd, which the reactor reads.  Where it
cannot, or where nothing has to be waited for, as in memory, files are flushed one after the
other.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Flushing", "KernelFlushing", "flushing"]

#: The numbers of io_setup, io_submit and io_getevents, by machine (asm/unistd.h).
_CALLS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}

#: Flushes that are under way at most; the system's own bound is 65536 for all processes.
_AT_ONCE = 256

#: IOCB_CMD_FSYNC and IOCB_FLAG_RESFD of linux/aio_abi.h.
_FSYNC = 2
_TELL_EVENTFD = 1


#: Seconds up to which a flush is over at once: asking the kernel to do it costs as much.
INSTANT = 0.0002

#: Flushes at once that make up for one that was not: a process is interrupted now and then.
_FORGIVEN_BY = 8

#: So many more of those that were not, and the kernel is asked.
_ENOUGH = 3


class Flushing:
    """One after the other, and waited for."""

    def flush(self, descriptor: int) -> Deferred[None]:
        """
        Put an open file, or the names in an open directory, on disk.

        @return: fires when that is done; fails with L{OSError}.  The descriptor may be
            closed meanwhile.
        """
        done: Deferred[None] = Deferred()
        try:
            os.fsync(descriptor)
        except OSError as error:
            done.errback(error)
        else:
            done.callback(None)
        return done


class _Control(ctypes.Structure):
    """C{struct iocb} of a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("descriptor", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("eventfd", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """C{struct io_event}."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("control", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("more", ctypes.c_int64),
    )


@implementer(IReadDescriptor)
class KernelFlushing(Flushing):
    """By the kernel, side by side, while this process does other things."""

    def __init__(self, reactor: Any, instant: float = INSTANT) -> None:
        """
        @param instant: seconds; flushes that take as long are worth asking the kernel for.
        @raise OSError: this system does not have it, or has no more of it.
        """
        if platform.machine() not in _CALLS or not hasattr(os, "eventfd"):
            raise OSError("no asynchronous I/O on this system")
        setup, self._submit, self._get_events = _CALLS[platform.machine()]
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._context = ctypes.c_ulong(0)
        if self._call(setup, ctypes.c_uint(_AT_ONCE), ctypes.byref(self._context)):
            raise OSError(ctypes.get_errno(), "io_setup")
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._reactor = reactor
        self._waiting: dict[int, Deferred[None]] = {}
        self._number = 0
        self._instant = instant
        self._waited = 0

    def flush(self, descriptor: int) -> Deferred[None]:
        if self._waited >= _ENOUGH * _FORGIVEN_BY:
            return self._ask(descriptor)
        began = self._reactor.seconds()
        done = super().flush(descriptor)
        at_once = self._reactor.seconds() - began < self._instant
        self._waited = max(0, self._waited - 1) if at_once else self._waited + _FORGIVEN_BY
        return done

    def _ask(self, descriptor: int) -> Deferred[None]:
        number = self._number = self._number + 1
        control = _Control(
            data=number,
            opcode=_FSYNC,
            descriptor=descriptor,
            flags=_TELL_EVENTFD,
            eventfd=self._eventfd,
        )
        pointer = ctypes.pointer(control)
        if self._call(self._submit, self._context, ctypes.c_long(1), ctypes.byref(pointer)) != 1:
            return super().flush(descriptor)  # Too many at once, or a file that cannot.
        if not self._waiting:
            self._reactor.addReader(self)
        done = self._waiting[number] = Deferred()
        return done

    def fileno(self) -> int:
        return self._eventfd

    def logPrefix(self) -> str:
        return "filesrv"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lets go of everything."""

    def doRead(self) -> None:
        os.eventfd_read(self._eventfd)
        told = []
        while events := self._next_events():
            told += [(self._waiting.pop(event.data), event.result) for event in events]
        if not self._waiting:
            self._reactor.removeReader(self)
        for done, result in told:
            if result < 0:
                done.errback(OSError(-result, os.strerror(-result)))
            else:
                done.callback(None)

    def _next_events(self) -> list[_Event]:
        """Some of what is done; the eventfd has told of all of it at once."""
        events = (_Event * _AT_ONCE)()
        none, most = ctypes.c_long(0), ctypes.c_long(_AT_ONCE)
        count = self._call(self._get_events, self._context, none, most, events, None)
        return events[: max(0, count)]


def flushing(reactor: Any) -> Flushing:
    """By the kernel where it can."""
    try:
        return KernelFlushing(reactor)
    except OSError:
        return Flushing()
