"""Promise: what `make test` runs is every test that there is, once; in an order of its own."""

from __future__ import annotations

from twisted.trial.runner import ErrorHolder, TestLoader
from twisted.trial.unittest import SynchronousTestCase

from . import everything


def ids(suite):
    return [test.id() for test in everything._each(suite)]


class Order(SynchronousTestCase):
    def test_every_test_once(self):
        """Those that trial finds by itself."""
        found = ids(TestLoader().loadByName("tests", recurse=True))
        self.assertEqual(sorted(ids(everything.testSuite())), sorted(found))

    def test_each_keeps_its_order(self):
        """Of two streams that take as long, each has the same part done anywhere."""
        merged = list(everything._merged([self, Order("test_every_test_once")], [Order("id"), Order("run")]))
        self.assertEqual([test._testMethodName for test in merged][::2], [self._testMethodName, "test_every_test_once"])
        self.assertEqual([test._testMethodName for test in merged][1::2], ["id", "run"])

    def test_a_module_that_cannot_be_imported(self):
        """It is one failure, not the end of all tests."""
        holder = ErrorHolder("tests.test_broken", ImportError("no such module"))
        self.assertEqual(ids(everything.TestSuite([holder])), ["tests.test_broken"])
        self.assertFalse(everything._uses_cassandra(holder))
        self.assertEqual(everything._seconds(holder), everything.OTHERS_SECONDS)
