"""
Pairs of a certificate and its key: that of the options, and those that descriptions of
endpoints name.
"""

from __future__ import annotations

from collections.abc import Iterator

from filesrv.transfer.certificates import Credentials

__all__ = ["Certificates"]


class Certificates:
    """
    Each pair that is shown somewhere.

    @ivar default: what is shown wherever nothing else is said; L{None} if there is nothing.
    """

    def __init__(
        self,
        certificate: str | None = None,
        key: str | None = None,
        client_ca: str | None = None,
    ) -> None:
        """
        @param certificate: of the default, if there is one.
        @param client_ca: who signs clients' certificates, whichever pair they are shown.
        @raise WrongFile: a file cannot be used.
        """
        self._client_ca = client_ca
        self._pairs: dict[tuple[str, str | None], Credentials] = {}
        self.default = None if certificate is None else self.of(certificate, key)

    def of(self, certificate: str, key: str | None) -> Credentials:
        """
        A pair, which is loaded once.

        @raise WrongFile: a file cannot be used.
        """
        pair = certificate, key
        if pair not in self._pairs:
            self._pairs[pair] = Credentials(certificate, key, self._client_ca)
        return self._pairs[pair]

    def __iter__(self) -> Iterator[Credentials]:
        return iter(self._pairs.values())
