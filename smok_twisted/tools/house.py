"""A small heated house in numbers: the weather, and how heat moves from the burner to the rooms. Pure.

Temperatures in °C, heat in kW, capacities in kJ/K, time in seconds; midnight is at every multiple of 86,400. Good
enough to look right on a plot; it is no tool for planning a boiler room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

DAY_SECONDS = 86_400.0

BURNER_KW = 30.0
CELLAR = 20.0  #: temperature around boiler and tank

# Capacities
_BOILER = 400.0
_TANK = 800.0
_CIRCUIT = 600.0
_ROOMS = 8_000.0

# Heat that flows for one degree of difference, kW/K
_VALVE_OPENING = 10.0  #: for each degree that the circuit is too cold
_VALVE_WIDE_OPEN = 1.5
_COIL = 0.8
_RADIATORS = 0.35
_BOILER_LOSS = 0.02
_TANK_LOSS = 0.004

#: Period of each wave of the weather (seconds), and how high it may be (degrees).
_WEATHER_WAVES = ((1_300, 0.2), (4_100, 0.4), (17_000, 0.8), (250_000, 3.0))
_COLDEST = 5 * 3600.0


class Weather:
    """The outside temperature: a curve over the day with slow waves on it; always the same for the same time."""

    def __init__(self, random: Random) -> None:
        self._mean = random.uniform(-4, 5)
        self._swing = random.uniform(2, 4)
        self._waves = [
            (high * random.uniform(0.5, 1), period * random.uniform(0.8, 1.2), random.uniform(0, math.tau))
            for period, high in _WEATHER_WAVES
        ]

    def temperature(self, now_seconds: float) -> float:
        """Outside, now."""
        daily = -self._swing * math.cos(math.tau * (now_seconds - _COLDEST) / DAY_SECONDS)
        waves = sum(high * math.sin(math.tau * now_seconds / period + phase) for high, period, phase in self._waves)
        return self._mean + daily + waves


def tap_kw(now_seconds: float) -> float:
    """Hot water that people use: much in the morning and the evening, some by day, hardly any at night."""
    hour = now_seconds / 3600 % 24
    peaks = 4.0 * math.exp(-((hour - 7) ** 2)) + 3.0 * math.exp(-((hour - 19.5) ** 2) / 2)
    return 0.2 + peaks + (0.8 if 6 <= hour < 23 else 0.0)


@dataclass
class Switches:
    """What the controller has switched, and the temperature to which its mixing valve mixes."""

    burner: bool = False
    heating_pump: bool = False
    charging_pump: bool = False
    circulation_pump: bool = False
    heating_setpoint: float = CELLAR


@dataclass
class House:
    """Temperatures. ``loss`` is what the rooms lose to the outside, kW/K."""

    boiler: float
    tank: float
    circuit: float
    rooms: float
    loss: float

    def step(self, switches: Switches, outside: float, now_seconds: float, seconds: float) -> None:
        """Let heat flow for a time; of at most 10 s, so that no node can overshoot its neighbours."""
        into_circuit = self._through_valve(switches.heating_setpoint) if switches.heating_pump else 0.0
        into_tank = max(0.0, _COIL * (self.boiler - self.tank)) if switches.charging_pump else 0.0
        into_rooms = _RADIATORS * (self.circuit - self.rooms)
        from_boiler = into_circuit + into_tank + _BOILER_LOSS * (self.boiler - CELLAR)
        from_tank = _TANK_LOSS * (self.tank - CELLAR) + self._used(switches, now_seconds)
        self.boiler += ((BURNER_KW if switches.burner else 0.0) - from_boiler) * seconds / _BOILER
        self.tank += (into_tank - from_tank) * seconds / _TANK
        self.circuit += (into_circuit - into_rooms) * seconds / _CIRCUIT
        self.rooms += (into_rooms - self.loss * (self.rooms - outside)) * seconds / _ROOMS

    def _through_valve(self, setpoint: float) -> float:
        wanted = _VALVE_OPENING * (setpoint - self.circuit)
        return max(0.0, min(wanted, _VALVE_WIDE_OPEN * (self.boiler - self.circuit)))

    def _used(self, switches: Switches, now_seconds: float) -> float:
        """Taken from the tank; nothing more when it is as cold as the water that comes in."""
        cold = min(1.0, max(0.0, (self.tank - 10) / 20))
        return cold * (tap_kw(now_seconds) + (0.5 if switches.circulation_pump else 0.0))
