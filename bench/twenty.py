"""The device that all octets are counted for: 20 registers, one of them another each time, read once a minute.

Two registers change by one in each minute: about as much as boiler rooms have to say (design note performance, row 13).
"""

from __future__ import annotations

from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.readings import Table

COUNT = 20
ADDRESSES = range(100, 100 + COUNT)
CHANGES_A_MINUTE = 2
NAMES = [f"temperature_{number}" for number in range(COUNT)]
WORDS = {address: 200 + 7 * number for number, address in enumerate(ADDRESSES)}


def model(more: str = "") -> str:
    """The register map; ``more`` holds further keys of the whole map."""
    points = "".join(
        f'[[point]]\nname = "{name}"\nregister = "holding"\naddress = {address}\nscale = 0.1\ndeadband = 5\n'
        for name, address in zip(NAMES, ADDRESSES, strict=True)
    )
    return f'name = "boiler"\ninterval = "60s"\n{more}\n{points}'


class Equipment:
    """The unit itself."""

    def __init__(self) -> None:
        self.bank = RegisterBank()
        self.bank.registers[Table.HOLDING] = dict(WORDS)
        self._turn = 0

    def minute(self) -> None:
        """The next two registers go up by one, in the next pass down."""
        registers = self.bank.registers[Table.HOLDING]
        for _ in range(CHANGES_A_MINUTE):
            number, is_odd_pass = self._turn % COUNT, self._turn // COUNT % 2
            registers[ADDRESSES[number]] += -1 if is_odd_pass else 1
            self._turn += 1
