# SPDX-License-Identifier: GPL-2.0-or-later
"""Fields of a request's JSON object: typed, and nothing that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

from collector.log import one_line
from collector.settings.quantity import parse_quantity
from webapi import change
from webapi.errors import ApiError

_E = TypeVar("_E", bound=StrEnum)
_MAX_SHOWN = 64


async def read(
    request: web.Request, required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """The body with these fields. Raises ApiError 400, 413, 415 and 422."""
    return check(await change.read_object(request), required, optional)


def check(
    found: Mapping[str, Any], required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """An object that has these fields. Raises ApiError 422."""
    for name in found:
        if name not in required and name not in optional:
            known = ", ".join((*required, *optional))
            raise wrong(one_line(name)[:_MAX_SHOWN], f"there is no such field; there are {known}")
    for name in required:
        if name not in found:
            raise wrong(name, "is missing")
    return found


def text(fields: Mapping[str, Any], name: str, longest: int, *, empty: bool = True) -> str:
    """Printable text; without the field it is empty."""
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise wrong(name, "must be text")
    if len(value) > longest:
        raise wrong(name, f"is longer than {longest} characters")
    if not value.isprintable():
        raise wrong(name, "has control characters")
    if not (value.strip() or empty):
        raise wrong(name, "is empty")
    return value


def secret(fields: Mapping[str, Any], name: str) -> str:
    """Any text: whether a password is right is not a question of its form."""
    value = fields[name]
    if not isinstance(value, str):
        raise wrong(name, "must be text")
    return value


def flag(fields: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """True or false."""
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise wrong(name, "must be true or false")
    return value


def word(fields: Mapping[str, Any], name: str, words: type[_E]) -> _E:
    """One of a few."""
    value = fields.get(name)
    if not isinstance(value, str) or value not in list(words):
        raise wrong(name, f"must be one of {', '.join(words)}")
    return words(value)


def texts(fields: Mapping[str, Any], name: str, most: int) -> list[str]:
    """A list of texts; without the field it is empty."""
    value = fields.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong(name, "must be a list of texts")
    if len(value) > most:
        raise wrong(name, f"has more than {most} entries")
    return value


def duration(
    fields: Mapping[str, Any], name: str, default_s: float, longest_s: float, setting: str
) -> float:
    """Seconds: a number of them, or a text with a unit like ``30d``. ``setting`` says ``longest_s``
    and is named when it is longer."""
    value = fields.get(name, default_s)
    if isinstance(value, str):
        try:
            value = parse_quantity(value, "s")
        except ValueError as error:
            raise wrong(name, one_line(str(error))) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        raise wrong(name, "must be seconds, or a number with a unit like 30d")
    if value > longest_s:
        raise wrong(name, f"is longer than {longest_s:.0f} s ({setting})")
    return float(value)


def wrong(name: str, message: str) -> ApiError:
    """422 for a field that breaks its rule."""
    return ApiError(422, "bad_field", f"{name}: {message}", name)
