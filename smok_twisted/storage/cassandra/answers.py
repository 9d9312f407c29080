"""What the driver says, as one of a few answers: it may come back, nobody knows, never (and each in one line)."""

from __future__ import annotations

from typing import Any

from ...errors import StorageAway, StorageError

#: Of a reason, in characters.
_LONGEST = 500


class Unknown(StorageError):
    """Nobody knows whether it was done: ask the same again, with the same write timestamp."""


class Failed(Unknown):
    """A node said that it failed over it. Nobody knows what the others did: ask again, by itself, and not at once."""


class Refused(StorageError):
    """The database will never do it."""


def explained(error: BaseException) -> StorageError:
    """One of those answers, with one clear line."""
    from cassandra import (
        AuthenticationFailed,
        InvalidRequest,
        Unauthorized,
        Unavailable,
        UnresolvableContactPoints,
        WriteFailure,
    )
    from cassandra.cluster import NoHostAvailable
    from cassandra.protocol import (
        ConfigurationException,
        IsBootstrappingErrorMessage,
        OverloadedErrorMessage,
        ServerError,
        SyntaxException,
    )

    refusals = (InvalidRequest, Unauthorized, AuthenticationFailed, SyntaxException, ConfigurationException)
    too_few = (Unavailable, OverloadedErrorMessage, IsBootstrappingErrorMessage)

    if isinstance(error, NoHostAvailable):
        return _of_hosts(error)
    text = f"{type(error).__name__}: {error}".split("\n")[0]
    if isinstance(error, UnresolvableContactPoints):
        return StorageAway("none of the contact points has an address: see [storage.cassandra] contact_points")
    if isinstance(error, too_few):
        return StorageAway(f"too few Cassandra nodes are there: {text}")
    if isinstance(error, refusals):
        return Refused(f"Cassandra refuses: {text}")
    if isinstance(error, (WriteFailure, ServerError)):
        return Failed(f"Cassandra failed over it: {text}")
    return Unknown(f"Cassandra has not said whether it was done: {text}")


def _of_hosts(error: Any) -> StorageError:
    """All nodes were tried; a node that refuses is there."""
    from cassandra import AuthenticationFailed, Timeout

    errors = error.errors if isinstance(error.errors, dict) else {}
    for host, problem in errors.items():
        if isinstance(problem, AuthenticationFailed):
            return Refused(f"Cassandra at {host} does not accept the user name and the password, or wants some")
    reasons = "; ".join(sorted(f"{host}: {problem}" for host, problem in errors.items())) or str(error)
    if any(isinstance(problem, Timeout) for problem in errors.values()):
        return Unknown(f"Cassandra was too slow to answer: {reasons}"[:_LONGEST])
    return StorageAway(f"no Cassandra node answers: {reasons}"[:_LONGEST])
