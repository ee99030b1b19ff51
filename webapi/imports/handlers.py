# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v1/imports``: a capture file to the capture node."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from webapi import schema
from webapi.access import audit
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.context import CONTEXT
from webapi.errors import ApiError, bad_parameter
from webapi.imports import job, process
from webapi.imports.job import ImportFault
from webapi.imports.upload import Upload
from webapi.parameters import single
from webapi.schema import Parameters

PARAMETERS: Final[Parameters] = {"name": schema.TEXT, "shift": schema.one_of(["now"])}
RUNNING: Final = web.AppKey("imports", set[object])
"""One for each import of this application that is under way."""
_ASK_S: Final = 0.5
"""How often it is asked whether the client is still there."""


async def add_import(request: web.Request) -> web.Response:
    """Send what is in the body to the capture node; 201 says what there was."""
    result = await import_body(request)
    return web.Response(status=201, body=orjson.dumps(result), content_type="application/json")


async def import_body(request: web.Request, *, shift: bool | None = None) -> dict[str, Any]:
    """What there was in the file of the body. Raises ApiError.

    ``shift`` None: as the parameter says.
    """
    query = single(request.query, PARAMETERS)
    if query.get("shift", "now") != "now":
        raise bad_parameter("shift", "must be now, or left out")
    settings = request.app[CONTEXT].settings
    running = request.app[RUNNING]
    if len(running) >= settings.web.concurrent_imports:
        message = "another file is being imported (web.concurrent_imports); try again later"
        raise ApiError(503, "too_many_imports", message)
    try:
        upload = Upload(settings.web.max_import_bytes, settings.journal.min_free_bytes)
    except OSError as error:
        message = f"the folder for temporary files cannot be used: {error.strerror}"
        raise ApiError(507, "disk_full", message) from error
    mark = object()
    running.add(mark)
    ends = asyncio.get_running_loop().time() + settings.web.import_timeout
    try:
        async with asyncio.timeout_at(ends):
            await upload.receive(request)
        left_s = ends - asyncio.get_running_loop().time()
        made = job.make(
            settings,
            upload.path,
            query.get("name") or upload.name,
            shift="shift" in query if shift is None else shift,
        )
        author = author_of(request)
        await audit.record(request.app[CONTEXT], author, Action.IMPORTED, made.node)
        return await _while_asked(request, process.run(made, left_s, lambda _: None))
    except TimeoutError:
        message = "the file did not come within web.import_timeout"
        raise ApiError(408, "import_timeout", message) from None
    except ImportFault as error:
        raise ApiError(error.status, error.code, str(error)) from error
    finally:
        running.discard(mark)
        upload.close()


async def _while_asked(request: web.Request, work: Any) -> dict[str, Any]:
    """The result of ``work``, which is cancelled when the client goes away."""
    task: asyncio.Task[dict[str, Any]] = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=_ASK_S)
            transport = request.transport
            if transport is None or transport.is_closing():
                raise ApiError(499, "client_gone", "the client has gone away")
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))
