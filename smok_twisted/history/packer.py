"""Makes the log small: packs each hour that is over, and hours to which something was added late; ends old history.

What was begun and not finished is begun again: an hour stays marked in the store until its chunk is durable (design
note storage, "Two layers of history").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ..clock import WallClock
from ..errors import StorageAway
from ..readings import Report
from ..storage.records import HOUR_US, HOURS_A_DAY, Packed, Unpacked, place_of
from .packing import packed

if TYPE_CHECKING:
    from ..devices.values import PlanView
    from ..storage.interface import Store

_PAGE = 1000
_DAY_US = HOURS_A_DAY * HOUR_US


@dataclass(frozen=True)
class PackerTimes:
    """Seconds. ``grace``: so long after an hour's end it is packed; ``pause``: after each hour, so that a fleet's hours
    are spread; ``idle``: between two looks; ``lag``: a mark that is older is an alarm."""

    grace: float = 300.0
    pause: float = 0.02
    idle: float = 60.0
    lag: float = 6 * 3600.0
    log: float = 3 * 86_400.0  #: reports stay in the log so long, beside their chunk


class Fleet(Protocol):
    """What the packer asks of the devices."""

    def device_ids(self) -> Collection[int]:
        """All of them, as of now."""

    def views(self, device_id: int) -> Mapping[int, PlanView]:
        """The plans of a device, by number; none of a device that is not there."""

    def keep_seconds(self, device_id: int) -> int | None:
        """How long its history is kept; None: for ever."""


class Packer:
    """``start`` and ``stop``. ``alarm`` is told, once, of hours that cannot be packed or wait too long."""

    log = Logger()

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        clock: Any,
        wall_clock: WallClock,
        alarm: Callable[[str, str], None],
        times: PackerTimes | None = None,
    ) -> None:
        self.packed = 0  #: hours, since the start
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._wall_clock = wall_clock
        self._alarm = alarm
        self._times = times or PackerTimes()
        self._seen: dict[tuple[int, int], float] = {}  # (device, hour) -> when its mark was first seen
        self._is_late = False
        self._forgotten_day = 0
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        """Go on until ``stop``."""
        self._running = self._run()
        self._running.addErrback(lambda failure: failure.trap(CancelledError))

    def stop(self) -> None:
        """What is half done is done again after the next start."""
        if self._running is not None:
            self._running.cancel()

    @property
    def lag_seconds(self) -> float:
        """How long the oldest mark has been waiting."""
        return max((self._clock.seconds() - since for since in self._seen.values()), default=0.0)

    @inlineCallbacks
    def _run(self) -> Generator[Deferred[Any], Any, None]:
        while True:
            try:
                yield self.pack_all()
                yield self._forget_daily()
            except CancelledError:
                raise
            except StorageAway as away:
                self.log.info("packing waits: {reason}", reason=str(away))
            except Exception:
                self.log.failure("packing goes on in a while")
            yield deferLater(self._clock, self._times.idle)

    @inlineCallbacks
    def pack_all(self) -> Generator[Deferred[Any], Any, None]:
        """Every hour that is over and marked; one that cannot be packed does not stop the others."""
        before_hour = (self._wall_clock() - round(self._times.grace * 1e6)) // HOUR_US
        tried: set[tuple[int, int]] = set()
        while True:
            marked = yield self._store.unpacked(0, before_hour, _PAGE + len(tried))
            self._note(marked)
            fresh = [one for one in marked if one.mark is not None and one[:2] not in tried]
            if not fresh:
                return
            for one in fresh:
                tried.add(one[:2])
                if self._is_gone(one.device_id):
                    continue
                yield self._try(one)
                yield deferLater(self._clock, self._times.pause)

    @inlineCallbacks
    def _try(self, one: Unpacked) -> Generator[Deferred[Any], Any, None]:
        try:
            yield self.pack(one)
        except (CancelledError, StorageAway):
            raise
        except Exception as problem:
            if self._is_gone(one.device_id):
                return
            self._tell(f"hour {one.hour} of device 0x{one.device_id:016x} cannot be packed: {problem}")

    def _is_gone(self, device_id: int) -> bool:
        """Whether the device was removed, perhaps since its marks were read: nothing of it is to be packed."""
        return device_id not in self._fleet.device_ids()

    @inlineCallbacks
    def pack(self, one: Unpacked) -> Generator[Deferred[Any], Any, None]:
        """One hour, unless there is nothing in it. Raises StorageError."""
        day = one.hour // HOURS_A_DAY
        log = yield self._of_log(one)
        chunks = yield self._store.chunks(one.device_id, one.hour, one.hour + 1)
        if not log and not chunks:
            yield self._store.unmark(one)
            return
        days = yield self._store.summaries(one.device_id, day, day + 1)
        views = self._fleet.views(one.device_id)
        small = packed(one, log, _first(chunks), _first(days), views)
        yield self._store.save_packed(small, one.mark, self._fleet.keep_seconds(one.device_id))
        self._seen.pop(one[:2], None)
        self.packed += 1

    @inlineCallbacks
    def _of_log(self, one: Unpacked) -> Generator[Deferred[Any], Any, list[Report]]:
        found: list[Report] = []
        from_us, after = one.hour * HOUR_US, None
        while True:
            page = yield self._store.reports(one.device_id, from_us, from_us + HOUR_US, _PAGE, after)
            found += page
            if len(page) < _PAGE:
                return found
            after = place_of(page[-1])

    @inlineCallbacks
    def _forget_daily(self) -> Generator[Deferred[Any], Any, None]:
        now_us = self._wall_clock()
        today = now_us // _DAY_US
        if today == self._forgotten_day:
            return
        for device_id in list(self._fleet.device_ids()):
            if self._is_gone(device_id):
                continue
            keep_seconds = self._fleet.keep_seconds(device_id)
            end_us = 0 if keep_seconds is None else now_us - keep_seconds * 1_000_000
            yield self._store.forget(device_id, now_us - round(self._times.log * 1e6), max(0, end_us) // _DAY_US)
            yield deferLater(self._clock, self._times.pause)
        while (yield self._store.forget_removed()):
            yield deferLater(self._clock, self._times.pause)
        self._forgotten_day = today

    def _note(self, marked: list[Unpacked]) -> None:
        now = self._clock.seconds()
        self._seen = {one[:2]: self._seen.get(one[:2], now) for one in marked}
        if self.lag_seconds > self._times.lag:
            self._tell(f"hours have been waiting to be packed for {self.lag_seconds / 3600:.0f} hours")
        elif self._is_late and not marked:
            self._is_late = False

    def _tell(self, text: str) -> None:
        self.log.error("{text}", text=text)
        if not self._is_late:
            self._is_late = True
            self._alarm("packing-late", text)


def _first(found: Packed) -> bytes | None:
    return found[0][1] if found else None
