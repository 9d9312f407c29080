"""Promise: with ``smok_twisted/observe/wireshark`` tshark sees in each fixture what ``smok replay`` finds there."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.export import export
from smok_twisted.tools.capture import DISSECTOR

from .test_fixtures import FOLDER, RTU, Fixture, cut, glued
from .tshark import complaints, need_tshark
from .wireshark import Json, conversations, shown

#: Both passes; the second one asks for packets that were seen before.
TWICE = ("-2", "-R", "tcp")


def expected(fixture: Fixture) -> list[Json]:
    """Of what is expected, that which the dissector tells: readings of orders are in the orders there."""
    found = [one for one in fixture.expected["conversations"] if one["protocol"] in ("smok4", "p24")]
    return [trimmed(one) for one in found]


def trimmed(one: Json) -> Json:
    is_smok4 = one["protocol"] == "smok4"
    names = ("protocol", "device", "kid", "suite", "boot", "firmware", "keepalive", "messages")
    shape = {name: one[name] for name in names if one.get(name) is not None}
    shape["readings"] = [
        {name: value for name, value in reading.items() if name != "points"}
        for reading in one["readings"]
        if reading["batch"] is not None or not is_smok4
    ]
    orders = [order for order in one["orders"] if order["answered"] is not None]
    shape["orders"] = [_order_of_smok4(order) if is_smok4 else _order_of_p24(order) for order in orders]
    shape["faults"] = [{"from": fault["from"], "what": fault["what"]} for fault in one["faults"]]
    return shape


def _order_of_smok4(order: Json) -> Json:
    return {name: order[name] for name in ("unit", "request", "answer", "time", "answered")}


def _order_of_p24(order: Json) -> Json:
    shape = {name: order[name] for name in ("unit", "outcome", "answered")}
    return shape | {"request": order["request"][:6]}


def timeless(found: list[Json]) -> list[Any]:
    """Without times, which are those of segments."""
    shapes = []
    for shape in found:
        lists = {name: [_bare(one) for one in each] for name, each in shape.items() if isinstance(each, list)}
        shapes.append(shape | lists)
    return shapes


def _bare(shape: Json) -> Json:
    return {name: value for name, value in shape.items() if name not in ("time", "answered")}


class WithSecrets(SynchronousTestCase):
    """Shared by the tests of the dissector."""

    maxDiff = None

    def setUp(self) -> None:
        need_tshark()

    def secret_file(self, *secrets: bytes) -> Path:
        """As ``smok agent`` has one, only with several lines."""
        file = Path(self.mktemp())
        file.write_text("".join(f"{secret.hex()}\n" for secret in secrets))
        return file.resolve()

    def written(self, octets: bytes) -> Path:
        """A capture file."""
        file = Path(self.mktemp())
        file.write_bytes(octets)
        return file.resolve()


class EveryFixture(WithSecrets):
    """The tests of each fixture are made below."""

    def check_expected(self, fixture: Fixture) -> None:
        secrets = self.secret_file(*fixture.secrets)
        for passes in ((), TWICE):
            found = shown(fixture.file, *RTU, *passes, secrets=secrets)
            self.assertEqual(conversations(found), expected(fixture))
        ours = ("-X", f"lua_script:{DISSECTOR}", "-o", f"smok4.secret_file:{secrets}")
        wrong = complaints(fixture.file, *ours, *RTU, checksums=fixture.name != "modbus-tcp-kernel")
        reasons = {str(one.frame) for one in found if one.problems()}
        self.assertEqual([one for one in wrong if one[0] not in reasons], [])

    def check_segments(self, fixture: Fixture) -> None:
        random = Random(fixture.name)
        secrets = self.secret_file(*fixture.secrets)
        for how, passes in ((glued, ()), (lambda pieces: cut(glued(pieces), random), TWICE)):
            whole = fixture.conversations()
            for one in whole:
                one.pieces = how(one.pieces)
            found = conversations(shown(self.written(export(whole)), *passes, secrets=secrets))
            self.assertEqual(timeless(found), timeless(expected(fixture)))


def _add(fixture: Fixture) -> None:
    checks = {"expected": "is shown by tshark as `smok replay` finds it"}
    if expected(fixture):
        checks["segments"] = "is shown the same however it is cut into segments"
    for check, promise in checks.items():

        def test(self: EveryFixture, check: str = check) -> None:
            getattr(self, f"check_{check}")(fixture)

        test.__doc__ = f"{fixture.name}.pcap {promise}."
        setattr(EveryFixture, f"test_{fixture.name.replace('-', '_')}_{check}", test)


for _path in sorted(FOLDER.glob("*.pcap")):
    _add(Fixture(_path.stem))
