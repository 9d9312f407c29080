"""The same polls as ``polling``, by the asynchronous client of pymodbus; see ``cpu.Subject``.

``python -m bench.pymodbus_poller PORT CONNECTIONS``
"""

from __future__ import annotations

import asyncio
import sys
import time

from pymodbus.client import AsyncModbusTcpClient

from .twenty import ADDRESSES, COUNT


async def _poll(client: AsyncModbusTcpClient, times: int) -> None:
    for _ in range(times):
        answer = await client.read_holding_registers(ADDRESSES.start, count=COUNT, device_id=1)
        if len(answer.registers) != COUNT:
            raise ValueError(f"an answer of {len(answer.registers)} registers")


async def main(port: int, count: int) -> None:
    """Connect, then poll whenever a line says how often."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(count)]
    for client in clients:
        await client.connect()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        times, begun = int(line), time.process_time()
        await asyncio.gather(*(_poll(client, times) for client in clients))
        print((time.process_time() - begun) / (times * count), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
