# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/settings``: every setting as this web API read it when it started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from collector.settings import Settings
from collector.settings.model import Setting, describe
from collector.settings.origin import Origins
from collector.settings.quantity import readable
from collector.settings.show import default_of, shown, toml_value
from webapi.context import CONTEXT, json_response
from webapi.parameters import single

ORIGINS: Final = web.AppKey("origins", Origins)


async def show_settings(request: web.Request) -> web.Response:
    """The settings in force, secrets masked, and where each value comes from.

    They are those of this web API; capture nodes on other hosts have files of their own.
    """
    single(request.query, ())
    settings, origins = request.app[CONTEXT].settings, request.app[ORIGINS]
    return json_response(
        {
            "file": str(origins.path.absolute()) if origins.path else None,
            "settings": list(_described(settings, origins)),
        }
    )


def _described(settings: Settings, origins: Origins) -> Iterator[dict[str, Any]]:
    """In the order of the settings file."""
    for setting in describe():
        value = shown(settings, setting)
        yield {
            "key": setting.key,
            "variable": setting.variable,
            "value": value,
            "text": _text(value, setting),
            "default": toml_value(default_of(setting)),
            "origin": origins.of(setting),
            "unit": setting.unit,
            "secret": setting.secret,
            "help": setting.help,
        }


def _text(value: Any, setting: Setting) -> str:
    """As the settings file would have it."""
    return toml_value(readable(value, setting.unit))
