"""Promise: smok.toml says how large the journal may grow and how long it keeps; what is wrong there is one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.settings import Settings, load
from smok_twisted.storage.choice import store_of


class JournalSettings(SynchronousTestCase):
    def load(self, text: str) -> Settings:
        file = Path(self.mktemp()).absolute()
        file.write_text(f'[storage]\nkind = "cassandra"\n[storage.journal]\n{text}\n')
        return load(file)

    def test_forms(self):
        """Sizes with a unit, or half of what is free."""
        for text, octets in (("auto", None), ("100MB", 10**8), ("20 GB", 20 * 10**9), ("2TB", 2 * 10**12)):
            self.assertEqual(self.load(f'max_size = "{text}"').storage.journal.max_size, octets)
        self.assertEqual(self.load('retention = "1h"').storage.journal.retention, 3600)

    def test_refusals(self):
        """They name the key, and the accepted form."""
        for text in ("max_size = 5", 'max_size = "20"', 'max_size = "99MB"', 'max_size = "1.5GB"', 'max_size = "9kB"'):
            words = str(self.assertRaises(UserError, self.load, text))
            self.assertIn("[storage.journal] max_size", words)
            self.assertIn('"auto", or a size like "500MB" or "20GB", from 100MB', words)
        for text in ('retention = "29s"', 'retention = "2d"', "retention = 600"):
            self.assertIn("from 30 to 86400 seconds", str(self.assertRaises(UserError, self.load, text)))

    def test_each_reaches_the_journal(self):
        """None is read and forgotten."""
        store = store_of(self.load('max_size = "1GB"\nretention = "1h"'), Clock())
        journal = store._journal
        self.assertEqual((journal._files.max_octets, journal._retention_seconds), (10**9, 3600))

    def test_every_key_is_shown(self):
        """docs/smok.toml has the whole section."""
        text = (Path(__file__).parent.parent / "docs" / "smok.toml").read_text("utf-8")
        self.assertEqual(set(tomllib.loads(text)["storage"]["journal"]), set(vars(Settings().storage.journal)))
