# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Mapping
from typing import Any, Final

from collector.correlation.columns import Group
from collector.hop.batch import Batch, Options

SOURCES: Final[str]

def encode(buffer: bytes, batch: Batch, options: Options, max_records: int) -> int: ...

class RowEncoder:
    def __init__(self, filing: int, groups: tuple[Group, ...]) -> None: ...
    def row(
        self,
        filing: tuple[bytes, ...],
        slots: list[Any],
        given: Mapping[int, bytes] = ...,
    ) -> bytes: ...
    def slot(self, number: int, value: Any) -> bytes: ...
