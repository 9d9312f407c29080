"""Capture files: packets out of pcap and pcapng, gzip'd or not; packets into classic pcap.

Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Both octet orders, micro- and nanoseconds, several
interfaces of different link types, several sections. What the packets hold is for ``segments``.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from ..errors import UserError

#: What a writer may have kept of one packet (MAXIMUM_SNAPLEN of libpcap); more is damage.
MOST_PACKET_OCTETS = 262_144
MOST_BLOCK_OCTETS = 16 << 20
MOST_INTERFACES = 1024
ETHERNET = 1

_PCAP_UNITS = {0xA1B2C3D4: 10**6, 0xA1B23C4D: 10**9}  # magic -> parts of a second
_PCAPNG = 0x0A0D0D0A
_PCAPNG_ORDER = 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_IF_TSRESOL, _IF_TSOFFSET = 9, 14
_YEAR_10000_US = 253_402_300_800_000_000
_FORM = "accepted are pcap and pcapng, gzip'd or not, as tcpdump, Wireshark and `smok capture` write them"
_GZIP = b"\x1f\x8b"
_CHUNK_OCTETS = 1 << 16


class Packet(NamedTuple):
    """What was captured of one packet, in microseconds since 1970 UTC."""

    link_type: int
    time_us: int
    octets: bytes


class _Interface(NamedTuple):
    link_type: int
    units: int = 10**6  #: parts of a second that its times count
    offset_seconds: int = 0


def write_pcap(packets: Iterable[tuple[int, bytes]]) -> bytes:
    """A classic pcap file of Ethernet frames, (time_us, octets) each."""
    return b"".join(pcap_parts(packets))


def pcap_parts(packets: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The same in pieces: what comes first, then each packet."""
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, MOST_PACKET_OCTETS, ETHERNET)
    for time_us, octets in packets:
        yield struct.pack("<IIII", *divmod(time_us, 1_000_000), len(octets), len(octets)) + octets


class Readable(Protocol):
    """All that is asked of a capture file."""

    def read(self, octets: int, /) -> bytes: ...


class _Inflated:
    """What is in a gzip'd ``file``, of which ``begun`` was read; as much of it as there is."""

    def __init__(self, begun: bytes, file: Readable) -> None:
        self._file = file
        self._gzipped = begun
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._ready = bytearray()

    def read(self, octets: int) -> bytes:
        """Raises zlib.error."""
        while len(self._ready) < octets:
            gzipped = self._gzipped or self._file.read(_CHUNK_OCTETS)
            if not gzipped:
                break
            if self._inflater.eof:  # another one follows
                self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self._ready += self._inflater.decompress(gzipped, _CHUNK_OCTETS)
            self._gzipped = self._inflater.unconsumed_tail or self._inflater.unused_data
        found = bytes(self._ready[:octets])
        del self._ready[:octets]
        return found

    @property
    def is_whole(self) -> bool:
        return self._inflater.eof


