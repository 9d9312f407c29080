"""Nonces that a device has used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.handshake.messages import NONCE_UNIQUE_FOR_GOOD, Hello
from smok_twisted.handshake.nonces import NonceMemory, Verdict

FRESH, REPEAT = Verdict.FRESH, Verdict.REPEAT
NONCES = st.integers(0, 2**64 - 1) | st.integers(0, 5)


def plain(nonce: int) -> Hello:
    """A hello of a device that promises nothing about its nonces."""
    return Hello(1, 0, 1, nonce)


def unique(nonce: int) -> Hello:
    """A hello of a device whose nonces only grow."""
    return Hello(1 | NONCE_UNIQUE_FOR_GOOD, 0, 1, nonce)


class LastNonces(SynchronousTestCase):
    """A device that promises nothing."""

    def test_a_repeat_is_noticed(self) -> None:
        """The same nonce twice is a repeat, smaller ones are not."""
        memory = NonceMemory()
        verdicts = [memory.seen(plain(nonce)) for nonce in (5, 3, 5, 3, 0)]
        self.assertEqual(verdicts, [FRESH, FRESH, REPEAT, REPEAT, FRESH])

    def test_256_are_remembered(self) -> None:
        """The 256th nonce back is still known, the 257th is forgotten: memory is bounded."""
        memory = NonceMemory()
        for nonce in range(257):
            memory.seen(plain(nonce))
        self.assertEqual([memory.seen(plain(1)), memory.seen(plain(0))], [REPEAT, FRESH])
        for nonce in range(1000, 3000):
            memory.seen(plain(nonce))
        self.assertEqual(len(memory.to_octets()), 9 + 256 * 8)


class HighestNonce(SynchronousTestCase):
    """A device whose nonces are unique for good."""

    def test_only_higher_ones_are_fresh(self) -> None:
        """Whatever is not above the highest so far is a repeat; 0 may be the first."""
        memory = NonceMemory()
        nonces = (0, 0, 7, 6, 7, 8, 2**64 - 1, 2**64 - 1)
        verdicts = [memory.seen(unique(nonce)) for nonce in nonces]
        self.assertEqual(verdicts, [FRESH, REPEAT, FRESH, REPEAT, REPEAT, FRESH, FRESH, REPEAT])

    def test_however_long_ago(self) -> None:
        """A nonce of a thousand logins ago is still a repeat, and one number is all that is kept."""
        memory = NonceMemory()
        for nonce in range(1000):
            memory.seen(unique(nonce))
        self.assertEqual(memory.seen(unique(0)), REPEAT)
        self.assertEqual(len(memory.to_octets()), 9)


class Stored(SynchronousTestCase):
    """The memory survives a restart of the server."""

    @given(st.lists(st.tuples(st.booleans(), NONCES), max_size=300), st.lists(st.tuples(st.booleans(), NONCES)))
    def test_round_trip(self, before: list[tuple[bool, int]], after: list[tuple[bool, int]]) -> None:
        """A memory that was stored judges every further nonce like the one that was not."""
        memory = NonceMemory()
        for grows, nonce in before:
            memory.seen((unique if grows else plain)(nonce))
        restored = NonceMemory.from_octets(memory.to_octets())
        for grows, nonce in [*after, *before]:
            hello = (unique if grows else plain)(nonce)
            self.assertEqual(restored.seen(hello), memory.seen(hello))

    def test_a_full_memory(self) -> None:
        """All 256 are there again after a restart."""
        memory = NonceMemory()
        for nonce in range(256):
            memory.seen(plain(nonce))
        restored = NonceMemory.from_octets(memory.to_octets())
        self.assertEqual({restored.seen(plain(nonce)) for nonce in range(256)}, {REPEAT})

    def test_damaged(self) -> None:
        """A length that is never written is refused in one line."""
        for octets in (0, 1, 8, 10, 16, 18, 9 + 257 * 8):
            error = self.assertRaises(StorageError, NonceMemory.from_octets, bytes(octets))
            self.assertIn(f"{octets} octets", str(error))
