"""What the killing came to."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Tally"]


@dataclass
class Tally:
    """
    @ivar moments: how often a daemon was killed.
    @ivar at_work: how often something was being done just then.
    @ivar acknowledged: changes that were answered OK before.
    @ivar unfinished: uploads that were there afterwards in part.
    @ivar cuts: disks as they might be after a power cut.
    @ivar lost: roots in which something acknowledged was missing.
    @ivar mixed: files whose content nobody ever sent.
    """

    moments: int = 0
    at_work: int = 0
    acknowledged: int = 0
    unfinished: int = 0
    cuts: int = 0
    lost: int = 0
    mixed: int = 0

    def add(self, other: Tally) -> None:
        """Count in what somebody else has counted."""
        for field in fields(self):
            both = getattr(self, field.name) + getattr(other, field.name)
            setattr(self, field.name, both)

    def __str__(self) -> str:
        return (
            f"killed at {self.moments} moments, {self.at_work} of them at work;"
            f" {self.acknowledged} changes acknowledged, {self.unfinished} uploads unfinished;"
            f" {self.cuts} disks after a power cut;"
            f" lost {self.lost}, mixed {self.mixed}"
        )
