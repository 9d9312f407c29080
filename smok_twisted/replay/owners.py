"""Whose readings a capture brings: what its conversations tell of that, and what the user wants. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import NotFound, UserError
from ..modbus.maps import RegisterMap
from .findings import Findings

_OPENS = "--secret or --secret-file opens it"


@dataclass(frozen=True)
class Wish:
    """What the user wants: ``device`` names one (its name or id), ``register_map`` says what its registers mean, and
    ``may_add`` that it may be added with that map."""

    device: str | None = None
    register_map: RegisterMap | None = None
    may_add: bool = False

    def check(self) -> None:
        """Raises UserError for what cannot come true in any store."""
        if self.may_add and (self.register_map is None or self.device is None):
            raise UserError("--add needs --device, the name of the new device, and --map, its register map")


@dataclass
class Sorted:
    """The conversations: those of each device, and why the others bring nothing, by number."""

    left_out: dict[int, str]
    by_device: dict[int, list[Findings]] = field(default_factory=dict)


class Owners:
    """``devices`` are those that the store has, ``named`` is the one of the wish, if it is among them."""

    def __init__(self, wish: Wish, devices: Collection[int], named: int | None, new_id: Callable[[], int]) -> None:
        self._wish = wish
        self._devices = devices
        self._named = named
        self._new_id = new_id

    def sort_out(self, found: Sequence[Findings]) -> Sorted:
        """Whose each is. Raises UserError when that cannot be told, naming the conversation, and for secrets that open
        nothing."""
        if any(map(_is_refused, found)) and not any(map(_is_opened, found)):
            raise UserError("the secret does not open any conversation of the capture: nothing is stored")
        outcome = Sorted({number: why for number, one in enumerate(found, 1) if (why := _useless(one))})
        useful = {number: one for number, one in enumerate(found, 1) if number not in outcome.left_out}
        target = self._target(found, useful)
        for number, findings in useful.items():
            owner = self._owner(number, findings, target)
            if target in (None, owner):
                outcome.by_device.setdefault(owner, []).append(findings)
            else:
                outcome.left_out[number] = f"of device {owner:#018x}"
        return outcome

    def _target(self, found: Sequence[Findings], useful: dict[int, Findings]) -> int | None:
        """The only device that is wanted; None: each that the capture names."""
        if self._wish.device is None or self._named is not None or not useful:
            return self._named
        told = self._unknown(useful.values()) or self._unknown(filter(_is_opened, found))
        return told[0] if told else self._sealed(self._unknown(found)) or self._new_id()

    def _sealed(self, told: list[int]) -> int | None:
        """The one that a sealed session tells: when the secret is given later, that session is of the same device."""
        if len(told) > 1:
            shown = ", ".join(f"{device_id:#018x}" for device_id in told[:3]) + (" ..." if len(told) > 3 else "")
            raise UserError(
                f"the capture has sealed sessions of several devices ({shown}): which of them is"
                f" {self._wish.device!r} shows with its secret, by --secret or --secret-file"
            )
        return told[0] if told else None

    def _unknown(self, conversations: Iterable[Findings]) -> list[int]:
        """Ids that the store does not have, each once."""
        told = [device_id for one in conversations if (device_id := _identity(one)) is not None]
        return [device_id for device_id in dict.fromkeys(told) if device_id and device_id not in self._devices]

    def _owner(self, number: int, findings: Findings, target: int | None) -> int:
        owner = _identity(findings) or target
        if owner is None:
            raise UserError(
                f"conversation {number} is {findings.protocol}, which does not say whose readings it brings:"
                " name the device by --device"
            )
        if target is None and owner not in self._devices:
            raise NotFound(
                f"device {owner:#018x} of conversation {number} is not in the store;"
                f" `smok device add NAME --model MODEL --id {owner:#x}` adds it while the daemon runs,"
                " --add with --device NAME and --map FILE does it here"
            )
        return owner


def _identity(findings: Findings) -> int | None:
    """Whose conversation it is, where that can be told."""
    told = findings.identity.get("device")
    return None if told is None else int(told, 16)


def _is_opened(findings: Findings) -> bool:
    """Whether a secret has opened its LOGIN."""
    return "boot" in findings.identity


def _is_refused(findings: Findings) -> bool:
    """Whether secrets were given, and none of them is its own."""
    return any(remark.what == "unproven" for remark in findings.faults)


def _useless(findings: Findings) -> str | None:
    """Why a conversation brings nothing."""
    if findings.readings or findings.unread_batches:
        return None
    if findings.protocol == "unknown":
        return "no protocol that is understood"
    if any("record" in counts for counts in findings.messages):
        return f"sealed: {'the secret does not open it' if _is_refused(findings) else _OPENS}"
    return "no readings in it"
