"""A first-generation device in plain sockets, from design note p24 alone; it shares no code with the package."""

from __future__ import annotations

import socket
import threading


class P24Box(threading.Thread):
    """Dials in, says its id, and answers from ``registers`` and ``coils`` until it is cut off."""

    def __init__(self, port: int, device_id: int) -> None:
        super().__init__(daemon=True)
        self.registers: dict[int, int] = {}
        self.coils: dict[int, int] = {}
        self.silent: set[int] = set()  # units
        self.accepted: bytes | None = None
        self.holds = False  # whether what is asked waits; ``asked`` has all packets, answered or not
        self.asked: list[bytes] = []
        self.connection = socket.create_connection(("127.0.0.1", port), 10)
        self.connection.sendall(device_id.to_bytes(8) + bytes(4))

    def run(self) -> None:
        with self.connection, self.connection.makefile("rb") as stream:
            self.accepted = stream.read(2)
            while size := stream.read(1):
                packet = stream.read(size[0])
                self.asked.append(packet)
                if self.holds:
                    continue
                answer = self._answer(packet[0], packet[1:])
                self.connection.sendall(bytes((len(answer),)) + answer)

    def _answer(self, code: int, data: bytes) -> bytes:
        address = int.from_bytes(data[:2])
        if code == 0:
            return b"\x00"
        if data[-1:] and data[-1] in self.silent:
            return b"\xfe\x01"
        if code == 3:
            return b"\x00" + self.registers[address].to_bytes(2) if address in self.registers else b"\xfe\x01"
        if code == 4:
            return bytes((0, self.coils[address])) if address in self.coils else b"\xfe\x01"
        if code == 5:
            self.registers[address] = int.from_bytes(data[2:4])
            return b"\x00\x5a"  # the third octet is junk
        if code == 6:
            self.coils[address] = data[2]
            return b"\x00\x5a"
        return b"\xff"

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
