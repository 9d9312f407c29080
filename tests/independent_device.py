"""A second SMOK/4 device, to check the server against the protocol text and not against itself.

It was written from design/smok4.md and its test vectors alone, as an outside firmware author would do it, and
guards that contract: it must never import smok_twisted. Standard library only: plain blocking sockets, an own
Rabbit (RFC 4503) and ChaCha20-Poly1305 (RFC 8439), slow but short. Where the text leaves something open, a
comment that starts with "Guess:" says what was chosen.

    device = IndependentDevice("127.0.0.1", 2406, device_id=7, secret=bytes(20))
    device.connect()                                            # HELLO, CHOICE, LOGIN, WELCOME
    device.run_plan({(1, 3, 0): 215, (1, 3, 1): 60}, seconds=5)   # (unit, table, address): value

Self-check: python independent_device.py rfc4503-vectors.txt smok4-vectors.json
"""
import hashlib
import hmac
import json
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn

M32 = 0xFFFFFFFF
FULL, CHANGES, ERROR, SAME = range(4)               # kinds of block reports
KEY_SUITE = {20: 1, 32: 2}                          # length of a secret -> its suite
Registers = dict[tuple[int, int, int], int]         # (unit, table, address) -> value
Base = dict[int, tuple[int, ...]]                   # block -> the values last reported in this session


class ProtocolError(Exception):
    """The server broke the protocol (a wrong tag included); the connection is closed."""


# ---- ciphers -----------------------------------------------------------------------------------------------

def rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & M32


class Rabbit:
    """RFC 4503; octet strings have their most significant octet first."""
    A = (0x4D34D34D, 0xD34D34D3, 0x34D34D34) * 3

    def __init__(self, key: bytes) -> None:
        k = struct.unpack(">8H", key)[::-1]                         # k[0] is the least significant subkey
        self.x, self.c, self.b = [0] * 8, [0] * 8, 0
        for j in range(8):
            near, far = k[(j + 1) % 8] << 16 | k[j], k[(j + 4) % 8] << 16 | k[(j + 5) % 8]
            self.x[j], self.c[j] = (near, far) if j % 2 == 0 else (rotate(far, 16), rotate(near, 16))
        for _ in range(4):
            self.step()
        self.c = [self.c[j] ^ self.x[(j + 4) % 8] for j in range(8)]

    def step(self) -> None:
        g = []
        for j in range(8):
            total = self.c[j] + self.A[j] + self.b
            self.c[j], self.b = total & M32, total >> 32
            square = ((self.x[j] + self.c[j]) & M32) ** 2
            g.append((square ^ square >> 32) & M32)
        for j in range(0, 8, 2):                                    # g[-1] is g[7], g[-2] is g[6]
            self.x[j] = (g[j] + rotate(g[j - 1], 16) + rotate(g[j - 2], 16)) & M32
            self.x[j + 1] = (g[j + 1] + rotate(g[j], 8) + g[j - 1]) & M32

    def keystream(self, iv: bytes | None, length: int) -> bytes:
        """The first octets of the stream for one IV; the state after the key setup is kept for the next."""
        saved, out = (self.x[:], self.c[:], self.b), b""
        if iv is not None:
            i3, i2, i1, i0 = struct.unpack(">4H", iv)
            mask = (i1 << 16 | i0, i3 << 16 | i1, i3 << 16 | i2, i2 << 16 | i0)
            self.c = [self.c[j] ^ mask[j % 4] for j in range(8)]
            for _ in range(4):
                self.step()
        while len(out) < length:
            self.step()
            x = self.x
            words = [x[j] ^ x[(j + 5) % 8] >> 16 ^ x[(j + 3) % 8] << 16 & M32 for j in (6, 4, 2, 0)]
            out += struct.pack(">4I", *words)
        self.x, self.c, self.b = saved
        return out[:length]


def chacha20(key: bytes, counter: int, nonce: bytes, length: int) -> bytes:
    def quarter(a: int, b: int, c: int, d: int) -> None:
        for p, q, r, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[p] = (w[p] + w[q]) & M32
            w[r] = rotate(w[r] ^ w[p], bits)

    out = b""
    while len(out) < length:
        start = struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce)
        w = list(start)
        for _ in range(10):
            for i in range(4):
                quarter(i, i + 4, i + 8, i + 12)                                    # columns
            for i in range(4):
                quarter(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)      # diagonals
        out += struct.pack("<16I", *((a + b) & M32 for a, b in zip(w, start)))
        counter += 1
    return out[:length]


