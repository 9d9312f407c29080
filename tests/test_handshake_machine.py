"""The two machines: every state answers every input."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError, RemoteError
from smok_twisted.handshake.machine import DeviceHandshake, ServerHandshake
from smok_twisted.handshake.messages import Choice, Hello
from smok_twisted.handshake.roles import Candidate

from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, TWO, WELCOME

HELLO = Hello(1, 0, DEVICE_ID, 5).encode()
CHOICE = Choice(ONE, 6).encode()

SERVER_INPUTS: dict[str, Callable[[ServerHandshake], Any]] = {
    "hello": lambda server: server.hello(HELLO),
    "login": lambda server: server.login(LOGIN.encode()),
    "welcome": lambda server: server.welcome(WELCOME),
    "closed": lambda server: server.closed(),
    "bad hello": lambda server: server.hello(b"GET / HTTP/1.1\r\n\r\n.."),
    "bad login": lambda server: server.login(b"\x04"),
}
DEVICE_INPUTS: dict[str, Callable[[DeviceHandshake], Any]] = {
    "start": lambda device: device.start(),
    "choice": lambda device: device.choice(CHOICE, LOGIN),
    "welcome": lambda device: device.welcome(WELCOME.encode()),
    "closed": lambda device: device.closed(),
    "bad choice": lambda device: device.choice(Choice(TWO, 6).encode(), LOGIN),  # was not offered
    "bad welcome": lambda device: device.welcome(b"\x04"),
}

SERVER_PATH = ["hello", "login", "welcome"]
DEVICE_PATH = ["start", "choice", "welcome"]


def server(genuine: bool = True) -> ServerHandshake:
    """A server for one device."""
    return ServerHandshake(lambda *_: Candidate(SECRETS[ONE], genuine, "unknown-device"), [ONE], os.urandom)


def device() -> DeviceHandshake:
    """That device."""
    return DeviceHandshake(DEVICE_ID, 0, {ONE: SECRETS[ONE]}, 5, unique_for_good=False)


def after(machine: Any, inputs: dict[str, Callable[[Any], Any]], names: list[str]) -> list[str]:
    """What each input in turn leads to: ``ok``, the reason of a refusal, or ``mistake`` of our own side."""
    answers = []
    for name in names:
        try:
            inputs[name](machine)
            answers.append("ok")
        except RemoteError as error:
            answers.append(error.reason)
        except LocalError:
            answers.append("mistake")
    return answers


class EveryStateAnswersEveryInput(SynchronousTestCase):
    """Nothing that a peer or a program does leaves a machine without an answer."""

    def answers(self, make: Callable[[], Any], inputs: Any, path: list[str], name: str) -> list[str]:
        """What ``name`` gets in each state: along the honest path, and after the end."""
        ways = [path[:steps] for steps in range(len(path) + 1)] + [["closed"]]
        return [after(make(), inputs, [*way, name])[-1] for way in ways]

    def test_server(self) -> None:
        """HELLO, LOGIN, WELCOME in this order; anything else from the peer is refused."""
        expected = {
            "hello": ["ok"] + ["unexpected-hello"] * 4,
            "login": ["unexpected-login", "ok"] + ["unexpected-login"] * 3,
            "welcome": ["mistake", "mistake", "ok", "mistake", "mistake"],
            "closed": ["ok"] * 5,
            "bad hello": ["bad-magic"] + ["unexpected-hello"] * 4,
            "bad login": ["unexpected-login", "bad-length"] + ["unexpected-login"] * 3,
        }
        for name, answers in expected.items():
            self.assertEqual(self.answers(server, SERVER_INPUTS, SERVER_PATH, name), answers, name)

    def test_device(self) -> None:
        """HELLO once, then CHOICE, then WELCOME; anything else from the peer is refused."""
        expected = {
            "start": ["ok"] + ["mistake"] * 4,
            "choice": ["unexpected-choice", "ok"] + ["unexpected-choice"] * 3,
            "welcome": ["unexpected-welcome"] * 2 + ["ok"] + ["unexpected-welcome"] * 2,
            "closed": ["ok"] * 5,
            "bad choice": ["unexpected-choice", "suite-not-offered"] + ["unexpected-choice"] * 3,
            "bad welcome": ["unexpected-welcome"] * 2 + ["bad-length"] + ["unexpected-welcome"] * 2,
        }
        for name, answers in expected.items():
            self.assertEqual(self.answers(device, DEVICE_INPUTS, DEVICE_PATH, name), answers, name)

    def test_a_fault_ends_the_machine(self) -> None:
        """After a refusal nothing is accepted any more, not even what would have been right."""
        for way in (["bad hello"], ["login"], ["hello", "bad login"], ["hello", "hello"]):
            answers = after(server(), SERVER_INPUTS, [*way, "login", "hello", "welcome"])
            self.assertEqual(answers[-3:], ["unexpected-login", "unexpected-hello", "mistake"])
        for way in (["welcome"], ["start", "bad choice"], ["start", "choice", "bad welcome"]):
            answers = after(device(), DEVICE_INPUTS, [*way, "choice", "welcome", "start"])
            self.assertEqual(answers[-3:], ["unexpected-choice", "unexpected-welcome", "mistake"])

    def test_a_mistake_of_ours_changes_nothing(self) -> None:
        """A program that calls too early can still go on."""
        self.assertEqual(after(server(), SERVER_INPUTS, ["welcome", *SERVER_PATH]), ["mistake"] + ["ok"] * 3)
        path = ["start", "start", *DEVICE_PATH[1:]]
        self.assertEqual(after(device(), DEVICE_INPUTS, path), ["ok", "mistake", "ok", "ok"])

    def test_a_mistake_of_ours_is_told(self) -> None:
        """Whoever embeds a machine reads what is wrong with the call."""
        error = self.assertRaises(LocalError, server().welcome, WELCOME)
        self.assertEqual(str(error), "WELCOME goes out once, after LOGIN has verified")
        dialled = device()
        dialled.start()
        self.assertEqual(str(self.assertRaises(LocalError, dialled.start)), "HELLO goes out once, first")

    @given(st.lists(st.sampled_from(sorted(SERVER_INPUTS))))
    def test_any_sequence_at_the_server(self, names: list[str]) -> None:
        """WELCOME leaves only after one HELLO and one LOGIN, with nothing wrong before."""
        answers = after(server(), SERVER_INPUTS, names)
        done = [name for name, answer in zip(names, answers, strict=True) if answer == "ok" and name != "closed"]
        self.assertEqual(done, SERVER_PATH[: len(done)])

    @given(st.lists(st.sampled_from(sorted(DEVICE_INPUTS))))
    def test_any_sequence_at_the_device(self, names: list[str]) -> None:
        """The device believes WELCOME only after HELLO and CHOICE."""
        answers = after(device(), DEVICE_INPUTS, names)
        done = [name for name, answer in zip(names, answers, strict=True) if answer == "ok" and name != "closed"]
        self.assertEqual(done, DEVICE_PATH[: len(done)])


class Decoy(SynchronousTestCase):
    """A login without a secret."""

    def test_login_on_a_decoy(self) -> None:
        """Even a LOGIN that verified is not believed on a decoy; the log gets the true reason."""
        answers = after(server(genuine=False), SERVER_INPUTS, SERVER_PATH)
        self.assertEqual(answers, ["ok", "unknown-device", "mistake"])
