# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stream has taken and the receiver may not have read yet. Times in, answers out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

SETTLE_S: Final = 5.0
"""HEP has no acknowledgement of its own. TCP's says that the receiver's kernel has the bytes; a
program that is alive reads them soon. Bytes count as delivered when they were acknowledged this
long ago, and the connection has moved ever since; or when the receiver closes in an orderly way."""
_STEP_S: Final = 0.05
"""Nearer to each other than this, acknowledgements are not told apart."""
_LONGEST_STEP_S: Final = 0.5

Token = TypeVar("Token")


class Flight(Generic[Token]):
    """Follows what was written into one connection, in order.

    The clock of a piece stands still while bytes are under way and none is acknowledged for half a
    second: a receiver that hangs keeps what its kernel took in doubt, however long it hangs.
    """

    def __init__(self) -> None:
        self._written = 0
        self._begin = 0
        """Where the first of the pieces begins."""
        self._acknowledged = 0
        self._pieces: deque[tuple[int, Token]] = deque()
        self._samples: deque[tuple[float, int]] = deque()
        """Active time and how far the acknowledgements were then."""
        self._active = 0.0
        self._moved_at: float | None = None

    def sent(self, octets: int, token: Token) -> None:
        """``octets`` more were handed to the connection; ``token`` stands for them."""
        self._written += octets
        self._pieces.append((self._written, token))

    def safe(self, unacknowledged: int, now: float) -> list[Token]:
        """The pieces that have become safe; call it often.

        ``unacknowledged`` is how many of the written bytes, or more, the peer's kernel may not
        have; ``now`` a monotonic time in seconds.
        """
        acknowledged = max(self._written - unacknowledged, self._acknowledged)
        if acknowledged > self._acknowledged or not unacknowledged:
            if self._moved_at is not None:
                self._active += min(now - self._moved_at, _LONGEST_STEP_S)
            self._moved_at = now
        self._acknowledged = acknowledged
        if not self._samples or self._active - self._samples[-1][0] >= _STEP_S:
            self._samples.append((self._active, acknowledged))
        position = -1
        while self._samples and self._samples[0][0] <= self._active - SETTLE_S:
            position = self._samples.popleft()[1]
        return self._up_to(position)

    def acknowledged(self, unacknowledged: int) -> list[Token]:
        """The pieces that the peer's kernel has; for an orderly end."""
        return self._up_to(self._written - unacknowledged)

    def look(self, unacknowledged: int) -> Iterator[tuple[Token, int]]:
        """The pieces that the peer's kernel has bytes of, and how many; all stay in flight."""
        begin = self._begin
        position = self._written - unacknowledged
        for end, token in self._pieces:
            if position <= begin:
                return
            yield token, min(position, end) - begin
            begin = end

    def _up_to(self, position: int) -> list[Token]:
        found = []
        while self._pieces and self._pieces[0][0] <= position:
            self._begin, token = self._pieces.popleft()
            found.append(token)
        return found
