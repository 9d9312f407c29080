"""Thousands of ``StormDevice`` over real sockets in one thread; who is refused dials again as smok4.md has it."""

from __future__ import annotations

import errno
import heapq
import itertools
import select
import socket
import time
from collections import Counter
from random import Random

from smok_twisted.agent.dialer import Backoff, DialTimes
from smok_twisted.errors import RemoteError

from .storm_device import StormDevice

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port number is chosen when it connects
_TIMES = DialTimes()


class Peer:
    """One device, where it dials from, and its connection."""

    def __init__(self, device: StormDevice, source: str, seed: int) -> None:
        self.device = device
        self.source = source
        self.socket: socket.socket | None = None
        self.is_connected = False
        self.attempt = 0
        self.backoff = Backoff(_TIMES, Random(seed))


class Swarm:
    """All of them. ``counts`` says how attempts ended, ``back`` when each device was back (monotonic seconds)."""

    def __init__(self, port: int, peers: list[Peer]) -> None:
        self.peers = peers
        self.counts: Counter[str] = Counter()
        self.back: dict[Peer, float] = {}
        self._port = port
        self._poll = select.epoll()
        self._of_descriptor: dict[int, Peer] = {}
        self._due: list[tuple[float, int, Peer, int]] = []  # when, order, who, and the attempt that it is about
        self._order = itertools.count()
        self._dead: list[socket.socket] = []

    def run(self, seconds: float) -> None:
        """What is due, and what comes, for at most so long."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, peer, attempt = heapq.heappop(self._due)
            if attempt == peer.attempt and not peer.is_connected:
                self._drop(peer, "no-connection") if peer.socket else self._dial(peer)
        if self._due:
            seconds = min(seconds, max(0.0, self._due[0][0] - now))
        for descriptor, _ in self._poll.poll(seconds, 1000):
            if descriptor in self._of_descriptor:
                self._ready(self._of_descriptor[descriptor])

    def dial(self, a_second: float) -> None:
        """Everybody, so many a second."""
        self.counts.clear()
        self.back.clear()
        begun = time.monotonic()
        for number, peer in enumerate(self.peers):
            self._later(peer, begun + number / a_second)

    def send(self, peer: Peer, octets: bytes) -> None:
        """Raises OSError."""
        if peer.socket is not None:
            peer.socket.sendall(octets)

    def abandon(self) -> None:
        """The power is cut: nothing is read, written or closed any more."""
        for peer in self.peers:
            if peer.socket is not None:
                self._poll.unregister(peer.socket)
                self._dead.append(self._let_go(peer))

    # -- one connection

    def _later(self, peer: Peer, when: float) -> None:
        heapq.heappush(self._due, (when, next(self._order), peer, peer.attempt))

    def _dial(self, peer: Peer) -> None:
        self.counts["attempts"] += 1
        peer.socket = one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        one.bind((peer.source, 0))
        self._of_descriptor[one.fileno()] = peer
        self._poll.register(one, select.EPOLLOUT)
        self._later(peer, time.monotonic() + _TIMES.connect_seconds)
        error = one.connect_ex(("127.0.0.1", self._port))
        if error not in (0, errno.EINPROGRESS):
            self._drop(peer, errno.errorcode[error])

    def _ready(self, peer: Peer) -> None:
        try:
            if peer.is_connected:
                self._receive(peer)
            else:
                self._connected(peer)
        except OSError as error:
            self._drop(peer, errno.errorcode[error.errno or errno.EIO])
        except RemoteError as error:
            self._drop(peer, error.reason)

    def _connected(self, peer: Peer) -> None:
        assert peer.socket is not None
        error = peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "")
        peer.is_connected = True
        self._poll.modify(peer.socket, select.EPOLLIN)
        peer.socket.sendall(peer.device.hello())

    def _receive(self, peer: Peer) -> None:
        assert peer.socket is not None
        octets = peer.socket.recv(65536)
        if not octets:
            return self._drop(peer, "closed")
        answer = peer.device.received(octets)
        if answer:
            peer.socket.sendall(answer)
        if peer.device.is_back:
            self.back.setdefault(peer, time.monotonic())

    def _drop(self, peer: Peer, reason: str) -> None:
        """The connection is gone: dial again after a pause."""
        self.counts[f"{reason} in a session" if peer.device.is_in else reason] += 1
        self._let_go(peer).close()
        self._later(peer, time.monotonic() + peer.backoff.pause_seconds(0))

    def _let_go(self, peer: Peer) -> socket.socket:
        assert peer.socket is not None
        one, peer.socket = peer.socket, None
        del self._of_descriptor[one.fileno()]
        peer.is_connected = peer.device.is_in = False
        peer.attempt += 1
        return one
