# SPDX-License-Identifier: GPL-2.0-or-later
"""The databases of other sites, as the web API of this one reaches them."""

from __future__ import annotations

import asyncio
from typing import Final

import psycopg

from collector import migrate
from collector.doctor.finding import Finding, Level
from collector.errors import SchemaError
from collector.settings import Settings
from collector.settings.sites import Place, parse_places

_CHECK: Final = "sites"


async def check(settings: Settings) -> list[Finding]:
    """A line for each site: whether its database answers, and with the schema of this version."""
    places = tuple(parse_places(settings.sites.databases))
    found = await asyncio.gather(*(_look(place, settings.sites.timeout) for place in places))
    return list(found)


async def _look(place: Place, timeout_s: float) -> Finding:
    try:
        async with asyncio.timeout(timeout_s):
            connection = await psycopg.AsyncConnection.connect(place.dsn, autocommit=True)
        async with connection, asyncio.timeout(timeout_s):
            await migrate.check(connection)
    except TimeoutError:
        text = f"{place.name} does not answer within sites.timeout"
        return Finding(_CHECK, Level.WARN, text, "searches go on without it")
    except psycopg.Error as error:
        text = f"{place.name}: {str(error).strip()}"
        return Finding(_CHECK, Level.WARN, text, "searches go on without it")
    except SchemaError as error:
        text = f"{place.name}: {error}"
        return Finding(_CHECK, Level.WARN, text, "all sites need the same version")
    return Finding(_CHECK, Level.OK, f"{place.name} answers")
