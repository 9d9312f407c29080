"""The messages after the login, octet by octet."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError, RemoteError
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, ModbusResponse, Reason

EXAMPLES: list[tuple[bytes, str, Any, Any]] = [
    (messages.ping(), "03", messages.decode_ping, None),
    (messages.ping(0x1234), "031234", messages.decode_ping, 0x1234),
    (messages.ack(513), "050201", messages.decode_ack, 513),
    (
        messages.modbus_request(ModbusRequest(1, 2, 3, b"\x03\x0f\xf9\x00\x01")),
        "06" "0001" "0002" "03" "030ff90001",
        messages.decode_modbus_request,
        ModbusRequest(1, 2, 3, b"\x03\x0f\xf9\x00\x01"),
    ),
    (
        messages.modbus_response(ModbusResponse(1, b"\x83\x02")),
        "07" "0001" "8302",
        messages.decode_modbus_response,
        ModbusResponse(1, b"\x83\x02"),
    ),
    (messages.event(9, b"ab"), "08" "09" "6162", messages.decode_event, (9, b"ab")),
    (messages.key_update(1, b"K" * 20), "09" "01" + "4b" * 20, messages.decode_key_update, (1, b"K" * 20)),
    (messages.key_ok(1), "0a01", messages.decode_key_ok, 1),
    (messages.go_away(GoAway(5, 60)), "0b" "0005" "003c", messages.decode_go_away, GoAway(5, 60)),
    (messages.bye(Reason.REPLACED), "0c03", messages.decode_bye, 3),
    (messages.plan_ok(7), "0e" "0007" "00", messages.decode_plan_ok, (7, 0)),
    (
        messages.servers(["a:1", "[::1]:2406"]),
        "0f" "03" "613a31" "0a" "5b3a3a315d3a32343036",
        messages.decode_servers,
        ["a:1", "[::1]:2406"],
    ),
]


class Messages(SynchronousTestCase):
    def test_octets_and_back(self) -> None:
        """Each as the design note has it."""
        for body, octets, decode, value in EXAMPLES:
            self.assertEqual((body.hex(), decode(body[1:])), (octets, value))

    def test_cut_short_or_overlong(self) -> None:
        """A payload of the wrong size is refused with a reason; where any size is right, nothing else is raised."""
        for body, _, decode, value in EXAMPLES:
            for payload in [body[1:] + b"\x01", *(body[1:cut] for cut in range(1, len(body)))]:
                try:
                    answer = decode(payload)
                except RemoteError as error:
                    self.assertEqual(error.reason, "bad-message")
                else:
                    self.assertNotEqual(answer, value)

    def test_what_does_not_fit_a_record(self) -> None:
        """Is our own mistake."""
        for pdu in (b"", bytes(250)):
            self.assertRaises(LocalError, messages.modbus_request, ModbusRequest(1, 1, 1, pdu))
        for pdu in (b"", bytes(253)):
            self.assertRaises(LocalError, messages.modbus_response, ModbusResponse(1, pdu))
        self.assertRaises(LocalError, messages.servers, ["x" * 100] * 3)
