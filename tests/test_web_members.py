"""Promise: whatever a client sends, it hears what is wrong with it by name, and nothing of it breaks the daemon."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.web.members import REQUIRED, Members, Query, parse_json, seconds

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


class Bodies(SynchronousTestCase):
    def test_json_is_taken_as_it_is(self):
        """Nothing at all is an empty object, for requests that need no members."""
        self.assertEqual(parse_json(b' {"a": [1, 2.5, "\xc3\xa4", null]}'), {"a": [1, 2.5, "ä", None]})
        self.assertEqual((parse_json(b""), parse_json(b" \n")), ({}, {}))

    def test_what_is_no_json_is_said_so(self):
        """With where it goes wrong."""
        for body, words in [
            (b"{", "the body is not JSON: Expecting property name"),
            (b"{'a': 1}", "the body is not JSON: Expecting property name"),
            (b'{"a": NaN}', "the body is not JSON: NaN is no JSON number"),
            (b'{"a": -Infinity}', "-Infinity is no JSON number"),
            (b'{"a": 1, "a": 2}', "the body is not JSON: a member is there twice"),
            (b"\xff", "the body is not JSON: 'utf-8' codec can't decode byte 0xff"),
            (b'"\\ud800"', "the body is not JSON: 'utf-8' codec can't encode character"),
            (b"[" * 100_000, "the body is nested too deep"),
            (b"9" * 5000, "the body is not JSON: Exceeds the limit"),
        ]:
            with self.assertRaises(UserError) as caught:
                parse_json(body)
            self.assertIn(words, str(caught.exception))

    @settings(derandomize=True, max_examples=300)
    @given(st.binary(max_size=40))
    def test_no_octets_break_it(self, body):
        """They are JSON, or refused."""
        try:
            json.dumps(parse_json(body))
        except UserError as error:
            self.assertIn("the body is n", str(error))

    @settings(derandomize=True, max_examples=300)
    @given(json_values)
    def test_no_value_breaks_a_member(self, value):
        """Each kind of member takes a value of its own kind only, and says what it would take."""
        for read, kinds in [
            (lambda members: members.text("m"), str),
            (lambda members: members.flag("m", False), bool),
            (lambda members: members.integer("m"), int),
            (lambda members: members.list_of("m", REQUIRED, (str,), "a list of texts"), list),
            (lambda members: members.one_of("m", REQUIRED, ("a", "b")), str),
            (lambda members: members.time_us("m", None), (str, type(None))),
            (lambda members: seconds("m", members.any("m", None, (int, float), "seconds")), (int, float)),
        ]:
            try:
                read(Members({"m": value}, ["m"]))
            except UserError as error:
                self.assertTrue(str(error).startswith("m = "), error)
                self.assertIn(" is not accepted: ", str(error))
            else:
                self.assertIsInstance(value, kinds)

    def test_long_values_are_not_repeated_whole(self):
        """The sentence stays a sentence."""
        with self.assertRaises(UserError) as caught:
            Members({"m": ["x" * 100_000]}, ["m"]).text("m")
        self.assertLess(len(str(caught.exception)), 150)
        with self.assertRaises(UserError) as caught:
            Members({"m" * 100_000: 1}, ["m"])
        self.assertLess(len(str(caught.exception)), 150)


class Queries(SynchronousTestCase):
    @settings(derandomize=True, max_examples=300)
    @given(st.dictionaries(st.sampled_from([b"a", b"b", b"\xff"]), st.lists(st.binary(max_size=20), min_size=1)))
    def test_no_octets_break_it(self, parameters):
        """They are read, or refused."""
        for read in (
            lambda query: query.integer("a", None, -5, 5),
            lambda query: query.one_of("a", ("x", "y")),
            lambda query: query.time_us("a", 0),
        ):
            try:
                read(Query(parameters, ["a"]))
            except UserError as error:
                self.assertTrue("accepted" in str(error) or "UTF-8" in str(error))

    def test_numbers_are_ascii(self):
        """Other scripts' digits and Python's own notations are not."""
        for text in ("١", "1_0", " 1", "+1", "0x1", "1e3", "1.0", ""):
            with self.assertRaises(UserError):
                Query({b"n": [text.encode()]}, ["n"]).integer("n", None, 0, 1000)
        self.assertEqual(Query({b"n": [b"-7"]}, ["n"]).integer("n", None, -9, 9), -7)
