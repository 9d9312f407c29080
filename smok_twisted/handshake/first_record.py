"""The first record is the proof: when it does not verify, say in the log who failed to prove what."""

from __future__ import annotations

from ..errors import RemoteError
from ..interfaces import Opener


class FirstRecordOpener:
    """An Opener whose first refusal bears ``refusal`` as its reason, not ``bad-tag``; then it is as ``opener``."""

    def __init__(self, opener: Opener, refusal: str) -> None:
        self.tag_octets = opener.tag_octets
        self._opener = opener
        self._refusal: str | None = refusal

    def open(self, record: bytes) -> bytes:
        """See ``interfaces.Opener``."""
        try:
            body = self._opener.open(record)
        except RemoteError as error:
            raise RemoteError(self._refusal or error.reason, error.detail) from error
        self._refusal = None
        return body
