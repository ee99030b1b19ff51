# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of the log for each request."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from collector.api_token import masked
from collector.log import one_line


class AccessLog(AbstractAccessLogger):
    """Client, request, status, bytes, seconds and program; no token of a share link."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """``time`` is how long the answer took, s."""
        asked = masked(f"{request.method} {request.path_qs}")
        agent = request.headers.get("User-Agent", "-")
        self.logger.info(
            '%s "%s" %d %d %.3f "%s"',
            *(request.remote, one_line(asked), response.status, response.body_length, time),
            one_line(agent),
        )
