"""The messages of one SMOK/4 session, both sides' (design note smok4, "Messages")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..devices.ledger import is_newer
from ..errors import RemoteError
from ..handshake.messages import Login, Welcome
from ..links.smok4 import messages
from ..links.smok4.messages import FIRST_CRITICAL_TYPE, Type
from ..links.smok4.plans import PlanAssembler
from ..links.smok4.rounds import RoundDecoder
from ..observe.streams import Piece
from ..readings import Block
from .findings import NOT_CAPTURED, CapturedBatch, Findings, Reading
from .modbus import Asked, settle

Handler = Callable[[bytes, Piece], None]


@dataclass
class Known:
    """What helps to read conversations; what one of them tells helps with later ones."""

    secrets: list[bytes] = field(default_factory=list, repr=False)
    ports: dict[int, str] = field(default_factory=dict)  #: of servers, and the protocol that is spoken there
    plans: dict[tuple[int, int], tuple[Block, ...]] = field(default_factory=dict)  #: by device id and number
    blocks: tuple[Block, ...] | None = None  #: of a plan that no conversation tells
    unacknowledged: dict[tuple[int, int], list[CapturedBatch]] = field(default_factory=dict)  #: by device id and boot


class Messages:
    """``take`` every body that was opened, in order."""

    def __init__(self, findings: Findings, known: Known) -> None:
        self.device_id = 0
        self._findings = findings
        self._known = known
        self._assembler = PlanAssembler()
        self._plan = self._boot = 0
        self._blocks: tuple[Block, ...] | None = known.blocks
        self._rounds: RoundDecoder | None = None
        self._waiting: dict[int, Asked] = {}
        self._new_secrets: dict[int, bytes] = {}
        self._has_missed = False
        self._of_server: dict[int, Handler] = {
            Type.ACK: self._ack,
            Type.MODBUS_REQ: self._request,
            Type.KEYUPDATE: self._key_update,
            Type.GOAWAY: self._go_away,
            Type.BYE: self._bye,
            Type.PLAN: self._take_plan,
            Type.SERVERS: self._servers,
            Type.WELCOME: self._welcome,
        }
        self._of_device: dict[int, Handler] = {
            Type.LOGIN: self._login,
            Type.DATA: self._data,
            Type.MODBUS_RSP: self._response,
            Type.EVENT: self._event,
            Type.KEYOK: self._key_ok,
            Type.BYE: self._bye,
            Type.PLANOK: self._plan_ok,
        }

    def take(self, body: bytes, piece: Piece) -> None:
        """One message; what is wrong in it is told."""
        number = body[0]
        name = Type(number).name.replace("_", "-") if number in list(Type) else f"type {number:#04x}"
        self._findings.messages[piece.from_client][name] += 1
        handler = (self._of_device if piece.from_client else self._of_server).get(number)
        try:
            if handler is not None:
                handler(body[1:], piece)
            elif number >= FIRST_CRITICAL_TYPE:
                raise RemoteError("unknown-critical", name)
        except RemoteError as error:
            tell = self._findings.event if self._has_missed else self._findings.fault
            tell(piece, error.reason, error.detail)

    def missed(self, from_client: bool) -> None:
        """Octets are missing: what does not make sense from here on is nobody's fault.

        With the device's, what it has reported since is not known, and changes of that cannot be read.
        """
        self._has_missed = True
        if from_client:
            self._rounds = None

    def ended(self) -> None:
        """Nothing more comes."""
        for asked in self._waiting.values():
            self._give_up(asked)

    # -- the login

    def _login(self, payload: bytes, piece: Piece) -> None:
        login = Login.decode(bytes((Type.LOGIN,)) + payload)
        self._boot = login.boot
        self._findings.identity |= {"boot": login.boot, "firmware": login.firmware}

    def _welcome(self, payload: bytes, piece: Piece) -> None:
        welcome = Welcome.decode(bytes((Type.WELCOME,)) + payload)
        self._findings.identity |= {"keepalive": 10 * welcome.keepalive_10s}
        if welcome.cursor:
            self._acknowledge(welcome.cursor)

    # -- readings

    def _take_plan(self, payload: bytes, piece: Piece) -> None:
        whole = self._assembler.add(payload)
        if whole is not None:
            self._known.plans[self.device_id, whole[0]] = whole[1]

    def _plan_ok(self, payload: bytes, piece: Piece) -> None:
        plan, status = messages.decode_plan_ok(payload)
        if status:
            self._findings.event(piece, "plan-refused", f"plan {plan}, status {status}")
        elif plan != self._plan:
            self._plan = plan
            self._blocks = self._known.plans.get((self.device_id, plan), self._known.blocks)
            self._rounds = None
            if self._blocks is None:
                self._findings.event(piece, "plan-unknown", f"plan {plan}; the model's register map would tell it")

    def _data(self, payload: bytes, piece: Piece) -> None:
        if len(payload) < 2:
            raise RemoteError("bad-data", "DATA without a batch number")
        if not self._plan and not self._has_missed:
            raise RemoteError("data-before-planok")
        if self._blocks is None:
            self._findings.unread_batches += 1
            return
        self._rounds = self._rounds or RoundDecoder(self._blocks)
        batch, rounds = int.from_bytes(payload[:2]), tuple(self._rounds.decode(payload[2:]))
        whole = CapturedBatch(piece.time_us, self._boot, batch, self._plan, self._blocks, rounds)
        self._findings.batches.append(whole)
        self._known.unacknowledged.setdefault((self.device_id, self._boot), []).append(whole)
        for age, reports in rounds:
            for number, words, fault in reports:
                unit, table, start, count, *_ = self._blocks[number]
                time_us = piece.time_us - 100_000 * age
                self._findings.readings.append(Reading(time_us, unit, table, start, words, fault, batch, count))

    def _ack(self, payload: bytes, piece: Piece) -> None:
        self._acknowledge(messages.decode_ack(payload))

    def _acknowledge(self, newest: int) -> None:
        """The device drops all batches up to this one, those of its earlier sessions too."""
        key = self.device_id, self._boot
        for one in self._known.unacknowledged.get(key, ()):
            one.is_acknowledged = not is_newer(one.batch, newest)
        self._known.unacknowledged[key] = [
            one for one in self._known.unacknowledged.get(key, ()) if not one.is_acknowledged
        ]

    # -- orders

    def _request(self, payload: bytes, piece: Piece) -> None:
        request = messages.decode_modbus_request(payload)
        if request.txid in self._waiting:
            self._give_up(self._waiting[request.txid])
        self._waiting[request.txid] = Asked(piece.time_us, request.unit, request.pdu)

    def _give_up(self, asked: Asked) -> None:
        self._findings.orders.append(asked.unanswered(NOT_CAPTURED if self._has_missed else "unanswered"))

    def _response(self, payload: bytes, piece: Piece) -> None:
        response = messages.decode_modbus_response(payload)
        asked = self._waiting.pop(response.txid, None)
        if asked is None:
            raise RemoteError("unasked", f"an answer to transaction {response.txid}")
        settle(self._findings, asked, response.pdu, piece.time_us)

    # -- the rest

    def _event(self, payload: bytes, piece: Piece) -> None:
        code, data = messages.decode_event(payload)
        self._findings.event(piece, f"event {code}", data.hex())

    def _key_update(self, payload: bytes, piece: Piece) -> None:
        """The secret itself is not told."""
        kid, secret = messages.decode_key_update(payload)
        self._new_secrets[kid] = secret
        self._findings.event(piece, "key-update", f"kid {kid}")

    def _key_ok(self, payload: bytes, piece: Piece) -> None:
        """The next login may use it."""
        kid = messages.decode_key_ok(payload)
        if kid in self._new_secrets:
            self._known.secrets.append(self._new_secrets.pop(kid))

    def _go_away(self, payload: bytes, piece: Piece) -> None:
        after_seconds, jitter_seconds = messages.decode_go_away(payload)
        self._findings.event(piece, "goaway", f"come again after {after_seconds} s, spread over {jitter_seconds} s")

    def _bye(self, payload: bytes, piece: Piece) -> None:
        self._findings.event(piece, "bye", f"reason {messages.decode_bye(payload)}")

    def _servers(self, payload: bytes, piece: Piece) -> None:
        self._findings.event(piece, "servers", " ".join(messages.decode_servers(payload)))
