"""What tshark shows with our dissector, put into the shapes of ``smok replay``; it decodes nothing itself."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from smok_twisted.tools.capture import DISSECTOR

from .tshark import TSHARK

Json = dict[str, Any]
SIDES = ("server", "client")
ERROR = 0x00800000
TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
FAULTS = {0xE0: "timeout", 0xE1: "crc", 0xE2: "wrong-reply", 0xE3: "bus-down"}
#: P24: the table and the MODBUS function of a command.
P24_READS = {3: ("holding", 3), 4: ("coil", 1), 8: ("input", 4)}
P24_WRITES = {5: 6, 6: 5}
P24_PROBLEMS = {"timeout": "timeout", "bus_fault": "crc", "unsupported": "exception-1"}


class Shown(NamedTuple):
    """One packet of ours."""

    frame: int
    time: str
    stream: int
    from_client: bool
    tree: ElementTree.Element

    def all(self, name: str) -> list[str]:
        """Every field of that name, in order."""
        return [one.get("show", "") for one in self.tree.iter("field") if one.get("name") == name]

    def one(self, name: str, default: str = "") -> str:
        return (self.all(name) or [default])[0]

    def number(self, name: str) -> int:
        return int(self.one(name), 0)

    def problems(self, severity: int = ERROR) -> list[str]:
        """Our expert infos that are at least so severe."""
        found = []
        for one in self.tree.iter("field"):
            if one.get("name") == "_ws.expert":
                names = {each.get("name", ""): each.get("show", "") for each in one}
                if int(names["_ws.expert.severity"]) >= severity:
                    found += [name.split(".")[1] for name in names if name.startswith(("smok4.", "p24."))]
        return found


def run(file: Path, *arguments: str, secrets: Path | None = None, and_stderr: bool = False) -> str:
    """What tshark prints, with our dissector; AssertionError for any error of Lua."""
    assert TSHARK is not None
    options = () if secrets is None else ("-o", f"smok4.secret_file:{secrets}")
    command = [TSHARK, "-X", f"lua_script:{DISSECTOR}", *options, "-r", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, done.stderr):
        at = text.lower().find("lua error")
        assert at < 0 and "lua: error" not in text.lower(), text[max(0, at - 200) : at + 500]
    return done.stdout + (done.stderr if and_stderr else "")


def shown(file: Path, *arguments: str, secrets: Path | None = None) -> list[Shown]:
    """Every packet of P24 and SMOK/4, as tshark sees it; AssertionError for a malformed one."""
    root = ElementTree.fromstring(run(file, "-T", "pdml", *arguments, secrets=secrets))
    return [one for packet in root.iter("packet") for one in _of_frame(packet)]


def _of_frame(packet: ElementTree.Element) -> Iterator[Shown]:
    fields = {one.get("name"): one.get("show", "") for one in packet.iter("field")}
    assert packet.find("proto[@name='_ws.malformed']") is None, fields["frame.number"]
    for tree in packet.findall("proto"):
        if tree.get("name") in ("smok4", "p24"):
            time = datetime.fromtimestamp(float(fields["frame.time_epoch"]), UTC)
            from_client = int(fields["tcp.srcport"]) >= 40000
            number, stream = int(fields["frame.number"]), int(fields["tcp.stream"])
            yield Shown(number, _rfc3339(time), stream, from_client, tree)


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def conversations(found: list[Shown]) -> list[Json]:
    """Each stream in the shape of ``smok replay --json``, as far as the dissector tells it."""
    streams: dict[int, list[Shown]] = {}
    for one in found:
        streams.setdefault(one.stream, []).append(one)
    return [_conversation(each) for each in streams.values()]


def _conversation(packets: list[Shown]) -> Json:
    is_smok4 = packets[0].tree.get("name") == "smok4"
    shape: Json = {"protocol": "smok4" if is_smok4 else "p24", "readings": [], "orders": [], "faults": []}
    counts = Counter[str](), Counter[str]()
    asked: dict[tuple[int, str], Shown] = {}
    for one in packets:
        name = _smok4(one, shape, asked) if is_smok4 else _p24(one, shape)
        if name:
            counts[one.from_client][name] += 1
        side = SIDES[one.from_client]
        shape["faults"] += [{"from": side, "what": what.replace("_", "-")} for what in one.problems()]
    shape["messages"] = {side: dict(count) for side, count in zip(SIDES, counts, strict=True)}
    return shape


# -- SMOK/4


def _smok4(one: Shown, shape: Json, asked: dict[tuple[int, str], Shown]) -> str | None:
    """The name of the message."""
    if one.all("smok4.hello.nonce"):
        shape |= {"device": one.one("smok4.device"), "kid": one.number("smok4.kid")}
        return "HELLO"
    if one.all("smok4.choice.nonce"):
        if one.problems():
            return None
        shape["suite"] = one.number("smok4.suite")
        return "CHOICE"
    if not one.all("smok4.type"):
        return "record" if one.all("smok4.record.tag") and not one.all("smok4.record.verified") else None
    (name,) = [each.get("showname", "") for each in one.tree.iter("field") if each.get("name") == "smok4.type"]
    name = name.removeprefix("Type: ").split(" (")[0]
    match name:
        case "LOGIN":
            shape |= {"boot": one.number("smok4.login.boot"), "firmware": one.number("smok4.login.firmware")}
        case "WELCOME":
            shape["keepalive"] = 10 * one.number("smok4.welcome.keepalive")
        case "DATA":
            shape["readings"] += _readings(one)
        case "MODBUS-REQ":
            asked[one.frame, one.one("smok4.modbus.txid")] = one
        case "Unknown":
            name = f"type {one.one('smok4.type')}"
        case "MODBUS-RSP" if one.all("smok4.modbus.answers"):
            request = asked[one.number("smok4.modbus.answers"), one.one("smok4.modbus.txid")]
            shape["orders"].append(_order(request, one))
    return name


def _order(request: Shown, answer: Shown) -> Json:
    pdus = [each.one("smok4.modbus.pdu").replace(":", "") for each in (request, answer)]
    times = {"time": request.time, "answered": answer.time}
    return {"unit": request.number("smok4.modbus.unit"), "request": pdus[0], "answer": pdus[1], **times}


def _readings(one: Shown) -> Iterator[Json]:
    for group in one.tree.iter("field"):
        times = [each.get("show", "") for each in group.findall("field[@name='smok4.data.time']")]
        for branch in group.findall("field") if times else ():
            report = Shown(*one[:4], branch)
            if report.all("smok4.data.block"):
                fault = int(report.one("smok4.data.error", "0"), 0)
                yield {
                    "time": _rfc3339(_time_of(times[0])),
                    "unit": report.number("smok4.data.unit"),
                    "table": TABLES[report.number("smok4.data.table")],
                    "start": report.number("smok4.data.address"),
                    "words": [int(value) for value in report.all("smok4.data.value")],
                    "quality": FAULTS.get(fault, f"exception-{fault}") if fault else "good",
                    "batch": one.number("smok4.data.batch"),
                }


def _time_of(text: str) -> datetime:
    """Of "Nov 23, 2026 10:15:50.584600000 UTC"."""
    return datetime.strptime(text.removesuffix("000 UTC"), "%b %d, %Y %H:%M:%S.%f").replace(tzinfo=UTC)


# -- P24


def _p24(one: Shown, shape: Json) -> str | None:
    """The name of the message."""
    if one.problems():
        return None
    if one.all("p24.version"):
        shape["device"] = one.one("p24.device")
        return "init"
    if not one.all("p24.code"):
        return "refused" if "refused" in one.problems(0) else "accepted" if one.all("p24.status") else None
    code = one.number("p24.code")
    (name,) = [each.get("showname", "") for each in one.tree.iter("field") if each.get("name") == "p24.code"]
    if one.from_client:
        _p24_answer(one, code, shape)
    return name.removeprefix("Command: ").split(" (")[0]


def _p24_answer(one: Shown, code: int, shape: Json) -> None:
    quality = next((P24_PROBLEMS[name] for name in one.problems(0)), "good")
    address, unit = one.one("p24.register") or one.one("p24.coil"), one.one("p24.unit")
    function = P24_READS[code][1] if code in P24_READS else P24_WRITES.get(code)
    if function is not None:
        order = {"unit": int(unit), "request": f"{function:02x}{int(address):04x}", "outcome": quality}
        shape["orders"].append(order | {"answered": one.time})
    if code in P24_READS:
        words = [int(value) for value in one.all("p24.value")]
        reading = {"table": P24_READS[code][0], "start": int(address), "words": words, "quality": quality}
        shape["readings"].append({"time": one.time, "unit": int(unit), **reading, "batch": None})
