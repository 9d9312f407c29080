"""Asks for a database until somebody answers; who waits for it is told."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ...errors import LocalError, StorageError, UserError
from .answers import Refused


class Seeker:
    """``ask`` is tried after each of the pauses; ``found`` is called when it succeeds, ``missed`` with each reason."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        pause_seconds: Callable[[], float],
        ask: Callable[[], Deferred[Any]],
        found: Callable[[], None],
        missed: Callable[[LocalError], None],
    ) -> None:
        self._reactor = reactor
        self._pause_seconds = pause_seconds
        self._ask = ask
        self._found = found
        self._missed = missed
        self._waiters: list[Deferred[None]] = []
        self._search: Deferred[bool] | None = None
        self._pause: Deferred[None] | None = None
        self._is_stopped = False

    def wait(self) -> Deferred[None]:
        """Fires when it is found; fails when it refuses us, or at the end."""
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def start(self, at_once: bool) -> None:
        """Ask at once, or after a pause; nothing new when it is asked for already."""
        if self._search is None and not self._is_stopped:
            self._search = self._until_found(at_once)
            self._search.addCallback(self._ended)

    def stop(self, error: LocalError) -> Deferred[Any]:
        """Whoever waits is told ``error``; fires when the last question is over."""
        self._is_stopped = True
        self._fail(error)
        if self._pause is not None:
            self._pause.cancel()
        return self._search or succeed(None)

    @inlineCallbacks
    def _until_found(self, at_once: bool) -> Generator[Deferred[Any], Any, bool]:
        """False when it was stopped before."""
        while not self._is_stopped:
            if not at_once:
                yield self._rest()
            at_once = False
            if not self._is_stopped and (yield self._one_try()):
                return not self._is_stopped
        return False

    def _rest(self) -> Deferred[None]:
        self._pause = deferLater(self._reactor, self._pause_seconds())
        return self._pause.addErrback(lambda failure: failure.trap(CancelledError) and None)

    @inlineCallbacks
    def _one_try(self) -> Generator[Deferred[Any], Any, bool]:
        try:
            yield self._ask()
        except (UserError, Refused) as error:
            self._missed(error)
            self._fail(error)
        except LocalError as error:
            self._missed(error)
        except Exception as error:
            self.log.failure("asking for Cassandra failed")
            self._missed(StorageError(f"Cassandra cannot be asked: {error}"))
        else:
            return True
        return False

    def _ended(self, is_found: bool) -> None:
        self._search = self._pause = None
        if not is_found:
            return
        waiters, self._waiters = self._waiters, []
        self._found()
        for waiter in waiters:
            waiter.callback(None)

    def _fail(self, error: LocalError) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(error)
