"""An honest login, over memory; ``ServerEnd`` and ``DeviceEnd`` are what the attack tests attack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import DirectionKeys, Suite
from smok_twisted.errors import RemoteError
from smok_twisted.handshake.first_record import FirstRecordOpener
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.machine import DeviceHandshake, ServerHandshake
from smok_twisted.handshake.messages import Login, Welcome
from smok_twisted.handshake.roles import Proven

ONE, TWO = Suite.RABBIT_SHA1, Suite.CHACHA20_POLY1305
DEVICE_ID = 0x30001
SECRETS = {ONE: bytes(range(20)), TWO: bytes(range(32))}
LOGIN = Login(0, 255, 1, 2, 3, 4)
WELCOME = Welcome(1_800_000_000, 24, 0, 3)


def keyring(secrets: Mapping[Suite, bytes] = SECRETS) -> Keyring:
    """A keyring that knows one device, with a secret for each suite in slot 0."""
    ring = Keyring(b"node secret", lambda: 0)
    ring.put(DEVICE_ID, [Slot(0, suite, secret, 0) for suite, secret in secrets.items()])
    return ring


class End:
    """A handshake with its records: frames in, frames out. ``bodies`` are what got through after the login."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._take = self.first

    def take(self, frame: bytes) -> bytes:
        """One whole frame; what to send in return, b"" for nothing. Raises RemoteError for a refusal."""
        return self._take(frame)

    def first(self, octets: bytes) -> bytes:
        """HELLO or CHOICE."""
        raise NotImplementedError

    def proof(self, body: bytes) -> bytes:
        """LOGIN or WELCOME."""
        raise NotImplementedError

    def key(self, sending: DirectionKeys, receiving: DirectionKeys, refusal: str) -> None:
        """From here on there are records."""
        self.sealer, self.opener = sending.sealer(), FirstRecordOpener(receiving.opener(), refusal)
        self._take = self._record

    def say(self, body: bytes) -> bytes:
        """A body as a record."""
        return self.sealer.seal(body)

    def _record(self, frame: bytes) -> bytes:
        answer = self.proof(self.opener.open(frame))
        self._take = self._later
        return answer

    def _later(self, frame: bytes) -> bytes:
        self.bodies.append(self.opener.open(frame))
        return b""


class ServerEnd(End):
    """The server's end; ``random`` gives its nonces."""

    def __init__(
        self,
        random: Callable[[int], bytes],
        ring: Keyring | None = None,
        allowed: Collection[Suite] = tuple(Suite),
    ) -> None:
        super().__init__()
        self.handshake = ServerHandshake((ring or keyring()).find, allowed, random)
        self.proven: Proven | None = None

    def first(self, octets: bytes) -> bytes:
        chosen = self.handshake.hello(octets)
        self.key(chosen.sending, chosen.receiving, chosen.refusal)
        return chosen.choice

    def proof(self, body: bytes) -> bytes:
        self.proven = self.handshake.login(body)
        return self.say(self.handshake.welcome(WELCOME))


class DeviceEnd(End):
    """The device's end."""

    def __init__(self, nonce: int, secrets: Mapping[Suite, bytes] = SECRETS, device_id: int = DEVICE_ID) -> None:
        super().__init__()
        self.handshake = DeviceHandshake(device_id, 0, secrets, nonce, unique_for_good=False)
        self.welcome: Welcome | None = None

    def start(self) -> bytes:
        """The octets of HELLO."""
        return self.handshake.start()

    def first(self, octets: bytes) -> bytes:
        agreed = self.handshake.choice(octets, LOGIN)
        self.key(agreed.sending, agreed.receiving, "unproven-server")
        return self.say(agreed.login)

    def proof(self, body: bytes) -> bytes:
        self.welcome = self.handshake.welcome(body)
        return b""


