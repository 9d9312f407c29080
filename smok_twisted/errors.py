"""Two families of errors: ours (``LocalError``) and theirs (``RemoteError``).

The family decides what happens: a ``LocalError`` is told to the person or the program that asked,
a ``RemoteError`` is counted, logged at most once per source and minute, and closes the connection.
"""

from __future__ import annotations


class LocalError(Exception):
    """This program, or whoever embeds it, did something that cannot be done."""


class UserError(LocalError):
    """What a user gave is not accepted.

    The text is one sentence that names the thing, the reason and the accepted form; it is shown as it is.
    """


class NotFound(UserError):
    """The thing that the user names does not exist."""


class Conflict(UserError):
    """What the user asks for is in conflict with what is there: a name taken, a device not connected."""


class NotAllowed(UserError):
    """The user, or the device's settings, do not allow it; the text says what would."""


class Impossible(UserError):
    """Well formed, and yet it cannot be: out of range, no such raw value, wrong type."""


class StorageError(LocalError):
    """The store cannot do what it must; the text is the one clear line that the operator reads."""


class StorageAway(StorageError):
    """The database cannot be reached now, it may come back; what was handed over is not lost."""


class Damaged(StorageError):
    """Something that was stored cannot be decoded any more: asking again does not help, all else can be read."""


class RemoteError(Exception):
    """The peer broke the protocol.

    ``reason`` is one short word for counters and moods (``bad-tag``); ``detail`` is for the log only and
    is never sent to the peer.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
