"""The ciphers and hashes that Wireshark's Lua lacks agree with their standards and with other implementations."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
from pathlib import Path
from random import Random

from Crypto.Cipher import ChaCha20_Poly1305
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.rabbit import Rabbit
from smok_twisted.tools.capture import DISSECTOR

from .test_cipher_rabbit import RANGES
from .tshark import TSHARK, need_tshark

SCRIPT = Path(__file__).resolve().parent / "wireshark_ciphers.lua"
#: tshark wants one; nobody looks at it.
CAPTURE = Path(__file__).resolve().parent.parent / "fixtures" / "pcaps" / "p24.pcap"
#: Lengths around the ends of blocks.
LENGTHS = (0, 1, 15, 16, 17, 31, 32, 54, 55, 56, 63, 64, 65, 119, 120, 128, 255)


class Ciphers(SynchronousTestCase):
    maxDiff = None

    def check(self, *cases: tuple[str, list[bytes], bytes]) -> None:
        """Each function, with these octets, gives those."""
        need_tshark()
        assert TSHARK is not None
        file = Path(self.mktemp()).resolve()
        lines = (" ".join((name, "".join(f"{one.hex()};" for one in octets))) for name, octets, _ in cases)
        file.write_text("\n".join(lines) + "\n")
        scripts = (f"lua_script:{SCRIPT}", f"lua_script1:{DISSECTOR.parent}", f"lua_script1:{file}")
        command = [TSHARK, *(word for each in scripts for word in ("-X", each)), "-r", str(CAPTURE), "-c", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        found = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        self.assertEqual(found, [result.hex() for _, _, result in cases], done.stderr)

    def test_rabbit_of_the_rfc(self) -> None:
        """All keystreams of RFC 4503 and of the further vectors."""
        cases = []
        for one in RANGES:
            name, iv = ("rabbit", []) if one.iv is None else ("rabbit_iv", [one.iv])
            before = Rabbit(one.key, one.iv).process(bytes(one.start))
            cases.append((name, [one.key, *iv, bytes(one.start + len(one.octets))], before + one.octets))
        self.assertGreater(len(cases), 20)
        self.check(*cases)

    def test_rabbit_beside_ours(self) -> None:
        """Other keys, and lengths that end anywhere in a block."""
        random, cases = Random(4503), []
        for length in LENGTHS:
            key, iv, text = (random.randbytes(size) for size in (16, 8, length))
            cases += [("rabbit", [key, text], Rabbit(key).process(text))]
            cases += [("rabbit_iv", [key, iv, text], Rabbit(key, iv).process(text))]
        self.check(*cases)

    def test_hashes_beside_hashlib(self) -> None:
        """SHA-1, SHA-256 and HMAC of both."""
        random, cases = Random(180), []
        for length in LENGTHS:
            message, key = random.randbytes(length), random.randbytes(min(length, 64))
            for name in ("sha1", "sha256"):
                cases.append((name, [message], hashlib.new(name, message).digest()))
                cases.append((f"hmac_{name}", [key, message], hmac.digest(key, message, name)))
        self.check(*cases)

    def test_poly1305_beside_long_integers(self) -> None:
        """Also where the sum runs over 2^130 - 5."""
        random, cases = Random(8439), []
        for length in LENGTHS:
            for message in (random.randbytes(length), b"\xff" * length):
                for r in (random.randbytes(16), b"\xff" * 16, b"\x02" + bytes(15)):
                    cases.append(("poly1305", [r + b"\xff" * 16, message], tag(r, b"\xff" * 16, message)))
        one = b"\1" + bytes(15)
        for count in range(1, 5):  # sums just below, at and above the modulus
            message = (b"\xfb" + b"\xff" * 15) * count
            cases.append(("poly1305", [one + bytes(16), message], tag(one, bytes(16), message)))
        self.check(*cases)

    def test_chacha20_poly1305_beside_pycryptodome(self) -> None:
        """What was sealed is opened; what was changed is not."""
        random, cases = Random(8439), []
        for length in LENGTHS:
            key, nonce, text = (random.randbytes(size) for size in (32, 12, length))
            cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
            cipher.update(b"\x05")
            sealed, proof = cipher.encrypt_and_digest(text)
            wrong = proof[:-1] + bytes((proof[-1] ^ 1,))
            cases += [("open", [key, nonce, b"\x05", sealed, proof], text)]
            cases += [("open", [key, nonce, b"\x05", sealed, wrong], b"no")]
            cases += [("open", [key, nonce, b"\x04", sealed, proof], b"no")]
        self.check(*cases)


def tag(r: bytes, s: bytes, message: bytes) -> bytes:
    """Of RFC 8439, section 2.5, in Python's own integers."""
    clamped = int.from_bytes(r, "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        part = message[at : at + 16] + b"\1"
        total = (total + int.from_bytes(part, "little")) * clamped % (2**130 - 5)
    return ((total + int.from_bytes(s, "little")) % 2**128).to_bytes(16, "little")
