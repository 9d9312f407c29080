"""Promise: thousands of devices need no set-up where the system allows them; where it does not, that is said."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from .processes import ROOT


def run(limits, code):
    """What ``code`` prints, in a process with this soft and hard limit."""
    begin = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, {limits}); "
    done = subprocess.run([sys.executable, "-c", begin + code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).strip()


class Allowing(SynchronousTestCase):
    """In processes with limits of their own."""

    SHOW = "print(allow({}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"

    def allow(self, limits, wanted=""):
        return run(limits, "from smok_twisted.descriptors import allow; " + self.SHOW.format(wanted))

    def test_as_many_as_are_wanted(self):
        """The usual soft limit is no limit."""
        self.assertEqual(self.allow((64, 300), 200), "200 200")

    def test_not_more_than_the_system_allows(self):
        """The answer says how many there are."""
        self.assertEqual(self.allow((64, 300), 5000), "300 300")

    def test_what_is_there_is_not_taken_away(self):
        """Wanting less changes nothing."""
        self.assertEqual(self.allow((256, 300), 100), "256 256")

    def test_all_of_them(self):
        """When no number is named."""
        self.assertEqual(self.allow((64, 300)), "300 300")


class Simulating(SynchronousTestCase):
    """``smok sim`` looks before it makes a thousand devices."""

    CHECK = "from smok_twisted.tools.sim_resources import check; check({}); print('fine')"

    def test_too_few_descriptors(self):
        """One sentence: how many it takes, how many there are, what to do."""
        said = run((64, 400), self.CHECK.format("100, 0, False")).splitlines()[-1]
        self.assertIn("100 devices need up to 900 file descriptors and the system allows 400", said)
        self.assertIn("--volatile", said)
        self.assertEqual(run((64, 400), self.CHECK.format("100, 0, True")), "fine")

    def test_too_few_for_any(self):
        """Then --volatile is not named as a way out."""
        said = run((64, 400), self.CHECK.format("1000, 20, True")).splitlines()[-1]
        self.assertIn("ulimit -Hn 2140", said)
        self.assertNotIn("--volatile", said)

    def test_too_few_port_numbers(self):
        """A machine has some ten thousand for connections to one server."""
        said = run((64, 300), self.CHECK.format("90_000, 0, True")).splitlines()[-1]
        self.assertIn("ip_local_port_range", said)
