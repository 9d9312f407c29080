"""What register words mean: every type, every byte order, over its whole range."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Impossible, LocalError
from smok_twisted.modbus.codecs import BYTE_ORDERS, TYPES, decode_words, encode_words, shortest_float32
from smok_twisted.modbus.scaling import Scaling, decimal_digits

ORDERS = st.sampled_from(BYTE_ORDERS)
WORDS_OF = {
    "INT16": 1, "UINT16": 1, "SM16": 1, "BCD16": 1, "BOOL": 1, "INT32": 2, "UINT32": 2, "FLOAT32": 2, "BCD32": 2,
    "INT64": 4, "UINT64": 4, "FLOAT64": 4, "STRING": 0,
}  # fmt: skip
#: The ends of each integer type.
ENDS = {
    "INT16": (-(2**15), 2**15 - 1), "UINT16": (0, 2**16 - 1), "INT32": (-(2**31), 2**31 - 1), "UINT32": (0, 2**32 - 1),
    "INT64": (-(2**63), 2**63 - 1), "UINT64": (0, 2**64 - 1), "BCD16": (0, 9999), "BCD32": (0, 99999999),
    "SM16": (-32767, 32767), "BOOL": (0, 1),
}  # fmt: skip


def round_trip(name: str, raw: object, order: str = "ABCD", count: int = 0) -> object:
    return decode_words(TYPES[name], encode_words(TYPES[name], raw, order, count), order)


class RoundTrips(SynchronousTestCase):
    def test_the_types_of_the_notes(self) -> None:
        """Every promised type is there, with its number of registers and its range."""
        self.assertEqual({name: kind.words for name, kind in TYPES.items()}, WORDS_OF)
        for name, ends in ENDS.items():
            self.assertEqual((TYPES[name].lowest, TYPES[name].highest), ends, name)

    def test_all_numbers_of_one_word(self) -> None:
        """Each number that a 16-bit type can hold comes back."""
        for name in ("INT16", "UINT16", "SM16", "BCD16", "BOOL"):
            lowest, highest = ENDS[name]
            for raw in range(lowest, highest + 1):
                self.assertEqual(decode_words(TYPES[name], encode_words(TYPES[name], raw)), raw)

    @given(st.sampled_from(sorted(ENDS)).flatmap(lambda it: st.tuples(st.just(it), st.integers(*ENDS[it]))), ORDERS)
    def test_integers(self, typed: tuple[str, int], order: str) -> None:
        """Each integer comes back in every byte order."""
        self.assertEqual(round_trip(*typed, order), typed[1])

    @given(st.floats(width=32, allow_nan=False, allow_infinity=False), ORDERS)
    @example(struct.unpack(">f", b"\x7f\x7f\xff\xff")[0], "ABCD")
    def test_float32(self, raw: float, order: str) -> None:
        """Each 32-bit float comes back, and so does the short decimal that users see for it."""
        self.assertEqual(round_trip("FLOAT32", raw, order), raw)
        self.assertEqual(round_trip("FLOAT32", shortest_float32(raw), order), raw)

    @given(st.floats(allow_nan=False, allow_infinity=False), ORDERS)
    def test_float64(self, raw: float, order: str) -> None:
        """Each 64-bit float comes back."""
        self.assertEqual(round_trip("FLOAT64", raw, order), raw)

    @given(st.text(max_size=12), ORDERS)
    def test_text(self, text: str, order: str) -> None:
        """A text comes back, or is refused before it is sent."""
        try:
            self.assertEqual(round_trip("STRING", text, order, 6), text)
        except Impossible as error:
            self.assertIn("up to 12 octets of UTF-8", str(error))
            self.assertTrue(len(text.encode()) > 12 or "\0" in text or text.endswith(" "))

    @given(st.sampled_from(sorted(WORDS_OF)), ORDERS, st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8))
    def test_any_words(self, name: str, order: str, words: list[int]) -> None:
        """Any words mean something or nothing; what they mean can be written, and means the same again."""
        words = words[: WORDS_OF[name] or len(words)]
        if len(words) != (WORDS_OF[name] or len(words)):
            self.assertRaises(LocalError, decode_words, TYPES[name], words, order)
            return
        raw = decode_words(TYPES[name], words, order)
        if raw is not None and "\N{REPLACEMENT CHARACTER}" not in str(raw):
            self.assertEqual(round_trip(name, raw, order, len(words)), raw)


class ByteOrders(SynchronousTestCase):
    def test_each_order_by_hand(self) -> None:
        """ABCD, CDAB, BADC and DCBA are what the letters say, for one, two and four registers."""
        for name, number, orders in (
            ("UINT16", 0x0102, ([0x0102], [0x0102], [0x0201], [0x0201])),
            (
                "UINT32",
                0x01020304,
                ([0x0102, 0x0304], [0x0304, 0x0102], [0x0201, 0x0403], [0x0403, 0x0201]),
            ),
            (
                "UINT64",
                0x0102030405060708,
                (
                    [0x0102, 0x0304, 0x0506, 0x0708],
                    [0x0708, 0x0506, 0x0304, 0x0102],
                    [0x0201, 0x0403, 0x0605, 0x0807],
                    [0x0807, 0x0605, 0x0403, 0x0201],
                ),
            ),
        ):
            for order, words in zip(BYTE_ORDERS, orders, strict=True):
                self.assertEqual(decode_words(TYPES[name], words, order), number, order)
                self.assertEqual(encode_words(TYPES[name], number, order), tuple(words), order)

    def test_text_runs_from_its_first_register_on(self) -> None:
        """Only the octets of a text can be swapped, its registers keep their order."""
        for order, words in zip(BYTE_ORDERS, 2 * [(0x4142, 0x4300)] + 2 * [(0x4241, 0x0043)], strict=True):
            self.assertEqual(encode_words(TYPES["STRING"], "ABC", order, 2), words)
            self.assertEqual(decode_words(TYPES["STRING"], words, order), "ABC")


class Meaning(SynchronousTestCase):
    def test_sign_and_magnitude(self) -> None:
        """-4.1 in tenths is 0x8029; negative zero reads as 0 and is never written."""
        self.assertEqual(decode_words(TYPES["SM16"], [0x8029]), -41)
        self.assertEqual(encode_words(TYPES["SM16"], -41), (0x8029,))
        self.assertEqual(decode_words(TYPES["SM16"], [0x8000]), 0)
        self.assertEqual(encode_words(TYPES["SM16"], 0), (0,))

    def test_bcd(self) -> None:
        """Each hexadecimal digit is a decimal one; others mean nothing."""
        self.assertEqual(decode_words(TYPES["BCD16"], [0x1234]), 1234)
        self.assertEqual(decode_words(TYPES["BCD32"], [0x1234, 0x5678]), 12345678)
        self.assertEqual(encode_words(TYPES["BCD32"], 42), (0, 0x42))
        for digit in range(10, 16):
            self.assertIsNone(decode_words(TYPES["BCD16"], [digit << 8]))

    def test_floats_that_are_no_numbers(self) -> None:
        """NaN and infinity mean nothing, and are not written."""
        for number in (math.nan, math.inf, -math.inf):
            for name, layout in (("FLOAT32", ">f"), ("FLOAT64", ">d")):
                octets = struct.pack(layout, number)
                words = struct.unpack(f">{len(octets) // 2}H", octets)
                self.assertIsNone(decode_words(TYPES[name], words))
                self.assertRaises(Impossible, encode_words, TYPES[name], number)

    def test_short_decimals(self) -> None:
        """Users see the number that was meant, not the digits of its binary form."""
        for text in ("21.37", "0.1", "-273.15", "1e-30", "16777216.0", "8967650000000.0", "3.4028235e+38", "0.0"):
            stored = struct.unpack(">f", struct.pack(">f", float(text)))[0]
            self.assertEqual(repr(shortest_float32(stored)), text)

    def test_text(self) -> None:
        """Padding by NUL or spaces is no part of a text; a wrong octet is shown as such."""
        for octets, text in (
            (b"AB\0\0", "AB"),
            (b"AB  ", "AB"),
            (b"A\0BC", "A"),
            (b"A\xffB\0", "A\ufffdB"),
            (b"\0\0\0\0", ""),
        ):
            self.assertEqual(decode_words(TYPES["STRING"], struct.unpack(">2H", octets)), text)

    def test_what_does_not_fit(self) -> None:
        """A raw value outside the range of its type is refused, never cut."""
        for name, (lowest, highest) in ENDS.items():
            for raw in (lowest - 1, highest + 1, 0.5, "1"):
                error = self.assertRaises(Impossible, encode_words, TYPES[name], raw)
                self.assertIn(f"integers {lowest} to {highest}", str(error))
        self.assertRaises(Impossible, encode_words, TYPES["FLOAT32"], 3.5e38)
        self.assertRaises(Impossible, encode_words, TYPES["STRING"], "five!", "ABCD", 2)


SCALES = st.decimals(-1000, 1000, places=3).filter(bool)


class Scales(SynchronousTestCase):
    def test_decimals(self) -> None:
        """41 tenths are 4.1, to the last digit."""
        for scale, offset, precision, raw, value in (
            ("0.1", "0", 1, 41, 4.1),
            ("0.1", "0", 1, 3, 0.3),
            ("0.1", "-273.15", 2, 2932, 20.05),
            ("0.1", "0", None, -32768, -3276.8),
            ("1", "0", 0, 41, 41),
            ("10", "5", 0, 3, 35),
            ("0.10", "0", 2, 41, 4.1),
            ("0.25", "0", 1, 41, 10.3),
            ("0.25", "0", 1, -41, -10.3),
            ("0.25", "0", 0, 2, 1),
            ("0.25", "0", 0, 1, 0),
            ("-0.5", "0", 1, 3, -1.5),
            ("1", "0", None, 21.37, 21.37),
            ("1", "0", 1, 21.37, 21.4),
            ("0.1", "0", 2, 21.37, 2.14),
            ("1", "0", 0, 2.5, 3),
            ("0.1", "0", None, 2**64 - 1, 1844674407370955161.5),
        ):
            got = Scaling.of(Decimal(scale), Decimal(offset), precision).value(raw)
            self.assertEqual((got, type(got)), (value, type(value)), (scale, raw))

    def test_digits(self) -> None:
        """How many decimals a number needs."""
        for text, digits in (("0.1", 1), ("0.10", 1), ("20", 0), ("2E+1", 0), ("0.125", 3), ("-1.5", 1), ("0", 0)):
            self.assertEqual(decimal_digits(Decimal(text)), digits)

    @given(SCALES, SCALES, st.integers(-(2**15), 2**15 - 1))
    def test_value_is_the_nearest_float_to_the_exact_decimal(self, scale: Decimal, offset: Decimal, raw: int) -> None:
        """No error of binary arithmetic is ever seen."""
        exact = Fraction(raw) * Fraction(scale) + Fraction(offset)
        self.assertEqual(Scaling.of(scale, offset, None).value(raw), float(exact))

    @given(SCALES, SCALES, st.integers(-(2**15), 2**15 - 1))
    def test_what_was_read_can_be_written(self, scale: Decimal, offset: Decimal, raw: int) -> None:
        """Each value that a register can show has exactly the raw value that it came from."""
        scaling = Scaling.of(scale, offset, None)
        self.assertEqual(scaling.raw(scaling.value(raw), TYPES["INT16"]), raw)

    def test_between_two_raw_values(self) -> None:
        """What no register can hold is refused, naming the two nearest that it can."""
        for scale, value, nearest in (
            ("0.1", 4.15, "4.1 and 4.2"),
            ("-0.5", 0.6, "0.5 and 1.0"),
            ("10", 14, "10 and 20"),
        ):
            error = self.assertRaises(
                Impossible, Scaling.of(Decimal(scale), Decimal(0), None).raw, value, TYPES["INT16"]
            )
            self.assertIn(f"the two nearest that have one are {nearest}", str(error))

    def test_outside_the_range(self) -> None:
        """What lies outside the range is refused, naming its ends."""
        tenths, negative = (Scaling.of(Decimal(scale), Decimal(0), 1) for scale in ("0.1", "-0.1"))
        for scaling, ends in ((tenths, "-3276.8 and 3276.7"), (negative, "-3276.7 and 3276.8")):
            for value in (-3277, 3277.0, 1e300):
                self.assertIn(ends, str(self.assertRaises(Impossible, scaling.raw, value, TYPES["INT16"])))
        self.assertEqual(tenths.raw(3276.7, TYPES["INT16"]), 32767)
        error = self.assertRaises(Impossible, tenths.raw, 1e38, TYPES["FLOAT32"])
        self.assertEqual(str(error), "1e+38 does not fit FLOAT32")

    def test_floats_take_the_nearest(self) -> None:
        """A float register needs no exact hit."""
        self.assertEqual(Scaling.of(Decimal("0.3"), Decimal(1), None).raw(1.1, TYPES["FLOAT64"]), 1 / 3)
