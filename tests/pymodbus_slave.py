"""A real MODBUS/TCP slave (pymodbus) as a process: ``python -m tests.pymodbus_slave PORT [HOST]``.

Unit 1 holds the registers and coils below; masters may write them.
"""

from __future__ import annotations

import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartTcpServer

#: By 0-based address, as a master asks for them.
HOLDING = {10: 0x8029, 11: 550, 12: 0x4048, 13: 0xF5C3, 14: 0xFFFF, 15: 0xFFFE}
COILS = {5: 1, 6: 0}


def main() -> None:
    """Serve until killed."""
    # pymodbus counts registers of a block from 1.
    holding = ModbusSequentialDataBlock(1, [HOLDING.get(address, 0) for address in range(100)])
    coils = ModbusSequentialDataBlock(1, [COILS.get(address, 0) for address in range(100)])
    unit = ModbusDeviceContext(hr=holding, co=coils)
    port, host = int(sys.argv[1]), (*sys.argv[2:], "127.0.0.1")[0]
    StartTcpServer(ModbusServerContext(devices={1: unit}, single=False), address=(host, port))


if __name__ == "__main__":
    main()
