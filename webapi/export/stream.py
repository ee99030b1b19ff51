# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows from the database to the client, a page at a time.

No more than one page is in memory, and a database connection is held only while a page is read: a
slow client costs neither. The next page is read when the one before has been taken. A client that
goes away ends the query that runs for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import hdrs, web

from collector.api_token import masked
from collector.log import LOGGER
from webapi.context import CONTEXT, Context
from webapi.errors import ApiError
from webapi.export.download import disposition
from webapi.export.form import Ending, Form
from webapi.search import Page, Search
from webapi.sites.pages import run
from webapi.sites.reading import Missing, not_found, text

PAGE_ROWS: Final = 500
"""Most rows that are in memory for one export."""
PAGE_BYTES: Final = 1 << 22
"""When messages are large, a page has fewer of them: about so many bytes."""
PIECE_BYTES: Final = 1 << 16
"""Written at a time; each must be taken within ``web.export_stall``."""
_LOOK_S: Final = 0.2
"""How often it is looked whether the client is still there while a query runs."""

_Found = TypeVar("_Found")


class Exports:
    """How many exports stream at the moment."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.running = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Raises ApiError 503 when there are as many as may be."""
        if self.running >= self.most:
            message = f"{self.most} exports are running, as many as web.exports allows; try later"
            raise ApiError(503, "too_many_exports", message)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


EXPORTS: Final = web.AppKey("exports", Exports)


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported into which file."""

    search: Search
    """Its ``limit`` is the most rows of the whole file."""
    form: Form
    name: str
    suffix: str
    content_type: str
    limit_setting: str
    """Named when the limit is reached."""
    may_be_empty: bool = True
    can_go_on: bool = True
    """Whether a cursor is of use to the client."""
    site: str | None = None
    """The parameter: which sites are searched."""


async def send(request: web.Request, export: Export) -> web.StreamResponse:
    """Answer with the file. Raises ApiError as long as nothing has been sent."""
    with request.app[EXPORTS].one_more():
        pages = _Pages(request.app[CONTEXT], export)
        try:
            page = await _while_connected(request, pages.read())
        except ConnectionResetError:
            return web.Response()  # to nobody
        if not page.rows and not page.next and not export.may_be_empty:
            raise not_found(pages.missing, "there is no message with this Call-ID", "call_id")
        response = _response(request, export)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            await _body(request, response, export.form, pages, page)
        except (ConnectionResetError, TimeoutError):
            _cut(request)
        except Exception:  # noqa: BLE001 (a second answer cannot follow a half one)
            LOGGER.exception("%s %s", request.method, masked(request.path))
            _cut(request)
        return response


class _Pages:
    """Reads one page after the other, up to the limit."""

    def __init__(self, context: Context, export: Export) -> None:
        self._context = context
        self._export = export
        self._left = export.search.limit
        self._rows = PAGE_ROWS
        self._cursor = export.search.cursor
        self._ending: Ending | None = None
        """Set when there would be more than the limit."""
        self._missing: dict[str, Missing] = {}

    @property
    def missing(self) -> Collection[Missing]:
        """Sites that did not answer, each once: their rows are not all in the file."""
        return self._missing.values()

    @property
    def ending(self) -> Ending | None:
        """Why the file is not all that there is; None when it is."""
        if not self._missing:
            return self._ending
        away = text(self.missing)
        if self._ending:
            return self._ending._replace(message=f"{self._ending.message}; {away}")
        return Ending("site_missing", away)

    async def read(self) -> Page:
        """The next page; its ``next`` is None behind the last one."""
        page = await self._run(min(self._rows, self._left))
        self._left -= len(page.rows)
        self._fit(page)
        self._cursor = page.next
        if page.next and not self._left:
            await self._look_beyond()
            return replace(page, next=None)
        return page

    def _fit(self, page: Page) -> None:
        """Let the next page be as large as it may if its rows are like these."""
        payload = self._export.search.subject.payload
        octets = sum(len(row.get(payload) or b"") for row in page.rows)
        if octets:
            self._rows = max(1, min(PAGE_ROWS, PAGE_BYTES * len(page.rows) // octets))

    async def _run(self, limit: int) -> Page:
        wanted = replace(self._export.search, limit=limit, cursor=self._cursor)
        async with self._context.sites.reading(self._export.site) as reading:
            page = await run(reading, wanted, self._context.settings.web.query_timeout)
        self._missing |= {missing.site: missing for missing in reading.missing}
        return page

    async def _look_beyond(self) -> None:
        """Whether there is one more row."""
        try:
            page = await self._run(1)
        except ApiError:
            page = Page([], self._cursor, complete=False)
        if page.rows or not page.complete:
            limit = self._export.search.limit
            cursor = self._cursor.encode() if self._cursor and self._export.can_go_on else None
            message = f"there are more than {limit} rows, the limit ({self._export.limit_setting})"
            self._ending = Ending("export_limit", message, cursor)


def _response(request: web.Request, export: Export) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = export.content_type
    if export.content_type.startswith("text/"):
        response.charset = "utf-8"
    response.headers[hdrs.CONTENT_DISPOSITION] = disposition(export.name, export.suffix)
    response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    if request.method != hdrs.METH_HEAD and _wants_gzip(
        request.headers.get(hdrs.ACCEPT_ENCODING, "")
    ):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _wants_gzip(accepted: str) -> bool:
    """Whether Accept-Encoding names it, and not with a weight of 0 (RFC 9110 §12.4.2)."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return bool(weight.strip("0.")) or not weight
    return False


async def _body(
    request: web.Request, response: web.StreamResponse, form: Form, pages: _Pages, page: Page
) -> None:
    """Write it all, and say in the file itself when that is not everything.

    After a fault the transfer is left without its end, too: a program that does not read the file
    can tell.
    """
    stall_s = request.app[CONTEXT].settings.web.export_stall
    await _write(response, form.begin(), stall_s)
    while True:
        # Long lists take milliseconds; other requests are answered meanwhile.
        data = await asyncio.to_thread(form.rows, page.rows)
        more = page.next is not None
        page.rows.clear()
        await _write(response, data, stall_s)
        del data
        if not more:
            break
        try:
            page = await _while_connected(request, pages.read())
        except ApiError as error:
            await _write(response, form.end(Ending.of(error)), stall_s)
            if request.transport:
                request.transport.close()
            return
    await _write(response, form.end(pages.ending), stall_s)
    await response.write_eof()


async def _write(response: web.StreamResponse, data: bytes, stall_s: float) -> None:
    """Raises TimeoutError when the client takes nothing for so long, ConnectionResetError when it
    has gone."""
    view = memoryview(data)
    for begin in range(0, len(view), PIECE_BYTES):
        async with asyncio.timeout(stall_s):
            await response.write(view[begin : begin + PIECE_BYTES])


async def _while_connected(request: web.Request, work: Awaitable[_Found]) -> _Found:
    """The result of ``work``, which is cancelled when the client goes away: ConnectionResetError.

    Nothing else would tell before the next write, and that may be a whole query later.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _cut(request: web.Request) -> None:
    """End the connection with what was not taken yet."""
    if request.transport:
        request.transport.abort()
