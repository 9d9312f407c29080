"""Everything of the store that is no history: kept in the local file, with a copy in Cassandra.

The local file answers. A change is there first; as long as the database is there, whoever made it waits until that has
it too, but for what comes often and matters less (nonces, events).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from ...readings import Plan
from ..audit import AuditEntry
from ..copying import Writable
from ..records import CommandRecord, CredentialRecord, DeviceRecord, EventRecord, ModelRecord
from .local import LocalStore
from .mirror import LAST_NUMBER, Mirror


class SmallTables(Writable):
    """The promises of each method are those of ``Store``."""

    _local: LocalStore
    _mirror: Mirror

    @inlineCallbacks
    def _copied(self, written: Deferred[Any]) -> Generator[Deferred[Any], Any, Any]:
        """Fires when the database has it too, if that is there."""
        result = yield written
        yield self._mirror.caught_up()
        return result

    def _told(self, written: Deferred[Any]) -> Deferred[Any]:
        """The database is told, and nobody waits for that."""

        def poke(result: Any) -> Any:
            self._mirror.poke()
            return result

        return written.addCallback(poke)

    def save_device(self, record: DeviceRecord) -> Deferred[None]:
        return self._copied(self._local.save_device(record))

    def remove_device(self, device_id: int) -> Deferred[None]:
        return self._copied(self._local.remove_device(device_id))

    def save_plan(self, device_id: int, plan: Plan) -> Deferred[None]:
        return self._copied(self._local.save_plan(device_id, plan))

    def save_credential(self, record: CredentialRecord) -> Deferred[None]:
        return self._copied(self._local.save_credential(record))

    def remove_credential(self, device_id: int, kid: int) -> Deferred[None]:
        return self._copied(self._local.remove_credential(device_id, kid))

    def save_nonces(self, device_id: int, memory: bytes) -> Deferred[None]:
        return self._told(self._local.save_nonces(device_id, memory))

    def save_model(self, record: ModelRecord) -> Deferred[None]:
        return self._copied(self._local.save_model(record))

    def models(self) -> Deferred[list[ModelRecord]]:
        return self._local.models()

    def save_command(self, record: CommandRecord) -> Deferred[None]:
        return self._copied(self._local.save_command(record))

    def command(self, command_id: str) -> Deferred[CommandRecord | None]:
        return self._local.command(command_id)

    def command_by_key(self, device_id: int, idempotency_key: str) -> Deferred[CommandRecord | None]:
        return self._local.command_by_key(device_id, idempotency_key)

    def commands(self, device_id: int, limit: int = 100) -> Deferred[list[CommandRecord]]:
        return self._local.commands(device_id, limit)

    def append_audit(
        self, time_us: int, who: str, source: str, device_id: int | None, action: str, detail: Mapping[str, Any]
    ) -> Deferred[AuditEntry]:
        return self._copied(self._local.append_audit(time_us, who, source, device_id, action, detail))

    def audit(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[AuditEntry]]:
        return self._local.audit(limit, before, device_id)

    def append_event(self, event: EventRecord) -> Deferred[EventRecord]:
        return self._told(self._local.append_event(event))

    def acknowledge_event(self, event_id: int, who: str) -> Deferred[None]:
        return self._told(self._local.acknowledge_event(event_id, who))

    def events(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[EventRecord]]:
        return self._local.events(limit, before, device_id)

    def put_setting(self, name: str, text: str) -> Deferred[None]:
        return self._copied(self._local.put_setting(name, text))

    def setting(self, name: str) -> Deferred[str | None]:
        return self._local.setting(name)

    def settings(self) -> Deferred[dict[str, str]]:
        ours = self._local.settings()
        return ours.addCallback(lambda found: {name: text for name, text in found.items() if name != LAST_NUMBER})
