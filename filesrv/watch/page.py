"""
The pages over HTTP: C{/metrics} for Prometheus and C{/health} for whoever asks whether the
daemon can serve.

C{prometheus_client} has a resource for Twisted, too, but that makes its pages in threads of
a pool, and everything here runs in one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from filesrv.server.shelves import Shelves
from filesrv.store.registry import Direction
from filesrv.wire.errors import FilesrvError

__all__ = ["Health", "site"]

#: Seconds that a connection may be silent: Prometheus asks at most once a minute.
_IDLE = 70.0


class Health:
    """Whether the daemon can serve."""

    def __init__(self, root: str, shelves: Shelves, draining: Callable[[], bool]) -> None:
        """
        @param draining: tells whether it is about to stop.
        """
        self._root = root
        self._shelves = shelves
        self._draining = draining

    def trouble(self) -> str | None:
        """What keeps it from serving, in words that name no path; L{None} if nothing does."""
        if self._draining():
            return "draining"
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            return "the root cannot be written"
        try:
            self._shelves.registry.find("", "", Direction.UPLOAD)
        except FilesrvError:
            return "the registry cannot be read"
        return None


class _Page(Resource):
    """A page that is made anew for each request."""

    _log = Logger()

    def __init__(self, render: Callable[[Request], Coroutine[Any, Any, bytes]]) -> None:
        super().__init__()
        self._render = render

    def render_GET(self, request: Request) -> int:  # noqa: N802
        making = Deferred.fromCoroutine(self._write(request))
        request.notifyFinish().addErrback(lambda _: making.cancel())
        making.addErrback(self._failed, request)
        return NOT_DONE_YET

    async def _write(self, request: Request) -> None:
        body = await self._render(request)
        request.setHeader(b"content-length", str(len(body)).encode())
        request.write(body)
        request.finish()

    def _failed(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError):  # Nobody waits for it any more.
            return
        self._log.failure("while making a page", failure)
        request.setResponseCode(500)
        request.finish()


class _Request(Request):
    def render(self, resrc: IResource) -> None:
        self.responseHeaders.removeHeader(b"server")  # It would name Twisted's version.
        super().render(resrc)


class _Site(Site):
    noisy = False
    requestFactory = _Request  # noqa: N815

    def log(self, request: Any) -> None:
        """Prometheus asks every few seconds, and nobody wants to read that."""


def site(
    reactor: Any,
    registry: CollectorRegistry,
    health: Health,
    prepare: Callable[[], Coroutine[Any, Any, None]],
) -> Site:
    """
    Both pages, and nothing else.

    @param prepare: awaited before a page of metrics is made.
    """

    async def metrics(request: Request) -> bytes:
        await prepare()
        encode, kind = choose_encoder(request.getHeader("accept") or "")
        request.setHeader(b"content-type", kind.encode())
        page: bytes = encode(registry)
        return page

    async def healthy(request: Request) -> bytes:
        trouble = health.trouble()
        request.setResponseCode(200 if trouble is None else 503)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return f"{trouble or 'ok'}\n".encode()

    root = Resource()
    root.putChild(b"metrics", _Page(metrics))
    root.putChild(b"health", _Page(healthy))
    return _Site(root, timeout=_IDLE, reactor=reactor, parsePOSTFormSubmission=False)
