# SPDX-License-Identifier: GPL-2.0-or-later
"""The time range of a request for what is not ours: metrics and logs of other services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from webapi.access import fields

_LATEST_MS: Final = 9_999_999_999_999


class Span(NamedTuple):
    """From and to, in milliseconds since 1970."""

    begin_ms: float
    end_ms: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end_ms - self.begin_ms) / 1000


def span_of(given: Mapping[str, Any]) -> Span:
    """``timestamp`` of the body. Raises ApiError 422."""
    found = given.get("timestamp")
    ends = [found.get(name) for name in ("from", "to")] if isinstance(found, dict) else []
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) != len(Span._fields) or not 0 <= numbers[0] <= numbers[1] <= _LATEST_MS:
        raise fields.wrong("timestamp", "must have from and to, milliseconds since 1970")
    return Span(*numbers)