def poly1305_tag(key: bytes, nonce: bytes, aad: bytes, text: bytes) -> bytes:
    """The tag of RFC 8439's AEAD over the ciphertext `text`."""
    once, total = chacha20(key, 0, nonce, 32), 0
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    data = aad + bytes(-len(aad) % 16) + text + bytes(-len(text) % 16)
    data += struct.pack("<QQ", len(aad), len(text))
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2 ** 130 - 5)
    return ((total + int.from_bytes(once[16:], "little")) % 2 ** 128).to_bytes(16, "little")


# ---- keys and records --------------------------------------------------------------------------------------

def derive_keys(suite: int, secret: bytes, transcript: bytes) -> list[bytes]:
    """B1 to B4."""
    digest = hashlib.sha1 if suite == 1 else hashlib.sha256
    return [hmac.new(secret, bytes([i]) + b"SMOK4" + transcript, digest).digest() for i in range(1, 5)]


class Direction:
    """One direction of a session: its keys and its record counter."""

    def __init__(self, suite: int, key_block: bytes, mac_key: bytes) -> None:
        self.suite, self.key, self.mac_key, self.seq = suite, key_block, mac_key, 0
        self.rabbit = Rabbit(key_block[:16])                        # suite 1
        self.tag_size = 8 if suite == 1 else 16

    def _crypt(self, data: bytes) -> bytes:
        if self.suite == 1:
            stream = self.rabbit.keystream(self.key[16:20] + struct.pack(">I", self.seq), len(data))
        else:
            stream = chacha20(self.key, 1, struct.pack(">IQ", 0, self.seq), len(data))
        return bytes(a ^ b for a, b in zip(data, stream))

    def _tag(self, length: bytes, text: bytes) -> bytes:
        if self.suite == 1:
            signed = struct.pack(">I", self.seq) + length + text
            return hmac.new(self.mac_key, signed, hashlib.sha1).digest()[:8]
        return poly1305_tag(self.key, struct.pack(">IQ", 0, self.seq), length, text)

    def seal(self, body: bytes) -> bytes:
        length, text = bytes([len(body)]), self._crypt(body)        # more than 255 octets: ValueError
        record = length + text + self._tag(length, text)
        self.seq += 1
        return record

    def open(self, record: bytes) -> bytes:
        text, tag = record[1:-self.tag_size], record[-self.tag_size:]
        if not hmac.compare_digest(tag, self._tag(record[:1], text)):
            raise ProtocolError("wrong tag")
        body = self._crypt(text)                                    # only now, after the tag
        self.seq += 1
        return body


def directions(suite: int, secret: bytes, transcript: bytes) -> tuple[Direction, Direction]:
    """Device to server, server to device."""
    b1, b2, b3, b4 = derive_keys(suite, secret, transcript)
    return Direction(suite, b1, b2), Direction(suite, b3, b4)


# ---- messages from the server; keepalive, after, jitter, interval, report: seconds -------------------------

Welcome = NamedTuple("Welcome", [("unixtime", int), ("keepalive", int), ("flags", int), ("cursor", int)])
Ack = NamedTuple("Ack", [("batch", int)])
Block = NamedTuple("Block", [("unit", int), ("table", int), ("start", int), ("count", int), ("interval", int),
                             ("report", int), ("deadband", int)])
Plan = NamedTuple("Plan", [("number", int), ("blocks", tuple[Block, ...])])
ModbusReq = NamedTuple("ModbusReq", [("txid", int), ("deadline", int), ("unit", int), ("pdu", bytes)])
Ping = NamedTuple("Ping", [])                       # an empty 03: a question and its answer look alike
Goaway = NamedTuple("Goaway", [("after", int), ("jitter", int)])
Bye = NamedTuple("Bye", [("reason", int)])
Servers = NamedTuple("Servers", [("addresses", tuple[str, ...])])
KeyUpdate = NamedTuple("KeyUpdate", [("kid", int), ("secret", bytes)])
Message = Ack | Plan | ModbusReq | Ping | Goaway | Bye | Servers | KeyUpdate


# ---- DATA --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Report:
    """One block of one round: values, or an error code. Kind None: the shortest that is right."""
    block: int
    values: tuple[int, ...] = ()
    code: int | None = None
    kind: int | None = None


