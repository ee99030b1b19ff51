# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of sites: databases of other places that one search goes through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, NamedTuple

from collector.settings.section import Section, setting

MAX_SITES: Final = 20
_NAME_RULE: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
_NAME: Final = re.compile(_NAME_RULE + r"\Z")


class Sites(Section, frozen=True):
    """Several databases as one."""

    name: Annotated[
        str,
        setting(
            "What this site is called, the one of database.reader_dsn, beside the others.",
            pattern=f"^{_NAME_RULE}$",
        ),
    ] = "local"
    databases: Annotated[
        tuple[str, ...],
        setting(
            "Databases of other sites, each a name, = and a connection as in database.reader_dsn: "
            "berlin=host=db.berlin.example.com dbname=kemiscope user=kemiscope_reader. They are "
            f"only read. Up to {MAX_SITES}.",
            secret=True,
        ),
    ] = ()
    timeout: Annotated[
        float,
        setting(
            "A site that cannot be connected to for so long is left out of an answer, which says "
            "so.",
            unit="s",
            ge=0.1,
            le=60,
        ),
    ] = 2.0
    retry: Annotated[
        float,
        setting(
            "Then it is left out without waiting for so long, and tried again.",
            unit="s",
            ge=0,
            le=3600,
        ),
    ] = 5.0


class Place(NamedTuple):
    """One entry of ``sites.databases``."""

    name: str
    dsn: str


def parse_places(entries: Iterable[str]) -> Iterator[Place]:
    """``name=connection``. Raises ValueError that says what is wrong, and no password."""
    names = set()
    for entry in entries:
        name, equals, dsn = (part.strip() for part in entry.partition("="))
        if not equals or not _NAME.match(name):
            message = (
                "an entry must be a name of up to 32 letters, digits and -._, = and a connection"
            )
            raise ValueError(message)
        if name in names:
            message = f"{name} is there twice"
            raise ValueError(message)
        names.add(name)
        if not _is_connection(dsn):
            message = f"{name}: is not a connection of libpq"
            raise ValueError(message)
        yield Place(name, dsn)
    if len(names) > MAX_SITES:
        message = f"names {len(names)} sites; {MAX_SITES} are the most"
        raise ValueError(message)


def _is_connection(dsn: str) -> bool:
    # Kamailio's UDP workers read settings, too, and do without the driver where nobody needs it.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        return bool(conninfo_to_dict(dsn))
    except ProgrammingError:
        return False


def conflicts(sites: Sites) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    try:
        names = [place.name for place in parse_places(sites.databases)]
    except ValueError as error:
        yield f"sites.databases: {error}"
        return
    if sites.name in names:
        yield f"sites.databases: {sites.name} is what this site is called (sites.name)"
