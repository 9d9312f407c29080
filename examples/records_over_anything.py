"""Sealed records over whatever carries octets: asyncio streams here, a serial line or a file just as well.

Both ends have the keys. No Twisted is imported. Run it: python examples/records_over_anything.py
"""

import asyncio

from smok_twisted.cipher.record import DirectionKeys, Suite
from smok_twisted.framing.codec import FrameDecoder

KEYS = DirectionKeys(Suite.RABBIT_SHA1, cipher=bytes(range(20)), mac=bytes(range(20, 40)))


async def main() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opener = KEYS.opener()
        decoder = FrameDecoder(opening_octets=0)
        decoder.trailer_octets = opener.tag_octets
        while piece := await reader.read(7):  # any pieces will do
            decoder.feed(piece)
            while (record := decoder.next()) is not None:
                print("opened:", opener.open(record).decode())
        writer.close()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    _, writer = await asyncio.open_connection(host, port)
    sealer = KEYS.sealer()
    for text in ("boiler 62.5", "boiler 62.7"):
        writer.write(sealer.seal(text.encode()))
    writer.close()
    await done.wait()
    server.close()


asyncio.run(main())
