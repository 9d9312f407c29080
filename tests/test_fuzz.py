"""No octets of a stranger's crash a parser or make it take much memory; ``make fuzz`` tries thousands of them.

With ``make fuzz`` each input is timed as well: none may take more than 50 ms of CPU.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.links.smok4.messages import Type
from smok_twisted.stack import CHOICE_OCTETS
from smok_twisted.testing import MemoryTransport

from .fuzzing import CORPUS, INPUT_OCTETS, PARSERS, SLOW_SECONDS, corpus, cpu_seconds, damaged
from .server_in_memory import DeviceEnd, Server

IS_TIMED = os.environ.get("SMOK_HYPOTHESIS") == "wander"
#: What a parser may hold at most while it is at work on ``INPUT_OCTETS``.
MEMORY_OCTETS = 1024 * 1024


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Any octets, or damaged ones of the corpus."""
    seeds = corpus(name)
    kept = st.builds(lambda seed, random: damaged(seed, seeds, random), st.sampled_from(seeds), st.randoms())
    return st.one_of(kept, kept, kept, st.binary(max_size=INPUT_OCTETS))


def peak_octets(call: Callable[[], object]) -> int:
    """The most memory that ``call`` held at once."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


class Parsers(SynchronousTestCase):
    """Each parser takes it or refuses it in the way that it declares; anything else fails the test."""

    def try_parser(self, name: str, octets: bytes) -> None:
        parser = PARSERS[name]
        parser.takes(octets)
        if IS_TIMED and cpu_seconds(parser, octets) > SLOW_SECONDS:
            self.assertLess(cpu_seconds(parser, octets, 5), SLOW_SECONDS, (name, octets.hex()))

    def test_corpus(self) -> None:
        """The inputs that are kept, and their beginnings; each parser takes at least one of its own."""
        for name, parser in PARSERS.items():
            seeds = corpus(name)
            self.assertTrue(any(parser.takes(octets) for octets in seeds), name)
            for octets in seeds:
                for end in (*range(min(len(octets), 64)), len(octets)):
                    self.try_parser(name, octets[:end])

    def test_no_corpus_is_left_out(self) -> None:
        """A folder without a parser would look like a test and be none."""
        self.assertEqual({path.name for path in CORPUS.iterdir()}, PARSERS.keys())

    def test_memory(self) -> None:
        """2 KiB of input never become more than 1 MiB, not even for a moment."""
        for name, parser in PARSERS.items():
            seeds, random = corpus(name), Random(4)
            for octets in [*seeds, *(damaged(random.choice(seeds), seeds, random) for _ in range(60))]:
                parser.takes(octets)  # what is imported and compiled only once is not the input's
                self.assertLess(peak_octets(partial(parser.takes, octets)), MEMORY_OCTETS, (name, octets.hex()))


def _test_of(name: str) -> Callable[[Parsers], None]:
    @given(inputs(name))
    def test(self: Parsers, octets: bytes) -> None:
        self.try_parser(name, octets)

    test.__doc__ = f"Random and damaged inputs: {name}."
    return test


for _name in PARSERS:
    setattr(Parsers, f"test_{_name}", _test_of(_name))


BODIES = st.lists(inputs("message").map(lambda octets: octets[:255] or b"\0"), min_size=1, max_size=8)


def cpu_of(call: Callable[[], object]) -> float:
    """Seconds that it costs."""
    started = time.process_time()
    call()
    return time.process_time() - started


class Talking(SynchronousTestCase):
    """What a whole connection makes of it."""

    def try_talk(self, prepare: Callable[[], Callable[[], object]]) -> None:
        """What ``prepare`` returns is called, each time on a new server: it must take little time, and little memory.
        Time is looked at under ``make fuzz``, and by itself: being traced costs more."""
        if IS_TIMED and cpu_of(prepare()) > SLOW_SECONDS:
            self.assertLess(min(cpu_of(prepare()) for _ in range(5)), SLOW_SECONDS)
        self.assertLess(peak_octets(prepare()), MEMORY_OCTETS)


class Session(Talking):
    """A device that has logged in and talks nonsense ends its own session and nothing else."""

    @given(BODIES, st.booleans())
    @example([b"\x04\x00\x01"], True)
    def test_any_bodies(self, bodies: list[bytes], has_plan: bool) -> None:
        """The server does not crash, whatever comes, with or without a plan; the next login works."""
        self.try_bodies(bodies, has_plan)

    @given(st.data())
    def test_any_readings(self, data: DataObject) -> None:
        """The same for what looks like DATA, under a plan."""
        payloads = data.draw(st.lists(inputs("data").map(lambda octets: octets[1:253]), min_size=1, max_size=4))
        self.try_bodies([bytes((Type.DATA, 0, batch)) + payload for batch, payload in enumerate(payloads, 1)], True)

    def try_bodies(self, bodies: list[bytes], has_plan: bool) -> None:
        servers = []

        def prepare() -> Callable[[], None]:
            servers.append(Server())
            end = servers[-1].dial()
            if has_plan:
                end.hold(0)
                end.take_plan()
            return partial(self.talk, end, bodies)

        self.try_talk(prepare)
        for server in servers:
            self.assertEqual(server.notes.crashes, [])
            self.assertIsNotNone(server.dial().welcome)

    def talk(self, end: DeviceEnd, bodies: list[bytes]) -> None:
        for body in bodies:
            end.send(body)


class Dialling(Talking):
    """A stranger who dials in and has no secret."""

    @given(inputs("frames"), st.integers(1, 64))
    def test_any_octets(self, octets: bytes, size: int) -> None:
        """In pieces of any size: at most CHOICE comes back, the server does not crash, nobody is let in."""
        servers = []

        def prepare() -> Callable[[], None]:
            servers.append(Stranger())
            return partial(servers[-1].talk, octets, size)

        self.try_talk(prepare)
        for stranger in servers:
            self.assertLessEqual(stranger.transport.octets_sent, CHOICE_OCTETS)
            self.assertEqual(stranger.server.notes.crashes, [])
            self.assertIsNone(stranger.server.device.session)


class Stranger:
    """One who has connected to a server, and has said nothing yet."""

    def __init__(self) -> None:
        self.server = Server()
        self.transport = MemoryTransport("198.51.100.9")
        decoder, above = self.server.stack()
        self._protocol = FramedProtocol(decoder, above, self.server.clock, FramingTimes(), self.server.notes)
        self._protocol.makeConnection(self.transport)

    def talk(self, octets: bytes, size: int) -> None:
        """Say it in pieces of that size, until the server closes."""
        for at in range(0, len(octets), size):
            if not self.transport.closing:
                self._protocol.dataReceived(octets[at : at + size])
