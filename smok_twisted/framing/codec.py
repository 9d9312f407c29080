"""Cut a stream of octets into frames (design note smok4, "Record"; p24, "Transport and framing").

One shape serves both protocols: a fixed-size *opening*, once, then frames of one length octet L (1..255),
L octets and a *trailer* of fixed size. SMOK/4 has an opening of 20 octets (hello) or 9 (choice) and a trailer as
long as its tag, known once the suite is chosen; P24 has an opening of 12 octets or none, and no trailer.
"""

from __future__ import annotations

from ..errors import RemoteError

#: A frame can have at most L = 255 and a tag of 16 octets.
LARGEST_FRAME_OCTETS = 1 + 255 + 16

#: More than one read of the transport (64 KiB) can leave behind while nobody asks for frames.
CEILING_OCTETS = 128 * 1024


class FrameDecoder:
    """Pull decoder: ``feed`` octets, then call ``next`` until it answers None ("need more").

    What is wrong raises RemoteError; the decoder is of no use afterwards. The trailer may change between two
    frames: whoever learns of a new tag length sets ``trailer_octets`` before it asks for the next frame.
    """

    def __init__(self, opening_octets: int, *, ceiling_octets: int = CEILING_OCTETS) -> None:
        self.trailer_octets = 0
        self._opening_octets = opening_octets
        self._ceiling_octets = max(ceiling_octets, LARGEST_FRAME_OCTETS)
        self._buffer = bytearray()

    @property
    def pending_octets(self) -> int:
        """How many octets wait for the rest of their frame, or for somebody to ask for it."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take octets in. Raises RemoteError("too-much") when more than the ceiling would wait."""
        if len(self._buffer) + len(data) > self._ceiling_octets:
            raise RemoteError("too-much", f"{len(self._buffer) + len(data)} octets wait")
        self._buffer += data

    def next(self) -> bytes | None:
        """The next frame, whole, its length octet and trailer included (or the opening); None: need more.

        Raises RemoteError("zero-length") for L = 0.
        """
        if self._opening_octets:
            frame = self._take(self._opening_octets)
            if frame is not None:
                self._opening_octets = 0
            return frame
        if not self._buffer:
            return None
        length = self._buffer[0]
        if length == 0:
            raise RemoteError("zero-length")
        return self._take(1 + length + self.trailer_octets)

    def _take(self, octets: int) -> bytes | None:
        if len(self._buffer) < octets:
            return None
        frame = bytes(memoryview(self._buffer)[:octets])
        del self._buffer[:octets]
        return frame
