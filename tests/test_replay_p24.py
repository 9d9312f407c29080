"""Captured P24: the worked examples of the design note, read by somebody who listens in."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.capture import Capture, Tap
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import pieces
from smok_twisted.replay.player import replay

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

    def test_an_answer_of_a_wrong_shape_is_an_order_too(self) -> None:
        """What was asked is told, whatever came back."""
        self.assertEqual(outcomes(told("04030ff901", "020029")), ["wrong-reply"])


READ, COIL, WRITE = "04030ff901", "04041ba501", "06050fa2000d01"


def value(number: int) -> str:
    return f"0300{number:04x}"


class Resumed(SynchronousTestCase):
    """P24 connections last for months: a capture begins in their middle, or lacks some octets of it."""

    def say(self, one: Told, *said: str) -> Told:
        """Turn by turn, the server first."""
        for at, octets in enumerate(said):
            (one.client if at % 2 else one.server)(bytes.fromhex(octets))
        return one

    def words(self, shape: Any) -> list[int]:
        return [word for one in shape["readings"] for word in one["words"]]

    def events(self, shape: Any) -> list[str]:
        return [one["what"] for one in shape["events"]]

    def test_begun_in_the_middle(self) -> None:
        """An answer to nobody knows what is passed over and told; the next command and all behind it are read."""
        one = Told(2405, is_whole=False)
        one.client(bytes.fromhex(value(7)))
        self.say(one, READ, value(41), READ, value(42))
        (shape,) = found(one)
        self.assertEqual((self.words(shape), outcomes(shape), faults(shape)), ([41, 42], ["good", "good"], []))
        self.assertEqual(self.events(shape), ["unread", "guessed"])
        self.assertIn("the capture begins in the middle", shape["events"][0]["detail"])
        self.assertIn("there was no silence to show it", shape["events"][1]["detail"])
        self.assertEqual(shape["events"][1]["time"], shape["orders"][0]["time"])

    def test_a_silence_proves_the_guess(self) -> None:
        """Nothing is outstanding then; whether it comes before the first command or later."""
        for seconds in (0, 10):
            one = Told(2405, is_whole=False)
            one.client(bytes.fromhex(value(7)))
            one.silence(seconds)
            self.say(one, READ, value(41))
            one.silence(10)
            self.say(one, READ, value(42), READ)
            (shape,) = found(one)
            self.assertEqual((self.words(shape), outcomes(shape)), ([41, 42], ["good", "good", "unanswered"]))
            self.assertEqual(self.events(shape), ["unread", "resumed"])

    def test_missing_octets(self) -> None:
        """What waits for an answer then is not captured; reading goes on with the next command, on either side."""
        for side, octets, rest in (("client", value(2), (READ, value(3))), ("server", READ, ("", value(3)))):
            one = self.say(told_begin(), READ, value(1), READ)
            getattr(one, side)(bytes.fromhex(octets), missing=4)
            self.say(one, *rest, COIL, "020001", WRITE, "020000")
            (shape,) = found(one)
            self.assertEqual((self.words(shape), faults(shape)), ([1, 3, 1], []))
            self.assertEqual(outcomes(shape), ["good", "not-captured", "good", "good", "good"])
            self.assertEqual(shape["device"], "0x0000000000030001")
            self.assertEqual(self.events(shape)[-1], "guessed")

    def test_a_guess_that_was_wrong(self) -> None:
        """Commands were outstanding: no value is told, and the way is found behind the next silence."""
        for answers in ((value(1), value(2), value(3)), ("020001", value(2), value(3))):
            one = Told(2405, is_whole=False)
            self.say(one, READ, answers[0], READ, answers[1])
            one.client(bytes.fromhex(answers[2]))
            self.say(one, READ, value(4))
            one.silence(10)
            self.say(one, READ, value(5), READ, value(6))
            (shape,) = found(one)
            self.assertEqual((self.words(shape), faults(shape)), ([5, 6], []))
            self.assertEqual(set(outcomes(shape)[:-2]), {"not-captured"})
            self.assertEqual(self.events(shape)[0::2], ["unread", "resumed"])
            self.assertIn("shows that it is not", shape["events"][0]["detail"])

    def test_a_capture_that_was_asked_for_later(self) -> None:
        """Short answers, long commands: the beginning that is always kept has no answer without its command."""
        for first, second in ((2, 0), (3, 0), (12, 30), (60, 61)):
            now_us = 1_700_000_000_000_000
            tap, capture = Tap(lambda: now_us), Capture(lambda: now_us, lambda: 0.0)  # noqa: B023
            tap.received(INIT)
            tap.sent(ACCEPTED)
            for number in range(80):
                if number == first:
                    capture.listen(tap, ("198.51.100.7", 40000), ("192.0.2.1", 2405))
                now_us += 1_000_000
                tap.sent(bytes.fromhex(READ))
                if number == second:
                    capture.listen(tap, ("198.51.100.7", 40000), ("192.0.2.1", 2405))
                now_us += 1_000_000
                tap.received(bytes.fromhex("02fe01" if number < 70 else value(number)))
            (one,) = replay(pieces(PacketReader(io.BytesIO(capture.pcap()), "capture")))
            self.assertEqual((one.faults, self.words(one.as_json())), ([], list(range(70, 80))))
            self.assertGreaterEqual(len(one.orders), 80 - max(first, second))
            self.assertLessEqual({order.outcome for order in one.orders}, {"timeout", "good", "not-captured"})

    def test_what_does_not_fit_later_is_nobodys_fault(self) -> None:
        """Once octets were missing."""
        one = Told(2405, is_whole=False)
        self.say(one, READ, value(1))
        one.silence(10)
        self.say(one, READ, value(2))
        one.client(bytes.fromhex(value(3)))
        (shape,) = found(one)
        self.assertEqual((self.words(shape), faults(shape)), ([1, 2], []))
        self.assertIn("unexpected-answer", self.events(shape))

    def test_the_init_says_that_it_is_the_beginning(self) -> None:
        """Although the capture lacks what TCP said before."""
        shape = told(READ, value(41), is_whole=False)
        self.assertEqual((shape["device"], self.words(shape), shape["events"]), ("0x0000000000030001", [41], []))

    @given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 40))
    def test_no_value_is_ever_anothers(self, window: int, registers: int, begin: int) -> None:
        """However many commands are outstanding, and wherever the capture begins: behind the next poll all is read."""
        said: list[tuple[bool, str]] = []
        for _ in range(3):
            asked = min(window, registers)
            said.append((False, "".join(f"0403{number:04x}01" for number in range(asked))))
            for number in range(registers):
                said.append((True, value(number)))
                if asked < registers:
                    said.append((False, f"0403{asked:04x}01"))
                    asked += 1
            said.append((False, ""))  # nobody says anything
        one = Told(2405, is_whole=False)
        kept = said[min(begin, len(said) * 2 // 3 - 1) :]
        for from_client, octets in kept:
            if octets:
                (one.client if from_client else one.server)(bytes.fromhex(octets))
            else:
                one.silence(10)
        (shape,) = found(one)
        self.assertEqual([one["start"] for one in shape["readings"]], self.words(shape))
        self.assertEqual(self.words(shape)[-registers:], list(range(registers)))
        self.assertEqual(faults(shape), [])


def told_begin() -> Told:
    """A conversation up to its acceptance."""
    one = Told(2405)
    one.client(INIT)
    one.server(ACCEPTED)
    return one
