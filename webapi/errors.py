# SPDX-License-Identifier: GPL-2.0-or-later
"""The one JSON shape of every error: ``{"error": {"code", "message", "field"}}``."""

from __future__ import annotations

import orjson
from aiohttp import web


class ApiError(Exception):
    """An answer that is not 200. ``field`` names the parameter that is wrong, if one is."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.status = status
        self.code = code
        self.field = field

    def response(self) -> web.Response:
        """The error as JSON."""
        headers = {}
        if self.status == 401:  # RFC 9110 §15.5.2: it says what it wants
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        error = {"code": self.code, "message": str(self), "field": self.field}
        return web.Response(
            status=self.status,
            headers=headers,
            body=orjson.dumps({"error": error}),
            content_type="application/json",
        )


def bad_parameter(field: str, message: str) -> ApiError:
    """400 for a parameter that is unknown or breaks its rule."""
    return ApiError(400, "bad_parameter", f"{field}: {message}", field)
