"""The audit trail shows when somebody has been at it."""

from __future__ import annotations

from dataclasses import fields, replace

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.audit import AuditEntry, chained, to_json, verify

DETAIL = {"point": "setpoint", "before": 4.1, "after": 4.2, "pdu": "06 0000 002a"}


def trail(length):
    entries = []
    for number in range(length):
        newest = entries[-1] if entries else None
        entries.append(chained(newest, 1000 + number, "ola", "10.0.0.1", 1 << 63, "write", DETAIL))
    return entries


class Chain(SynchronousTestCase):
    """What verify finds."""

    def broken_at(self, entries):
        return str(self.assertRaises(StorageError, verify, entries))

    def test_untouched(self):
        """A trail that nobody touched is whole: all of it, none of it, and any page of it."""
        entries = trail(6)
        for part in (entries, [], entries[:1], entries[2:5]):
            verify(part)

    def test_each_changed_field(self):
        """Changing any field of any entry shows at that entry."""
        changes = {"seq": 9, "time_us": 1, "who": "jan", "source": "x", "device_id": None, "action": "read"}
        changes |= {"detail": DETAIL | {"after": 4.3}, "previous_hash": bytes(32), "hash": bytes(32)}
        self.assertEqual(changes.keys(), {field.name for field in fields(AuditEntry)})
        for name, value in changes.items():
            entries = trail(4)
            entries[2] = replace(entries[2], **{name: value})
            self.assertIn(f"entry {entries[2].seq}:", self.broken_at(entries), name)

    def test_one_taken_out(self):
        """The one after it does not fit."""
        entries = trail(5)
        del entries[2]
        self.assertIn("entry 4:", self.broken_at(entries))

    def test_one_taken_out_and_the_next_made_to_fit(self):
        """The hash of an entry covers what it is chained to, and its number."""
        for changes in ({}, {"seq": 2}):
            first, _, third, _ = trail(4)
            fitted = replace(third, previous_hash=first.hash, **changes)
            self.assertIn(f"entry {fitted.seq}:", self.broken_at([first, fitted]))

    def test_the_first_taken_out(self):
        """What says that it is the first must be chained to the beginning, however right its hash is."""
        forged = chained(replace(trail(1)[0], seq=0), 1, "mallory", "x", None, "nothing", {})
        self.assertIn("entry 1:", self.broken_at([forged]))

    def test_one_put_in(self):
        """A forged entry with a right hash of its own breaks the next one."""
        entries = trail(4)
        entries[1:2] = [chained(entries[0], 5, "mallory", "x", None, "nothing", {})]
        self.assertIn("entry 3:", self.broken_at(entries))

    def test_swapped(self):
        """Order is part of it."""
        entries = trail(4)
        entries[1], entries[2] = entries[2], entries[1]
        self.assertIn("entry 3:", self.broken_at(entries))


class Json(SynchronousTestCase):
    """The text that is hashed."""

    def test_the_same_value_is_the_same_text(self):
        """Whatever the order of members, and for any characters."""
        self.assertEqual(to_json({"b": 1, "a": [0.1, None, "ł"]}), to_json({"a": [0.1, None, "ł"], "b": 1}))
        self.assertEqual(to_json({"a": "ł\ud800"}), '{"a":"\\u0142\\ud800"}')

    def test_what_is_not_json(self):
        """Refused before it is written."""
        circle = {}
        circle["self"] = circle
        for value in ({"a": object()}, {"a": float("inf")}, {(1, 2): 3}, circle):
            self.assertRaises(StorageError, to_json, value)

    def test_details_are_kept_as_they_come_back(self):
        """What is returned now is what will be read later: a tuple is a list."""
        self.assertEqual(chained(None, 1, "ola", "x", None, "x", {"a": (1, 2)}).detail, {"a": [1, 2]})