class PacketReader:
    """The packets of ``file``, in order, one by one; ``name`` is what errors call it.

    Iterating raises UserError for what is no capture. A file that ends in the middle of a packet, as that of a killed
    tcpdump does, gives what is whole; then ``cut_short`` is true. ``packets`` counts them by link type, and
    ``shortened`` those of which only the beginning was kept.
    """

    def __init__(self, file: Readable, name: str) -> None:
        self.cut_short = False
        self.packets: Counter[int] = Counter()
        self.shortened = 0
        self._file = file
        self._name = name
        self._order = "<"

    def __iter__(self) -> Iterator[Packet]:
        magic = self._file.read(4)
        try:
            if magic.startswith(_GZIP):
                self._file = inflated = _Inflated(magic, self._file)
                yield from self._plain(self._file.read(4))
                self.cut_short |= not inflated.is_whole
            else:
                yield from self._plain(magic)
        except zlib.error as error:
            raise self._damaged(f"gzip cannot unpack it ({error})") from None

    def _plain(self, magic: bytes) -> Iterator[Packet]:
        if len(magic) < 4:
            raise UserError(f"{self._name}: is no capture but {len(magic)} octets; {_FORM}")
        try:
            if int.from_bytes(magic) == _PCAPNG:  # the same in both orders
                yield from self._pcapng()
            else:
                yield from self._pcap(magic)
        except EOFError:
            self.cut_short = True
        except struct.error:
            raise self._damaged("a block is too short") from None

    # -- classic

    def _pcap(self, magic: bytes) -> Iterator[Packet]:
        for self._order in "<>":
            (number,) = self._unpack("I", magic)
            if number in _PCAP_UNITS:
                break
        else:
            raise UserError(f"{self._name}: begins with {magic.hex()} and is no capture; {_FORM}")
        *_, link_type = self._unpack("HHiIII", self._exactly(20))
        interface = _Interface(link_type & 0xFFFF, _PCAP_UNITS[number])
        head = struct.Struct(self._order + "IIII")
        while begun := self._file.read(head.size):
            seconds, parts, kept, whole = head.unpack(begun + self._exactly(head.size - len(begun)))
            octets = self._exactly(self._checked(kept, MOST_PACKET_OCTETS))
            yield self._packet(interface, seconds * interface.units + parts, octets, whole)

    # -- pcapng

    def _pcapng(self) -> Iterator[Packet]:
        interfaces: list[_Interface] = []
        kind = struct.pack("<I", _PCAPNG)
        while kind:
            if int.from_bytes(kind) == _PCAPNG:
                interfaces = []
                self._section()
            else:
                (number,) = self._unpack("I", kind + self._exactly(4 - len(kind)))
                yield from self._block(number, self._body(), interfaces)
            kind = self._file.read(4)

    def _section(self) -> None:
        """Its octet order stands behind its length."""
        length, order = self._exactly(4), self._exactly(4)
        self._order = "<" if struct.unpack("<I", order)[0] == _PCAPNG_ORDER else ">"
        if self._unpack("I", order)[0] != _PCAPNG_ORDER:
            raise self._damaged("a section has no octet order")
        (octets,) = self._unpack("I", length)
        self._exactly(self._checked(octets - 12, MOST_BLOCK_OCTETS))

    def _body(self) -> bytes:
        (octets,) = self._unpack("I", self._exactly(4))
        body = self._exactly(self._checked(octets - 12, MOST_BLOCK_OCTETS))
        self._exactly(4)  # the length again
        return body

    def _block(self, number: int, body: bytes, interfaces: list[_Interface]) -> Iterator[Packet]:
        if number == _INTERFACE:
            if len(interfaces) == MOST_INTERFACES:
                raise self._damaged(f"it has more than {MOST_INTERFACES} interfaces")
            interfaces.append(self._interface(body))
        elif number in (_PACKET, _OLD_PACKET):
            shape = "IIIII" if number == _PACKET else "HHIIII"
            which, *_, high, low, kept, whole = self._unpack(shape, body[:20])
            yield self._packet(self._one_of(interfaces, which), high << 32 | low, self._part(body, 20, kept), whole)
        elif number == _SIMPLE_PACKET:  # has no time
            (octets,) = self._unpack("I", body[:4])
            yield self._packet(self._one_of(interfaces, 0), 0, body[4 : 4 + octets], octets)

    def _interface(self, body: bytes) -> _Interface:
        """Snapshot length and all but two options say nothing that matters here."""
        link_type, *_ = self._unpack("HHI", body[:8])
        found, at = _Interface(link_type), 8
        while at + 4 <= len(body):
            code, length = self._unpack("HH", body[at : at + 4])
            value = self._part(body, at + 4, length)
            if code == _IF_TSRESOL and length == 1:
                found = found._replace(units=2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0])
            elif code == _IF_TSOFFSET and length == 8:
                found = found._replace(offset_seconds=self._unpack("q", value)[0])
            at += 4 + (length + 3) // 4 * 4
        return found

    def _one_of(self, interfaces: list[_Interface], which: int) -> _Interface:
        if which >= len(interfaces):
            raise self._damaged(f"it has no interface {which}")
        return interfaces[which]

    # -- both

    def _packet(self, interface: _Interface, parts: int, octets: bytes, whole: int) -> Packet:
        time_us = parts * 1_000_000 // interface.units + interface.offset_seconds * 1_000_000
        if not 0 <= time_us < _YEAR_10000_US:
            raise self._damaged("a packet bears an impossible time")
        self.packets[interface.link_type] += 1
        self.shortened += len(octets) < whole
        return Packet(interface.link_type, time_us, octets)

    def _unpack(self, shape: str, octets: bytes) -> tuple[int, ...]:
        return struct.unpack(self._order + shape, octets)

    def _exactly(self, octets: int) -> bytes:
        found = self._file.read(octets) if octets else b""
        if len(found) < octets:
            raise EOFError
        return found

    def _part(self, body: bytes, at: int, octets: int) -> bytes:
        if at + octets > len(body):
            raise self._damaged("a block is too short")
        return body[at : at + octets]

    def _checked(self, octets: int, most: int) -> int:
        if not 0 <= octets <= most:
            raise self._damaged(f"a packet or block claims {octets} octets")
        return octets

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self._name}: is damaged: {what}; {_FORM}")
