# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboards that everybody has until they make their own of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webapi.homer.field import PROFILES, TEXT, Field, Profile

HOME: Final = "home"
_TYPE_HOME: Final = 3
_TYPE_CUSTOM: Final = 1
_COLUMNS: Final = 8
_FORM_COLUMNS: Final = 2
_ROWS: Final = 5
_LIMIT: Final = Field("limit", "Query Limit", TEXT)
_RESULTS: Final = Field("targetResultsContainer", "Results Container", TEXT)


def dashboards() -> Mapping[str, dict[str, Any]]:
    """By id, as HOMER's user interface stores them."""
    return {
        HOME: _dashboard(
            *(HOME, "Home", _TYPE_HOME, 10),
            _form(
                PROFILES["1_call"],
                *("data_header.method", "data_header.from_user", "data_header.to_user"),
                *("data_header.callid", "protocol_header.srcIp", "protocol_header.dstIp"),
            ),
        ),
        "registration": _dashboard(
            *("registration", "Registration", _TYPE_CUSTOM, 20),
            _form(
                PROFILES["1_registration"],
                *("data_header.method", "data_header.from_user", "data_header.user_agent"),
                *("data_header.callid", "protocol_header.srcIp"),
            ),
        ),
        "smartsearch": _dashboard(
            *("smartsearch", "Smart Search", _TYPE_CUSTOM, 30),
            _form(PROFILES["1_default"], "smartinput"),
        ),
    }


def _dashboard(
    id_: str, name: str, type_: int, weight: int, form: dict[str, Any]
) -> dict[str, Any]:
    """A form on the left, its results beside it."""
    return {
        "id": id_,
        "dashboardId": id_,
        "alias": id_,
        "param": id_,
        "name": name,
        "type": type_,
        "shared": False,
        "weight": weight,
        "isLocked": False,
        "selectedItem": "",
        "config": {
            "columns": _COLUMNS,
            "maxrows": _ROWS,
            "gridType": "fit",
            "ignoreMinSize": "warning",
            "pushing": True,
            "grafanaTimestamp": False,
            "grafanaProxy": False,
            "hasVariables": False,
        },
        "widgets": [form, _results(f"result-{id_}")],
    }


def _form(profile: Profile, *names: str) -> dict[str, Any]:
    fields = [profile.find(name) for name in names]
    title = f"{profile.alias} {profile.name} search"
    id_ = f"search-{profile.key}"
    return {
        **_place(id_, "protosearch", 0, _FORM_COLUMNS),
        "title": "Proto Search",
        "strongIndex": "ProtosearchWidgetComponent",
        "config": {
            "id": id_,
            "name": "protosearch",
            "title": title,
            "group": "Search",
            "countFieldColumns": 1,
            "config": {
                "title": title,
                "searchbutton": True,
                "protocol_id": {"name": profile.alias, "value": profile.hepid},
                "protocol_profile": {"name": profile.name, "value": profile.name},
            },
            "fields": [
                _element(profile, one) for one in (*fields, _LIMIT, _RESULTS) if one is not None
            ],
        },
    }


def _element(profile: Profile, one: Field) -> dict[str, Any]:
    """A field of a form."""
    form_type = one.hints.get("form_type", "input")
    return {
        "field_name": one.id,
        "hepid": profile.hepid,
        "name": f"{profile.hepid}:{profile.name}:{one.id}",
        "selection": one.label,
        "form_type": form_type,
        "type": one.type,
        "value": "",
    }


def _results(id_: str) -> dict[str, Any]:
    return {
        **_place(id_, "result", _FORM_COLUMNS, _COLUMNS - _FORM_COLUMNS),
        "title": "Display Results",
        "strongIndex": "ResultWidgetComponent",
        "config": {"id": id_, "title": "Results"},
    }


def _place(id_: str, name: str, x: int, columns: int) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "x": x,
        "y": 0,
        "cols": columns,
        "rows": _ROWS,
        "output": {},
    }
