"""
How a server has to prove who it is, and how this client does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from filesrv.client.errors import CannotConnect, NoTLS, Untrusted
from filesrv.transfer.certificates import (
    WrongFile,
    load_authority,
    load_pair,
    pin_of,
    single_context,
)
from filesrv.transfer.tls_failures import CutOff, NotTrusted, TLSFailed

__all__ = ["Trust", "secure"]


@dataclass(frozen=True)
class Trust:
    """
    As it is made here: what the system's authorities have signed for the server's name.

    @ivar authority: a file of certificates that are trusted instead of the system's.
    @ivar pin: of the server's key.  It alone is enough; with an authority, too, both have
        to agree.
    @ivar certificate: a file with this client's certificate, if it has one.
    @ivar key: that of its key, if it is not in the same.
    """

    authority: str | None = None
    pin: bytes | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """
        @raise NoTLS: a file cannot be used.
        """
        context = single_context(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.authority is not None:
                load_authority(context, "ca", self.authority)
            elif self.pin is None:
                context.load_default_certs()
            else:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate is not None:
                load_pair(context, self.certificate, self.key)
        except WrongFile as error:
            raise NoTLS(str(error)) from error
        return context

    def check(self, tls: ssl.SSLObject) -> None:
        """
        @raise NotTrusted: the server's key is not the one that was pinned.
        """
        if self.pin is None:
            return
        shown = pin_of(tls.getpeercert(True) or b"")
        if shown != self.pin:
            raise NotTrusted("this is not the key that was pinned", shown)


async def secure(protocol: Any, host: str, trust: Trust) -> None:
    """
    Go on under TLS.

    @param protocol: a L{filesrv.client.protocol.ClientProtocol}.
    @param host: as the user has named it.
    @raise NoTLS: that is not possible; L{Untrusted} if it is another server.
    @raise CannotConnect: the connection broke.
    """
    # An address with a zone (RFC 4007) has none in a certificate.
    name = host.partition("%")[0]
    try:
        await protocol.start_tls(trust.context(), check=trust.check, server_hostname=name)
    except NotTrusted as error:
        raise Untrusted(error.words, error.pin) from error
    except CutOff as error:
        raise CannotConnect(f"no TLS: {error}") from error
    except TLSFailed as error:
        raise NoTLS(f"no TLS: {error}") from error
