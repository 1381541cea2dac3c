"""
How TLS fails: for those, too, who talk without it and import no more of it.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionLost

__all__ = ["CutOff", "NotTrusted", "TLSFailed"]


class TLSFailed(ConnectionLost):
    """
    There is no TLS, or none any more, with this peer.

    @ivar words: why; for people, and without a version or a path.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words

    def __str__(self) -> str:
        return self.words


class NotTrusted(TLSFailed):
    """
    The peer is not who it should be.

    @ivar pin: of the key that it has shown, where that is known.
    """

    def __init__(self, words: str, pin: bytes | None = None) -> None:
        super().__init__(words)
        self.pin = pin


class CutOff(TLSFailed):
    """The connection ended without the peer's last word, which may be anybody's doing."""
