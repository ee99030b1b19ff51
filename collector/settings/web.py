# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the web API."""

from __future__ import annotations

from typing import Annotated

from collector.settings.section import Section, setting


class Web(Section, frozen=True):
    """The web API."""

    listen: Annotated[
        str,
        setting(
            "Address and port. There is no sign-in yet, so only loopback addresses are accepted."
        ),
    ] = "127.0.0.1:9080"
    max_rows: Annotated[int, setting("Most rows in one answer.", unit="rows", ge=1, le=100_000)] = (
        1000
    )
    max_call_messages: Annotated[
        int,
        setting(
            "Most messages shown or exported of one call, and most reports and events.",
            unit="messages",
            ge=1,
            le=1_000_000,
        ),
    ] = 10_000
    max_export_messages: Annotated[
        int,
        setting(
            "Most rows in an export of what a search finds; such a file says where to go on.",
            unit="rows",
            ge=1,
            le=1_000_000_000,
        ),
    ] = 1_000_000
    exports: Annotated[
        int,
        setting(
            "Exports that may run at the same time. Each has 500 rows in memory and, while it "
            "reads them, one of web.connections.",
            ge=1,
            le=100,
        ),
    ] = 2
    export_stall: Annotated[
        float,
        setting(
            "An export whose client takes nothing for so long is ended.", unit="s", ge=1, le=3600
        ),
    ] = 60.0
    query_timeout: Annotated[
        float,
        setting(
            "A query, or one page of an export, that takes longer is ended with a clear answer.",
            unit="s",
            ge=0.1,
            le=3600,
        ),
    ] = 10.0
    connections: Annotated[int, setting("Database connections of the web API.", ge=1, le=100)] = 4
    change_token: Annotated[
        str,
        setting(
            "What a request that changes something (trace rules) must carry as Authorization: "
            "Bearer. Empty: nobody can change anything.",
            secret=True,
        ),
    ] = ""
