# SPDX-License-Identifier: GPL-2.0-or-later
from typing import Final

from collector.hop.batch import Batch, Options

SOURCES: Final[str]

def encode(buffer: bytes, batch: Batch, options: Options, max_records: int) -> int: ...
