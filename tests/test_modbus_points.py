"""Points: values as users see them, and what may be written."""

from __future__ import annotations

import math
from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Impossible, LocalError, NotAllowed
from smok_twisted.modbus.pdu import MaskWrite, WriteCoil, WriteRegister, WriteRegisters
from smok_twisted.modbus.points import Point, check_write
from smok_twisted.readings import Table

TENTHS = Decimal("0.1")


def holding(**keys: object) -> Point:
    return Point("it", Table.HOLDING, 4089, **keys)


class Reading(SynchronousTestCase):
    def test_temperature(self) -> None:
        """The worked examples of the first-generation notes: 4.1 and -4.1 degrees in both sign conventions."""
        for kind, words, value in (("SM16", 0x0029, 4.1), ("SM16", 0x8029, -4.1), ("INT16", 0xFFD7, -4.1)):
            point = holding(type=kind, scale=TENTHS, precision=1)
            self.assertEqual(point.decode((words,)), value)
            self.assertEqual(point.encode(value), (words,))

    def test_bit_of_a_register(self) -> None:
        """One bit of a word, counted from the least significant, also where octets are swapped."""
        for order, word in (("ABCD", 0x0020), ("CDAB", 0x0020), ("BADC", 0x2000), ("DCBA", 0x2000)):
            point = holding(type="BOOL", bit=5, byte_order=order)
            self.assertIs(point.decode((word,)), True)
            self.assertIs(point.decode((0xFFFF ^ word,)), False)
            self.assertEqual(point.encode(True), (word,))

    def test_coil(self) -> None:
        """A coil is true or false."""
        point = Point("pump", Table.COIL, 7077, "BOOL")
        self.assertEqual(point.words_count, 1)
        self.assertIs(point.decode((1,)), True)
        self.assertIs(point.decode((0,)), False)
        self.assertEqual((point.encode(True), point.encode(False)), ((1,), (0,)))

    def test_float(self) -> None:
        """A float is shown as it was meant; one beyond all numbers after scaling means nothing."""
        self.assertEqual(holding(type="FLOAT32").decode((0x41AA, 0xF5C3)), 21.37)
        point = holding(type="FLOAT64", scale=Decimal(10))
        self.assertIsNone(point.decode((0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF)))
        self.assertIsNone(point.decode((0x7FF8, 0, 0, 0)))

    def test_text(self) -> None:
        """A text has as many registers as its length says."""
        point = holding(type="STRING", length=4)
        self.assertEqual(point.words_count, 4)
        self.assertEqual(point.decode(point.encode("FRISKO")), "FRISKO")

    def test_wrong_number_of_words(self) -> None:
        """Words that are not the point's are an error of the program, not a value."""
        self.assertRaises(LocalError, holding(type="INT32").decode, (1,))

    def test_states(self) -> None:
        """States have names; other values have none."""
        point = holding(states=((0, "summer"), (1, "winter")))
        self.assertEqual([point.state_name(value) for value in (0, 1, 2, None)], ["summer", "winter", None, None])


class Requests(SynchronousTestCase):
    def test_requests(self) -> None:
        """A bit inside a register is written without touching the others; everything else by the usual functions."""
        for point, value, request in (
            (Point("pump", Table.COIL, 7, "BOOL"), True, WriteCoil(7, True)),
            (holding(scale=TENTHS), 4.1, WriteRegister(4089, 41)),
            (holding(type="INT32"), -1, WriteRegisters(4089, (0xFFFF, 0xFFFF))),
            (holding(type="BOOL", bit=5), True, MaskWrite(4089, 0xFFDF, 0x0020)),
            (holding(type="BOOL", bit=5), False, MaskWrite(4089, 0xFFDF, 0)),
            (holding(type="BOOL", bit=5, byte_order="BADC"), True, MaskWrite(4089, 0xDFFF, 0x2000)),
        ):
            self.assertEqual(point.write_request(value), request)

    def test_refusals_name_the_point(self) -> None:
        """Who reads the error knows which point it is about, and what would do."""
        error = self.assertRaises(Impossible, holding(scale=TENTHS).encode, 4.15)
        self.assertEqual(str(error), "point 'it': 4.15 has no raw value, the two nearest that have one are 4.1 and 4.2")


class Permission(SynchronousTestCase):
    def test_read_only(self) -> None:
        """A point is read-only unless its register map says otherwise."""
        error = self.assertRaises(NotAllowed, check_write, holding(), 1)
        self.assertIn('access = "rw"', str(error))

    def test_limits(self) -> None:
        """Both limits belong to what is accepted, nothing beyond them."""
        point = holding(access="rw", scale=TENTHS, min=4.1, max=40)
        for value in (4.1, 4.2, 40, 40.0):
            self.assertEqual(check_write(point, value), value)
        for value in (4.0, 4.09, 40.1, -1e300):
            error = self.assertRaises(Impossible, check_write, point, value)
            self.assertIn("accepted is a number from 4.1 to 40", str(error))

    def test_no_limits(self) -> None:
        """A point built by hand may have none."""
        self.assertEqual(check_write(holding(access="w"), 7), 7)

    def test_types(self) -> None:
        """A value of another type is refused, and the right one named."""
        number = holding(access="rw", min=0, max=1)
        truth = holding(access="rw", type="BOOL", bit=0)
        text = holding(access="rw", type="STRING", length=2)
        for point, accepted, wrong in (
            (number, "a number from 0 to 1", (True, "1", math.nan, math.inf)),
            (truth, "true or false", (2, 0.5, "on", -1)),
            (text, "a text of up to 4 octets", (1, True, 0.5)),
        ):
            for value in wrong:
                error = self.assertRaises(Impossible, check_write, point, value)
                self.assertIn(f"accepted is {accepted}", str(error))
        self.assertEqual(check_write(text, "A"), "A")
        for value, result in ((True, True), (0, False), (1.0, True)):
            self.assertIs(check_write(truth, value), result)

    def test_states(self) -> None:
        """A state is written by its name or number; what is no state is refused."""
        point = holding(access="rw", states=((0, "summer"), (2, "auto")))
        self.assertEqual([check_write(point, value) for value in ("summer", "auto", 0, 2)], [0, 2, 0, 2])
        for value in ("winter", 1):
            error = self.assertRaises(Impossible, check_write, point, value)
            self.assertIn("accepted is one of 0 (summer), 2 (auto)", str(error))
        burner = Point("burner", Table.COIL, 0, "BOOL", access="rw", states=((0, "off"), (1, "on")))
        self.assertIs(check_write(burner, "on"), True)
        self.assertRaises(Impossible, check_write, burner, "maybe")
