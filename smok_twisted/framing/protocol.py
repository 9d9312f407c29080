"""Frames over a Twisted transport: timers, pauses, and the one place that decides what a violation does.

``FramedProtocol`` is the lowest layer of every link. The layer above gets whole frames through ``received`` and
answers through ``send``. A RemoteError out of ``received`` (or handed to ``fail``) is counted, logged at most once
per source and minute, and closes the connection without an octet; any other exception ends that session only.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet import interfaces
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from ..errors import RemoteError
from ..interfaces import Above
from .admission import source_of
from .codec import FrameDecoder
from .outlet import Outlet
from .turns import Turns


@dataclass(frozen=True)
class FramingTimes:
    """Seconds; the defaults of design note smok4, "Timers and limits"."""

    login_seconds: float = 60.0  #: from accept until ``admitted``; nothing resets it
    frame_seconds: float = 60.0  #: from the first octet of a frame to its last
    close_grace_seconds: float = 5.0  #: a peer that does not read is aborted after this
    unsent_seconds: float = 60.0  #: unacknowledged octets for so long: the peer is gone (TCP_USER_TIMEOUT)


class Observer(Protocol):
    """Who is told how connections fare: counters and the log of the daemon, or a list in a test."""

    def violated(self, source: str, error: RemoteError) -> None:
        """A peer broke the protocol, or was refused at the door."""

    def crashed(self, source: str, failure: Failure) -> None:
        """Our own code raised in this session; it is closed, the others go on."""

    def ended(self, source: str, mood: str) -> None:
        """A connection is gone; one word says how it went."""


class Tap(Protocol):
    """Hears every octet of a connection; see ``observe.capture``."""

    end: str  #: how it ended

    def sent(self, octets: bytes) -> None:
        """We have said something."""

    def received(self, octets: bytes) -> None:
        """The peer has said something."""


#: How a capture tells of the end, by mood; every other end is ours.
_ENDS = {"peer-closed": "closed by client", "lost": "reset by client"}


class Pause:
    """A reason not to read. Reading goes on when every pause of the connection is released."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Give it back; a second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()


def _nothing(_: FramedProtocol) -> None:
    """For protocols that no factory follows."""


