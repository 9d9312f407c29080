"""Captured MODBUS conversations: each request with what became of it, and what was read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.rtu import build_frame

from .replay_rig import Told, faults, found, outcomes

READ = bytes.fromhex("03000a0002")
VALUES = bytes.fromhex("030400010002")


def adu(transaction: int, pdu: bytes, unit: int = 1) -> bytes:
    return Adu(transaction, unit, pdu).encode()


class Tcp(SynchronousTestCase):
    def told(self, *said: tuple[str, bytes], whole: bool = True) -> dict:
        told = Told(502, whole)
        for side, octets in said:
            getattr(told, side)(octets)
        (shape,) = found(told)
        self.assertEqual(shape["protocol"], "modbus-tcp")
        return shape

    def test_a_read(self) -> None:
        """The order with its answer and both times, and the reading."""
        shape = self.told(("client", adu(7, READ)), ("server", adu(7, VALUES)))
        self.assertEqual(
            shape["orders"],
            [
                {
                    "time": "2023-11-14T22:13:20.000Z",
                    "unit": 1,
                    "request": READ.hex(),
                    "outcome": "good",
                    "answer": VALUES.hex(),
                    "answered": "2023-11-14T22:13:21.000Z",
                }
            ],
        )
        reading = {"time": "2023-11-14T22:13:21.000Z", "unit": 1, "table": "holding", "start": 10, "words": [1, 2]}
        self.assertEqual(shape["readings"], [reading | {"quality": "good", "batch": None}])
        self.assertEqual(shape["octets"], {"client": 12, "server": 13})
        self.assertEqual(shape["messages"], {"client": {"function 3": 1}, "server": {"function 3": 1}})

    def test_read_and_write_in_one(self) -> None:
        """Function 23 gives a reading too."""
        both = bytes.fromhex("17000a0002001400010200ff")
        shape = self.told(("client", adu(7, both)), ("server", adu(7, b"\x17" + VALUES[1:])))
        self.assertEqual([(one["start"], one["words"]) for one in shape["readings"]], [(10, [1, 2])])

    def test_answers_in_any_order(self) -> None:
        """Transactions say which is whose."""
        asked = ("client", adu(1, READ) + adu(2, bytes.fromhex("0100000003")))
        shape = self.told(asked, ("server", adu(2, bytes.fromhex("010105")) + adu(1, VALUES)))
        self.assertEqual([one["words"] for one in shape["readings"]], [[1, 0, 1], [1, 2]])
        self.assertEqual([one["request"][:2] for one in shape["orders"]], ["01", "03"])

    def test_what_may_become_of_a_request(self) -> None:
        """An exception, an answer to another question, another unit's, none."""
        for answer, outcome, wrong in (
            (adu(7, b"\x83\x02"), "exception-2", []),
            (adu(7, bytes.fromhex("03020001")), "wrong-reply", []),
            (adu(7, VALUES, unit=2), "wrong-reply", [("server", "wrong-unit")]),
            (adu(8, VALUES), "unanswered", [("server", "unasked")]),
        ):
            shape = self.told(("client", adu(7, READ)), ("server", answer))
            self.assertEqual((outcomes(shape), faults(shape)), ([outcome], wrong))
        shape = self.told(("client", adu(7, READ)), ("client", adu(7, READ)), ("server", adu(7, VALUES)))
        self.assertEqual(outcomes(shape), ["unanswered", "good"])

    def test_a_refused_read_is_a_reading_with_its_reason(self) -> None:
        """Never a value."""
        shape = self.told(("client", adu(7, READ)), ("server", adu(7, b"\x83\x0b")))
        self.assertEqual([(one["words"], one["quality"]) for one in shape["readings"]], [([], "exception-11")])

    def test_functions_that_we_do_not_know(self) -> None:
        """Are orders all the same; whether the answer is good cannot be told."""
        vendor = bytes.fromhex("41beef")
        for answer, outcome in ((bytes.fromhex("4100"), "unchecked"), (bytes.fromhex("c101"), "exception-1")):
            shape = self.told(("client", adu(7, vendor)), ("server", adu(7, answer)))
            self.assertEqual((outcomes(shape), shape["readings"]), ([outcome], []))

    def test_octets_that_are_no_mbap_end_a_direction(self) -> None:
        """As they end a connection of the daemon."""
        said = ("client", adu(7, READ) + b"\0\1\0\1\0\6"), ("client", adu(8, READ)), ("server", adu(7, VALUES))
        shape = self.told(*said)
        self.assertEqual((faults(shape), outcomes(shape)), ([("client", "bad-mbap")], ["good"]))

    def test_begun_in_the_middle(self) -> None:
        """A user's own tcpdump: the first piece that looks like a message begins; what was before is nobody's fault."""
        said = ("client", b"\xff" * 9), ("client", adu(7, READ)), ("server", adu(7, VALUES))
        shape = self.told(*said, whole=False)
        self.assertEqual((faults(shape), outcomes(shape), shape["whole"]), ([], ["good"], False))

    def test_octets_that_are_missing(self) -> None:
        """Said; and it goes on with the next whole message."""
        told = Told(502)
        told.client(adu(7, READ))
        told.server(adu(7, VALUES)[:9])
        told.server(adu(8, VALUES)[3:], missing=20)
        told.client(adu(9, READ))
        told.server(adu(9, VALUES))
        (shape,) = found(told)
        self.assertEqual((shape["missing"], outcomes(shape)), ({"client": 0, "server": 20}, ["not-captured", "good"]))

    def test_an_answer_whose_request_was_not_captured(self) -> None:
        """Is nobody's fault, and is told once for all that follow."""
        for told, missing in ((Told(502, is_whole=False), 0), (Told(502), 12)):
            told.client(adu(6, READ))
            told.server(adu(7, VALUES), missing=missing)
            for number in (8, 9):
                told.server(adu(number, VALUES))
            told.client(adu(10, READ))
            told.server(adu(10, VALUES) + adu(11, VALUES))
            (shape,) = found(told)
            self.assertEqual((faults(shape), outcomes(shape)[-1]), ([], "good"))
            self.assertEqual([one["what"] for one in shape["events"]], ["unasked", "unasked"])
            self.assertIn("from transaction 7 on", shape["events"][0]["detail"])

    def test_another_s_answer_under_the_same_number(self) -> None:
        """A master that always uses the same one: what was missing on both sides may have been answer and request."""
        told = Told(502)
        told.client(adu(0, READ))
        told.client(b"", missing=12)
        told.server(adu(0, VALUES), missing=13)
        (shape,) = found(told)
        self.assertEqual((outcomes(shape), shape["readings"], faults(shape)), (["not-captured"], [], []))


