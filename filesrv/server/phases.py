"""
The phases of a connection, and the one table of how they follow each other.
"""

from __future__ import annotations

import enum

__all__ = ["TRANSITIONS", "Event", "Phase", "WrongPhase", "next_phase"]


class Phase(enum.Enum):
    """What the bytes of a connection mean right now."""

    READY = enum.auto()
    """The next line is a command."""
    BUSY = enum.auto()
    """A command is being answered over more than one turn; lines wait."""
    RECEIVING = enum.auto()
    """Bytes are the payload of an upload."""
    SENDING = enum.auto()
    """The payload of a download is on its way out; lines wait."""
    SKIPPING_LINE = enum.auto()
    """Bytes are the rest of a line that was too long."""
    SKIPPING_PAYLOAD = enum.auto()
    """Bytes are the payload of an upload that was refused."""
    SECURING = enum.auto()
    """Bytes are a TLS handshake."""
    CLOSING = enum.auto()
    """The last reply is on its way; whatever comes is dropped."""
    CLOSED = enum.auto()
    """The connection has ended."""

    __hash__ = object.__hash__  # Enum's own is Python, and called twice for each command.


class Event(enum.Enum):
    """What makes one phase follow another."""

    COMMAND = enum.auto()
    ANSWERED = enum.auto()
    RECEIVE = enum.auto()
    SEND = enum.auto()
    SECURE = enum.auto()
    """The client has been told to begin TLS."""
    SECURED = enum.auto()
    MOVED = enum.auto()
    """All bytes of a payload went their way."""
    LONG_LINE = enum.auto()
    SKIP = enum.auto()
    """A refused payload is already coming."""
    SKIPPED = enum.auto()
    CLOSE = enum.auto()
    LOST = enum.auto()

    __hash__ = object.__hash__


class WrongPhase(Exception):
    """The event cannot happen in the phase: a fault of the caller."""


_ALWAYS = {Event.CLOSE: Phase.CLOSING, Event.LOST: Phase.CLOSED}

TRANSITIONS: dict[Phase, dict[Event, Phase]] = {
    Phase.READY: {
        Event.COMMAND: Phase.BUSY,
        Event.LONG_LINE: Phase.SKIPPING_LINE,
        Event.SKIP: Phase.SKIPPING_PAYLOAD,
        **_ALWAYS,
    },
    Phase.BUSY: {
        Event.ANSWERED: Phase.READY,
        Event.RECEIVE: Phase.RECEIVING,
        Event.SEND: Phase.SENDING,
        Event.SKIP: Phase.SKIPPING_PAYLOAD,
        Event.SECURE: Phase.SECURING,
        **_ALWAYS,
    },
    Phase.RECEIVING: {Event.MOVED: Phase.BUSY, Event.SKIP: Phase.SKIPPING_PAYLOAD, **_ALWAYS},
    Phase.SENDING: {Event.MOVED: Phase.BUSY, **_ALWAYS},
    Phase.SKIPPING_LINE: {Event.SKIPPED: Phase.READY, **_ALWAYS},
    Phase.SKIPPING_PAYLOAD: {Event.SKIPPED: Phase.READY, **_ALWAYS},
    Phase.SECURING: {Event.SECURED: Phase.BUSY, **_ALWAYS},
    # A verb may end after its connection was closed under it.
    Phase.CLOSING: {
        Event.ANSWERED: Phase.CLOSING,
        Event.CLOSE: Phase.CLOSING,
        Event.LOST: Phase.CLOSED,
    },
    Phase.CLOSED: {
        Event.ANSWERED: Phase.CLOSED,
        Event.CLOSE: Phase.CLOSED,
        Event.LOST: Phase.CLOSED,
    },
}


def next_phase(phase: Phase, event: Event) -> Phase:
    """
    The phase that follows.

    @raise WrongPhase: none does.
    """
    try:
        return TRANSITIONS[phase][event]
    except KeyError:
        raise WrongPhase(f"{event.name} while {phase.name}") from None
