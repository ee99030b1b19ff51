# SPDX-License-Identifier: GPL-2.0-or-later
"""The body of a request as a file without a name, so that nothing of it can be left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from collector.log import one_line
from webapi.errors import ApiError

_CHUNK: Final = 1 << 18
_CHECKED: Final = 16 << 20
"""Bytes after which the disk is looked at again."""
TYPES: Final = (
    "application/vnd.tcpdump.pcap",
    "application/octet-stream",
    "application/x-pcapng",
    "application/gzip",
)
MULTIPART: Final = "multipart/form-data"


class Upload:
    """What has come."""

    def __init__(self, max_bytes: int, min_free_bytes: int) -> None:
        """As ``web.max_import_bytes``; and what must stay free on the disk."""
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (``close`` does)
        self._bytes = self._checked = 0
        self.name = ""
        """What the client calls the file; as it came."""

    @property
    def path(self) -> str:
        """As ``path_of``."""
        return path_of(self._file)

    def close(self) -> None:
        """The file is gone with this."""
        self._file.close()

    async def receive(self, request: web.Request) -> None:
        """Take the body. Raises ApiError 400, 413, 415 or 507."""
        if (request.content_length or 0) > self._max_bytes + _CHUNK:
            raise self._too_large()
        if request.content_type == MULTIPART:
            await self._receive_form(request)
        elif request.content_type in TYPES:
            await self._write_all(request.content.iter_chunked(_CHUNK))
        else:
            message = f"needs the header Content-Type: {', '.join((*TYPES, MULTIPART))}"
            raise ApiError(415, "not_a_capture_file", message)
        if not self._bytes:
            raise ApiError(400, "empty_file", "the body has no file, or an empty one")
        self._file.flush()

    async def _receive_form(self, request: web.Request) -> None:
        """The one part that is a file; other fields are passed over."""
        try:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader) or part.filename is None:
                    continue
                if self._bytes:
                    raise ApiError(400, "many_files", "one file at a time")
                self.name = part.filename
                await self._write_all(_chunks(part))
        except (ValueError, HttpProcessingError) as error:
            message = f"the body is not a form: {one_line(str(error))}"
            raise ApiError(400, "bad_form", message) from None

    async def _write_all(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            self._bytes += len(chunk)
            if self._bytes > self._max_bytes:
                raise self._too_large()
            if self._bytes >= self._checked:
                self._checked = self._bytes + _CHECKED
                free = shutil.disk_usage(tempfile.gettempdir()).free
                if free < self._min_free_bytes + _CHECKED:
                    message = "no room on disk: journal.min_free_bytes stay free (TMPDIR)"
                    raise ApiError(507, "disk_full", message)
            try:
                self._file.write(chunk)
            except OSError as error:
                raise ApiError(507, "disk_full", f"the file cannot be kept: {error}") from error

    def _too_large(self) -> ApiError:
        message = f"the file has more than {self._max_bytes} bytes (web.max_import_bytes)"
        return ApiError(413, "too_large", message)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK):
        yield chunk


def path_of(file: IO[bytes]) -> str:
    """Where other processes of this user find a file that is open here, whatever its name is."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}"
