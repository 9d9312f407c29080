"""Only the MODBUS layer, over a serial line: a master and a unit on the two ends of a pair of pseudo terminals.

With real equipment the path is /dev/ttyUSB0, and there is no thread. Run it: python examples/modbus_over_rtu.py
"""

import os
import threading
import tty

from twisted.internet import task
from twisted.internet.defer import Deferred

from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.lines import open_line
from smok_twisted.modbus.pdu import WriteRegister, read_request
from smok_twisted.modbus.responses import read_values
from smok_twisted.modbus.rtu import Frame, build_frame, request_decoder
from smok_twisted.readings import Table

UNIT = 17


def unit_on(line: int) -> None:
    """The unit: whole frames with a right CRC come out of any pieces, and are answered."""
    bank = RegisterBank()
    bank.registers[Table.HOLDING] = {4089: 251, 4102: 550}
    decoder = request_decoder()
    while True:
        decoder.feed(os.read(line, 256))
        while (found := decoder.next()) is not None:
            if isinstance(found, Frame) and found.unit == UNIT:  # everything else is noise, or somebody else's
                os.write(line, build_frame(UNIT, bank.answer(found.pdu)))


async def main(reactor, path: str) -> None:
    """The master."""
    line = open_line(f"rtu:{path}:9600:8N1", reactor)
    write, read = WriteRegister(4102, 600), read_request(Table.HOLDING, 4102, 1)
    await line.execute(UNIT, write.encode(), timeout_seconds=5)
    answer = await line.execute(UNIT, read.encode(), timeout_seconds=5)
    print(f"register 4102 of unit {UNIT} holds {read_values(read, answer)[0]}")
    await line.stop()


far_end, near_end = os.openpty()
tty.setraw(near_end)
threading.Thread(target=unit_on, args=(far_end,), daemon=True).start()
task.react(lambda reactor: Deferred.fromCoroutine(main(reactor, os.ttyname(near_end))))
