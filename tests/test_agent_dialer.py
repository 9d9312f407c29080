"""The dialer never gives up, never hammers, and says what it does in one line each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.dialer import Backoff, Dialer, DialTimes
from smok_twisted.agent.settings import Address
from smok_twisted.errors import RemoteError, StorageError

HOME = Address("smok.example", 2406)


class Top:
    """The least there can be above framing."""

    def __init__(self) -> None:
        self.mood: str | None = None

    def started(self, below: Any) -> None:
        self.below = below

    def received(self, item: bytes) -> None:
        raise RemoteError("unproven-server")

    def stopped(self, mood: str) -> None:
        self.mood = mood


class Longest(random.Random):
    """Always the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Dialling(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[LogEvent] = []
        self.patch(Dialer, "_log", Logger(observer=self.events.append))
        self.dialled: list[tuple[float, str]] = []
        self.answer: Callable[[Any], Deferred[Any]] = lambda factory: fail(ConnectionRefusedError())
        self.addresses = [HOME]
        self.tops: list[Top] = []
        self.nonce: Callable[[], Deferred[Any]] = self.layers
        self.dialer = Dialer(
            self.clock, lambda: self.nonce(), lambda: self.addresses, DialTimes(), Longest(1), self.endpoint
        )

    def layers(self) -> Deferred[Any]:
        self.tops.append(Top())
        return succeed(self.tops[-1])

    def endpoint(self, reactor: Any, host: str, port: int) -> Dialling:
        self.dialled.append((self.clock.seconds(), host))
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        return self.answer(factory)

    def accept(self, factory: Any) -> Deferred[Any]:
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport()
        self.transport.abortConnection = self.lose  # type: ignore[method-assign]
        self.protocol.makeConnection(self.transport)
        return succeed(self.protocol)

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionLost()))

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]

    def moments(self) -> list[float]:
        return [moment for moment, _ in self.dialled]

    def test_pauses_double_up_to_ten_minutes(self) -> None:
        """5 s, 10 s, 20 s ... 600 s, for ever; no pause is longer."""
        self.dialer.start()
        for _ in range(12):
            self.clock.advance(600)
            self.clock.advance(0)
        moments = self.moments()
        self.assertEqual(moments[1:3], [600.0, 1200.0])
        refused = f"no connection to {HOME}: Connection was refused by other side.; next try in"
        self.assertEqual(self.lines()[:3], [f"{refused} {pause} s" for pause in (5, 10, 20)])
        self.assertIn("next try in 600 s", self.lines()[-1])

    def test_full_jitter(self) -> None:
        """Ten thousand devices that lost their server together do not come back together."""
        backoff = Backoff(DialTimes(), random.Random(7))
        pauses = [backoff.pause_seconds(0.0) for _ in range(20)]
        for pause, most in zip(pauses, [5.0 * 2**n for n in range(20)], strict=True):
            self.assertTrue(0 <= pause <= min(most, 600))
        self.assertGreater(len(set(pauses)), 15)

    def test_a_session_that_held_makes_the_pause_small_again(self) -> None:
        """Ten minutes; a shorter one does not, or a server that throws us out at once would be hammered."""
        backoff = Backoff(DialTimes(), Longest())
        self.assertEqual([backoff.pause_seconds(lasted) for lasted in (0, 0, 599, 600, 0)], [5, 10, 20, 5, 10])

    def test_the_server_says_when_to_come_again(self) -> None:
        """GOAWAY counts once, before any pause of ours."""
        backoff = Backoff(DialTimes(), Longest())
        backoff.asked_for(100, 20)
        self.assertEqual([backoff.pause_seconds(0), backoff.pause_seconds(0)], [120, 5])

    def test_every_address_gets_its_turn_in_random_order(self) -> None:
        """F26: one that is dead does not keep us from the others; the configured one stays among them."""
        self.addresses = [HOME, *(Address(f"{letter}.example", 1) for letter in "abcdefg"), HOME]
        self.dialer.start()
        for _ in range(40):
            self.clock.advance(600)
        hosts = [host for _, host in self.dialled]
        rounds = [hosts[at : at + 8] for at in range(0, 32, 8)]
        for one in rounds:
            self.assertEqual(sorted(one), sorted({address.host for address in self.addresses}))
        self.assertGreater(len({tuple(one) for one in rounds}), 1)

    def test_names_are_resolved_anew_at_every_attempt(self) -> None:
        """A new endpoint each time: an address that moved is found again. A name that fails is one line."""
        self.answer = lambda factory: fail(DNSLookupError("no results for hostname lookup"))
        self.dialer.start()
        self.clock.advance(5)
        self.assertEqual(len(self.dialled), 2)
        self.assertIn("no results for hostname lookup", self.lines()[0])

    def test_no_welcome_ends_the_attempt(self) -> None:
        """A server that accepts and says nothing is left after 90 s."""
        self.answer = self.accept
        self.dialer.start()
        self.clock.advance(89)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnecting)
        self.lose()
        self.assertIn(f"no login at {HOME}: login-timeout; next try in 5 s", self.lines())

    def test_a_connection_that_hangs_is_given_up(self) -> None:
        """A firewall that drops our packets, or a resolver that never answers."""
        self.answer = lambda factory: Deferred()
        self.dialer.start()
        self.clock.advance(29)
        self.assertEqual(self.lines(), [])
        self.clock.advance(1)
        self.assertIn("next try in 5 s", self.lines()[0])

    def test_a_spool_that_cannot_be_written(self) -> None:
        """No nonce, no login; it is tried again like everything else."""
        self.nonce = lambda: fail(StorageError("no room left"))
        self.dialer.start()
        self.assertEqual(
            (self.dialled, self.lines()), ([], [f"no connection to {HOME}: no room left; next try in 5 s"])
        )

    def test_what_a_stranger_does_is_one_line(self) -> None:
        """Something that is no SMOK server answers: its reason, and when we try again."""
        self.answer = self.accept
        self.dialer.start()
        self.protocol.dataReceived(b"HTTP/1.1 400")
        self.lose()
        self.assertEqual(
            self.lines(), [f"{HOME}: unproven-server", f"no login at {HOME}: unproven-server; next try in 5 s"]
        )

    def test_connected_and_lost(self) -> None:
        """One line each."""
        self.answer = self.accept
        self.dialer.start()
        self.dialer.welcomed()
        self.lose()
        self.assertEqual(self.lines(), [f"connected to {HOME}", f"lost {HOME}: lost; next try in 5 s"])
        self.assertEqual(self.tops[0].mood, "lost")

    def test_stopping(self) -> None:
        """Whatever it does at that moment: no attempt, no timer and no connection is left."""
        hanging: Deferred[Any] = Deferred()
        for name, answer in {
            "resting": self.answer,
            "dialling": lambda factory: hanging,
            "connected": self.accept,
        }.items():
            self.setUp()
            self.answer = answer
            self.dialer.start()
            stopped = self.dialer.stop()
            if name == "connected":
                self.assertNoResult(stopped)
                self.assertTrue(self.transport.disconnecting)
                self.lose()
            self.assertIsNone(self.successResultOf(stopped), name)
            self.assertEqual(self.clock.getDelayedCalls(), [], name)
