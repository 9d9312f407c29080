"""Whose readings a capture brings is what it tells; nothing goes to a device by guess."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import NotFound, UserError
from smok_twisted.modbus.maps import parse_map
from smok_twisted.readings import Table
from smok_twisted.replay.findings import Findings, Reading
from smok_twisted.replay.owners import Owners, Sorted, Wish

from .replay_rig import NOW_US, Session, Told, findings

MAP = parse_map('name = "boiler"\npoint = [{ name = "outside", register = "holding", address = 10 }]')
RANDOM_ID = 0x99
RIGHT, WRONG = bytes(range(20)), b"w" * 20
ADD = Wish("plant", MAP, may_add=True)


def plain(*, device: int | None = None) -> Findings:
    """Somebody read a register; ``device``: of P24, which tells who it is."""
    reading = Reading(NOW_US, 1, Table.HOLDING, 10, (1,), size=1)
    identity: dict[str, Any] = {} if device is None else {"device": f"{device:#018x}"}
    return Findings(Told(502).conversation, "modbus-tcp" if device is None else "p24", identity, [reading])


def sessions(*devices: int, secrets: tuple[bytes, ...] = ()) -> list[Findings]:
    """SMOK/4, sealed unless a secret opens it; no readings."""
    return findings(*(Session(RIGHT, device_id=device) for device in devices), secrets=secrets)


def sort_out(*found: Findings, wish: Wish = ADD, devices: tuple[int, ...] = (), named: int | None = None) -> Sorted:
    return Owners(wish, devices, named, lambda: RANDOM_ID).sort_out(found)


class AddedDevice(SynchronousTestCase):
    def owners(self, *found: Findings, **more: Any) -> list[int]:
        return list(sort_out(*found, **more).by_device)

    def test_an_id_that_is_told(self) -> None:
        """Even by a session that nothing opens yet, so that the secret, given later, fits the same device."""
        self.assertEqual(self.owners(plain()), [RANDOM_ID])
        self.assertEqual(self.owners(plain(), *sessions(0x42)), [0x42])
        self.assertEqual(self.owners(plain(), *sessions(0x42, 0x42)), [0x42])
        self.assertEqual(self.owners(plain(), plain(device=0x43), *sessions(0x42)), [0x43])

    def test_what_is_proven_counts_more(self) -> None:
        """Whose secret is given is whose readings they are, whoever else speaks in the capture."""
        other = Session(WRONG, device_id=0x41)
        found = findings(other, Session(RIGHT, device_id=0x42), secrets=(RIGHT,))
        self.assertEqual(self.owners(plain(), *found), [0x42])

    def test_several_sealed(self) -> None:
        """It is not told which of them is meant."""
        text = str(self.assertRaises(UserError, sort_out, plain(), *sessions(0x41, 0x42)))
        self.assertIn("(0x0000000000000041, 0x0000000000000042): which of them is 'plant' shows with its secret", text)
        self.assertEqual(self.owners(plain(), *sessions(0x41, 0x42), devices=(0x41,)), [0x42])

    def test_a_wish_that_no_store_fulfils(self) -> None:
        """A name and a map are needed."""
        for wish in (Wish("plant", may_add=True), Wish(None, MAP, may_add=True)):
            self.assertIn("--add needs --device", str(self.assertRaises(UserError, wish.check)))
        ADD.check()


class Secrets(SynchronousTestCase):
    def test_the_wrong_one(self) -> None:
        """It is a mistake, and nothing is stored: not what was read in the clear beside it either."""
        for more in ({}, {"named": 0x42, "devices": (0x42,)}, {"wish": Wish(), "devices": (0x42,)}):
            found = plain(), *sessions(0x42, secrets=(WRONG,))
            text = str(self.assertRaises(UserError, sort_out, *found, **more))
            self.assertIn("the secret does not open any conversation", text)

    def test_the_right_one_of_another_device(self) -> None:
        """What stays sealed says that the secret is not its own; without any, what would open it."""
        found = findings(Session(WRONG, device_id=0x41), Session(RIGHT, device_id=0x42), secrets=(RIGHT,))
        left_out = sort_out(*found, plain()).left_out
        self.assertEqual(left_out, {1: "sealed: the secret does not open it", 2: "no readings in it"})
        self.assertEqual(
            sort_out(*sessions(0x42), plain()).left_out, {1: "sealed: --secret or --secret-file opens it"}
        )


class EachDevice(SynchronousTestCase):
    def test_without_a_name(self) -> None:
        """Each conversation goes to the device that it tells; one that tells none, or one that is not there, is
        refused."""
        found = plain(device=0x41), plain(device=0x42)
        self.assertEqual(list(sort_out(*found, wish=Wish(), devices=(0x41, 0x42)).by_device), [0x41, 0x42])
        self.assertRaises(NotFound, sort_out, *found, wish=Wish(), devices=(0x41,))
        self.assertIn("conversation 1 is", str(self.assertRaises(UserError, sort_out, plain(), wish=Wish())))

    def test_the_named_one_alone(self) -> None:
        """Others are left out by name."""
        found = plain(device=0x41), plain(device=0x42)
        outcome = sort_out(*found, wish=Wish("plant"), devices=(0x41, 0x42), named=0x42)
        self.assertEqual((list(outcome.by_device), outcome.left_out), ([0x42], {1: "of device 0x0000000000000041"}))
