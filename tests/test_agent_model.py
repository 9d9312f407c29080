"""Whatever happens to the link and to the agent, each reading arrives once and in order, or is told to be lost."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.spool import MOST_BATCHES
from smok_twisted.readings import BlockReport, Table

from .agent_in_memory import AgentEnd
from .server_in_memory import DEVICE_ID, Server, result_of


class Life(RuleBasedStateMachine):
    """An agent that reads a register which is never the same twice, and everything that may go wrong."""

    most_batches = MOST_BATCHES

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.server = Server()
        self.count = 0
        self.before: list[BlockReport] = []  # read by agents that were killed

    def teardown(self) -> None:
        self.let_everything_arrive()
        try:
            self.check(self.before + self.end.taken, self.stored())
        finally:
            self.end.kill()
            shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.end = AgentEnd(self.server, self.folder / "spool", most_batches=self.most_batches)
        self.end.start()

    @rule(minutes=st.integers(1, 5))
    def wait(self, minutes: int) -> None:
        """The plan of the server's model reads once a minute."""
        for _ in range(minutes * 4):
            self.count += 1
            self.end.bank.registers[Table.HOLDING][10] = self.count
            self.end.flow(15)

    @rule(arriving=st.sampled_from(["nothing", "to the agent", "to the server"]))
    def cut(self, arriving: str) -> None:
        """The link is lost while octets are on their way; some may still arrive at one end."""
        self.server.clock.advance(60)
        wire = self.end.wire
        if wire is not None and wire.up:
            if arriving != "nothing":
                wire._deliver(*((0, 1) if arriving == "to the agent" else (1, 0)))
            wire.cut()

    @rule(reachable=st.booleans())
    def network(self, reachable: bool) -> None:
        """What is connected stays so; new connections are made or not."""
        self.end.reachable = reachable

    @rule()
    def store_holds(self) -> None:
        """The server takes batches, but they are not durable yet."""
        if self.server.store._held is None:
            self.server.store.hold()

    @rule()
    def store_releases(self) -> None:
        self.server.store.release()
        self.end.flow()

    @rule()
    def kill_9(self) -> None:
        """The agent dies and is started again."""
        self.before += self.end.taken
        reachable = self.end.reachable
        self.end.kill()
        self.begin()
        self.end.reachable = reachable

    @rule()
    def new_plan(self) -> None:
        """Somebody changes the model while readings of the old one are on their way."""
        device = self.server.device
        assert device.wanted is not None and device.register_map is not None
        plan = device.wanted._replace(number=device.wanted.number + 1, blocks=device.wanted.blocks[::-1])
        device.install(device.register_map, plan)
        self.end.flow()

    def let_everything_arrive(self) -> None:
        self.server.store.release()
        self.end.reachable = True
        self.end.executor.stop()
        self.end.until(lambda: self.end.connected and self.end.spool.gone >= self.end.spool.ready, 7200)

    def stored(self) -> list[BlockReport]:
        reports = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        in_order = sorted(reports, key=lambda one: (one.batch, one.round))
        return [block for one in in_order for block in one.blocks]

    def check(self, taken: list[BlockReport], stored: list[BlockReport]) -> None:
        assert not self.server.notes.crashes, self.server.notes.crashes
        assert stored == taken, f"{len(stored)} stored, {len(taken)} taken"
        assert "readings-lost" not in self.server.events()


class SmallSpool(Life):
    """It holds five batches only."""

    most_batches = 5

    def check(self, taken: list[BlockReport], stored: list[BlockReport]) -> None:
        """What arrived is in order and once; what did not was told, batch by batch."""
        assert not self.server.notes.crashes, self.server.notes.crashes
        rest = iter(taken)
        assert all(one in rest for one in stored)
        told = [event.text for event in result_of(self.server.store.events()) if event.kind == "readings-lost"]
        lost = sum(int(number) for text in told for number in re.findall(r"drop (\d+) batches", text))
        batches = {one.batch for one in result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))}
        assert lost + len(batches) == max(batches, default=0), (told, sorted(batches))
        assert bool(lost) == (len(stored) < len(taken))


class Model(SynchronousTestCase):
    def run_life(self, life: type[Life]) -> None:
        bounded = settings(max_examples=25, stateful_step_count=20, deadline=None)
        run_state_machine_as_test(life, settings=bounded)

    def test_everything_arrives_once_and_in_order(self) -> None:
        """Lost links, octets that arrive at one end only, kill -9, a slow store, new plans: in any order."""
        self.run_life(Life)

    def test_what_had_to_be_dropped_is_told(self) -> None:
        """An outage that is too long for the spool: no repeat, no disorder, and the loss is on record."""
        self.run_life(SmallSpool)
