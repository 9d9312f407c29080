"""What the device of one SMOK/4 session reports, and by which plan (design note smok4, "PLAN", "DATA").

A capture may begin in the middle of it: then the plan may be told later than what was read by it, or never, and changes
may come whose values were reported before. Such DATA are counted and told, once, and never guessed at.
"""

from __future__ import annotations

from ..devices.ledger import is_newer
from ..errors import RemoteError
from ..links.smok4 import messages
from ..links.smok4.plans import PlanAssembler
from ..links.smok4.rounds import RoundDecoder
from ..observe.streams import Piece
from ..readings import Block, Round
from .findings import UNFOUNDED, UNKNOWN_PLAN, CapturedBatch, Findings, Reading
from .known import Known


class Reports:
    """PLAN, PLANOK, DATA and ACK of one session. What is wrong in one raises RemoteError."""

    def __init__(self, findings: Findings, known: Known) -> None:
        self.device_id = self.boot = 0
        self.has_missed = False  #: octets of either side are missing so far
        self._findings = findings
        self._known = known
        self._assembler = PlanAssembler()
        self._plan = 0
        self._blocks: tuple[Block, ...] | None = known.blocks
        self._rounds: RoundDecoder | None = None
        self._waiting: list[tuple[bytes, Piece]] = []  # DATA, until somebody tells their plan
        self._is_unread_told = False

    def missed(self) -> None:
        """Octets of the device are missing: what it has reported since is not known, and changes of that cannot be
        read."""
        self._give_up()
        self._rounds, self._is_unread_told = None, False

    def ended(self) -> None:
        """Nothing more comes."""
        self._give_up()

    def plan(self, payload: bytes) -> None:
        """PLAN: helps with what waits for it, and with later conversations of the device."""
        whole = self._assembler.add(payload)
        if whole is not None:
            number, blocks = whole
            self._known.plans[self.device_id, number] = blocks
            if number == self._plan and blocks != self._blocks:
                self._use(blocks)

    def plan_ok(self, payload: bytes, piece: Piece) -> None:
        """PLANOK."""
        plan, status = messages.decode_plan_ok(payload)
        if status:
            self._findings.event(piece, "plan-refused", f"plan {plan}, status {status}")
        elif plan != self._plan:
            self._give_up()
            self._plan, self._is_unread_told = plan, False
            self._use(self._known.plans.get((self.device_id, plan), self._known.blocks))
            if self._blocks is None:
                self._findings.event(piece, "plan-unknown", f"plan {plan}; the model's register map would tell it")

    def data(self, payload: bytes, piece: Piece) -> None:
        """DATA."""
        if len(payload) < 2:
            raise RemoteError("bad-data", "DATA without a batch number")
        if not self._plan and not self.has_missed:
            raise RemoteError("data-before-planok")
        batch = int.from_bytes(payload[:2])
        if self._blocks is None:
            self._waiting.append((payload, piece))
            if not self._plan:
                self._tell_unread(piece, batch, "by which plan they were read was said before the capture")
            return
        self._rounds = self._rounds or RoundDecoder(self._blocks)
        try:
            rounds = tuple(self._rounds.decode(payload[2:]))
        except RemoteError as error:
            if not self._may_be_ours:
                raise
            self._findings.unread_batches[UNFOUNDED] += 1
            self._tell_unread(piece, batch, f"{error.detail}: {UNFOUNDED}")
        else:
            self._keep(batch, rounds, self._blocks, piece)

    def acknowledge(self, newest: int) -> None:
        """The device drops all batches up to this one, those of its earlier sessions too."""
        key = self.device_id, self.boot
        for one in self._known.unacknowledged.get(key, ()):
            one.is_acknowledged = not is_newer(one.batch, newest)
        self._known.unacknowledged[key] = [
            one for one in self._known.unacknowledged.get(key, ()) if not one.is_acknowledged
        ]

    # -- inside

    @property
    def _may_be_ours(self) -> bool:
        """Whether DATA that make no sense may be those of another plan, or lack what they change."""
        return self.has_missed or (self.device_id, self._plan) not in self._known.plans

    def _use(self, blocks: tuple[Block, ...] | None) -> None:
        """What comes from now on was read by these; so was what waits."""
        self._blocks, self._rounds = blocks, None
        waiting, self._waiting = self._waiting, []
        for payload, piece in waiting:
            try:
                self.data(payload, piece)
            except RemoteError as error:
                self._findings.fault(piece, error.reason, error.detail)

    def _keep(self, batch: int, rounds: tuple[Round, ...], blocks: tuple[Block, ...], piece: Piece) -> None:
        whole = CapturedBatch(piece.time_us, self.boot, batch, self._plan, blocks, rounds)
        self._findings.batches.append(whole)
        self._known.unacknowledged.setdefault((self.device_id, self.boot), []).append(whole)
        for age, reports in rounds:
            for number, words, fault in reports:
                unit, table, start, count, *_ = blocks[number]
                time_us = piece.time_us - 100_000 * age
                self._findings.readings.append(Reading(time_us, unit, table, start, words, fault, batch, count))

    def _tell_unread(self, piece: Piece, batch: int, why: str) -> None:
        """Once for all that follow, until something else is missing."""
        if not self._is_unread_told:
            self._is_unread_told = True
            self._findings.event(piece, "data-unread", f"from batch {batch} on: {why}")

    def _give_up(self) -> None:
        """Nobody has told the plan of what waits."""
        if self._waiting:
            self._findings.unread_batches[UNKNOWN_PLAN] += len(self._waiting)
            self._waiting = []
