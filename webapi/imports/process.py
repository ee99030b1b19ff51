# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that reads a file, seen from outside: started, listened to, ended in any case.

libpcap holds Python's lock while it opens a file, and decoding takes the processor for minutes: in
this process nobody would be answered meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from webapi.imports.job import ImportFault, Job, Told

_ROOT: Final = Path(__file__).resolve().parents[2]
_LINE_BYTES: Final = 1 << 20


async def run(job: Job, timeout_s: float, progress: Callable[[Told], None]) -> dict[str, Any]:
    """What there was in the file. Raises ImportFault.

    When this is cancelled or the time is up, the process ends at once; what it has sent is sent.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webapi.imports.worker"),
        stdin=PIPE,
        stdout=PIPE,
        cwd="/",
        # No secret of the service's environment is its business.
        env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath},
        limit=_LINE_BYTES,
        start_new_session=True,
    )
    last = Told()

    def heard(told: Told) -> None:
        nonlocal last
        last = told
        progress(told)

    try:
        async with asyncio.timeout(timeout_s):
            ended = await _listen(process, job, heard)
    except TimeoutError:
        message = f"it took longer than web.import_timeout; {_so_far(last)}"
        raise ImportFault("import_timeout", message, 503) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        # Also when this is cancelled: nobody else would.
        await asyncio.shield(process.wait())
    if ended is None:
        message = f"the process that read it ended ({process.returncode}); {_so_far(last)}"
        raise ImportFault("bad_capture_file", message)
    if ended.result is None:
        raise ImportFault(ended.code, ended.message, ended.status)
    return ended.result


async def _listen(
    process: asyncio.subprocess.Process, job: Job, heard: Callable[[Told], None]
) -> Told | None:
    """The last line; None when there is none."""
    assert process.stdin  # noqa: S101
    assert process.stdout  # noqa: S101
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(msgspec.json.encode(job))
        await process.stdin.drain()
    process.stdin.close()
    async for line in process.stdout:
        told = msgspec.json.decode(line, type=Told)
        if told.result is not None or told.code:
            return told
        heard(told)
    await process.wait()
    return None


def _so_far(told: Told) -> str:
    return f"{told.frames} frames had been read and {told.sent} messages sent"
