"""
Bytes, seconds and bitrate of a transfer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The command filesrv-admin, which only writes sizes, starts without Twisted.
    from twisted.internet.interfaces import IReactorTime

__all__ = ["Meter", "format_bitrate", "format_size"]

_DECIMAL = ("", "k", "M", "G", "T", "P")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


class Meter:
    """
    Counts what moved since it was made.

    @ivar moved: bytes.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._started = clock.seconds()
        self.moved = 0

    @property
    def seconds(self) -> float:
        """Since the start; never negative, also when the clock was set back."""
        return max(0.0, self._clock.seconds() - self._started)

    @property
    def bits_per_second(self) -> float:
        """The mean so far.  A microsecond is the least that counts as time."""
        return self.moved * 8 / max(self.seconds, 1e-6)

    def fields(self) -> dict[str, str]:
        """C{seconds} and C{bitrate} as a reply has them."""
        return {"seconds": f"{self.seconds:.3f}", "bitrate": format_bitrate(self.bits_per_second)}


def format_bitrate(bits_per_second: float) -> str:
    """With the decimal prefixes that networks use: C{94.1Mbit/s}."""
    return f"{_scaled(bits_per_second, 1000, _DECIMAL)}bit/s"


def format_size(size: float) -> str:
    """With the binary prefixes that file sizes use: C{1.5 GiB}."""
    scaled = _scaled(size, 1024, _BINARY)
    digits = scaled.rstrip("KMGTPi")
    return f"{digits} {scaled[len(digits) :]}B"


def _scaled(value: float, base: int, prefixes: tuple[str, ...]) -> str:
    scale = 0
    # 999.95 would be shown as 1000.0.
    while value >= base - 0.05 and scale < len(prefixes) - 1:
        value /= base
        scale += 1
    return f"{value:.1f}{prefixes[scale]}" if scale else f"{value:.0f}"