class FramedProtocol(TwistedProtocol):
    """See the module; ``above`` is an ``interfaces.Above`` that takes frames."""

    transport: Any
    _outlet: Outlet

    def __init__(
        self, decoder: FrameDecoder, above: Above[bytes], clock: Any, times: FramingTimes, observer: Observer
    ) -> None:
        self.source = "unknown"
        self.tap: Tap | None = None
        self.turns: Turns | None = None  #: where it waits for its turn until it is admitted
        self.on_admitted: Callable[[FramedProtocol], None] = _nothing
        self.on_gone: Callable[[FramedProtocol], None] = _nothing
        self._decoder = decoder
        self._above = above
        self._clock = clock
        self._times = times
        self._observer = observer
        self._pauses = 0
        self._is_reading = True  # what the transport was told
        self._pumping = False
        self._is_waiting = False
        self._mood: str | None = None
        self._idle_seconds = 0.0  # 0: not admitted yet
        self._deadline: Any = None  # of the login, later of silence
        self._frame_deadline: Any = None
        self._abort: Any = None

    # -- Twisted's side

    def connectionMade(self) -> None:
        """Start the login deadline and the layer above."""
        self.source = source_of(getattr(self.transport.getPeer(), "host", "local"))
        self._tune_socket()
        self._outlet = Outlet(self.transport, self._clock)
        self._deadline = self._clock.callLater(self._times.login_seconds, self._out_of_time)
        self._guarded(self._above.started, self)

    def dataReceived(self, data: bytes) -> None:
        """Octets of any number; whole frames go up at once."""
        if self.tap is not None:
            self.tap.received(data)
        if self._mood is not None:
            return
        if self.turns is None:
            self._pump(data)
        else:
            self._wait_for_turn(self.turns, data)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Stop every timer, tell the layer above, once, and let go of it."""
        if self._mood is None:
            self._mood = "peer-closed" if reason.check(ConnectionDone) else "lost"
        if self.tap is not None:
            self.tap.end = _ENDS.get(self._mood, "closed by server")
        for timer in (self._deadline, self._frame_deadline, self._abort):
            if timer is not None and timer.active():
                timer.cancel()
        self._outlet.stop()
        self.on_gone(self)
        self._observer.ended(self.source, self._mood)
        try:
            self._above.stopped(self._mood)
        except Exception:
            self._observer.crashed(self.source, Failure())
        # Layers know each other in both directions. Cut here, all is freed at once; else the garbage collector would
        # have to look for it, which after a storm of logins costs as much as a third of the logins.
        del self._above

    # -- what the layer above calls

    def send(self, octets: bytes) -> None:
        """Write octets; nothing happens once the connection is closing."""
        if self._mood is None:
            self._outlet.say(octets)
            if not self._pumping:
                self._outlet.flush_later()
            if self.tap is not None:
                self.tap.sent(octets)

    def expect_trailer(self, octets: int) -> None:
        """Frames from the next one on end in a trailer of so many octets."""
        self._decoder.trailer_octets = octets

    def admitted(self, idle_seconds: float) -> None:
        """The peer has proven itself: no login deadline any more; silence for ``idle_seconds`` ends it."""
        if self._mood is not None:
            return
        self.turns = None
        self._idle_seconds = idle_seconds
        self._deadline.reset(idle_seconds)
        self.on_admitted(self)

    def pause(self) -> Pause:
        """Read and deliver nothing until the answer is released."""
        self._pauses += 1
        self._stop_watching_frame()
        self._tell_transport()
        return Pause(self._release)

    def close(self, mood: str) -> None:
        """Send what is written, then close; a peer that does not read is aborted after the grace."""
        if self._mood is not None:
            return
        self._mood = mood
        self._outlet.flush()
        self._abort = self._clock.callLater(self._times.close_grace_seconds, self.transport.abortConnection)
        self.transport.loseConnection()

    def fail(self, error: RemoteError) -> None:
        """The one place that decides what a violation does: count, log, close without a word."""
        if self._mood is None:
            self._observer.violated(self.source, error)
            self.close(error.reason)

    def tap_into(self, capture: Any) -> None:
        """Let a ``observe.capture.Capture`` hear this connection from now on."""
        if self.tap is not None:
            ends = enumerate((self.transport.getPeer(), self.transport.getHost()))
            # The two ends of a UNIX socket become two ports of this machine.
            hosts = ((getattr(end, "host", "127.0.0.1"), getattr(end, "port", at)) for at, end in ends)
            capture.listen(self.tap, *hosts)

    def crashed(self, failure: Failure) -> None:
        """A fault of our own, found later than ``received``: it ends this session only."""
        self._observer.crashed(self.source, failure)
        self.close("crashed")

    # -- inside

    def _wait_for_turn(self, turns: Turns, data: bytes) -> None:
        """However many pieces come meanwhile, it waits once."""
        self._guarded(self._decoder.feed, data)
        if not self._is_waiting:
            self._is_waiting = True
            turns.put(self._take_turn)

    def _take_turn(self) -> None:
        self._is_waiting = False
        if self._mood is None:
            self._pump()

    def _pump(self, data: bytes = b"") -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            self._guarded(self._deliver, data)
        finally:
            self._pumping = False
        self._outlet.flush()
        self._tell_transport()
        self._watch_frame()

    def _deliver(self, data: bytes) -> None:
        self._decoder.feed(data)
        while self._mood is None and not self._pauses:
            frame = self._decoder.next()
            if frame is None:
                return
            self._frame_arrived()
            self._above.received(frame)

    def _frame_arrived(self) -> None:
        """Only a whole frame counts as a sign of life, never single octets."""
        self._stop_watching_frame()
        if self._idle_seconds:
            self._deadline.reset(self._idle_seconds)

    def _watch_frame(self) -> None:
        started = self._mood is None and not self._pauses and self._decoder.pending_octets
        if started and self._frame_deadline is None:
            self._frame_deadline = self._clock.callLater(
                self._times.frame_seconds, self.fail, RemoteError("slow-frame")
            )

    def _stop_watching_frame(self) -> None:
        if self._frame_deadline is not None:
            self._frame_deadline.cancel()
            self._frame_deadline = None

    def _out_of_time(self) -> None:
        """Nothing for too long. While we are the ones who do not read, the peer is not to blame."""
        if not self._idle_seconds:
            self.fail(RemoteError("login-timeout"))
        elif self._pauses:
            self._deadline = self._clock.callLater(self._idle_seconds, self._out_of_time)
        else:
            self.fail(RemoteError("silent", f"nothing for {self._idle_seconds:g} s"))

    def _release(self) -> None:
        self._pauses -= 1
        if not self._pauses and self._mood is None:
            self._pump()

    def _tell_transport(self) -> None:
        """To read or not to read; at the end of a pump only, because most pauses are over by then."""
        shall_read = not self._pauses
        if self._pumping or self._mood is not None or shall_read == self._is_reading:
            return
        self._is_reading = shall_read
        if interfaces.IPushProducer.providedBy(self.transport):
            if shall_read:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except RemoteError as error:
            self.fail(error)
        except Exception:
            self.crashed(Failure())

    def _tune_socket(self) -> None:
        if interfaces.ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        handle = getattr(self.transport, "getHandle", lambda: None)()
        if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
            handle.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._times.unsent_seconds * 1000)
            )
