"""The disk fills up under the embedded store while devices report: they are made to wait, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from . import disk_full, small_disk
from .cassandra_shared import leave_out

SECONDS = 20 if os.environ.get("CI") else 3


class FullDisk(SynchronousTestCase):
    """``test_cassandra_faults`` has the same of the journal."""

    def test_under_load(self):
        """Acknowledgements stop and come again; page, values and health are there; what was acknowledged is once."""
        if why := small_disk.lacking():
            raise leave_out(why)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        figures = disk_full.under_sqlite(folder, SECONDS)
        self.assertTrue(disk_full.is_good(figures), figures)
