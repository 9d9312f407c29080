"""Promise: what ``smok replay`` finds in conversations made by hand or at random, tshark shows too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

from smok_twisted.handshake.messages import Choice, Hello
from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, ModbusResponse, Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.observe.export import export
from smok_twisted.observe.segments import Endpoint
from smok_twisted.readings import Block, BlockReport, Fault, Round, Table

from .replay_rig import DEVICE_ID, SECRET, Session, Told, found
from .test_observe_wireshark import TWICE, WithSecrets, trimmed
from .test_replay_p24 import ACCEPTED, INIT
from .wireshark import Json, conversations, run, shown

BLOCKS = (Block(1, Table.COIL, 5, 19, 60, 0, 0), Block(2, Table.HOLDING, 4080, 9, 60, 0, 0))
PLAN = plans.encode(3, BLOCKS, max_body_octets=15)  # two parts
BITS, WORDS = (1, 0) * 9 + (1,), (0, 1, 41, 0x8029, 0xFFD7, 0xFFFF, 0x8000, 0x7FFF, 65000)
REQUEST = messages.modbus_request(ModbusRequest(4, 0, 1, bytes.fromhex("03000b0001")))
RESPONSE = messages.modbus_response(ModbusResponse(4, bytes.fromhex("0302022b")))
NEW_SECRET = bytes(range(40, 60))


class Peers(WithSecrets):
    """Writes conversations into one file."""

    def capture(self, *told: Told) -> Path:
        for number, one in enumerate(told):
            one.conversation.client = Endpoint("198.51.100.7", 40000 + number)
        return self.written(export([one.conversation for one in told]))

    def seen(self, *told: Told, secrets: tuple[bytes, ...] = (SECRET,), passes: tuple[str, ...] = ()) -> list[Json]:
        return conversations(shown(self.capture(*told), *passes, secrets=self.secret_file(*secrets)))

    def check(self, *told: Told, secrets: tuple[bytes, ...] = (SECRET,)) -> list[Json]:
        """What tshark shows is what the replay finds; that."""
        wanted = [trimmed(one) for one in found(*told, secrets=secrets)]
        seen = self.seen(*told, secrets=secrets)
        for number, (one, other) in enumerate(zip(seen, wanted, strict=True)):
            self.assertEqual(one, other, [piece.octets.hex() for piece in told[number].conversation.pieces])
        return seen


def data(batch: int, *rounds: Round, encoder: RoundEncoder | None = None) -> bytes:
    return bytes((Type.DATA,)) + batch.to_bytes(2) + (encoder or RoundEncoder(BLOCKS)).encode(rounds)


def reported(age: int, *words: tuple[int, ...]) -> Round:
    return Round(age, tuple(BlockReport(number, each) for number, each in enumerate(words)))


def planned(session: Session) -> Session:
    session.device(messages.plan_ok(0))
    session.daemon(*PLAN)
    session.device(messages.plan_ok(3))
    return session


def changed(random: Random, words: tuple[int, ...], most: int) -> tuple[int, ...]:
    return tuple(random.choice((word, word, random.randint(0, most))) for word in words)


def some_rounds(random: Random, batches: int) -> Iterable[bytes]:
    """DATA of every kind of report."""
    encoder, bits, words = RoundEncoder(BLOCKS), BITS, WORDS
    for batch in range(1, batches + 1):
        rounds = []
        for _ in range(random.randint(1, 2)):
            bits, words = changed(random, bits, 1), changed(random, words, 0xFFFF)
            reports = [BlockReport(0, bits), BlockReport(1, words)]
            if random.random() < 0.3:
                reports[random.randint(0, 1)] = BlockReport(0, (), random.choice((2, 11, *Fault)))
            rounds.append(Round(random.choice((0, 7, 300, 70_000)), tuple(reports)))
        yield data(batch, *rounds, encoder=encoder)


class Secrets(Peers):
    def session(self, **more: object) -> Session:
        session = planned(Session(**more))
        session.device(*some_rounds(Random(1), 3))
        return session

    def test_the_right_one_of_several_is_found(self) -> None:
        """By itself, for both suites."""
        for secret in (SECRET, bytes(range(32))):
            (shape,) = self.check(self.session(secret=secret), secrets=(bytes(20), bytes(32), secret))
            self.assertGreater(len(shape["readings"]), 5)
            self.assertEqual(shape["faults"], [])

    def test_a_wrong_one_opens_nothing(self) -> None:
        """It says that nothing verifies, and shows no message, no body, no field of one."""
        (shape,) = self.check(self.session(), secrets=(bytes(20),))
        self.assertEqual(shape["faults"], [{"from": "client", "what": "unproven"}])
        file, secrets = self.capture(self.session()), self.secret_file(bytes(20))
        text = run(file, "-V", "-O", "smok4", secrets=secrets)
        self.assertIn("Does not verify", text)
        for word in ("Opened record", "Message:", "Batch:", "LOGIN", "[The tag verifies: True]"):
            self.assertNotIn(word, text)
        self.assertEqual(run(file, "-Y", "smok4.type || smok4.data.batch || modbus", secrets=secrets), "")

    def test_without_any(self) -> None:
        """The opening and the lengths of records; nobody is blamed."""
        (shape,) = self.check(self.session(), secrets=())
        self.assertEqual(shape["messages"]["client"]["record"], 6)
        self.assertEqual(shape["faults"], [])

    def test_one_that_is_handed_over(self) -> None:
        """Opens the next login once the device has confirmed it, and is printed nowhere."""
        for confirms in (True, False):
            first, second = Session(), planned(Session(NEW_SECRET, nonce=2, kid=1))
            first.daemon(messages.key_update(1, NEW_SECRET))
            if confirms:
                first.device(messages.key_ok(1))
            second.conversation.begun_us += 100_000_000
            for at, piece in enumerate(second.conversation.pieces):
                second.conversation.pieces[at] = piece._replace(time_us=piece.time_us + 100_000_000)
            self.check(first, second)
            text = run(self.capture(first, second), "-V", "-x", secrets=self.secret_file(SECRET))
            self.assertIn("Secret: 20 octets, not shown", text)
            for form in (NEW_SECRET[:8].hex(), NEW_SECRET[:8].hex(" ")):
                self.assertNotIn(form, text)

    def test_a_file_that_is_none(self) -> None:
        """One sentence says what is wrong with it; the clear parts are shown all the same."""
        file = self.capture(self.session())
        for content, text in ((None, "No such file"), ("not hex\n", "is no secret: hex digits"), ("00" * 19, "40 for")):
            secrets = Path(self.mktemp())
            if content is not None:
                secrets.write_text(content)
            self.assertIn(text, self.told(file, secrets))

    def told(self, file: Path, secrets: Path) -> str:
        return run(file, "-Y", "smok4", secrets=secrets, and_stderr=True)


class Conversations(Peers):
    def test_every_message(self) -> None:
        """Each has its name and its fields, by which one can filter."""
        session = planned(Session())
        session.daemon(REQUEST, messages.ping(), messages.go_away(GoAway(300, 60)), messages.servers(["a.example:1"]))
        session.device(RESPONSE, messages.ping(77), messages.event(9, b"door"), *some_rounds(Random(2), 9))
        session.daemon(messages.ack(9), messages.bye(3))
        self.check(session)
        file, secrets = self.capture(session), self.secret_file(SECRET)
        for wanted in (
            "smok4.login.boot == 9 && smok4.login.firmware == 3",
            "smok4.welcome.keepalive == 24",
            "smok4.tick == 77",
            "smok4.event.code == 9 && smok4.event.data == 64:6f:6f:72",
            "smok4.goaway.after == 300 && smok4.goaway.jitter == 60",
            'smok4.server == "a.example:1"',
            "smok4.bye.reason == 3",
            "smok4.ack.batch == 9",
            "smok4.plan.number == 3 && smok4.plan.block == 1 && smok4.plan.start == 4080",
            "smok4.data.batch == 5 && smok4.data.address == 4083",
            "smok4.modbus.txid == 4 && modbus.func_code == 3 && modbus.regval_uint16 == 555",
            f"smok4.device == {DEVICE_ID:#x} && smok4.bye.reason",
        ):
            self.assertEqual(run(file, "-Y", wanted, secrets=secrets).count("\n"), 1, wanted)

    def test_orders_of_two_devices(self) -> None:
        """Wireshark's own MODBUS dissector pairs them as ours does, though addresses and transactions are the same."""
        sessions = [Session(nonce=number, device_id=number) for number in (1, 2)]
        for session in sessions:
            session.daemon(REQUEST)
        for session in sessions:
            session.device(RESPONSE)
        file, secrets = self.capture(*sessions), self.secret_file(SECRET)
        columns = ("-e", "smok4.modbus.answers", "-e", "modbus.request_frame", "-e", "modbus.regnum16")
        text = run(file, "-Y", "smok4.modbus.answers", "-T", "fields", *columns, secrets=secrets)
        rows = [line.split("\t") for line in text.splitlines()]
        self.assertEqual([(ours == theirs, register) for ours, theirs, register in rows], [(True, "11")] * 2)
        self.assertNotEqual(rows[0][0], rows[1][0])

    def test_what_ends_a_session(self) -> None:
        """Before the login, in records, in messages."""
        told: list[Told] = []
        for octets in (b"GET / HTTP/1.1\r\nHost: smok.example\r\n", b"S5" + bytes(18)):
            told.append(Told(2406))
            told[-1].client(octets)
        for choice in (b"\x50" + bytes(8), Choice(9, 1).encode()):
            told.append(Told(2406))
            told[-1].client(Hello(1, 0, 1, 1).encode())
            told[-1].server(choice)
        for octets in (bytes((4,)) + bytes(12), b"\0"):
            told.append(session := Session())
            session.client(octets)
            session.device(messages.ping(7))
            session.daemon(messages.ping())
        for body in (b"\x81", b"\x42abc", bytes((Type.KEYOK,)), bytes((Type.DATA, 0)), data(1, reported(0, BITS))):
            told.append(session := Session())
            session.device(body)
            session.device(messages.event(1))
        faults = [one["faults"] for one in self.check(*told)]
        self.assertEqual(sum(map(len, faults)), 10)

    def test_at_random(self) -> None:
        """Hundreds of sessions, many of their messages damaged before they were sealed."""
        random = Random(4503)
        self.check(*(self.damaged(random, number) for number in range(60)))

    def damaged(self, random: Random, number: int) -> Session:
        session = Session(random.choice((SECRET, bytes(range(32)))), nonce=number, device_id=number)
        steps = [(True, messages.plan_ok(0)), *((False, part) for part in PLAN), (True, messages.plan_ok(3))]
        steps += [(True, body) for body in some_rounds(random, 4)]
        steps += [(False, REQUEST), (True, RESPONSE), (True, messages.event(1, b"x")), (True, messages.key_ok(1))]
        steps += [(False, messages.servers(["a:1", "b:2"])), (False, messages.go_away(GoAway(1, 2)))]
        for from_device, body in steps:
            if random.random() < 0.15:
                body = body[:1] + damage(random, body[1:])
            (session.device if from_device else session.daemon)(body)
        return session


