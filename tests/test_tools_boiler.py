"""Promise: a simulated boiler room behaves as one, whatever the steps, and the same every time."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.codecs import decode_words
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.modbus.points import check_write
from smok_twisted.modbus.responses import read_values
from smok_twisted.readings import Table
from smok_twisted.tools.boiler import SM16, Boiler, Coil, Mode, Register

HOUR = 3600.0
NOON = 12 * HOUR
#: Wherever the sun stands and whatever an operator writes, water and rooms stay within these.
PLAUSIBLE = {
    Register.OUTSIDE: (-20, 25),
    Register.BOILER: (5, 100),
    Register.HOT_WATER: (5, 90),
    Register.HEATING: (-5, 95),
    Register.HEATING_SETPOINT: (20, 90),
    Register.ROOM: (-15, 40),
    Register.ROOM_SETPOINT: (0, 35),
}
MODELS = resources.files("smok_twisted.tools") / "models"


def write(boiler, register, temperature):
    """As an operator does: over MODBUS."""
    tenths = round(10 * temperature)
    word = tenths if tenths >= 0 else 0x8000 - tenths
    request = WriteRegister(register, word)
    assert boiler.bank.answer(request.encode()) == request.encode()


def read(boiler, register):
    """A temperature, over MODBUS."""
    request = Read(Table.HOLDING, register, 1)
    return decode_words(SM16, read_values(request, boiler.bank.answer(request.encode()))) / 10


def is_on(boiler, coil):
    return boiler.bank.registers[Table.COIL][coil]


def run(boiler, start, seconds, step=10.0):
    """Advance in even steps; yields the time after each."""
    for number in range(1, int(seconds / step) + 1):
        boiler.advance(start + number * step)
        yield start + number * step


def everything(boiler):
    return {table: dict(cells) for table, cells in boiler.bank.registers.items()}


class Behaviour(SynchronousTestCase):
    """What one sees on the page."""

    def setUp(self):
        self.boiler = Boiler(1, NOON)

    def after(self, seconds):
        """The boiler, so many seconds after noon."""
        for _ in run(self.boiler, NOON, seconds):
            pass
        return self.boiler

    def test_boiler_follows_its_burner(self):
        """Water gets hotter while the burner burns, and the burner keeps it around the setpoint."""
        rises, falls, before, was_on = [], [], read(self.boiler, Register.BOILER), False
        for _ in run(self.boiler, NOON, 2 * HOUR):
            now, burns = read(self.boiler, Register.BOILER), is_on(self.boiler, Coil.BURNER)
            if burns == was_on and not is_on(self.boiler, Coil.CHARGING_PUMP):
                (rises if burns else falls).append(now - before)
            before, was_on = now, burns
            self.assertApproximates(now, read(self.boiler, Register.BOILER_SETPOINT), 6)
        self.assertGreater(min(rises), 0)
        self.assertLess(max(falls), 0)

    def test_burner_does_not_chatter(self):
        """Hysteresis: some starts an hour, not one every step."""
        burns = [is_on(self.boiler, Coil.BURNER) for _ in run(self.boiler, NOON, 4 * HOUR)]
        starts = sum(later > earlier for earlier, later in pairwise(burns))
        self.assertTrue(8 <= starts <= 60, starts)

    def test_boiler_setpoint_is_obeyed(self):
        """A higher boiler setpoint lights the burner, and degrees follow within minutes."""
        write(self.boiler, Register.BOILER_SETPOINT, 80)
        before = read(self.boiler, Register.BOILER)
        self.after(180)
        self.assertTrue(is_on(self.boiler, Coil.BURNER))
        self.assertGreater(read(self.boiler, Register.BOILER), before + 3)

    def test_hot_water_setpoint_is_obeyed(self):
        """A higher hot-water setpoint starts the charging pump, and degrees follow within minutes."""
        write(self.boiler, Register.HOT_WATER_SETPOINT, 60)
        before = read(self.boiler, Register.HOT_WATER)
        self.after(300)
        self.assertTrue(is_on(self.boiler, Coil.CHARGING_PUMP))
        self.assertGreater(read(self.boiler, Register.HOT_WATER), before + 2)
        self.after(2 * HOUR)
        self.assertApproximates(read(self.boiler, Register.HOT_WATER), 58, 2.2)

    def test_room_preset_is_obeyed(self):
        """A higher room preset heats the radiators within minutes and the rooms within hours."""
        write(self.boiler, Register.DAY_PRESET, 25)
        circuit, rooms = read(self.boiler, Register.HEATING), read(self.boiler, Register.ROOM)
        self.after(300)
        self.assertEqual(read(self.boiler, Register.ROOM_SETPOINT), 25)
        self.assertGreater(read(self.boiler, Register.HEATING), circuit + 3)
        self.after(3 * HOUR)
        self.assertGreater(read(self.boiler, Register.ROOM), rooms + 1.5)

    def test_summer_heats_no_rooms(self):
        """In summer the heating pump stands and the circuit cools down; in winter it runs again."""
        before = read(self.boiler, Register.HEATING)
        self.boiler.bank.answer(WriteRegister(Register.MODE, Mode.SUMMER).encode())
        self.after(600)
        self.assertFalse(is_on(self.boiler, Coil.HEATING_PUMP))
        self.assertLess(read(self.boiler, Register.HEATING), before - 3)
        self.boiler.bank.answer(WriteRegister(Register.MODE, Mode.WINTER).encode())
        self.boiler.advance(NOON + 620)
        self.assertTrue(is_on(self.boiler, Coil.HEATING_PUMP))

    def test_day_and_night(self):
        """Presets, circulation pump and clock follow the time of day; nights are colder than days."""
        outside, clock = {}, set()
        for now in run(self.boiler, NOON, 48 * HOUR, 900.0):
            hour = int(now / HOUR) % 24
            outside.setdefault(hour, []).append(read(self.boiler, Register.OUTSIDE))
            preset = Register.DAY_PRESET if 6 <= hour < 22 else Register.NIGHT_PRESET
            self.assertEqual(read(self.boiler, Register.ROOM_SETPOINT), read(self.boiler, preset))
            self.assertEqual(is_on(self.boiler, Coil.CIRCULATION_PUMP), 6 <= hour < 22)
            holding = self.boiler.bank.registers[Table.HOLDING]
            self.assertEqual(holding[Register.HOUR], hour)
            clock.add(holding[Register.MINUTE])
        self.assertEqual(clock, {0, 15, 30, 45})
        self.assertLess(sum(outside[5]), sum(outside[15]))

    def test_what_the_controller_measures_cannot_be_written(self):
        """A measured value that somebody writes is measured again."""
        write(self.boiler, Register.BOILER, 3)
        self.after(10)
        self.assertGreater(read(self.boiler, Register.BOILER), 50)


class Steps(SynchronousTestCase):
    """Whoever drives it may do so in any rhythm."""

    def test_one_seed_one_course(self):
        """Two boiler rooms of one seed never differ; those of another seed do."""
        one, other, third = Boiler(7, NOON), Boiler(7, NOON), Boiler(8, NOON)
        for now in (NOON + 3, NOON + 100, NOON + 9000):
            for boiler in (one, other, third):
                boiler.advance(now)
            self.assertEqual(everything(one), everything(other))
            self.assertNotEqual(everything(one), everything(third))

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, 1000),
        st.lists(st.floats(0, 40 * HOUR) | st.just(3e9), max_size=4),
        st.dictionaries(st.sampled_from(sorted(Register)), st.integers(0, 0xFFFF), max_size=6),
    )
    def test_any_step_and_any_word_stays_plausible(self, seed, steps, words):
        """Steps of any length, and any words that somebody writes, lead to no absurd temperature."""
        now = NOON
        boiler = Boiler(seed, now)
        for register, word in words.items():
            boiler.bank.answer(WriteRegister(register, word).encode())
        for seconds in [60.0, *steps]:
            now += seconds
            boiler.advance(now)
            for register, (least, most) in PLAUSIBLE.items():
                self.assertTrue(least <= read(boiler, register) <= most, (register, read(boiler, register)))

    def test_long_steps_come_to_the_same_as_short_ones(self):
        """Asked every ten seconds or once in two hours: the rooms do not care."""
        often, seldom = Boiler(3, NOON), Boiler(3, NOON)
        for _ in run(often, NOON, 2 * HOUR):
            pass
        seldom.advance(NOON + 2 * HOUR)
        self.assertEqual(everything(often), everything(seldom))

    def test_time_does_not_run_backwards(self):
        """A clock that was set back stops it; nothing breaks, and it goes on when its time has come."""
        boiler = Boiler(3, NOON)
        before = everything(boiler)
        boiler.advance(NOON - HOUR)
        boiler.advance(NOON + 0.2)
        self.assertEqual(everything(boiler), before)
        boiler.advance(NOON + 60)
        self.assertNotEqual(everything(boiler), before)


class Models(SynchronousTestCase):
    """The register maps that are shipped for it."""

    def load(self, name):
        return parse_map((MODELS / f"{name}.toml").read_text("utf-8"), name)

    def test_every_register_is_in_the_map(self):
        """The map names all that the boiler room has, and nothing else."""
        points = self.load("frisko-rx910").points
        self.assertEqual({point.address for point in points if point.table is Table.HOLDING}, set(Register))
        self.assertEqual({point.address for point in points if point.table is Table.COIL}, set(Coil))

    def test_every_planned_read_is_answered(self):
        """Also where the planner reads through a gap; only the meter and the option that is not fitted are not."""
        boiler = Boiler(1, NOON)
        for name in ("frisko-rx910", "frisko-rx910-meter"):
            for block in plan_blocks(self.load(name)):
                answer = boiler.bank.answer(Read(block.table, block.start, block.count).encode())
                self.assertEqual(answer[0] >= 0x80, block.table is Table.INPUT, block)

    def test_temperatures_come_often_and_presets_seldom(self):
        """Temperatures every 10 s, presets often enough to be younger than a minute on the page."""
        intervals = {point.name: point.interval_ms for point in self.load("frisko-rx910").points}
        self.assertEqual(intervals["boiler_temperature"], 10_000)
        self.assertEqual(intervals["day_preset"], 30_000)
        self.assertLess(max(intervals.values()), 60_000)

    def test_setpoints_may_be_written_within_limits(self):
        """The setpoints that the controller obeys are writable in the map, and what it measures is not."""
        points = self.load("frisko-rx910").points
        writable = {point.address for point in points if "w" in point.access}
        obeyed = {
            Register.MODE, Register.BOILER_SETPOINT, Register.HOT_WATER_SETPOINT, Register.DAY_PRESET,
            Register.NIGHT_PRESET,
        }  # fmt: skip
        self.assertEqual(writable, obeyed)
        for point in points:
            if point.address in obeyed and not point.states:
                self.assertEqual(check_write(point, point.max), point.max)
