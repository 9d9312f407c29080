"""Only the MODBUS layer: a register map, the reads it needs, and values out of words. No network.

Run it: python examples/only_modbus.py
"""

from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.pdu import read_request
from smok_twisted.modbus.plan import locate, plan_blocks, words_of
from smok_twisted.modbus.responses import read_values
from smok_twisted.readings import Table

MAP = """
name = "boiler"
[[point]]
name = "outside_temperature"
register = "holding"
address = 4089
type = "SM16"
scale = 0.1
unit = "°C"
[[point]]
name = "burner"
register = "coil"
address = 7129
"""

# Equipment in memory; over a wire it would be modbus.lines.open_line("rtu:/dev/ttyUSB0:9600:8N1", reactor).
unit = RegisterBank()
unit.registers[Table.HOLDING][4089] = 0x8029
unit.registers[Table.COIL][7129] = 1

register_map = parse_map(MAP)
blocks = plan_blocks(register_map)
for number, block in enumerate(blocks):
    request = read_request(block.table, block.start, block.count)
    words = read_values(request, unit.answer(request.encode()))
    for point in register_map.points:
        place = locate(point, blocks)
        if place and place[0] == number:
            print(point.name, "=", point.decode(words_of(point, block, words)), point.unit)
