"""Register maps: every key of the design note, and what a mistake in a map gets."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import NotFound, UserError
from smok_twisted.modbus.durations import parse_duration_ms
from smok_twisted.modbus.map_points import POINT_KEYS
from smok_twisted.modbus.maps import Forbidden, RegisterMap, parse_map
from smok_twisted.modbus.points import Alarm, Point
from smok_twisted.readings import Table

EXAMPLE = """
name = "frisko-rx910"
title = "Frisko RX910"
unit_id = 1
interval = "60s"

[[point]]
name = "outside_temperature"
title = "Outside temperature"
register = "holding"
address = 4089
type = "SM16"
scale = 0.1
unit = "°C"
precision = 1
deadband = 0.2
access = "r"
alarm = { lo = -25, hi = 40, delay = "5m", hysteresis = 1, priority = "low" }
"""


def one_point(keys: str, top: str = "") -> RegisterMap:
    return parse_map(f'name = "m"\n{top}\n[[point]]\nname = "p"\n{keys}\n', "m.toml")


def point(keys: str, top: str = "") -> Point:
    return one_point(keys, top).points[0]


HOLDING = 'register = "holding"\naddress = 7\n'


class Keys(SynchronousTestCase):
    def test_the_example_of_the_notes(self) -> None:
        """The map in the design note means what it says."""
        register_map = parse_map(EXAMPLE)
        self.assertEqual((register_map.name, register_map.title), ("frisko-rx910", "Frisko RX910"))
        self.assertEqual(
            register_map.points,
            (
                Point(
                    "outside_temperature", Table.HOLDING, 4089, "SM16", "Outside temperature", unit_id=1,
                    interval_ms=60_000, scale=Decimal("0.1"), precision=1, unit="°C", deadband=Decimal("0.2"),
                    alarm=Alarm(-25, 40, 300_000, 1, "low"),
                ),
            ),
        )  # fmt: skip
        self.assertEqual(register_map.points[0].decode((0x8029,)), -4.1)

    def test_version_is_that_of_the_text(self) -> None:
        """Any change of the file is another version, so that old words keep their meaning."""
        register_map = parse_map(EXAMPLE)
        self.assertEqual(register_map.text, EXAMPLE)
        self.assertEqual(register_map.version, hashlib.sha256(EXAMPLE.encode()).hexdigest()[:16])
        self.assertNotEqual(parse_map(EXAMPLE + "\n").version, register_map.version)

    def test_least(self) -> None:
        """Name, register and address are enough; the rest has the defaults of the note."""
        self.assertEqual(point(HOLDING), Point("p", Table.HOLDING, 7, "UINT16", "p", precision=0))
        coil = point('register = "coil"\naddress = 7\n')
        self.assertEqual(coil, Point("p", Table.COIL, 7, "BOOL", "p", precision=0))
        self.assertEqual(one_point(HOLDING).max_registers, 120)
        self.assertEqual(one_point(HOLDING).title, "m")

    def test_defaults_from_the_top(self) -> None:
        """unit_id, interval, report and byte_order of the top hold for every point that has none of its own."""
        top = 'unit_id = 9\ninterval = "5s"\nreport = "1m"\nbyte_order = "CDAB"\n'
        got = point(HOLDING, top)
        self.assertEqual((got.unit_id, got.interval_ms, got.report_ms, got.byte_order), (9, 5000, 60_000, "CDAB"))
        own = 'unit_id = 2\ninterval = "7d"\nreport = "0s"\nbyte_order = "DCBA"\n'
        got = point(HOLDING + own, top)
        self.assertEqual((got.unit_id, got.interval_ms, got.report_ms, got.byte_order), (2, 604_800_000, 0, "DCBA"))

    def test_every_other_key(self) -> None:
        """Each key reaches the point."""
        got = point(HOLDING + 'type = "INT32"\noffset = -5\nmin = -1.5\nmax = 2\naccess = "rw"\nverify = false\n')
        self.assertEqual((got.offset, got.min, got.max, got.access, got.verify), (Decimal(-5), -1.5, 2, "rw", False))
        self.assertEqual(point(HOLDING + 'type = "BOOL"\nbit = 15\n').bit, 15)
        self.assertEqual(point(HOLDING + 'type = "STRING"\nlength = 120\n').length, 120)
        states = 'access = "rw"\nstates = { 1 = "winter", 0 = "summer" }\n'
        self.assertEqual(point(HOLDING + states).states, ((0, "summer"), (1, "winter")))
        self.assertIs(point(HOLDING + 'access = "w"\nmin = 0\nmax = 1\n').verify, False)
        self.assertEqual(point(HOLDING + "alarm = { hi = 9 }\n").alarm, Alarm(None, 9, 0, 0, "medium"))
        self.assertEqual(
            one_point(
                HOLDING, 'forbidden = [{ register = "holding", from = 8, to = 9 }]\nmax_registers = 10\n'
            ).forbidden,
            (Forbidden(Table.HOLDING, 8, 9),),
        )

    def test_precision_defaults_to_the_digits_of_scale_and_offset(self) -> None:
        """Integers get as many decimals as they can have; floats are not rounded unless that is asked for."""
        for keys, precision in (
            ("scale = 0.1", 1), ("scale = 0.10", 1), ("scale = 10", 0), ("scale = 0.5\noffset = 0.25", 2),
            ("scale = 0.1\nprecision = 3", 3), ('type = "FLOAT32"', None), ('type = "FLOAT32"\nprecision = 2', 2),
        ):  # fmt: skip
            self.assertEqual(point(HOLDING + keys).precision, precision, keys)

    def test_addresses(self) -> None:
        """0-based numbers, and 1-based references of five or six digits."""
        for register, address, meant in (
            ("holding", "4089", 4089), ("holding", '"44090"', 4089), ("holding", '"440090"', 40089),
            ("input", '"30001"', 0), ("coil", '"00001"', 0), ("discrete", '"165536"', 65535), ("coil", "65535", 65535),
        ):  # fmt: skip
            self.assertEqual(point(f'register = "{register}"\naddress = {address}').address, meant)

    def test_point_by_name(self) -> None:
        """A point is found by its name, and the error names those that there are."""
        register_map = one_point(HOLDING)
        self.assertIs(register_map.point("p"), register_map.points[0])
        self.assertIn("which has p", str(self.assertRaises(NotFound, register_map.point, "q")))


#: keys of the point -> what the error must say, in order.
MISTAKES = {
    'register = "holding"': ("address is missing", "44090"),
    "address = 1": ("register is missing", "coil, discrete, holding, input"),
    HOLDING + "scal = 0.1": ('unknown key "scal"', 'did you mean "scale"?', "precision"),
    HOLDING + "qqqq = 0.1": ('unknown key "qqqq", accepted are name',),
    'register = "relay"\naddress = 1': ('register = "relay"', "one of coil"),
    'register = 4\naddress = 1': ("register = 4", "one of coil"),
    'register = "holding"\naddress = 65536': ("address = 65536", "0 to 65535"),
    'register = "holding"\naddress = -1': ("address = -1", "0 to 65535"),
    'register = "holding"\naddress = true': ("address = true",),
    'register = "holding"\naddress = 1.5': ("address = 1.5",),
    'register = "holding"\naddress = "4409"': ('address = "4409"', '"44090"'),
    'register = "holding"\naddress = "40000"': ('address = "40000"',),
    'register = "holding"\naddress = "465537"': ('address = "465537"',),
    'register = "holding"\naddress = "24090"': ('address = "24090"',),
    'register = "holding"\naddress = "34090"': ('refers to the table "input"', "begin with 4"),
    'register = "holding"\naddress = 65535\ntype = "INT32"': ("address = 65535", "beyond 65535"),
    HOLDING + 'type = "INT17"': ('type = "INT17"', "INT16"),
    'register = "coil"\naddress = 1\ntype = "INT16"': ("type", "must be BOOL"),
    HOLDING + 'type = "BOOL"': ("bit is missing",),
    HOLDING + 'type = "BOOL"\nbit = 16': ("bit = 16", "0 to 15"),
    HOLDING + "bit = 1": ("bit is not accepted for type UINT16",),
    'register = "coil"\naddress = 1\nbit = 1': ("bit is not accepted for a bit",),
    HOLDING + 'type = "STRING"': ("length is missing",),
    HOLDING + 'type = "STRING"\nlength = 121': ("length = 121", "1 to 120"),
    HOLDING + "length = 1": ("length is not accepted for type UINT16",),
    HOLDING + 'type = "STRING"\nlength = 1\nscale = 2': ("scale is not accepted for type STRING",),
    HOLDING + 'type = "STRING"\nlength = 1\nalarm = { hi = 1 }': ("alarm is not accepted",),
    HOLDING + 'type = "STRING"\nlength = 1\nstates = { 0 = "a" }': ("states is not accepted",),
    HOLDING + 'type = "FLOAT32"\nstates = { 0 = "a" }': ("states is not accepted",),
    'register = "coil"\naddress = 1\nmin = 0': ("min is not accepted for a bit",),
    HOLDING + "scale = 0": ("scale = 0",),
    HOLDING + "scale = 0.0": ("scale = 0",),
    HOLDING + 'scale = "0.1"': ('scale = "0.1"', "a number"),
    HOLDING + "scale = true": ("scale = true", "a number"),
    HOLDING + "scale = inf": ("scale = Infinity", "a number"),
    HOLDING + "scale = nan": ("scale = NaN", "a number"),
    HOLDING + "scale = 1e21": ("scale = 1E+21", "below 1e21"),
    HOLDING + "scale = 1e-16": ("scale = 1E-16", "15 decimals"),
    HOLDING + "precision = -1": ("precision = -1", "0 to 15"),
    HOLDING + "precision = 1.0": ("precision = 1.0", "0 to 15"),
    HOLDING + "deadband = -1": ("deadband = -1", "0 or more"),
    HOLDING + 'byte_order = "AB"': ('byte_order = "AB"', "ABCD, CDAB, BADC, DCBA"),
    HOLDING + 'access = "x"': ('access = "x"', "r, rw, w"),
    HOLDING + 'access = "rw"': ("min is missing",),
    HOLDING + 'access = "w"\nmin = 0': ("max is missing",),
    HOLDING + 'access = "rw"\nmin = 2\nmax = 1': ("min = 2", "max = 1"),
    HOLDING + 'access = "w"\nmin = 0\nmax = 1\nverify = true': ("verify",),
    HOLDING + "verify = 1": ("verify = 1", "true or false"),
    'register = "input"\naddress = 1\naccess = "rw"\nmin = 0\nmax = 1': ("access", "an input register", '"r"'),
    'register = "discrete"\naddress = 1\naccess = "w"': ("access", "a discrete input", '"r"'),
    HOLDING + "unit_id = 256": ("unit_id = 256", "0 to 255"),
    HOLDING + 'interval = "60"': ("interval = '60' is no duration", "5m"),
    HOLDING + "interval = 60": ("interval = 60", "5m"),
    HOLDING + 'interval = "99ms"': ('interval = "99ms"', "at least 100ms"),
    HOLDING + 'title = "a\\nb"': ("title", "one line"),
    HOLDING + "unit = 1": ("unit = 1",),
    HOLDING + "states = {}": ("states = {}", "summer"),
    HOLDING + "states = 1": ("states = 1", "summer"),
    HOLDING + 'states = { a = "b" }': ("states", "whole numbers"),
    HOLDING + 'states = { 0 = "b", 1 = "b" }': ("states", "different names"),
    HOLDING + 'states = { 0 = "a", 00 = "b" }': ("states", "whole numbers"),
    HOLDING + "states = { 0 = 1 }": ("states",),
    HOLDING + 'states = { 0 = "" }': ("states",),
    'register = "coil"\naddress = 1\nstates = { 2 = "x" }': ("states",),
    HOLDING + "alarm = 1": ("alarm = 1", "lo = -25"),
    HOLDING + "alarm = {}": ("alarm has no limit",),
    HOLDING + "alarm = { lo = 2, hi = 2 }": ("alarm", "lo must be below hi"),
    HOLDING + "alarm = { high = 2 }": ('alarm: unknown key "high"', "lo, hi, delay, hysteresis, priority"),
    HOLDING + 'alarm = { hi = 2, priority = "red" }': ('alarm: priority = "red"', "low, medium, high"),
    HOLDING + "alarm = { hi = 2, hysteresis = -1 }": ("alarm: hysteresis = -1",),
    HOLDING + 'alarm = { hi = 2, delay = "soon" }': ("alarm: delay", "5m"),
    HOLDING + f'unit = {["x" * 100]}': ("unit =", "..."),
}  # fmt: skip

TOP_MISTAKES = {
    "": ("name is missing", "small letters"),
    'name = "m"': ("point is missing", "[[point]]"),
    'name = "m"\npoint = []': ("point = []", "[[point]]"),
    'name = "m"\npoint = 1': ("point = 1", "[[point]]"),
    'name = "M"\n[[point]]': ('name = "M"', "small letters, digits and -"),
    'name = "m"\npints = 1': ('unknown key "pints"', 'did you mean "point"?'),
    'name = "m"\n[[point]]\n': ("point 1: register is missing",),
    'name = "m"\n[[point]]\nregister = "coil"\naddress = 1': ("point 1: name is missing",),
    'name = "m"\n[[point]]\nname = "A b"\nregister = "coil"\naddress = 1': ('point "A b": name = "A b"',),
    'name = "m"\n[[point]]\nname = 1\nregister = "coil"\naddress = 1': ("point 1: name = 1",),
    'name = "m"\nunit_id = \n': ("this is not TOML", "line 2"),
    'name = "m"\nname = "n"\n': ("this is not TOML", "line 2"),
    "x = " + 2000 * "[": ("nested too deep",),
    "x = " + 5000 * "9": ("too many digits",),
    "x = 1e99999999999999999999": ("too many digits",),
    'name = "m"\nmax_registers = 121\n[[point]]\nname = "p"\n' + HOLDING: ("max_registers = 121", "1 to 120"),
    'name = "m"\nmax_registers = 1\n[[point]]\nname = "p"\ntype = "INT32"\n' + HOLDING: (
        'point "p": address takes 2 registers', "max_registers = 1",
    ),
    f'name = "m"\n[[point]]\nname = "p"\n{HOLDING}[[point]]\nname = "p"\n{HOLDING}': ("name is there 2 times",),
    f'name = "m"\nforbidden = 1\n[[point]]\nname = "p"\n{HOLDING}': ("forbidden = 1", "from = 100"),
    f'name = "m"\nforbidden = [{{ register = "holding", from = 9, to = 8 }}]\n[[point]]\nname = "p"\n{HOLDING}': (
        "forbidden 1: to = 8", "9 to 65535",
    ),
    f'name = "m"\nforbidden = [{{ register = "holding", from = 9 }}]\n[[point]]\nname = "p"\n{HOLDING}': (
        "forbidden 1: to is missing",
    ),
    f'name = "m"\nforbidden = [{{ register = "holding", from = 0, to = 7 }}]\n[[point]]\nname = "p"\n{HOLDING}': (
        'point "p": address = 7 lies within forbidden holding 0 to 7',
    ),
}  # fmt: skip


class Mistakes(SynchronousTestCase):
    def check(self, text: str, parts: tuple[str, ...]) -> None:
        error = str(self.assertRaises(UserError, parse_map, text, "m.toml"))
        self.assertTrue(error.startswith("m.toml: "), error)
        self.assertNotIn("\n", error)
        at = 0
        for part in parts:
            found = error.find(part, at)
            self.assertNotEqual(found, -1, f"{part!r} is not in {error!r}")
            at = found + len(part)

    def test_of_points(self) -> None:
        """Each mistake in a point gets one sentence: file, point, key, reason, accepted form."""
        for keys, parts in MISTAKES.items():
            self.check(f'name = "m"\n[[point]]\nname = "p"\n{keys}\n', ('point "p": ', *parts))

    def test_of_the_top(self) -> None:
        """Each mistake at the top gets one sentence too; one of syntax names the line."""
        for text, parts in TOP_MISTAKES.items():
            self.check(text, parts)

    def test_forbidden_addresses_of_another_table(self) -> None:
        """Forbidden input registers say nothing about holding registers."""
        one_point(HOLDING, 'forbidden = [{ register = "input", from = 0, to = 100 }]')

    @given(
        st.sampled_from(POINT_KEYS), st.sampled_from(["1", "-1", "0.5", "true", '"x"', '""', "[]", "{}", "1979-05-27"])
    )
    def test_any_key_with_any_type(self, key: str, value: str) -> None:
        """A wrong type is a UserError, never a crash."""
        keys = {"name": '"p"', "register": '"holding"', "address": "1", key: value}
        text = 'name = "m"\n[[point]]\n' + "".join(f"{key} = {value}\n" for key, value in keys.items())
        try:
            parse_map(text, "m.toml")
        except UserError as error:
            self.assertIn("m.toml: point ", str(error))


class Durations(SynchronousTestCase):
    def test_units(self) -> None:
        """The five units of the notes."""
        for text, milliseconds in (
            ("500ms", 500),
            ("5s", 5000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ):
            self.assertEqual(parse_duration_ms(text), milliseconds)

    def test_others(self) -> None:
        """Anything else is refused with the accepted form."""
        for text in ("", "5", "s", "5 s", "-5s", "5S", "1.5s", "5s ", "5m5s", "9999999999s", "٣s"):
            self.assertIn("such as 500ms", str(self.assertRaises(UserError, parse_duration_ms, text)))


class Bombs(SynchronousTestCase):
    def test_a_key_of_many_parts(self) -> None:
        """Eight kilobytes of dotted key would take 65 MB: refused before anybody parses it."""
        for text in ("a" + ".a" * 4000 + " = 1", "x = { a" + " . a" * 100 + " = 1 }", '["b"' + '."b"' * 100 + "]"):
            self.assertIn("no keys of many parts", str(self.assertRaises(UserError, parse_map, text)))
        self.assertIn("at most 1048576", str(self.assertRaises(UserError, parse_map, "#" * ((1 << 20) + 1))))

    def test_dots_elsewhere_are_no_keys(self) -> None:
        """In texts and comments they are what they are."""
        dots = "." * 50
        text = f'name = "m"\ntitle = "{dots}"\n# {dots}\n[[point]]\nname = "p"\nregister = "coil"\naddress = 1\n'
        self.assertEqual(parse_map(text).title, dots)
