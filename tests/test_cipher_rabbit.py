"""Rabbit, pure and compiled: RFC 4503's own figures, and the two held against each other."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher import rabbit
from smok_twisted.errors import LocalError

VECTORS = Path(__file__).parent / "vectors" / "rfc4503-vectors.txt"
ROOT = Path(__file__).parent.parent
NATIVE: Any = rabbit._rabbit  # also under SMOK_PURE=1
NOT_COMPILED = None if NATIVE else "not compiled: python setup.py build_ext --inplace"

#: Where in the order of ``every_state`` an inner state of appendix B stands.
STEP = {
    "after key expansion": 0,
    "after first key setup iteration": 1,
    "after fourth key setup iteration": 4,
    "after final key setup xor": 5,
    "after IV expansion": 6,
    "after first IV setup iteration": 7,
    "after fourth IV setup iteration": 10,
    "after generation of 48 octets of output": -1,
}


class Range(NamedTuple):
    """Octets of a keystream, in the RFC's order."""

    key: bytes
    iv: bytes | None
    start: int
    octets: bytes


class Inner(NamedTuple):
    """One inner state of appendix B: X0..X7, C0..C7 and the carry b."""

    key: bytes
    iv: bytes | None
    title: str
    x: tuple[int, ...]
    c: tuple[int, ...]
    b: int


def reversed_blocks(octets: bytes) -> bytes:
    """From the eSTREAM order to the RFC's, or back."""
    return b"".join(octets[at : at + 16][::-1] for at in range(0, len(octets), 16))


def parse(text: str) -> tuple[list[Range], list[Inner]]:
    """Everything in the file of vectors."""
    ranges: list[Range] = []
    inners: list[Inner] = []
    key, iv, plain = b"", None, False
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition(" = "))
        if line.startswith("[") and "]" in line:
            iv, plain = None, "plain byte order" in line
        elif name in ("key", "mkey"):
            key, iv = bytes.fromhex(value.strip("[]")), None
            key = key[::-1] if plain else key
        elif name == "iv":
            iv = bytes.fromhex(value.strip("[]"))
            iv = iv[::-1] if plain else iv
        elif found := re.fullmatch(r"S\[(\d)\]", name):
            ranges.append(Range(key, iv, 16 * int(found[1]), bytes.fromhex(value.strip("[]"))))
        elif found := re.fullmatch(r"stream\[(\d+)\.\.\d+\]", name):
            ranges.append(Range(key, iv, int(found[1]), reversed_blocks(bytes.fromhex(value))))
        elif name.startswith("after "):
            title, b = name.removesuffix(": b"), int(value)
        elif name == "X":
            x = tuple(int(word, 16) for word in value.split())
        elif name == "C":
            inners.append(Inner(key, iv, title, x, tuple(int(word, 16) for word in value.split()), b))
    return ranges, inners


RANGES, INNERS = parse(VECTORS.read_text())


def every_state(key: bytes, iv: bytes, blocks: int) -> list[tuple[Any, Any, int]]:
    """What the compiled ``_states`` answers, by the pure functions."""
    states = [rabbit.expand_key(key)]
    steps: list[Any] = [rabbit.next_state] * 4 + [rabbit.modify_counters]
    if iv:
        steps += [lambda state: rabbit.mix_iv(state, iv)] + [rabbit.next_state] * 4
    for step in steps + [rabbit.next_state] * blocks:
        states.append(step(states[-1]))
    return [(x, rabbit.split_words(counters), b) for x, counters, b in states]


class TheFile(SynchronousTestCase):
    def test_complete(self) -> None:
        """No vector is lost by the reader of the file."""
        self.assertEqual((len(RANGES), len(INNERS)), (27, 8))
        self.assertEqual(sum(len(each.octets) for each in RANGES), 24 * 16 + 48 + 64 + 64)


class Promises:
    """What both implementations promise."""

    cipher: Any
    states: Any

    def test_keystream(self: Any) -> None:
        """Every keystream of RFC 4503 and of the further vectors comes out, octet by octet."""
        for key, iv, start, octets in RANGES:
            stream = self.cipher(key, iv).process(bytes(start + len(octets)))
            self.assertEqual(stream[start:].hex(), octets.hex())

    def test_inner_states(self: Any) -> None:
        """Every inner state of appendix B is passed through."""
        for key, iv, title, x, c, b in INNERS:
            states = self.states(key, iv or b"", 3 if "output" in title else 0)
            self.assertEqual(states[STEP[title]], (x, c, b), title)

    def test_split_anywhere(self: Any) -> None:
        """In two pieces, cut anywhere, it gives what it gives in one."""
        data = bytes(range(100))
        whole = self.cipher(bytes(16), bytes(8)).process(data)
        for cut in range(len(data) + 1):
            cipher = self.cipher(bytes(16), bytes(8))
            self.assertEqual(cipher.process(data[:cut]) + cipher.process(data[cut:]), whole)

    def test_octet_by_octet(self: Any) -> None:
        """One octet at a time, with empty calls in between, it gives what it gives in one."""
        data = bytes(range(50))
        cipher = self.cipher(bytes(16))
        pieces = [cipher.process(data[i : i + 1]) + cipher.process(b"") for i in range(len(data))]
        self.assertEqual(b"".join(pieces), self.cipher(bytes(16)).process(data))

    def test_there_and_back(self: Any) -> None:
        """A second cipher of the same key and IV decrypts."""
        sender, receiver = (self.cipher(b"k" * 16, b"i" * 8) for _ in range(2))
        self.assertEqual(receiver.process(sender.process(b"water 41.5 C")), b"water 41.5 C")

    def test_wrong_lengths(self: Any) -> None:
        """A key or IV of another length is refused, not padded or cut."""
        for octets in (0, 15, 17):
            error = self.assertRaises(LocalError, self.cipher, bytes(octets), bytes(8))
            self.assertEqual(str(error), f"a Rabbit key has 16 octets, not {octets}")
        for octets in (0, 7, 9):
            error = self.assertRaises(LocalError, self.cipher, bytes(16), bytes(octets))
            self.assertEqual(str(error), f"a Rabbit IV has 8 octets, not {octets}")

    def test_text(self: Any) -> None:
        """Text in place of octets is refused, never encoded silently."""
        self.assertRaises(TypeError, self.cipher, "k" * 16)
        self.assertRaises(TypeError, self.cipher, bytes(16), "i" * 8)
        self.assertRaises(TypeError, self.cipher(bytes(16)).process, "text")

    def test_any_buffer(self: Any) -> None:
        """Whatever holds octets can be encrypted, and is left as it was."""
        data = bytearray(range(40))
        expected = self.cipher(bytes(16)).process(bytes(data))
        self.assertEqual(self.cipher(bytes(16)).process(data), expected)
        self.assertEqual(self.cipher(bytes(16)).process(memoryview(data)), expected)
        self.assertEqual(data, bytearray(range(40)))


