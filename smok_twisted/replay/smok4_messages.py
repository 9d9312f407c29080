"""The messages of one SMOK/4 session, both sides' (design note smok4, "Messages")."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RemoteError
from ..handshake.messages import Login, Welcome
from ..links.smok4 import messages
from ..links.smok4.messages import FIRST_CRITICAL_TYPE, Type
from ..observe.streams import Piece
from .findings import NOT_CAPTURED, Findings
from .known import Known
from .modbus import Asked, settle
from .smok4_data import Reports

__all__ = ["Known", "Messages"]

Handler = Callable[[bytes, Piece], None]


class Messages:
    """``take`` every body that was opened, in order."""

    def __init__(self, findings: Findings, known: Known) -> None:
        self._findings = findings
        self._known = known
        self._reports = Reports(findings, known)
        self._waiting: dict[int, Asked] = {}
        self._new_secrets: dict[int, bytes] = {}
        self._of_server: dict[int, Handler] = {
            Type.ACK: self._ack,
            Type.MODBUS_REQ: self._request,
            Type.KEYUPDATE: self._key_update,
            Type.GOAWAY: self._go_away,
            Type.BYE: self._bye,
            Type.PLAN: self._plan,
            Type.SERVERS: self._servers,
            Type.WELCOME: self._welcome,
        }
        self._of_device: dict[int, Handler] = {
            Type.LOGIN: self._login,
            Type.DATA: self._reports.data,
            Type.MODBUS_RSP: self._response,
            Type.EVENT: self._event,
            Type.KEYOK: self._key_ok,
            Type.BYE: self._bye,
            Type.PLANOK: self._reports.plan_ok,
        }

    def begin(self, device_id: int) -> None:
        """Whose they are."""
        self._reports.device_id = device_id

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
            tell = self._findings.event if self._reports.has_missed else self._findings.fault
            tell(piece, error.reason, error.detail)

    def missed(self, from_client: bool) -> None:
        """Octets are missing: what does not make sense from here on is nobody's fault."""
        self._reports.has_missed = True
        if from_client:
            self._reports.missed()

    def ended(self) -> None:
        """Nothing more comes."""
        self._reports.ended()
        for asked in self._waiting.values():
            self._give_up(asked)

    # -- the login

    def _login(self, payload: bytes, piece: Piece) -> None:
        login = Login.decode(bytes((Type.LOGIN,)) + payload)
        self._reports.boot = login.boot
        self._findings.identity |= {"boot": login.boot, "firmware": login.firmware}

    def _welcome(self, payload: bytes, piece: Piece) -> None:
        welcome = Welcome.decode(bytes((Type.WELCOME,)) + payload)
        self._findings.identity |= {"keepalive": 10 * welcome.keepalive_10s}
        if welcome.cursor:
            self._reports.acknowledge(welcome.cursor)

    # -- readings

    def _plan(self, payload: bytes, piece: Piece) -> None:
        self._reports.plan(payload)

    def _ack(self, payload: bytes, piece: Piece) -> None:
        self._reports.acknowledge(messages.decode_ack(payload))

    # -- orders

    def _request(self, payload: bytes, piece: Piece) -> None:
        request = messages.decode_modbus_request(payload)
        if request.txid in self._waiting:
            self._give_up(self._waiting[request.txid])
        self._waiting[request.txid] = Asked(piece.time_us, request.unit, request.pdu)

    def _give_up(self, asked: Asked) -> None:
        self._findings.orders.append(asked.unanswered(NOT_CAPTURED if self._reports.has_missed else "unanswered"))

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
