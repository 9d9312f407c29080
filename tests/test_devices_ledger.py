"""Each batch is stored once, and acknowledged only when it and all before it are durable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.backoff import UnitBackoff
from smok_twisted.devices.ledger import Ledger, is_newer


class Books(SynchronousTestCase):
    def test_a_device_that_never_reported(self) -> None:
        """Nothing taken, nothing durable, nothing on its way, whatever its boot."""
        ledger = Ledger()
        for boot in (0, 1):
            ledger.begin(boot)
            found = (ledger.boot, ledger.taken, ledger.durable, ledger.settled, ledger.is_new)
            self.assertEqual(found, (boot, 0, 0, True, True))

    def test_in_order(self) -> None:
        """Taken, committed, durable."""
        ledger = Ledger()
        ledger.begin(7)
        self.assertEqual([ledger.take(1), ledger.take(2)], [0, 0])
        self.assertFalse(ledger.settled)
        ledger.committed(7, 1)
        self.assertEqual((ledger.durable, ledger.taken), (1, 2))
        ledger.committed(7, 2)
        self.assertEqual((ledger.durable, ledger.settled), (2, True))

    def test_a_store_may_commit_out_of_order(self) -> None:
        """Durable never runs ahead of what is missing."""
        ledger = Ledger(7, 10)
        for batch in (11, 12, 13):
            ledger.take(batch)
        ledger.committed(7, 13)
        ledger.committed(7, 12)
        self.assertEqual(ledger.durable, 10)
        ledger.committed(7, 11)
        self.assertEqual(ledger.durable, 13)

    def test_a_repeat_is_not_taken(self) -> None:
        """Also when the first one is still on its way to the store, over a reconnect."""
        ledger = Ledger(7, 10)
        ledger.take(11)
        ledger.begin(7)
        self.assertEqual([ledger.take(11), ledger.take(10), ledger.take(9)], [None] * 3)
        ledger.committed(7, 11)
        self.assertEqual(ledger.durable, 11)

    def test_a_jump_tells_what_was_lost(self) -> None:
        """The device had to drop some."""
        self.assertEqual(Ledger(7, 10).take(15), 4)
        self.assertEqual(Ledger().take(3), 2)

    def test_a_new_boot_counts_anew(self) -> None:
        """What is still on its way from the old one changes nothing any more."""
        ledger = Ledger(7, 10)
        ledger.take(11)
        ledger.begin(8)
        self.assertEqual((ledger.durable, ledger.take(1)), (0, 0))
        ledger.committed(7, 11)
        ledger.failed(7)
        self.assertEqual((ledger.durable, ledger.taken, ledger.settled), (0, 1, False))
        ledger.committed(8, 1)
        self.assertEqual((ledger.durable, ledger.settled), (1, True))

    def test_a_boot_is_a_name_and_no_order(self) -> None:
        """An epoch with a smaller number is another one too, and answers for it count for no other."""
        for other in (6, 8):
            ledger = Ledger(7, 10)
            ledger.take(11)
            ledger.committed(other, 11)
            ledger.failed(other)
            self.assertEqual((ledger.durable, ledger.taken, ledger.settled), (10, 11, False))
            ledger.begin(other)
            self.assertEqual((ledger.boot, ledger.durable, ledger.taken, ledger.settled), (other, 0, 0, True))

    def test_what_the_store_refused_is_taken_again(self) -> None:
        """Not stored, not acknowledged, and not lost."""
        ledger = Ledger(7, 10)
        ledger.take(11)
        ledger.take(12)
        ledger.failed(7)
        ledger.committed(7, 12)
        self.assertEqual((ledger.durable, ledger.settled, ledger.take(11)), (10, True, 0))
        ledger.committed(7, 11)
        self.assertEqual(ledger.durable, 11)

    def test_an_epoch_that_began_elsewhere(self) -> None:
        """Another server has what came before: the first batch is taken whatever its number, and its repeat is not."""
        for first, lost in ((1, 0), (0x7FFF, 0x7FFE), (0x8000, 0), (40_001, 0), (0, 0)):
            ledger = Ledger(7, 10)
            ledger.begin(8)
            self.assertEqual([ledger.take(first), ledger.take(first), ledger.is_new], [lost, None, True])
            ledger.committed(8, first)
            self.assertEqual((ledger.durable, ledger.is_new, ledger.take(first)), (first, False, None))
            self.assertEqual(ledger.take((first + 1) & 0xFFFF), 0)

    def test_an_epoch_that_began_elsewhere_and_a_store_that_refuses(self) -> None:
        """What was refused is taken again."""
        ledger = Ledger()
        self.assertEqual((ledger.take(40_001), ledger.take(40_002)), (0, 0))
        ledger.failed(0)
        self.assertEqual((ledger.is_new, ledger.take(40_001), ledger.take(40_001)), (True, 0, None))

    def test_the_newest_durable_batch_is_number_0(self) -> None:
        """65535 batches on, over a restart of the server: that is not the same as none."""
        ledger = Ledger(7, 0)
        ledger.begin(7)
        self.assertEqual([ledger.take(0xFFFF), ledger.take(0), ledger.take(1)], [None, None, 0])

    @given(st.integers(0, 0xFFFF), st.integers(1, 200))
    def test_numbers_wrap(self, start: int, count: int) -> None:
        """65535 is followed by 0."""
        ledger = Ledger(1, start)
        for step in range(1, count + 1):
            batch = (start + step) & 0xFFFF
            self.assertEqual(ledger.take(batch), 0)
            ledger.committed(1, batch)
        self.assertEqual(ledger.durable, (start + count) & 0xFFFF)

    def test_serial_numbers(self) -> None:
        """RFC 1982, 16 bits."""
        self.assertEqual([is_newer(1, 0), is_newer(0, 0xFFFF), is_newer(0x7FFF, 0)], [True] * 3)
        self.assertEqual([is_newer(0, 0), is_newer(0, 1), is_newer(0x8000, 0)], [False] * 3)


class Resting(SynchronousTestCase):
    def test_a_silent_unit_rests_longer_each_time(self) -> None:
        """5 s, 10 s, 20 s ... and no more than the most; one answer and it is asked as before."""
        backoff = UnitBackoff(5, 30)
        now, pauses = 0.0, []
        for _ in range(5):
            backoff.failed(1, now)
            start = now
            while not backoff.may_ask(1, now):
                now += 1
            pauses.append(now - start)
        self.assertEqual(pauses, [5, 10, 20, 30, 30])
        self.assertTrue(backoff.may_ask(2, now))
        backoff.failed(1, now)
        backoff.answered(1)
        self.assertTrue(backoff.may_ask(1, now))
