"""A batch counts as durable when it was kept and every earlier one of its device was, whatever the order of answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.cassandra.pending import Item, Name, Pending


def item(batch, device_id=1, hours=(5,)):
    return Item(Name(device_id, 1, batch), hours)


class InOrder(SynchronousTestCase):
    def test_a_later_batch_waits_for_an_earlier_one(self):
        """Its cursor would hide the earlier one for ever."""
        pending, first, second, third = Pending(), item(1), item(2), item(3)
        for each in (first, second, third):
            pending.add(each)
        self.assertEqual(pending.kept(second), [])
        self.assertEqual(pending.kept(first), [first, second])
        self.assertEqual(pending.kept(third), [third])
        self.assertEqual(len(pending), 0)

    def test_devices_do_not_wait_for_each_other(self):
        """One whose batch is stuck holds up nobody else."""
        pending, stuck, other = Pending(), item(1), item(1, device_id=2)
        pending.add(stuck)
        pending.add(other)
        self.assertEqual(pending.kept(other), [other])

    def test_one_that_is_dropped_takes_those_behind_it_along(self):
        """Were a later one durable, it would count as durable, too. Those before it are not touched."""
        pending = Pending()
        items = [item(number) for number in range(4)]
        for each in items:
            pending.add(each)
        self.assertEqual(pending.kept(items[2]), [])
        self.assertEqual(pending.dropped(items[1]), (items[1:], []))
        self.assertEqual(pending.dropped(items[1]), ([], []))
        self.assertEqual(pending.kept(items[0]), [items[0]])
        self.assertEqual(len(pending), 0)

    def test_one_of_a_removed_device_goes_alone(self):
        """What is behind it is of another device with the same id."""
        pending, old, new = Pending(), item(1), item(1)
        pending.add(old)
        pending.disown(1)
        pending.add(new)
        self.assertEqual(pending.kept(new), [])
        self.assertEqual(pending.dropped(old), ([old], [new]))

    def test_give_up(self):
        """At the end of the store: nothing becomes durable by that, nothing is left, late answers do no harm."""
        pending, first, second = Pending(), item(1), item(2)
        pending.add(first)
        pending.add(second)
        pending.kept(second)
        self.assertEqual(pending.give_up(), [first, second])
        self.assertEqual((len(pending), pending.kept(first), pending.find(second.name)), (0, [], None))

    def test_an_hour_is_busy_while_reports_of_it_are_on_their_way(self):
        """Until the last of them is durable."""
        pending, first, second = Pending(), item(1, hours=(5, 6)), item(2)
        pending.add(first)
        pending.add(second)
        pending.kept(first)
        self.assertEqual([pending.is_busy(1, hour) for hour in (5, 6, 7)], [True, False, False])
        self.assertFalse(pending.is_busy(2, 5))
        pending.kept(second)
        self.assertFalse(pending.is_busy(1, 5))

    @given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=30), st.randoms())
    def test_any_order_of_answers(self, batches, random):
        """Each batch is told once, those of a device in the order in which they came; none behind a dropped one."""
        pending = Pending()
        items = [item(number, device_id) for number, (device_id, _) in enumerate(batches)]
        for each in items:
            pending.add(each)
        answers = list(zip(items, (is_dropped for _, is_dropped in batches), strict=True))
        random.shuffle(answers)
        told, gone = [], []
        for each, is_dropped in answers:
            if is_dropped:
                gone += pending.dropped(each)[0]
            elif each not in gone:
                told += pending.kept(each)
        self.assertEqual(sorted(one.name.batch for one in told + gone), list(range(len(items))))
        for device_id in (1, 2, 3):
            of_device = [one for one in told if one.name.device_id == device_id]
            self.assertEqual(of_device, [one for one in items if one in of_device])
            behind = [one.name.batch for one in gone if one.name.device_id == device_id]
            self.assertTrue(all(one.name.batch < min(behind, default=99) for one in of_device))
        self.assertEqual(len(pending), 0)
        self.assertFalse(pending.is_busy(1, 5))
