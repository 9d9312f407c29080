"""Any plan and any rounds in any session, against plain models: one reads, one writes, and neither shares our code."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.links.smok4.plans import PlanAssembler, encode
from smok_twisted.links.smok4.rounds import RoundDecoder, RoundEncoder
from smok_twisted.readings import OLDEST_AGE, Block, BlockReport, Fault, Round, Table

from . import independent_device as plain

FULL, CHANGES, ERROR, SAME = range(4)
KINDS = st.sampled_from((FULL, CHANGES, ERROR, SAME))
FAULTS = st.one_of(st.integers(1, 0x7F), st.sampled_from(sorted(Fault)))


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    table = draw(st.sampled_from(Table))
    count = draw(st.one_of(st.integers(1, 9), st.just(255 if table.is_bits else 120)))
    start = draw(st.integers(0, 0x10000 - count))
    return Block(draw(st.integers(0, 255)), table, start, count, draw(st.integers(1, 0xFFFF)), 0, 0)


def plain_decode(plan: tuple[Block, ...], told: dict[int, tuple[int, ...]], octets: bytes) -> tuple[list[int], Round]:
    """One round by the words of the design note, and the kinds of its reports; ``told`` is brought up to date."""
    rest = list(octets)

    def varint() -> int:
        octet = rest.pop(0)
        return octet if octet < 0x80 else octet - 0x80 + 0x80 * varint()

    def bits(count: int) -> list[int]:
        octets = [rest.pop(0) for _ in range(-(-count // 8))]
        return [octets[place // 8] >> place % 8 & 1 for place in range(count)]

    age, count, kinds, reports = varint(), rest.pop(0), [], []
    for _ in range(count):
        kind, number = divmod(rest.pop(0), 64)
        is_bits, size = plan[number].table in (1, 2), plan[number].count
        kinds.append(kind)
        if kind == ERROR:
            reports.append(BlockReport(number, (), rest.pop(0)))
            continue
        if kind == FULL:
            words = bits(size) if is_bits else [rest.pop(0) * 256 + rest.pop(0) for _ in range(size)]
        else:
            words = list(told[number])
        if kind == CHANGES:
            for place, is_changed in enumerate(bits(size)):
                if is_changed:
                    step = 1 - 2 * words[place] if is_bits else _signed(varint())
                    words[place] = (words[place] + step) % 65536
        told[number] = tuple(words)
        reports.append(BlockReport(number, told[number]))
    assert not rest
    return kinds, Round(age, tuple(reports))


def _signed(number: int) -> int:
    return number // 2 if number % 2 == 0 else -(number + 1) // 2


class Sessions(RuleBasedStateMachine):
    """A device with our encoder, and one written by somebody else; our decoder hears both."""

    @initialize(plan=st.lists(blocks(), min_size=1, max_size=6))
    def begin(self, plan: list[Block]) -> None:
        self.number = 0
        self.take_plan(plan, 255)

    @rule(plan=st.one_of(st.lists(blocks(), min_size=1, max_size=4), st.lists(blocks(), min_size=60, max_size=64)),
          room=st.integers(15, 255))
    def take_plan(self, plan: list[Block], room: int) -> None:
        """It arrives as it was told, in records that fit; what was known of the old one is worth nothing."""
        self.number += 1
        assembler, bodies = PlanAssembler(), encode(self.number, plan, room)
        assert max(map(len, bodies)) <= room
        self.plan = tuple(plan)
        assert [assembler.add(body[1:]) for body in bodies][-1] == (self.number, self.plan)
        self.reconnect()

    @rule()
    def reconnect(self) -> None:
        """Both sides begin with an empty memory."""
        self.encoder, self.decoder, self.told = RoundEncoder(self.plan), RoundDecoder(self.plan), {}
        self.theirs, self.base = RoundDecoder(self.plan), plain.Base()

    def words(self, data: st.DataObject, number: int, last: tuple[int, ...] | None) -> tuple[int, ...]:
        """Values like those of equipment: often the same, often changed a little, sometimes all new."""
        block = self.plan[number]
        limit = 1 if block.table.is_bits else 0xFFFF
        if last is None or data.draw(st.integers(0, 3)) == 3:
            octets = data.draw(st.binary(min_size=2 * block.count, max_size=2 * block.count))
            return tuple(octets[at] * 256 + octets[at + 1] & limit for at in range(0, len(octets), 2))
        words = list(last)
        for place in data.draw(st.lists(st.integers(0, block.count - 1), max_size=4)):
            words[place] = data.draw(st.integers(0, limit))
        return tuple(words)

    @rule(data=st.data(), age=st.integers(0, OLDEST_AGE), count=st.integers(1, 4))
    def report(self, data: st.DataObject, age: int, count: int) -> None:
        """Ours: whoever reads by the note alone, and our own decoder, find what was meant; first of all in full."""
        known, reports = dict(self.told), []
        for _ in range(count):
            number = data.draw(st.integers(0, len(self.plan) - 1))
            if data.draw(st.integers(0, 4)) == 4:
                reports.append(BlockReport(number, (), data.draw(FAULTS)))
            else:
                known[number] = self.words(data, number, known.get(number))
                reports.append(BlockReport(number, known[number]))
        meant, before = Round(age, tuple(reports)), set(self.told)
        octets = self.encoder.encode([meant])
        kinds, found = plain_decode(self.plan, self.told, octets)
        assert found == meant
        assert self.decoder.decode(octets) == [meant]
        for kind, report in zip(kinds, reports, strict=True):
            if report.fault:
                assert kind == ERROR
            else:
                assert kind == FULL or (kind != ERROR and report.block in before)
                before.add(report.block)

    @rule(data=st.data(), kind=KINDS)
    def report_of_another(self, data: st.DataObject, kind: int) -> None:
        """Theirs, of each kind whether it is the shortest or not; nothing but an error comes before ``full``."""
        number = data.draw(st.integers(0, len(self.plan) - 1))
        last = self.base.get(number)
        words: Any = self.words(data, number, last)
        if kind == SAME and last is not None:
            words = last
        fault = data.draw(FAULTS) if kind == ERROR else None
        report = plain.Report(number, () if kind == ERROR else words, fault, kind)
        octets = b"\x00\x01" + plain.encode_report(self.plan[number].table, report, self.base)
        if last is None and kind in (CHANGES, SAME):
            self.refused(octets)
        else:
            expected = BlockReport(number, (), fault) if fault else BlockReport(number, words)
            assert self.theirs.decode(octets) == [Round(0, (expected,))]

    def refused(self, octets: bytes) -> None:
        try:
            self.theirs.decode(octets)
        except RemoteError as error:
            assert error.reason == "bad-data"
            self.reconnect()
        else:
            raise AssertionError("a change of nothing")


class AnySession(SynchronousTestCase):
    def test_plans_and_rounds(self) -> None:
        """Whatever is read by whatever plan arrives as it was read, over any number of sessions."""
        run_state_machine_as_test(Sessions, settings=settings(stateful_step_count=15))
