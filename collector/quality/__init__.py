# SPDX-License-Identifier: GPL-2.0-or-later
"""Quality reports of every form: payload in, ``Report`` values out, never an exception."""

from __future__ import annotations

from typing import Any, Final

import orjson

from collector.quality import rtcp, rtp, vq
from collector.quality.report import Report

__all__ = ["MAX_PAYLOAD", "Report", "parse"]

MAX_PAYLOAD: Final = 65_535
"""Bytes; 31 report blocks are 6,000. What was inflated to more is no report: reading a quarter of
a megabyte of objects takes 10 ms."""


def parse(payload: bytes) -> list[Report]:
    """The reports in a payload; none when it has none of the known forms.

    The form is told by what is in it, not by the HEP type: agents do not agree on the numbers.
    """
    if len(payload) > MAX_PAYLOAD:
        return []
    text = payload.strip(b"\0 \t\r\n")
    if not text.startswith(b"{"):
        return vq.read(text[: vq.MAX_TEXT].decode("utf-8", "replace"))
    document = _document(text)
    return rtcp.read(document) or rtp.read(document)


def _document(text: bytes) -> dict[str, Any]:
    """The JSON object; an empty one when it is none."""
    for candidate in (text, _without_sdes(text)):
        try:
            document: dict[str, Any] = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        return document
    return {}


def _without_sdes(text: bytes) -> bytes:
    """The object up to the source description: captagent and rtpengine copy its text unescaped.

    Bytes that are not UTF-8 become U+FFFD.
    """
    begin = text.find(b'"sdes_')
    if begin > 0:
        text = text[:begin].rstrip(b", \t\r\n") + b"}"
    return text.decode("utf-8", "replace").encode()
