"""One device of a storm: octets in, octets out, with the real login, records and messages; no socket, no clock.

It logs in, takes its plan, reports once, and then answers what it is asked. It costs a tenth of an agent.
"""

from __future__ import annotations

from smok_twisted.cipher.record import Suite
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.handshake.machine import DeviceHandshake
from smok_twisted.handshake.messages import Login
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import MAX_BODY_OCTETS, Type
from smok_twisted.links.smok4.plans import PlanAssembler
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.readings import Block, BlockReport, Round
from smok_twisted.stack import CHOICE_OCTETS


class StormDevice:
    """It keeps its plan and its batch numbers over connections, as one with a memory does."""

    def __init__(self, device_id: int, secret: bytes) -> None:
        self.is_in = False  #: WELCOME has come
        self.acknowledged = 0  #: newest batch that is durable
        self.pongs = 0  #: answers to ``ping``
        self._device_id = device_id
        self._secret = secret
        self._nonce = 0
        self.batch = 0  #: newest that was made
        self._plan: tuple[int, tuple[Block, ...]] = (0, ())

    @property
    def is_back(self) -> bool:
        """It is logged in and everything it reported is durable."""
        return self.is_in and self.batch > 0 and self.acknowledged == self.batch

    def hello(self) -> bytes:
        """A new connection: what to say first."""
        self.is_in = False
        self._nonce += 1
        secrets = {Suite.RABBIT_SHA1: self._secret}
        self._handshake = DeviceHandshake(self._device_id, 0, secrets, self._nonce, unique_for_good=True)
        self._decoder = FrameDecoder(CHOICE_OCTETS)
        self._is_chosen = False
        return self._handshake.start()

    def received(self, octets: bytes) -> bytes:
        """What to answer. Raises RemoteError when the server breaks the protocol."""
        self._decoder.feed(octets)
        answers = []
        while (frame := self._decoder.next()) is not None:
            if self._is_chosen:
                answers.append(self._body(self._opener.open(frame)))
            else:
                answers.append(self._choice(frame))
        return b"".join(answers)

    def report(self) -> bytes:
        """One more batch: all that the plan asks for, read now."""
        self.batch += 1
        _, blocks = self._plan
        reports = [BlockReport(number, (self.batch,) * block.count) for number, block in enumerate(blocks)]
        rounds = self._encoder.encode([Round(0, tuple(reports))])
        return self._sealer.seal(bytes((Type.DATA,)) + self.batch.to_bytes(2) + rounds)

    def ping(self) -> bytes:
        """Ask for a sign of life."""
        return self._sealer.seal(messages.ping())

    def _choice(self, octets: bytes) -> bytes:
        login = Login(flags=0, max_rx=MAX_BODY_OCTETS, firmware=1, boot=1, tick=0, cursor=self.batch)
        agreed = self._handshake.choice(octets, login)
        self._sealer, self._opener = agreed.sending.sealer(), agreed.receiving.opener()
        self._decoder.trailer_octets = Suite.RABBIT_SHA1.tag_octets
        self._is_chosen = True
        return self._sealer.seal(agreed.login)

    def _body(self, body: bytes) -> bytes:
        if not self.is_in:
            self._handshake.welcome(body)
            self.is_in = True
            return self._hold(*self._plan)
        if body[0] == Type.PLAN:
            whole = PlanAssembler().add(body[1:])
            return b"" if whole is None else self._hold(*whole)
        if body[0] == Type.ACK:
            self.acknowledged = messages.decode_ack(body[1:])
        elif body[0] == Type.PING:
            self.pongs += 1
        return b""

    def _hold(self, number: int, blocks: tuple[Block, ...]) -> bytes:
        """Tell which plan is held, and report by it."""
        self._plan, self._encoder = (number, blocks), RoundEncoder(blocks)
        told = self._sealer.seal(messages.plan_ok(number))
        return told + self.report() if number else told
