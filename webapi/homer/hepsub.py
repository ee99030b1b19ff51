# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/hepsub``: what agents that have subscribed are asked about a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from webapi.access import fields
from webapi.access.audit import Action
from webapi.context import CONTEXT
from webapi.homer import answer, body
from webapi.homer.mapping import answer_profile, remove, store
from webapi.homer.mapping_table import Mappings, Row, built_in

REQUIRED: Final = ("profile", "hepid", "hep_alias", "version", "mapping")
_QUESTION: Final = {
    "lookup_id": 0,
    "lookup_type": "pubsub",
    "lookup_profile": "cdr",
    "lookup_field": '{"data":$source_field,"fromts":$fromts,"tots":$tots}',
    "lookup_range": [-300, 200],
    "source_fields": {"sid": "data_header.sid", "source_ip": "data_header.srcIp"},
}
"""The times in the question are in milliseconds, the range in seconds."""
QUESTIONS: Final = Mappings(
    "hepsub",
    [
        built_in(*("hepsub", 1, profile), {"hep_alias": "SIP", "version": 1, "mapping": _QUESTION})
        for profile in ("default", "call", "registration")
    ],
)


async def list_questions(request: web.Request) -> web.Response:
    """All."""
    return answer.listed(await QUESTIONS.all(request.app[CONTEXT]))


async def show_question(request: web.Request) -> web.Response:
    """One, by its guid."""
    return answer.listed([await QUESTIONS.one(request.app[CONTEXT], body.guid(request))])


async def show_profile(request: web.Request) -> web.Response:
    """One, by HEP type and profile."""
    return await answer_profile(request, QUESTIONS)


async def add_question(request: web.Request) -> web.Response:
    """A new one."""
    given = await body.read(request, REQUIRED)
    guid = await store(request, QUESTIONS, {**_checked(given), "guid": str(uuid4())})
    return answer.done("successfully created hepsub settings", guid)


async def change_question(request: web.Request) -> web.Response:
    """All of one."""
    row = await QUESTIONS.one(request.app[CONTEXT], body.guid(request))
    given = {**row, **await body.read(request)}
    changed = {**_checked(given), "guid": row["guid"]}
    guid = await store(request, QUESTIONS, changed, Action.SETTING_CHANGED)
    return answer.done("successfully updated hepsub settings", guid, 200)


async def remove_question(request: web.Request) -> web.Response:
    """One; a built-in one is as it was again."""
    guid = await remove(request, QUESTIONS, body.guid(request))
    return answer.done("successfully deleted hepsub settings", guid, 200)


async def search(_request: web.Request) -> web.Response:
    """HOMER answers this with a word, and does nothing."""
    return answer.done("successfully created DoHepSubSearch", "empty")


def _checked(given: Mapping[str, Any]) -> Row:
    mapping = given["mapping"]
    if not isinstance(mapping, dict):
        raise fields.wrong("mapping", "must be an object")
    return {
        "hepid": body.number(given, "hepid", 0),
        "profile": body.word(given, "profile"),
        "hep_alias": body.word(given, "hep_alias"),
        "version": body.number(given, "version", 1),
        "mapping": mapping,
    }
