"""``twistd -n smok``: options, and the service made from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.python import usage

from .clock import use_monotonic_timers
from .errors import UserError
from .service import SmokService
from .settings import Settings, load

if TYPE_CHECKING:
    from .storage.interface import Store


class Options(usage.Options):
    """What may follow ``twistd smok``; ``settings`` is what the configuration says."""

    synopsis = "[--config smok.toml]"
    longdesc = "Devices dial in, their registers are read, kept and shown. Without a configuration: ./smok-data."
    optParameters = [["config", "c", None, "configuration file; docs/smok.toml is an example with every key"]]

    settings = Settings()

    def postOptions(self) -> None:
        """Read the configuration. twistd would end with status 0 on a UsageError, so this ends it."""
        if self["config"]:
            try:
                self.settings = load(Path(self["config"]))
            except UserError as error:
                raise SystemExit(f"smok: {error}") from None


def makeService(options: Options, reactor: Any = None, store: Store | None = None) -> SmokService:
    """The whole daemon, not started yet."""
    if reactor is None:
        from twisted.internet import reactor
    use_monotonic_timers(reactor)
    return SmokService(options.settings, reactor, store=store)