class Session:
    """A device and a server with a wire between them that everybody can read and change.

    ``wire`` holds every frame as it was sent: HELLO, CHOICE, LOGIN, WELCOME.
    """

    def __init__(
        self, device: DeviceEnd, server: ServerEnd, on_the_way: Callable[[int, bytes], bytes] = lambda _, frame: frame
    ) -> None:
        self.device, self.server = device, server
        self.wire: list[bytes] = []
        self.refusal: RemoteError | None = None
        try:
            self._run(on_the_way)
        except RemoteError as error:
            self.refusal = error

    def _run(self, on_the_way: Callable[[int, bytes], bytes]) -> None:
        frame, receivers = self.device.start(), [self.server, self.device] * 2
        for number, receiver in enumerate(receivers):
            self.wire.append(frame)
            frame = receiver.take(on_the_way(number, frame))


class HonestLogin(SynchronousTestCase):
    """A device with the right secret gets in, and both sides know whom they talk to."""

    def log_in(self, device: DeviceEnd, **server: object) -> Session:
        return Session(device, ServerEnd(Random(1).randbytes, **server))  # type: ignore[arg-type]

    def test_each_suite(self) -> None:
        """LOGIN arrives at the server, WELCOME at the device, with 67 octets on the wire in suite 1."""
        for suite, octets in ((ONE, [20, 9, 20, 18]), (TWO, [20, 9, 28, 26])):
            session = self.log_in(DeviceEnd(5, {suite: SECRETS[suite]}))
            proven = session.server.proven
            self.assertIsNone(session.refusal)
            self.assertEqual((proven.login, proven.suite, proven.hello.device_id), (LOGIN, suite, DEVICE_ID))
            self.assertEqual(proven.candidate.secret, SECRETS[suite])
            self.assertEqual(session.device.welcome, WELCOME)
            self.assertEqual([len(frame) for frame in session.wire], octets)

    def test_bodies_after_it(self) -> None:
        """What follows gets through in both directions, in order."""
        session = self.log_in(DeviceEnd(5))
        for body in (b"\x04one", b"\x04two"):
            session.server.take(session.device.say(body))
            session.device.take(session.server.say(body))
        self.assertEqual(session.server.bodies, [b"\x04one", b"\x04two"])
        self.assertEqual(session.device.bodies, session.server.bodies)

    def test_the_highest_common_suite(self) -> None:
        """The server takes the highest suite that the device offers and the configuration allows."""
        for offered in ({ONE}, {TWO}, {ONE, TWO}):
            for allowed in ({ONE}, {TWO}, {ONE, TWO}):
                device = DeviceEnd(5, {suite: SECRETS[suite] for suite in offered})
                session = self.log_in(device, allowed=allowed)
                if offered & allowed:
                    self.assertEqual(session.server.proven.suite, max(offered & allowed))
                else:
                    self.assertEqual(session.refusal.reason, "no-common-suite")

    def test_the_choice_tells_nothing_about_the_id(self) -> None:
        """Whoever asks, and whatever secrets there are: the offer decides alone."""
        for ring in (keyring({}), keyring({ONE: SECRETS[ONE]}), keyring({TWO: SECRETS[TWO]}), keyring()):
            for device_id in (DEVICE_ID, 99):
                session = self.log_in(DeviceEnd(5, device_id=device_id), ring=ring)
                self.assertEqual(session.wire[1][0], 0x42)

    def test_offers_of_the_future(self) -> None:
        """Offer bits that we do not know are ignored."""
        server = ServerEnd(Random(1).randbytes)
        hello = bytearray(DeviceEnd(5, {ONE: SECRETS[ONE]}).start())
        hello[2] |= 0x7C
        self.assertEqual(server.take(bytes(hello))[0], 0x41)

    def test_the_servers_nonce(self) -> None:
        """It has 64 bits from the generator, not fewer, as they were drawn."""
        drawn = bytes(range(0xA0, 0xA8))
        server = ServerEnd(lambda octets: drawn[:octets])
        self.assertEqual(server.take(DeviceEnd(5).start())[1:], drawn)

    def test_unique_nonces(self) -> None:
        """A device that counts its logins says so in HELLO."""
        for unique in (False, True):
            hello = DeviceHandshake(DEVICE_ID, 3, {ONE: SECRETS[ONE]}, 5, unique).start()
            self.assertEqual(hello[:4].hex(), "5334" + ("81" if unique else "01") + "03")
