"""One simulated boiler room: the registers of a Frisko RX910 style controller, and what it does with its house. Pure.

Source of the registers: design note p24, last paragraph. Nothing runs by itself: ``advance`` brings everything to a
time, so a thousand boiler rooms need no timer, and one seed gives one course of events.
"""

from __future__ import annotations

import enum
import math
from random import Random

from ..modbus.bank import RegisterBank
from ..modbus.codecs import TYPES, decode_words, encode_words
from ..readings import Table
from .house import House, Switches, Weather

#: The longest step of the house, and the shortest of the controller.
STEP_SECONDS = 10.0
REST_SECONDS = 1.0
#: After a longer pause only so much is made up for; the house has forgotten what was before.
LONGEST_SECONDS = 6 * 3600.0

BURNER_BAND = 3.0  #: degrees above and below the setpoint
CHARGING_BAND = 4.0  #: degrees below the setpoint
CHARGING_LEAD = 8.0  #: the boiler is so much hotter than the tank shall be
HEATING_SLOPE = 0.9  #: degrees of the circuit for a degree between rooms and outside
HEATING_LIMIT = 4.0  #: in mode auto there is heating while it is so much colder outside than the rooms shall be
ROOM_CORRECTION = 4.0  #: degrees of the circuit for a degree that is missing in the rooms
DAY_HOURS = range(6, 22)

SM16 = TYPES["SM16"]


class Register(enum.IntEnum):
    """Holding registers; temperatures are tenths of a degree in sign and magnitude."""

    MINUTE = 4001
    HOUR = 4002
    MODE = 4077
    OUTSIDE = 4089
    HOT_WATER_SETPOINT = 4102
    BOILER = 4103
    HOT_WATER = 4104
    BOILER_SETPOINT = 4118
    ROOM_SETPOINT = 4132
    HEATING = 4134
    HEATING_SETPOINT = 4135
    ROOM = 4136
    DAY_PRESET = 4167
    NIGHT_PRESET = 4169


class Coil(enum.IntEnum):
    """What is switched on."""

    CIRCULATION_PUMP = 7077
    CHARGING_PUMP = 7078
    HEATING_PUMP = 7115
    BURNER = 7129


class Mode(enum.IntEnum):
    """Register ``MODE``."""

    SUMMER = 0  #: hot water only
    WINTER = 1
    AUTO = 2  #: as winter, while it is cold outside


#: What the unit has; what lies between the registers above reads as 0.
HOLDING = range(4000, 4200)
COILS = range(7070, 7140)