@dataclass(frozen=True)
class Round:
    age: int                                        # in 0.1 s before sending
    reports: tuple[Report, ...]


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def zigzag(delta: int) -> int:
    # Guess: the true difference, -65535..65535, not one cut to 16 bits.
    return 2 * delta if delta >= 0 else -2 * delta - 1


def pack_bits(bits: Iterable[int]) -> bytes:
    flags = [int(bool(bit)) for bit in bits]
    return sum(bit << i for i, bit in enumerate(flags)).to_bytes((len(flags) + 7) // 8, "little")


def encode_values(table: int, values: Sequence[int]) -> bytes:
    return pack_bits(values) if table <= 2 else struct.pack(f">{len(values)}H", *values)


def encode_report(table: int, report: Report, base: Base) -> bytes:
    """One block report; brings `base` up to date."""
    old, new, kind = base.get(report.block), report.values, report.kind
    if kind == ERROR or kind is None and report.code is not None:
        return bytes([ERROR << 6 | report.block, report.code or 0])  # Guess: an error leaves the base alone
    if kind == SAME or kind is None and new == old:
        return bytes([SAME << 6 | report.block])
    pairs = list(zip(old or (0,) * len(new), new))
    full, changes = encode_values(table, new), pack_bits(a != b for a, b in pairs)
    if table > 2:
        changes += b"".join(varint(zigzag(b - a)) for a, b in pairs if a != b)
    if kind is None:
        kind = CHANGES if old is not None and len(changes) < len(full) else FULL
    base[report.block] = new
    return bytes([kind << 6 | report.block]) + (full if kind == FULL else changes)


# ---- MODBUS ------------------------------------------------------------------------------------------------

def modbus_reply(unit: int, pdu: bytes, registers: Registers) -> bytes:
    """Functions 1-6, 15 and 16 on a dict; a write changes the dict."""
    function = pdu[0]
    table = {1: 1, 2: 2, 3: 3, 4: 4, 5: 1, 6: 3, 15: 1, 16: 3}.get(function)
    if table is None:
        return bytes([function | 0x80, 1])                          # illegal function
    wrong_value = bytes([function | 0x80, 3])
    if len(pdu) < 5 or function < 15 and len(pdu) != 5:
        return wrong_value
    start, word = struct.unpack(">HH", pdu[1:5])
    count, data = 1 if function in (5, 6) else word, pdu[6:]
    size = (count + 7) // 8 if table <= 2 else 2 * count
    if (not 1 <= size <= 250 or function == 5 and word not in (0, 0xFF00)
            or function >= 15 and (len(data) != size or pdu[5] != size)):
        return wrong_value
    keys = [(unit, table, start + i) for i in range(count)]
    if not all(key in registers for key in keys):
        return bytes([function | 0x80, 2])                          # illegal address
    if function <= 4:
        return bytes([function, size]) + encode_values(table, [registers[key] for key in keys])
    if function in (5, 6):
        values = [word if function == 6 else word >> 15]
    elif function == 15:
        values = [data[i // 8] >> i % 8 & 1 for i in range(count)]
    else:
        values = list(struct.unpack(f">{count}H", data))
    registers.update(zip(keys, values))
    return pdu[:5]


# ---- the device --------------------------------------------------------------------------------------------

def not_after(a: int, b: int) -> bool:
    """Batch a is b or older (RFC 1982, 16 bits)."""
    return (b - a) & 0xFFFF < 0x8000


class IndependentDevice:
    """One device. connect() may be called again: plan, key, unacknowledged batches and numbers survive."""

    def __init__(self, host: str, port: int, device_id: int, secret: bytes, suite: int = 1, kid: int = 0,
                 boot: int = 1, *, nd: bytes | None = None, unique_nonce: bool = True,
                 offer: int | None = None, flags: int = 0, max_rx: int = 255, firmware: int = 1,
                 newest: int = 0, uptime: int = 0, timeout: float = 5.0) -> None:
        self.host, self.port, self.device_id, self.secret, self.suite = host, port, device_id, secret, suite
        self.kid, self.boot, self.nd, self.unique_nonce, self.offer = kid, boot, nd, unique_nonce, offer
        self.flags, self.max_rx, self.firmware, self.timeout = flags, max_rx, firmware, timeout
        self.newest = newest                                        # number of the newest batch
        self.started = time.monotonic() - uptime
        self.held = 0                                               # the plan in force, 0: none
        self.plans: dict[int, tuple[Block, ...]] = {0: ()}
        self.kept: dict[int, tuple[int, float, list[Round]]] = {}   # batch -> plan, when sent, readings
        self.spare: KeyUpdate | None = None                         # for the next login
        self.servers: tuple[str, ...] = ()
        self.sock: socket.socket | None = None

    # -- connection and login

    def connect(self) -> Welcome:
        self.open()
        self.hello()
        return self.login()

    def open(self) -> None:
        """TCP only; starts a session from nothing."""
        self.close()
        if self.spare is not None:
            self.kid, self.secret, self.spare = self.spare.kid, self.spare.secret, None
            self.suite = KEY_SUITE[len(self.secret)]
        self._buffer = b""
        self._base: Base = {}
        self._parts: dict[int, bytes] = {}
        self._parts_of = (0, 0)
        self._last_write: tuple[int, bytes] | None = None           # Guess: txids belong to one session
        self.reading_plan: int | None = None                        # named by the last PLANOK of this session
        self.sent: list[bytes] = []                                 # every record of this session
        self.skipped: list[bytes] = []                              # bodies that receive() passed over
        self.sock = socket.create_connection((self.host, self.port), self.timeout)

    def hello(self, octets: bytes | None = None) -> bytes:
        """HELLO (or what a test wants instead of it), CHOICE, keys. Returns CHOICE."""
        offer = self.offer
        if offer is None:
            offer = 1 << self.suite - 1 | self.unique_nonce << 7
        # The clock stands in for a counter in non-volatile memory. Guess: with bit 7 Nd has to grow.
        nd = struct.pack(">Q", time.time_ns()) if self.nd is None else self.nd
        if octets is None:
            octets = b"S4" + struct.pack(">BBQ", offer, self.kid, self.device_id) + nd
        self.send_raw(octets)
        choice = self._take(9, self.timeout)
        if choice[0] != 0x40 | self.suite:
            self.close()
            raise ProtocolError(f"CHOICE {choice.hex()}: not version 4 with the suite of this key")
        self.to_server, self.from_server = directions(self.suite, self.secret, octets + choice)
        return choice

    def login(self, *more: bytes) -> Welcome:
        """LOGIN, with the bodies `more` in the same segment; waits for WELCOME."""
        body = struct.pack(">BBBHHHH", 1, self.flags, self.max_rx, self.firmware, self.boot, self.tick(),
                           self.newest)
        self.sent += [self.to_server.seal(each) for each in (body, *more)]
        self.send_raw(b"".join(self.sent))
        body = self._read_body(self.timeout)
        if len(body) != 9 or body[0] != 2:
            self._fail(f"not a WELCOME: {body.hex()}")
        unixtime, tens, flags, cursor = struct.unpack(">IBBH", body[1:])
        if cursor != 0:                                             # Guess: 0 is "none yet", after a wrap too
            self._drop_kept(cursor)
            if self.newest == 0 or not not_after(cursor, self.newest):
                self.newest = cursor                                # Guess: go on after what the server has
        return Welcome(unixtime, 10 * tens, flags, cursor)

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def tick(self) -> int:
        return int(time.monotonic() - self.started) & 0xFFFF

    # -- raw octets and records: hooks for tests

    def send_raw(self, octets: bytes) -> None:
        if self.sock is None:
            raise ConnectionError("not connected")
        self.sock.settimeout(self.timeout)
        self.sock.sendall(octets)

    def send_body(self, body: bytes) -> bytes:
        """Seals and sends any body (type and payload); returns the record, which `sent` holds too."""
        self.sent.append(self.to_server.seal(body))
        self.send_raw(self.sent[-1])
        return self.sent[-1]

    def resend_record(self, index: int = -1) -> None:
        """A stored record once more, octet by octet the same: a replay."""
        self.send_raw(self.sent[index])

    def read_until_closed(self, timeout: float | None = None) -> bytes:
        """Every octet until the server closes; TimeoutError if it does not."""
        try:
            self._fill(1 << 30, self.timeout if timeout is None else timeout)
        except ConnectionError:
            pass
        return self._buffer

    def _fill(self, count: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while len(self._buffer) < count:
            if self.sock is None:
                raise ConnectionError("not connected")
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            piece = self.sock.recv(4096)                            # may raise TimeoutError; the buffer stays
            if not piece:
                raise ConnectionError("the server closed the connection")
            self._buffer += piece
            if time.monotonic() > end and len(self._buffer) < count:
                raise TimeoutError

    def _take(self, count: int, timeout: float) -> bytes:
        self._fill(count, timeout)
        octets, self._buffer = self._buffer[:count], self._buffer[count:]
        return octets

    def _read_body(self, timeout: float) -> bytes:
        self._fill(1, timeout)
        try:
            if self._buffer[0] == 0:
                raise ProtocolError("record of length 0")
            return self.from_server.open(self._take(1 + self._buffer[0] + self.from_server.tag_size, timeout))
        except ProtocolError:
            self.close()
            raise

    def _fail(self, why: str) -> NoReturn:
        self.bye(1)                                                 # Guess: reason 1, the text lists none
        raise ProtocolError(why)

    # -- receiving

    def receive(self, timeout: float | None = None) -> Message:
        """The next message. TimeoutError: none yet; ConnectionError: closed; ProtocolError: its fault."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            body = self._read_body(end - time.monotonic())
            if len(body) > self.max_rx:
                self._fail("longer than max_rx")
            try:
                message = self._decode(body[0], body[1:])
            except (struct.error, ValueError, IndexError):          # Guess: lengths have to be exact
                self._fail(f"malformed: {body.hex()}")
            if message is not None:
                return message

    def _decode(self, kind: int, data: bytes) -> Message | None:
        if kind == 0x03:
            return Ping(*struct.unpack("", data))                   # has to be empty
        if kind == 0x05:
            ack = Ack(*struct.unpack(">H", data))
            self._drop_kept(ack.batch)
            return ack
        if kind == 0x06:
            return ModbusReq(*struct.unpack(f">HHB{max(len(data) - 5, 1)}s", data))
        if kind == 0x09:
            return KeyUpdate(data[0], data[1:])
        if kind == 0x0B:
            return Goaway(*struct.unpack(">HH", data))
        if kind == 0x0C:
            return Bye(*struct.unpack(">B", data))
        if kind == 0x0D:
            return self._decode_plan(*struct.unpack(">HBB", data[:4]), data[4:])
        if kind == 0x0F:
            addresses = []
            while data:
                addresses.append(*struct.unpack(f">{data[0]}s", data[1:1 + data[0]]))
                data = data[1 + data[0]:]
            self.servers = tuple(address.decode("ascii") for address in addresses)
            return Servers(self.servers)
        if kind >= 0x80:
            self._fail(f"unknown critical type {kind:#x}")
        self.skipped.append(bytes([kind]) + data)                   # Guess: also types of the other side
        return None

    def _decode_plan(self, number: int, part: int, parts: int, blocks: bytes) -> Plan | None:
        # Guess: parts may count from 0 or from 1 and come in any order; another plan discards a half one.
        if self._parts_of != (number, parts):
            self._parts, self._parts_of = {}, (number, parts)
        self._parts[part] = blocks
        if len(self._parts) < parts:
            return None
        data, self._parts_of = b"".join(self._parts[i] for i in sorted(self._parts)), (0, 0)
        self.plans[number] = tuple(Block(*fields) for fields in struct.iter_unpack(">BBHBHHB", data))
        return Plan(number, self.plans[number])

    def _drop_kept(self, batch: int) -> None:
        self.kept = {number: kept for number, kept in self.kept.items() if not not_after(number, batch)}

    # -- sending

    def send_planok(self, plan: int, status: int = 0) -> None:
        """Status 0: the DATA that follow were read under this plan (0, or one that receive() has seen)."""
        self.send_body(struct.pack(">BHB", 0x0E, plan, status))
        if status == 0:
            self.reading_plan, self._base = plan, {}                # Guess: `full` after any accepting PLANOK

    def send_data(self, batch: int, rounds: Sequence[Round]) -> bytes:
        """One batch, which has to fit one record. Kept as readings until an ACK, for resend_kept()."""
        body, readings = struct.pack(">BH", 4, batch), []
        for part in rounds:
            body += varint(part.age) + bytes([len(part.reports)])
            for report in part.reports:
                body += encode_report(self._table(report.block), report, self._base)
            readings.append(Round(part.age, tuple(
                replace(report, kind=None, values=report.values or self._base.get(report.block, ()))
                for report in part.reports)))
        if not_after(self.newest, batch):
            self.newest = batch
        self.kept[batch] = (self.reading_plan or 0, time.monotonic(), readings)
        return self.send_body(body)

    def _table(self, block: int) -> int:
        blocks = self.plans.get(self.reading_plan or 0, ())         # a test may name a block that is missing:
        return blocks[block].table if block < len(blocks) else 3    # it goes out as registers

    def deliver(self, reports: Sequence[Report], age: int = 0) -> list[int]:
        """Sends one round in as many batches as it needs, numbered on; returns their numbers.

        Guess: a batch that is encoded anew keeps its number, so it has to fit a record even if all its
        reports become `full` and its age grows to 5 octets.
        """
        batches, room = list[tuple[Report, ...]](), 0
        for report in reports:
            cost = 2
            if report.code is None:
                cost = 1 + len(encode_values(self._table(report.block), report.values))
            if cost > room:
                batches.append(())
                room = 255 - 1 - 2 - 5 - 1                          # type, batch, age, n
            batches[-1] += (report,)
            room -= cost
        first = self.newest + 1                                     # Guess: 65535 is followed by 0
        numbers = [(first + i) & 0xFFFF for i in range(len(batches))]
        for number, batch in zip(numbers, batches):
            self.send_data(number, [Round(age, batch)])
        return numbers

    def resend_kept(self) -> list[int]:
        """After a reconnect: what the server lacks, oldest first, each under its plan; then the held plan."""
        numbers = sorted(self.kept, key=lambda batch: (self.newest - batch) & 0xFFFF, reverse=True)
        for number in numbers:
            plan, then, rounds = self.kept[number]
            later = int(10 * (time.monotonic() - then))
            if plan != self.reading_plan:
                self.send_planok(plan)
            self.send_data(number, [replace(part, age=part.age + later) for part in rounds])
        if self.reading_plan != self.held:
            self.send_planok(self.held)                             # Guess: also at once if there is no DATA
        return numbers

    def answer_modbus(self, txid: int, pdu: bytes) -> None:
        self.send_body(struct.pack(">BH", 7, txid) + pdu)

    def send_ping(self) -> None:
        self.send_body(b"\x03")

    def answer_ping(self) -> None:
        self.send_body(struct.pack(">BH", 3, self.tick()))

    def send_event(self, code: int, data: bytes = b"") -> None:
        self.send_body(bytes([8, code]) + data)

    def answer_keyupdate(self, update: KeyUpdate) -> None:
        """Stores the key for the next connect() and answers KEYOK."""
        self.spare = update
        self.send_body(bytes([0x0A, update.kid]))

    def bye(self, reason: int = 0) -> None:
        self.send_body(bytes([0x0C, reason]))
        self.close()

    # -- a whole session

    def serve_modbus(self, request: ModbusReq, registers: Registers) -> None:
        """Answers one request from the registers, with the rules for writes."""
        write = request.pdu[0] not in (1, 2, 3, 4)
        if write and self._last_write is not None and self._last_write[0] == request.txid:
            reply = self._last_write[1]                             # a repeat: never executed twice
        elif write and (request.deadline - self.tick()) & 0xFFFF > 600:
            reply = bytes([request.pdu[0] | 0x80, 6])               # Guess: too late is answered as "busy"
        else:
            reply = modbus_reply(request.unit, request.pdu, registers)
            if write:                                               # Guess: only writes count as "executed"
                self._last_write = (request.txid, reply)
        self.answer_modbus(request.txid, reply)

    def handle(self, message: Message, registers: Registers) -> None:
        """The answer that the protocol asks for, if any."""
        if isinstance(message, Ping):
            self.answer_ping()                                      # Guess: a PONG too; that ends it
        elif isinstance(message, ModbusReq):
            self.serve_modbus(message, registers)
        elif isinstance(message, KeyUpdate) and len(message.secret) in KEY_SUITE:
            self.answer_keyupdate(message)
        elif isinstance(message, Bye):
            self.close()
        elif isinstance(message, Plan):
            good = message.number != 0 and len(message.blocks) <= 64 and all(
                1 <= b.table <= 4 and 1 <= b.count <= (255 if b.table <= 2 else 120) for b in message.blocks)
            self.send_planok(message.number, 0 if good else 1)      # Guess: any reason but 0
            self.held = message.number if good else self.held

    def sample(self, number: int, registers: Registers) -> Report:
        """A reading of one block of the held plan."""
        block = self.plans[self.held][number]
        keys = [(block.unit, block.table, block.start + i) for i in range(block.count)]
        if not all(key in registers for key in keys):
            return Report(number, code=2)                           # MODBUS: illegal data address
        return Report(number, tuple(registers[key] for key in keys))

    def run_plan(self, registers: Registers, seconds: float = 5.0, speed: float = 1.0,
                 stop: Callable[[], bool] = lambda: False) -> list[Message]:
        """Samples and reports by the held plan and answers the server, for some seconds or until stop().

        Every sample is sent at once, which satisfies any `report` and `deadband`. `speed` shortens the plan's
        intervals. Returns what was received; a BYE or GOAWAY ends it (reconnecting is the caller's business).
        To be called after connect(), with no plan too: the server will send one.
        """
        messages: list[Message] = []
        if self.reading_plan is None:
            self.resend_kept()
        running, due, end = -1, dict[int, float](), time.monotonic() + seconds
        while (now := time.monotonic()) < end and not stop():
            if running != self.held:                                # a new plan begins
                running, due = self.held, {number: now for number in range(len(self.plans[self.held]))}
            ready = [number for number in due if due[number] <= now]
            for number in ready:                                    # Guess: interval 0 is 1 s
                due[number] = now + max(self.plans[self.held][number].interval, 1) / speed
            self.deliver([self.sample(number, registers) for number in ready])
            try:
                messages.append(self.receive(min([end, now + 0.2, *due.values()]) - now))
            except TimeoutError:
                continue
            self.handle(messages[-1], registers)
            if isinstance(messages[-1], (Bye, Goaway)):
                break
        return messages


# ---- self-check --------------------------------------------------------------------------------------------

def check_rabbit(path: str) -> int:
    """Every keystream line of rfc4503-vectors.txt; returns how many there were."""
    key, iv, checked = b"", None, 0
    pattern = re.compile(r"(m?key|iv|S\[(\d+)\]|stream\[(\d+)\.\.(\d+)\]) *= *\[?([0-9A-F ]+)\]?$")
    with open(path, encoding="ascii") as file:
        for line in file:
            if not (found := pattern.match(line)):
                continue
            name, block, first, last, digits = found.groups()
            octets = bytes.fromhex(digits)
            if name.endswith("key"):
                key, iv = octets, None
            elif name == "iv":
                iv = octets
            elif block is not None:                                 # the RFC's octet order
                at, checked = 16 * int(block), checked + 1
                assert Rabbit(key).keystream(iv, at + 16)[at:] == octets, line
            else:                                                   # eSTREAM: key, IV, each block reversed
                assert iv is not None, line
                stream, checked = Rabbit(key[::-1]).keystream(iv[::-1], int(last) + 1), checked + 1
                turned = b"".join(stream[i:i + 16][::-1] for i in range(0, len(stream), 16))
                assert turned[int(first):] == octets, line
    return checked


def check_suite(suite: int, vector: dict) -> None:
    secret, hello, choice = (bytes.fromhex(vector[name]) for name in ("secret", "hello", "choice"))
    assert len(hello) == 20 and hello[:3] == b"S4" + bytes([suite]) and choice[0] == 0x40 | suite
    for i, key in enumerate(derive_keys(suite, secret, hello + choice), 1):
        assert key.hex() == vector[f"B{i}"], f"suite {suite} B{i}"
    sealing, opening = directions(suite, secret, hello + choice), directions(suite, secret, hello + choice)
    for side, name in enumerate(("device_records", "server_records")):
        for item in vector[name]:
            body, record = bytes.fromhex(item["body"]), bytes.fromhex(item["record"])
            assert sealing[side].seal(body) == record and opening[side].open(record) == body, item


def check_vectors(path_rfc: str, path_smok4: str) -> None:
    """AssertionError if the ciphers, the key schedule or the records differ from the test vectors."""
    assert (checked := check_rabbit(path_rfc)) == 27, f"{checked} keystream blocks instead of 27"
    with open(path_smok4, encoding="ascii") as file:
        vectors = json.load(file)
    for suite in (1, 2):
        check_suite(suite, vectors[f"suite{suite}"])


if __name__ == "__main__":
    check_vectors(*sys.argv[1:3])
    print("27 keystream blocks, key schedule and records of suites 1 and 2: as they should be")