class Rtu(SynchronousTestCase):
    QUESTION, ANSWER = build_frame(1, READ), build_frame(1, VALUES)

    def told(self, *said: tuple[str, bytes]) -> dict:
        told = Told(4001)
        for side, octets in said:
            getattr(told, side)(octets)
        (shape,) = found(told)
        self.assertEqual(shape["protocol"], "rtu")
        return shape

    def test_a_read(self) -> None:
        """As over MODBUS/TCP, without transactions."""
        shape = self.told(("client", self.QUESTION), ("server", self.ANSWER))
        self.assertEqual((outcomes(shape), shape["faults"]), (["good"], []))
        self.assertEqual([one["words"] for one in shape["readings"]], [[1, 2]])

    def test_what_may_become_of_a_request(self) -> None:
        """The next request or the end settles it, with the worst that was heard."""
        for answer, outcome in (
            (b"", "unanswered"),
            (self.ANSWER[:-1] + b"\0", "crc"),
            (b"\xff\xff", "wrong-reply"),
            (build_frame(2, VALUES), "wrong-reply"),
            (build_frame(1, b"\x83\x02"), "exception-2"),
            (b"\xff" + self.ANSWER, "good"),
            (b"\1\3\4" + self.ANSWER, "good"),
            (b"\1\3\4" + build_frame(1, b"\x83\x02"), "exception-2"),
        ):
            said = ("client", self.QUESTION), ("server", answer), ("client", self.QUESTION), ("server", self.ANSWER)
            shape = self.told(*(one for one in said if one[1]))
            self.assertEqual(outcomes(shape), [outcome, "good"], answer)
            self.assertEqual(outcomes(self.told(said[0], *said[1:2] if answer else ())), [outcome], answer)

    def test_noise_is_counted(self) -> None:
        """Octets that belong to no frame, of either side."""
        late = ("server", self.ANSWER + b"late")
        shape = self.told(("client", self.QUESTION), late, ("client", b"\xff\xff" + self.QUESTION + b"\1\3"))
        noise = [(one["from"], one["what"], one["detail"].split()[0]) for one in shape["faults"]]
        self.assertEqual(noise, [("server", "noise", "4"), ("client", "noise", "4")])

    def test_a_wrong_crc_is_not_remembered(self) -> None:
        """The next request is judged by what comes after it."""
        said = ("client", self.QUESTION), ("server", self.ANSWER[:-1] + b"\0"), ("client", self.QUESTION)
        self.assertEqual(outcomes(self.told(*said)), ["crc", "unanswered"])

    def test_a_request_behind_what_looks_like_one(self) -> None:
        """Is found when nothing more comes."""
        begun = bytes.fromhex("0110000000" + "7bf6")
        said = ("client", self.QUESTION), ("client", begun + self.QUESTION)
        self.assertEqual(outcomes(self.told(*said)), ["unanswered", "unanswered"])

    def test_an_answer_to_nothing(self) -> None:
        """As when the capture begins between the two."""
        told = Told(4001, is_whole=False)
        told.server(self.ANSWER)
        told.client(self.QUESTION)
        told.server(self.ANSWER)
        (shape,) = found(told)
        self.assertEqual((outcomes(shape), faults(shape)), (["good"], []))
        self.assertEqual([(one["from"], one["what"]) for one in shape["events"]], [("server", "noise")])

    def test_the_answer_to_a_request_that_is_missing(self) -> None:
        """Is not taken for that of the request before, although it has its shape; and is nobody's fault."""
        told = Told(4001)
        told.client(self.QUESTION)
        told.client(b"", missing=8)
        told.server(self.ANSWER, missing=9)
        told.client(self.QUESTION)
        told.server(self.ANSWER)
        (shape,) = found(told)
        self.assertEqual((outcomes(shape), len(shape["readings"])), (["not-captured", "good"], 1))
        self.assertEqual((faults(shape), [one["what"] for one in shape["events"]]), ([], ["noise"]))

    def test_octets_that_are_missing(self) -> None:
        """The CRC finds the way again."""
        told = Told(4001)
        told.client(self.QUESTION)
        told.server(self.ANSWER[5:], missing=5)
        told.client(self.QUESTION[4:], missing=4)
        told.client(self.QUESTION)
        told.server(self.ANSWER)
        (shape,) = found(told)
        self.assertEqual(outcomes(shape), ["not-captured", "good"])

    @given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=12)), max_size=8), st.data())
    def test_pieces_do_not_matter(self, turns: list[tuple[bool, bytes]], data: st.DataObject) -> None:
        """Noise, broken and whole frames: octet by octet the same is found as all at once."""
        whole, octet_by_octet = Told(4001), Told(4001)
        frames = st.sampled_from((self.QUESTION, self.ANSWER, self.ANSWER[:-1], b""))
        whole.client(self.QUESTION)
        octet_by_octet.client(self.QUESTION)
        for from_client, noise in turns:
            side, octets = "client" if from_client else "server", noise + data.draw(frames)
            getattr(whole, side)(octets)
            for octet in octets:
                getattr(octet_by_octet, side)(bytes((octet,)))
        one, other = found(whole)[0], found(octet_by_octet)[0]
        self.assertEqual((outcomes(one), faults(one)), (outcomes(other), faults(other)))
        self.assertEqual([one["words"] for one in one["readings"]], [one["words"] for one in other["readings"]])
