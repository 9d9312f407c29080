"""Captured P24: the worked examples of the design note, read by somebody who listens in."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .replay_rig import Told, faults, found, outcomes

INIT = bytes.fromhex("000000000003000100000000")
ACCEPTED = bytes.fromhex("0100")


def told(*said: str, is_whole: bool = True, port: int = 2405) -> Any:
    """What is found when, after the init, the server, then the device, and so on, say these octets."""
    one = Told(port, is_whole)
    one.client(INIT)
    one.server(ACCEPTED)
    for at, octets in enumerate(said):
        (one.client if at % 2 else one.server)(bytes.fromhex(octets))
    (shape,) = found(one)
    return shape


class WorkedExamples(SynchronousTestCase):
    def test_init(self) -> None:
        """Example 1: who it is; known by its first octets on any port."""
        for port in (2405, 9):
            shape = told(port=port)
            self.assertEqual((shape["protocol"], shape["device"]), ("p24", "0x0000000000030001"))
            self.assertEqual(shape["messages"], {"client": {"init": 1}, "server": {"accepted": 1}})

    def test_reads(self) -> None:
        """Examples 4, 5 and 7: registers and a coil, told as MODBUS."""
        shape = told("04030ff901", "03000029", "04030ff901", "03008029", "04041ba501", "020001")
        readings = [(one["unit"], one["table"], one["start"], one["words"]) for one in shape["readings"]]
        self.assertEqual(readings, [(1, "holding", 4089, [41]), (1, "holding", 4089, [0x8029]), (1, "coil", 7077, [1])])
        self.assertEqual([one["request"] for one in shape["orders"]], ["030ff90001", "030ff90001", "011ba50001"])
        self.assertEqual([one["answer"] for one in shape["orders"]], ["03020029", "03028029", "010101"])

    def test_writes(self) -> None:
        """Examples 8 and 9: the octet of junk says nothing."""
        shape = told("06050fa2000d01", "020000", "05061bcb0101", "0200ff")
        self.assertEqual([one["request"] for one in shape["orders"]], ["060fa2000d", "051bcbff00"])
        self.assertEqual((outcomes(shape), shape["readings"]), (["good", "good"], []))

    def test_faults(self) -> None:
        """Examples 10 and 13, and a wrong CRC: qualities, never values."""
        shape = told("04030ff901", "02fe01", "0408001001", "01ff", "04030ff901", "02fe00", "04030ff901")
        self.assertEqual(outcomes(shape), ["timeout", "exception-1", "crc", "unanswered"])
        self.assertEqual([one["words"] for one in shape["readings"]], [[], [], []])

    def test_pipelined(self) -> None:
        """Example 15: first in, first out."""
        shape = told("04030ff901" + "0403102601" + "04041ba501", "03000029" + "02fe01" + "020001")
        self.assertEqual(outcomes(shape), ["good", "timeout", "good"])

    def test_about_itself(self) -> None:
        """Examples 11, 12 and 14."""
        settings = "1e00c0a80207ffffff00c0a80201c0a802010c736d6f6b2e6578616d706c65"
        shape = told("0107", "0c000a465249534b4f2d312e30", "0100", "0100", "0102", settings)
        self.assertEqual([one["what"] for one in shape["events"]], ["vendor", "get network"])
        self.assertEqual(shape["events"][0]["detail"], "FRISKO-1.0")
        self.assertIn("192.168.2.7", shape["events"][1]["detail"])
        self.assertEqual(shape["messages"]["client"], {"get network": 1, "init": 1, "keepalive": 1, "vendor": 1})
        self.assertEqual(shape["orders"], [])


class Surprises(SynchronousTestCase):
    def test_refused(self) -> None:
        """Example 3."""
        one = Told(2405)
        one.client(INIT)
        one.server(bytes.fromhex("01fe"))
        self.assertEqual(found(one)[0]["messages"]["server"], {"refused": 1})

    def test_what_closes_the_link(self) -> None:
        """An answer to nothing, or of a wrong shape; a packet of size 0; a command that the firmware could not take."""
        for said, wrong in (
            (("0100", "0100" + "0100"), ("client", "unexpected-answer")),
            (("04030ff901", "020029"), ("client", "bad-answer")),
            (("0100", "00"), ("client", "zero-length")),
            (("0203ff",), ("server", "bad-command")),
        ):
            self.assertEqual(faults(told(*said)), [wrong])

    def test_nothing_certain_behind_a_gap(self) -> None:
        """Answers carry no identity: what comes behind missing octets is counted, and nobody is blamed."""
        one = Told(2405)
        one.client(INIT)
        one.server(ACCEPTED + bytes.fromhex("04030ff901"))
        one.client(bytes.fromhex("03000029"), missing=4)
        shape = found(one)[0]
        self.assertEqual((shape["readings"], outcomes(shape), shape["faults"]), ([], ["not-captured"], []))
        self.assertEqual(told("04030ff901", "03000029", is_whole=False)["readings"], [])