class Boiler:
    """``bank`` is the MODBUS unit. What an operator writes there is obeyed from the next ``advance`` on; what the
    controller itself measures or works out is written over. ``now_seconds`` is local time, midnight at every
    multiple of 86,400."""

    def __init__(self, seed: int, now_seconds: float) -> None:
        random = Random(seed)
        self.bank = RegisterBank()
        self.bank.registers[Table.HOLDING].update(dict.fromkeys(HOLDING, 0))
        self.bank.registers[Table.COIL].update(dict.fromkeys(COILS, 0))
        self._now = now_seconds
        self._weather = Weather(random)
        self._switches = Switches()
        self._set_factory_values(random)
        self._house = self._settled_house(random)
        self._control()
        self._show()

    def advance(self, now_seconds: float) -> None:
        """Bring everything to this time; for less than ``REST_SECONDS``, or backwards, nothing happens."""
        if now_seconds - self._now < REST_SECONDS:
            return
        start = max(self._now, now_seconds - LONGEST_SECONDS)
        count = math.ceil((now_seconds - start) / STEP_SECONDS)
        for number in range(1, count + 1):
            self._now = start + (now_seconds - start) * number / count
            self._control()
            self._house.step(self._switches, self._outside, self._now, (now_seconds - start) / count)
        self._show()

    # -- the controller

    def _control(self) -> None:
        """Switch, as the temperatures and the operator's setpoints ask for."""
        switches, house = self._switches, self._house
        boiler_setpoint = self._setpoint(Register.BOILER_SETPOINT, 30, 90)
        switches.circulation_pump = self._is_day
        switches.heating_setpoint = self._heating_setpoint(boiler_setpoint)
        switches.heating_pump = self._is_heating
        hot_water_setpoint = self._setpoint(Register.HOT_WATER_SETPOINT, 10, 80)
        if switches.charging_pump or house.tank < hot_water_setpoint - CHARGING_BAND:
            switches.charging_pump = house.tank < hot_water_setpoint
        if switches.charging_pump:
            boiler_setpoint = max(boiler_setpoint, hot_water_setpoint + CHARGING_LEAD)
        wanted = switches.heating_pump or switches.charging_pump
        limit = boiler_setpoint + (BURNER_BAND if switches.burner else -BURNER_BAND)
        switches.burner = wanted and house.boiler < limit

    def _heating_setpoint(self, most: float) -> float:
        """By the weather, corrected by the room; as hot as the boiler at most."""
        room = self._room_setpoint
        wanted = room + HEATING_SLOPE * (room - self._outside) + ROOM_CORRECTION * (room - self._house.rooms)
        return min(max(wanted, 20.0), most)

    @property
    def _is_heating(self) -> bool:
        mode = self.bank.registers[Table.HOLDING][Register.MODE]
        is_cold = self._outside < self._room_setpoint - HEATING_LIMIT
        return mode == Mode.WINTER or (mode == Mode.AUTO and is_cold)

    @property
    def _is_day(self) -> bool:
        return int(self._now // 3600) % 24 in DAY_HOURS

    @property
    def _outside(self) -> float:
        return self._weather.temperature(self._now)

    @property
    def _room_setpoint(self) -> float:
        return self._setpoint(Register.DAY_PRESET if self._is_day else Register.NIGHT_PRESET, 0, 35)

    # -- registers

    def _setpoint(self, register: Register, least: float, most: float) -> float:
        """What the operator wants, as far as the controller goes along with it."""
        word = self.bank.registers[Table.HOLDING][register]
        return min(max(int(decode_words(SM16, (word,)) or 0) / 10, least), most)

    def _put(self, register: Register, temperature: float) -> None:
        (word,) = encode_words(SM16, round(10 * temperature))
        self.bank.registers[Table.HOLDING][register] = word

    def _show(self) -> None:
        """Write what is measured and worked out."""
        house, switches = self._house, self._switches
        self._put(Register.OUTSIDE, self._outside)
        self._put(Register.BOILER, house.boiler)
        self._put(Register.HOT_WATER, house.tank)
        self._put(Register.HEATING, house.circuit)
        self._put(Register.HEATING_SETPOINT, switches.heating_setpoint)
        self._put(Register.ROOM, house.rooms)
        self._put(Register.ROOM_SETPOINT, self._room_setpoint)
        minutes = int(self._now // 60)
        self.bank.registers[Table.HOLDING].update({Register.HOUR: minutes // 60 % 24, Register.MINUTE: minutes % 60})
        self.bank.registers[Table.COIL].update({
            Coil.BURNER: int(switches.burner),
            Coil.HEATING_PUMP: int(switches.heating_pump),
            Coil.CHARGING_PUMP: int(switches.charging_pump),
            Coil.CIRCULATION_PUMP: int(switches.circulation_pump),
        })

    # -- the beginning

    def _set_factory_values(self, random: Random) -> None:
        self.bank.registers[Table.HOLDING][Register.MODE] = Mode.AUTO
        self._put(Register.BOILER_SETPOINT, random.randint(60, 70))
        self._put(Register.HOT_WATER_SETPOINT, random.randint(46, 52))
        self._put(Register.DAY_PRESET, random.randint(40, 44) / 2)
        self._put(Register.NIGHT_PRESET, random.randint(32, 36) / 2)

    def _settled_house(self, random: Random) -> House:
        """As if it had been running for long."""
        room = self._room_setpoint
        return House(
            boiler=self._setpoint(Register.BOILER_SETPOINT, 30, 90) + random.uniform(-BURNER_BAND, BURNER_BAND),
            tank=self._setpoint(Register.HOT_WATER_SETPOINT, 10, 80) - random.uniform(0, CHARGING_BAND),
            circuit=room + HEATING_SLOPE * (room - self._outside),
            rooms=room + random.uniform(-0.5, 0.5),
            loss=random.uniform(0.25, 0.35),
        )
