"""One device as long as the daemon runs: what every link ends in, and what the API, the page and the gateway see.

It outlives its connections. A link attaches a session (which is a MODBUS line to the orders) and hands over batches;
the store makes them durable; values are what was read last.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import WallClock
from ..modbus.maps import RegisterMap
from ..observe.capture import WANTED_SECONDS, Capture
from ..readings import (
    FIRST_UNTOLD_PLAN,
    UNAUTHENTICATED,
    Block,
    BlockReport,
    Fault,
    Plan,
    Report,
    Round,
    reports_of,
)
from ..storage.records import LINKS_WITHOUT_PROOF, Batch, DeviceRecord, OnItsWay
from .ledger import Ledger
from .orders import NotSent, Orders
from .pressure import Pressure
from .values import PlanView, PointValue, Values
from .watch import Watch

if TYPE_CHECKING:
    from ..storage.interface import Store


class Session(Protocol):
    """A connection of a device, as its device sees it; also the line of its orders."""

    link: str
    source: str

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """See ``orders.Line``."""

    def want(self, plan: Plan) -> None:
        """Let the device read by this plan."""

    def acknowledge(self) -> None:
        """``ledger.durable`` has moved, or a repeat has come: tell the device."""

    def update_key(self, kid: int, secret: bytes) -> None:
        """Hand over a new secret."""

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """Ask the device to come again later."""

    def tap_into(self, capture: Capture) -> None:
        """Let a capture hear the octets of the connection, and what it needs to be read; again: begin anew."""

    def pause(self) -> Any:
        """Take nothing more from the device until the answer is released."""

    def close(self, mood: str) -> None:
        """End it."""


#: So many bad tags within so many seconds are an alarm.
BAD_TAGS, BAD_TAGS_SECONDS = 3, 600.0


class Removed(NotSent):
    """The device was removed: nothing more is sent to it."""

    def __init__(self) -> None:
        super().__init__("the device was removed")


class Tell(Protocol):
    """Tells what happened to a device; kept as an event."""

    def __call__(self, device: Device, kind: str, text: str, severity: str = "low") -> None: ...


#: Hears of each batch that became durable: its reports, and the seconds it took.
Stored = Callable[[tuple[Report, ...], float], None]


class Device:
    """See the module. ``views`` holds a ``PlanView`` for each plan under which its readings are kept."""

    log = Logger()

    def __init__(
        self,
        record: DeviceRecord,
        ledger: Ledger,
        *,
        store: Store,
        clock: Any,
        wall_clock: WallClock,
        tell: Tell,
        pressure: Pressure,
        stored: Stored = lambda reports, seconds: None,
        txid: int = 0,
    ) -> None:
        self.record = record
        self.ledger = ledger
        self.register_map: RegisterMap | None = None
        self.views: dict[int, PlanView] = {}
        self.wanted: Plan | None = None
        self.session: Session | None = None
        self.orders = Orders()
        self.writing = DeferredLock()  # one write at a time, from its first read to its read-back
        self.values = Values()
        self.line_faults: Counter[tuple[int, Fault]] = Counter()  #: TIMEOUT and CRC of each unit, where the link tells
        self._capture: Capture | None = None
        self._capture_end: Any = None  # nobody asks any more: its memory is given back then
        self._bad_tags: deque[float] = deque(maxlen=BAD_TAGS)
        self._arrivals: list[Deferred[None]] = []
        self._contact_seconds: float | None = None
        self._removed = False
        self.on_key_stored: Callable[[int], None] = lambda kid: None
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock
        self._tell = tell
        self._pressure = pressure
        self._stored = stored
        self._txid = txid
        self._watch = Watch(self.orders, clock, self._heard)

    # -- for links

    def attach(self, session: Session, orders_at_once: int = 1) -> None:
        """A newer, proven session takes over at once; orders of the old one end as unknown."""
        if self._removed:  # meanwhile
            return session.close("removed")
        self.log.info("{device}: connected from {source}", device=self.record.name, source=session.source)
        old, self.session = self.session, None
        if old is not None:
            self.orders.disconnected()  # whoever has to ask again waits for the new one
            old.close("replaced")
        self.session = session
        self.in_contact()
        if self._capture is not None:
            session.tap_into(self._capture)
        self.orders.connected(session, orders_at_once)
        arrivals, self._arrivals = self._arrivals, []
        for arrival in arrivals:
            arrival.callback(None)

    def detach(self, session: Session, mood: str) -> None:
        """A session has ended, ``mood`` says how; another one may have replaced it already."""
        self.log.info(
            "{device}: session from {source} ended: {mood}", device=self.record.name, source=session.source, mood=mood
        )
        if mood == "bad-tag":
            self._bad_tag()
        if self.session is session:
            self.session = None
            self.in_contact()
            self._watch.stop()
            self.orders.disconnected()

    def take(self, batch: int, plan_number: int, rounds: Sequence[Round]) -> None:
        """A batch has come. It is stored once and acknowledged when it is durable."""
        if self.session is not None:
            self._pressure.brought(self.session)
        self.in_contact()
        now_us = self._wall_clock()
        lost = self.ledger.take(batch)
        if lost is None:
            self._acknowledge()
            return
        if lost:
            self._tell(self, "readings-lost", f"the device had to drop {lost} batches before batch {batch}")
        boot = self.ledger.boot
        reports = reports_of(self.record.device_id, boot, batch, plan_number, rounds, now_us)
        stored = self._store.append(Batch(self.record.device_id, boot, batch, reports))
        begun = self._clock.seconds()
        stored.addCallbacks(
            self._committed, self._not_stored, callbackArgs=(boot, batch, reports, begun), errbackArgs=(boot,)
        )
        for report in reports:
            self.values.update(report, now_us)

    def in_contact(self) -> None:
        """It has just been heard of."""
        self._contact_seconds = self._clock.seconds()

    def await_durable(self, way: OnItsWay) -> None:
        """Batches from before the start are kept here and not durable yet."""
        boot, batch = way.cursor
        self.ledger.expect(boot, batch)

        def durable(_: None) -> None:
            self.ledger.committed(boot, batch)
            self._acknowledge()

        way.durable.addCallbacks(durable, lambda _: self.ledger.failed(boot))

    def blocks_of(self, plan_number: int) -> tuple[Block, ...] | None:
        """What a plan number stands for; None when it is not known here.

        That happens to a device that was removed and added again: its readings of before cannot be told apart any
        more. They are taken, counted and not kept, or it would offer them for ever.
        """
        if plan_number == 0:
            return ()
        if plan_number not in self.views or plan_number >= FIRST_UNTOLD_PLAN:
            self._tell(self, "plan-unknown", f"readings under plan {plan_number}, unknown here, are not kept")
            return None
        return self.views[plan_number].plan.blocks

    def next_txid(self) -> int:
        """Numbers for requests, counted on over sessions: a device answers a number that it knows from memory."""
        self._txid = (self._txid + 1) & 0xFFFF
        return self._txid

    def plan_refused(self, number: int, status: int) -> None:
        """The device does not take the plan; it goes on with the one it has."""
        self._tell(self, "plan-refused", f"the device refused plan {number} with status {status}")

    def plan_untold(self, number: int, reason: str) -> None:
        """The device cannot even be told it."""
        self._tell(self, "plan-refused", f"plan {number} is not told: {reason}")

    def reported_event(self, code: int, data: bytes) -> None:
        """Something that the device noticed by itself."""
        self._tell(self, "device-event", f"event {code}: {data.hex()}" if data else f"event {code}")

    def key_stored(self, kid: int) -> None:
        """The device has the new secret."""
        self.on_key_stored(kid)

    # -- for users

    def install(self, register_map: RegisterMap, plan: Plan) -> None:
        """What the device shall read from now on. The plan is durable already."""
        self.register_map = register_map
        self.views[plan.number] = PlanView(plan, register_map)
        self.wanted = plan
        if self.session is not None:
            self.session.want(plan)

    def point_values(self, now_us: int) -> list[PointValue]:
        """Every point of the current register map with its latest value, in the map's order."""
        if self.register_map is None:
            return []
        return [self.values.of(point, self.views.values(), now_us) for point in self.register_map.points]

    @property
    def last_contact_us(self) -> int | None:
        """When it was heard of last, by today's wall clock: no step of it hides how long a device is silent."""
        if self._contact_seconds is None:
            return self.values.newest_us()  # from before the start
        return self._wall_clock() - int((self._clock.seconds() - self._contact_seconds) * 1e6)

    def removed(self) -> None:
        """The device is known no more: its session ends, and nobody waits for another one."""
        self._removed = True
        self._end_capture()
        self.orders.disconnected()
        if self.session is not None:
            self.session.close("removed")
        arrivals, self._arrivals = self._arrivals, []
        for arrival in arrivals:
            arrival.errback(Removed())

    def connected(self) -> Deferred[None]:
        """Fires as soon as the device is connected; cancel it when nobody waits any more.

        Fails with Removed when the device is removed.
        """
        if self._removed:
            return fail(Removed())
        if self.session is not None:
            return succeed(None)
        arrival: Deferred[None] = Deferred(self._arrivals.remove)
        self._arrivals.append(arrival)
        return arrival

    @property
    def is_captured(self) -> bool:
        """Whether anybody wants its octets."""
        return self._capture is not None

    def captured(self) -> Capture:
        """The last octets of its connections; begun now if nobody has asked for a while, or if how it began is
        forgotten meanwhile. It ends ``WANTED_SECONDS`` after the last call."""
        capture, self._capture = self._capture, self._capture or Capture(self._wall_clock, self._clock.seconds)
        if self.session is not None and (capture is None or capture.is_cut()):
            self.session.tap_into(self._capture)
        if self._capture_end is None:
            self._capture_end = self._clock.callLater(WANTED_SECONDS, self._end_capture)
        else:
            self._capture_end.reset(WANTED_SECONDS)
        return self._capture

    def look(self) -> None:
        """Somebody looks at the values: poll fast for a while."""
        if self.session is not None and self.wanted is not None:
            self._watch.look(self.wanted)

    # -- inside

    def _end_capture(self) -> None:
        end, self._capture_end = self._capture_end, None
        if end is not None and end.active():
            end.cancel()
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.stop()

    def _bad_tag(self) -> None:
        """Somebody between us and the device changes records, or tries to."""
        now = self._clock.seconds()
        self._bad_tags.append(now)
        often = len(self._bad_tags) == BAD_TAGS and now - self._bad_tags[0] <= BAD_TAGS_SECONDS
        text = f"{BAD_TAGS} records in 10 minutes did not verify" if often else "a record did not verify"
        self._tell(self, "bad-tag", text, "high" if often else "low")

    def _heard(self, plan: Plan, report: BlockReport) -> None:
        self.in_contact()
        now_us = self._wall_clock()
        flags = UNAUTHENTICATED if self.record.link in LINKS_WITHOUT_PROOF else 0
        self.values.update(Report(self.record.device_id, now_us, 0, 0, 0, plan.number, (report,), flags), now_us)

    def _committed(self, _: None, boot: int, batch: int, reports: tuple[Report, ...], begun: float) -> None:
        self.ledger.committed(boot, batch)
        self._acknowledge()
        self._stored(reports, self._clock.seconds() - begun)

    def _not_stored(self, failure: Failure, boot: int) -> None:
        """Not stored, so not acknowledged: the device keeps it and comes again."""
        self.ledger.failed(boot)
        if self.session is not None:
            self.session.close("store-failed")

    def _acknowledge(self) -> None:
        if self.session is not None:
            self.session.acknowledge()