class PureRabbit(Promises, SynchronousTestCase):
    cipher = staticmethod(rabbit.Rabbit)
    states = staticmethod(every_state)


class CompiledRabbit(Promises, SynchronousTestCase):
    skip = NOT_COMPILED

    def cipher(self, key: bytes, iv: bytes | None = None) -> Any:
        """The class under test."""
        return NATIVE.Rabbit(key, iv)

    def states(self, key: bytes, iv: bytes, blocks: int) -> Any:
        """The inner states under test."""
        return NATIVE._states(key, iv, blocks)

    def test_keyword_arguments(self) -> None:
        """Both implementations take the same named arguments."""
        named = {"key": b"k" * 16, "iv": b"i" * 8}
        expected = rabbit.Rabbit(**named).process(bytes(20))
        self.assertEqual(NATIVE.Rabbit(**named).process(bytes(20)), expected)

    @settings(deadline=None)
    @given(
        st.binary(min_size=16, max_size=16),
        st.none() | st.binary(min_size=8, max_size=8),
        st.lists(st.binary(max_size=70), max_size=6),
    )
    def test_same_as_pure(self, key: bytes, iv: bytes | None, pieces: list[bytes]) -> None:
        """For any key, IV and pieces of any length both implementations give the same octets."""
        compiled, pure = NATIVE.Rabbit(key, iv), rabbit.Rabbit(key, iv)
        for piece in pieces:
            self.assertEqual(compiled.process(piece), pure.process(piece))

    @settings(deadline=None)
    @given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8))
    def test_same_states_as_pure(self, key: bytes, iv: bytes) -> None:
        """For any key and IV both implementations pass through the same inner states."""
        self.assertTrue(NATIVE._states(key, iv, 5) == every_state(key, iv, 5))  # a diff would take minutes

    def test_states_of_wrong_lengths(self) -> None:
        """The tests' own door into the compiled module does not read past a short key or IV."""
        self.assertRaises(ValueError, NATIVE._states, bytes(15), b"", 0)
        self.assertRaises(ValueError, NATIVE._states, bytes(16), bytes(7), 0)


class TheChoice(SynchronousTestCase):
    def test_compiled_unless_told_otherwise(self) -> None:
        """The compiled cipher is used where there is one, and SMOK_PURE=1 turns it off."""
        self.patch(os, "environ", {})
        self.assertEqual(type(rabbit.make_cipher(bytes(16))).__module__, "smok_twisted.cipher._rabbit")
        self.patch(os, "environ", {"SMOK_PURE": "1"})
        self.assertIsNone(rabbit.compiled())
        self.assertIsInstance(rabbit.make_cipher(bytes(16), bytes(8)), rabbit.Rabbit)

    test_compiled_unless_told_otherwise.skip = NOT_COMPILED  # type: ignore[attr-defined]

    def test_not_compiled(self) -> None:
        """Where nothing could be compiled the cipher works all the same."""
        spec = importlib.util.spec_from_file_location("smok_twisted.elsewhere.rabbit", rabbit.__file__)
        assert spec and spec.loader
        uncompiled = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(uncompiled)
        self.assertIsNone(uncompiled.compiled())
        key, iv, start, octets = RANGES[0]
        self.assertEqual(uncompiled.make_cipher(key, iv).process(bytes(start + 16))[start:], octets)

    def test_null_cipher(self) -> None:
        """The null cipher has the same face and changes nothing."""
        self.assertEqual(rabbit.NullCipher().process(b"clear"), b"clear")


class WithoutTwisted(SynchronousTestCase):
    def test_imports(self) -> None:
        """Cipher and records work in a program that has no Twisted."""
        program = """
import sys
sys.modules["twisted"] = None
from smok_twisted.cipher.rabbit import make_cipher
from smok_twisted.cipher.record import DirectionKeys, Suite
make_cipher(bytes(16)).process(bytes(20))
for suite in Suite:
    keys = DirectionKeys(suite, bytes(suite.secret_octets), bytes(suite.secret_octets))
    assert keys.opener().open(keys.sealer().seal(b"body")) == b"body"
print("worked", "twisted.python" in sys.modules)
"""
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual((done.stdout, done.stderr), ("worked False\n", ""))
