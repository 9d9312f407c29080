"""The reactor for a command that needs one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def in_reactor(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine ``work(reactor)``, run to its end; what it raises is raised. Once a process.

    Raises KeyboardInterrupt when it is ended before.
    """
    from twisted.internet.task import react  # installs the reactor: not before it is needed

    from ..clock import use_monotonic_timers

    said: list[Any] = []

    async def run(reactor: Any) -> None:
        use_monotonic_timers(reactor)
        try:
            said.append(await work(reactor))
        except Exception as error:
            said.append(error)

    with suppress(SystemExit):  # react's word for "done"
        react(lambda reactor: _deferred(run(reactor)))
    if not said:
        raise KeyboardInterrupt
    if isinstance(said[0], Exception):
        raise said[0]
    result: T = said[0]
    return result


def _deferred(coroutine: Any) -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(coroutine)
