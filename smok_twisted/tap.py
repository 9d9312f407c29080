"""``twistd -n smok``: options, and the service made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.python import usage

from .clock import use_monotonic_timers
from .errors import UserError
from .service import SmokService
from .settings import Settings, load


class Options(usage.Options):
    """What may follow ``twistd smok``."""

    synopsis = "[--config smok.toml]"
    longdesc = "Devices dial in, their registers are read, kept and shown. Without a configuration: ./smok-data."
    optParameters = [["config", "c", None, "configuration file; an example is in docs/smok.toml"]]


def makeService(options: Any, reactor: Any = None, store: Any = None) -> SmokService:
    """The whole daemon, not started yet. Raises usage.UsageError with one sentence for a wrong configuration."""
    if reactor is None:
        from twisted.internet import reactor
    use_monotonic_timers(reactor)
    try:
        settings = load(Path(options["config"])) if options["config"] else Settings()
    except UserError as error:
        raise usage.UsageError(str(error)) from None
    return SmokService(settings, reactor, store=store)