def damage(random: Random, octets: bytes) -> bytes:
    """Cut, lengthened, or with other octets."""
    match random.randint(0, 2):
        case 0:
            return octets[: random.randint(0, len(octets))]
        case 1:
            return octets + random.randbytes(random.randint(1, 20))
    at = random.randint(0, len(octets) - 1)
    return octets[:at] + random.randbytes(random.randint(1, 3)) + octets[at + 1 :]


class P24(Peers):
    def told(self, *said: str, is_whole: bool = True) -> Told:
        one = Told(2405)
        one.client(INIT)
        one.server(ACCEPTED)
        for at, octets in enumerate(said):
            (one.client if at % 2 else one.server)(bytes.fromhex(octets))
        return one

    def test_worked_examples(self) -> None:
        """Those of the design note, and filters by register and value."""
        settings = "1e00c0a80207ffffff00c0a80201c0a802010c736d6f6b2e6578616d706c65"
        told = [
            self.told("04030ff901", "03000029", "04030ff901", "03008029", "04041ba501", "020001"),
            self.told("06050fa2000d01", "020000", "05061bcb0101", "0200ff"),
            self.told("04030ff901", "02fe01", "0408001001", "01ff", "04030ff901", "02fe00"),
            self.told("04030ff901" + "0403102601" + "04041ba501", "03000029" + "02fe01" + "020001"),
            self.told("0107", "0c000a465249534b4f2d312e30", "0100", "0100", "0102", settings),
        ]
        self.check(*told)
        file = self.capture(*told)
        for wanted, frames in (
            ("p24.register == 4089 && p24.value == 41", 2),
            ("p24.register == 4089 && !p24.value", 7),
            ("p24.coil == 7115 && p24.value == 1", 1),
            ("p24.unsupported", 1),
            ('p24.vendor == "FRISKO-1.0"', 1),
            ('p24.host == "smok.example" && p24.ip == 192.168.2.7', 1),
            ("p24.code == 0", 2),
        ):
            self.assertEqual(run(file, "-Y", wanted).count("\n"), frames, wanted)

    def test_a_command_that_would_hand_the_device_over(self) -> None:
        """Nobody here sends it; where it is seen, it is marked and its octets are told."""
        settings = "c0a80207ffffff00c0a80201c0a802010c736d6f6b2e6578616d706c65"
        file = self.capture(self.told(f"1e01{settings}", "0100", "04030ff901", "03000029"))
        self.assertIn("P24", run(file, "-Y", 'p24.sets_network && p24.host == "smok.example"'))
        self.assertIn("= 41", run(file, "-Y", "p24.value"))

    def test_what_closes_the_link(self) -> None:
        """An answer to nothing, or of a wrong shape; a packet of size 0; a command that cannot be; a refusal."""
        said = (("0100", "0100" + "0100"), ("04030ff901", "020029"), ("0100", "00"), ("0203ff",), ("0109",), ())
        told = [self.told(*each) for each in said]
        told[-1].conversation.pieces[1:] = [told[-1].conversation.pieces[1]._replace(octets=b"\x01\xfe")]
        shapes = self.check(*told)
        self.assertEqual([len(one["faults"]) for one in shapes], [1, 1, 1, 1, 1, 0])
        self.assertEqual(shapes[-1]["messages"]["server"], {"refused": 1})

    def test_at_random(self) -> None:
        """Hundreds of devices, some of their packets damaged."""
        random, told = Random(2009), []
        exchanges = ("04030ff901", "03000029"), ("04041ba501", "020001"), ("0408001001", "01ff"), ("0100", "0100")
        exchanges += ("06050fa2000d01", "020000"), ("0107", "0200" + "00"), ("04030ff901", "02fe01")
        for _ in range(80):
            said = [octets for _ in range(5) for octets in random.choice(exchanges)]
            for at in range(len(said)):
                if random.random() < 0.05:
                    packet = damage(random, bytes.fromhex(said[at])[1:])
                    said[at] = (bytes((len(packet),)) + packet).hex()
            told.append(self.told(*(octets for octets in said if octets[2:4] != "01" or octets == "0100")))
        self.check(*told)


class Octets(Peers):
    def test_any(self) -> None:
        """Whatever comes on the ports, nothing breaks: no error of Lua, no malformed packet, in both passes."""
        random, told = Random(1), []
        begins = ((b"", b""), (INIT, ACCEPTED), (Hello(3, 0, 1, 1).encode(), Choice(1, 1).encode()), (b"S4", b"\x41"))
        for number in range(100):
            told.append(one := Told(2405 + number % 2))
            client, server = begins[number % 8 // 2]
            one.client(client or b"?")
            one.server(server or b"!")
            for _ in range(random.randint(1, 6)):
                (one.client if random.random() < 0.5 else one.server)(random.randbytes(random.randint(1, 300)))
        self.assertGreater(len(self.seen(*told)), 90)
        self.assertGreater(len(self.seen(*told, passes=TWICE)), 90)
