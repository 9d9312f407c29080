"""An answer that is sent page by page, however long it is: the next page is made when the client has taken the last.

What breaks on the way ends the connection without the end of the body, so that nobody takes a part for the whole
(RFC 9112, section 8); what was written before still goes out, such as a last line with the reason.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

#: A client that takes nothing for so long has gone without saying so.
STALLED_SECONDS = 60.0


@dataclass(frozen=True)
class Stream:
    """``pages`` are made while they are sent; ``clock`` is the reactor, or what stands for it in tests."""

    first: bytes  #: is made before, so that what cannot be read at all is refused as everywhere
    pages: AsyncGenerator[bytes, None]
    content_type: str
    clock: Any


async def begun(pages: AsyncGenerator[bytes, None], content_type: str, clock: Any) -> Stream:
    """An answer of at least one page. Raises what making the first one raises."""
    return Stream(await anext(pages), pages, content_type, clock)


@implementer(IPushProducer)
class Sender:
    """Sends one stream as the answer to a twisted.web request."""

    log = Logger()

    def __init__(self, stream: Stream, request: Any) -> None:
        self._stream = stream
        self._request = request
        self._paused: Deferred[None] | None = None

    async def send(self) -> bytes:
        """Returns, with nothing more to be written, when all is sent; cancelled when the client has gone."""
        self._request.setHeader("Content-Type", self._stream.content_type)
        self._request.setHeader("Cache-Control", "no-store")
        self._request.registerProducer(self, True)
        try:
            if self._request.method != b"HEAD":
                await self._send_pages()
        except CancelledError:
            raise
        except Exception:
            self.log.failure("an answer breaks off")
            await self._broken_off()
        finally:
            if self._request.channel is not None:  # the client is still there
                self._request.unregisterProducer()
            await self._stream.pages.aclose()
        return b""

    async def _send_pages(self) -> None:
        await self._send_page(self._stream.first)
        async for page in self._stream.pages:
            await self._send_page(page)

    async def _send_page(self, page: bytes) -> None:
        if page:
            self._request.write(page)
        await deferLater(self._stream.clock, 0)  # everybody else's turn
        if self._paused is not None:
            stalled = self._stream.clock.callLater(STALLED_SECONDS, self._give_up)
            try:
                await self._paused
            finally:
                if stalled.active():
                    stalled.cancel()

    def _give_up(self) -> None:
        """Closing would wait for the client to take what it does not take."""
        self._request.channel.forceAbortClient()

    async def _broken_off(self) -> None:
        """In HTTP/1.0 the connection's end would be that of the body: only a reset says that something is missing."""
        stalled = self._stream.clock.callLater(STALLED_SECONDS, self._give_up)
        if self._request.clientproto == b"HTTP/1.1":
            self._request.channel.loseConnection()
        else:
            self._give_up()
        try:
            await Deferred()  # cancelled when the connection is lost
        finally:
            if stalled.active():
                stalled.cancel()

    def pauseProducing(self) -> None:
        """The client does not keep up."""
        if self._paused is None:
            self._paused = Deferred()

    def resumeProducing(self) -> None:
        """It has caught up."""
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.callback(None)

    def stopProducing(self) -> None:
        """The client has gone; the request's end cancels us."""
