# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/mapping`` and ``/api/v3/hepsub``: built in, changed, and as they were again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.webapi.homer.conftest import Homer, Ui
from webapi.homer import mapping_table
from webapi.homer.field import PROFILES

REFUSED = {"message": "This API requires admin access."}
NEW: dict[str, Any] = {
    "profile": "billing",
    "hepid": 60,
    "hep_alias": "BILLING",
    "partid": 10,
    "version": 1,
    "retention": 10,
    "partition_step": 10,
    "fields_mapping": [{"id": "data_header.amount", "name": "Amount", "type": "string"}],
}
QUESTION: dict[str, Any] = {
    "profile": "billing",
    "hepid": 60,
    "hep_alias": "BILLING",
    "version": 1,
    "mapping": {"lookup_field": "{}", "source_fields": {}},
}


async def _all(ui: Ui, what: str = "mapping") -> dict[tuple[int, str], dict[str, Any]]:
    answer = await ui.get(f"{what}/protocol")
    assert (answer.status, answer.json["count"]) == (200, len(answer.json["data"]))
    return {(row["hepid"], row["profile"]): row for row in answer.json["data"]}


async def test_every_profile_has_a_mapping(user: Ui) -> None:
    """With the fields that a search knows, in the shape that the user interface reads."""
    rows = await _all(user)
    assert set(rows) == {(one.hepid, one.name) for one in PROFILES.values()} | {(2000, "default")}
    row = rows[1, "call"]
    assert set(row) == {
        *("guid", "profile", "hepid", "hep_alias", "partid", "version", "retention"),
        *("partition_step", "create_index", "create_table", "correlation_mapping"),
        *("fields_mapping", "fields_settings", "schema_mapping", "schema_settings"),
    }
    assert (row["hep_alias"], row["partid"]) == ("SIP", 10)
    fields = {field["id"]: field for field in row["fields_mapping"]}
    assert fields["sid"]["sid_type"] is True
    assert fields["data_header.method"]["method_type"] is True
    assert fields["protocol_header.srcPort"]["type"] == "integer"
    assert fields["smartinput"]["form_api"] == "/smart/search/tag/:hepid/:hepprofile"
    assert fields["node"]["mapping"] == "param.location.node"
    assert [field["position"] for field in row["fields_mapping"]] == [
        *range(1, len(row["fields_mapping"]) + 1)
    ]


async def test_one_mapping_by_guid_and_by_profile(user: Ui) -> None:
    """The same row, with the same guid each time."""
    row = (await _all(user))[1, "call"]
    for path in (f"mapping/protocol/{row['guid']}", "mapping/protocol/1/call"):
        assert await user.get(path) == (200, {"count": 1, "data": [row]})
    for path in (f"mapping/protocol/{uuid4()}", "mapping/protocol/1/nothing", "mapping/protocol/x"):
        answer = await user.get(path)
        assert answer == (400, {"data": {}, "message": "data was not found"})


async def test_a_built_in_mapping_changed_and_reset(admin: Ui) -> None:
    """What is not given stays; deleting or resetting brings it back, with its guid."""
    before = (await _all(admin))[1, "call"]
    path = f"mapping/protocol/{before['guid']}"
    fields = before["fields_mapping"][:3]
    for back in (admin.delete(path), admin.get(f"mapping/protocol/reset/{before['guid']}")):
        answer = await admin.put(path, {"fields_mapping": fields, "hep_alias": "", "version": 0})
        message = "successfully updated hepsub settings"
        assert answer == (200, {"data": before["guid"], "message": message})
        assert (await _all(admin))[1, "call"] == {**before, "fields_mapping": fields}
        assert (await back).status == 200
        assert (await _all(admin))[1, "call"] == before


async def test_a_new_mapping_from_first_to_last(admin: Ui) -> None:
    """Made with a guid of ours, listed, changed, deleted."""
    made = await admin.post("mapping/protocol", NEW)
    assert (made.status, made.json["message"]) == (201, "successfully created mappings settings")
    path = f"mapping/protocol/{made.json['data']}"
    row = (await _all(admin))[60, "billing"]
    assert {name: row[name] for name in NEW} == NEW
    assert (await admin.put(path, {**row, "hep_alias": "X"})).status == 200
    assert (await _all(admin))[60, "billing"]["hep_alias"] == "X"
    assert (await admin.get(f"mapping/protocol/reset/{made.json['data']}")).status == 400
    answer = await admin.delete(path)
    message = "successfully deleted mapping settings"
    assert answer == (200, {"data": made.json["data"], "message": message})
    assert (await admin.delete(path)).status == 400


