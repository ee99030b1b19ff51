# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that reads one file: a job on standard input, lines about it on standard output.

It has limits of its own, because files are hostile: memory, and no file that it could write.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from typing import Final

import msgspec

from agent.count import Count
from collector.errors import KemiscopeError
from collector.log import LOGGER
from webapi.imports.job import ImportFault, Job, Told
from webapi.imports.reading import Import

MEMORY: Final = 1 << 30
"""Bytes of address space; the bounds of the agent's parts together are a third of it."""
PROGRESS_S: Final = 0.5
_NICENESS: Final = 10


def main() -> int:
    """Returns the exit status: 0 done, 1 not."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    running = Import(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    progress = Progress(running)
    try:
        progress.tell(result=running.run(progress.tick))
    except ImportFault as error:
        progress.tell(code=error.code, message=str(error), status=error.status)
        return 1
    except KemiscopeError as error:
        progress.tell(code="bad_capture_file", message=str(error))
        return 1
    except MemoryError:
        progress.tell(code="bad_capture_file", message="reading the file takes too much memory")
        return 1
    except Exception:  # noqa: BLE001 (the service must hear of it, the log has the trace)
        LOGGER.exception("import")
        message = "a fault in the service; its log has more"
        progress.tell(code="internal", message=message, status=500)
        return 1
    return 0


class Progress:
    """Tells how far it is, twice a second."""

    def __init__(self, running: Import) -> None:
        self._counts = running.counts
        self._next = time.monotonic() + PROGRESS_S

    def tick(self) -> None:
        """Tell if it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_S
            self.tell()

    def tell(self, **more: object) -> None:
        """One line."""
        frames, sent = self._counts[Count.CAPTURED], self._counts[Count.JOURNALED]
        told = msgspec.convert({"frames": frames, "sent": sent, **more}, Told)
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