async def test_reset_of_all(admin: Ui) -> None:
    """Only the built-in ones are left; the body is empty, as in HOMER."""
    before = await _all(admin)
    await admin.post("mapping/protocol", NEW)
    await admin.put(f"mapping/protocol/{before[1, 'call']['guid']}", {"hep_alias": "X"})
    assert await admin.get("mapping/protocol/reset") == (200, b"")
    assert await _all(admin) == before


@pytest.mark.parametrize(
    "given",
    [
        {"profile": ""},
        {"hepid": 0},
        {"hepid": "x"},
        {"hepid": 1 << 40},
        {"retention": 0},
        {"fields_mapping": "x"},
        {"fields_mapping": [1]},
        {"fields_mapping": [{"name": "without an id"}]},
        {"fields_mapping": [{"id": "x", "name": "\0"}]},
        {"correlation_mapping": "x"},
        {"create_index": []},
        {"create_index": "x"},
        {"hepid": 1, "profile": "call"},
    ],
)
async def test_a_mapping_that_cannot_be(admin: Ui, given: dict[str, Any]) -> None:
    """400, and nothing is stored that forms and results could not be made of."""
    before = await _all(admin)
    answer = await admin.post("mapping/protocol", {**NEW, **given})
    assert (answer.status, answer.json["data"]) == (400, {})
    assert await _all(admin) == before


async def test_only_administrators_change_mappings(homer: Homer, user: Ui) -> None:
    """Nor reset them; support staff neither."""
    for ui in (user, await homer.signed_in("support")):
        for what, given in (("mapping", NEW), ("hepsub", QUESTION)):
            assert await ui.post(f"{what}/protocol", given) == (403, REFUSED)
            assert await ui.put(f"{what}/protocol/{uuid4()}", given) == (403, REFUSED)
            assert await ui.delete(f"{what}/protocol/{uuid4()}") == (403, REFUSED)
        assert await ui.get("mapping/protocol/reset") == (403, REFUSED)
        assert await ui.get(f"mapping/protocol/reset/{uuid4()}") == (403, REFUSED)


async def test_there_is_a_most(admin: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody fills the database with mappings."""
    monkeypatch.setattr(mapping_table, "MOST", 0)
    answer = await admin.post("mapping/protocol", NEW)
    assert (answer.status, "delete one first" in answer.json["message"]) == (400, True)


async def test_hepsub_from_first_to_last(admin: Ui, user: Ui) -> None:
    """The built-in ones, a new one, changed, deleted."""
    rows = await _all(user, "hepsub")
    assert set(rows) == {(1, "default"), (1, "call"), (1, "registration")}
    row = rows[1, "call"]
    assert set(row) == {"guid", "profile", "hepid", "hep_alias", "version", "mapping"}
    assert row["mapping"]["lookup_type"] == "pubsub"
    for path in (f"hepsub/protocol/{row['guid']}", "hepsub/protocol/1/call"):
        assert (await user.get(path)).json["data"] == [row]
    made = await admin.post("hepsub/protocol", QUESTION)
    assert (made.status, made.json["message"]) == (201, "successfully created hepsub settings")
    path = f"hepsub/protocol/{made.json['data']}"
    assert (await admin.put(path, {"hep_alias": "X"})).status == 200
    changed = (await _all(user, "hepsub"))[60, "billing"]
    assert changed == {**QUESTION, "hep_alias": "X", "guid": made.json["data"]}
    assert (await admin.delete(path)).status == 200
    assert (await admin.post("hepsub/protocol", {**QUESTION, "mapping": []})).status == 400


async def test_hepsub_search_is_a_word(user: Ui) -> None:
    """As in HOMER, which does nothing either."""
    message = "successfully created DoHepSubSearch"
    assert await user.post("hepsub/search", {}) == (201, {"message": message, "data": "empty"})
