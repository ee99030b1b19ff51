# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/alias``: HOMER's shapes over the one table of names."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.fix_access import HOST
from tests.webapi.homer.conftest import Homer, Ui

REFUSED = {"message": "This API requires admin access."}
PBX = {
    "alias": "pbx",
    "ip": "192.0.2.0",
    "port": 5060,
    "mask": 24,
    "captureID": "CAP101",
    "status": True,
}


async def _all(ui: Ui) -> list[dict[str, Any]]:
    answer = await ui.get("alias")
    assert (answer.status, set(answer.json)) == (201, {"data"})
    return list(answer.json["data"])


async def test_an_alias_from_first_to_last(admin: Ui, user: Ui) -> None:
    """Made, listed, changed, deleted, each with 201."""
    made = await admin.post("alias", {**PBX, "version": 1, "guid": str(uuid4())})
    assert (made.status, made.json["message"]) == (201, "successfully created alias")
    assert UUID(made.json["data"]).version == 4
    (row,) = await _all(user)
    assert {name: row[name] for name in PBX} == PBX
    assert (row["guid"], isinstance(row["id"], int)) == (made.json["data"], True)
    path = f"alias/{row['guid']}"
    changed = await admin.put(path, {**row, "alias": "sbc", "status": False, "mask": 32})
    assert changed == (201, {"data": row["guid"], "message": "successfully updated alias"})
    (after,) = await _all(user)
    assert after == {**row, "alias": "sbc", "status": False, "mask": 32}
    gone = await admin.delete(path)
    assert gone == (201, {"data": row["guid"], "message": "successfully deleted alias"})
    assert await _all(user) == []
    assert (await admin.delete(path)).status == 400


async def test_what_only_we_know_stays(homer: Homer, admin: Ui) -> None:
    """HOMER's form does not send the node and the type of an alias."""
    headers = {"Host": HOST, "Authorization": f"Bearer {admin.token}"}
    body = {"name": "a", "network": "192.0.2.7", "capture_node": "edge1", "type": "sbc"}
    made = await homer.client.post("/api/v1/aliases", json=body, headers=headers)
    assert made.status == 201
    path = f"alias/{(await made.json())['guid']}"
    sent = {**PBX, "ip": "192.0.2.7", "mask": 32}
    assert (await admin.put(path, sent)).status == 201
    (row,) = await _all(admin)
    assert (row["node"], row["type"], row["alias"]) == ("edge1", "sbc", "pbx")
    await admin.delete(path)


@pytest.mark.parametrize(
    "given",
    [
        {"alias": ""},
        {"alias": 5},
        {"ip": "x"},
        {"ip": "192.0.2.0/24"},
        {"ip": ""},
        {"mask": 0},
        {"mask": 33},
        {"mask": -1},
        {"port": 70000},
        {"captureID": ""},
        {"status": "maybe"},
        {"alias": "a\0b"},
    ],
)
async def test_an_alias_that_cannot_be(admin: Ui, given: dict[str, Any]) -> None:
    """400 in the generic shape."""
    answer = await admin.post("alias", {**PBX, **given})
    assert (answer.status, answer.json["data"]) == (400, {})
    assert await _all(admin) == []


async def test_ipv6(admin: Ui) -> None:
    """As every address."""
    made = await admin.post("alias", {**PBX, "ip": "2001:db8::1", "mask": 128})
    (row,) = await _all(admin)
    assert (row["ip"], row["mask"]) == ("2001:db8::1", 128)
    await admin.delete(f"alias/{made.json['data']}")


async def test_only_administrators_change_aliases(homer: Homer, user: Ui) -> None:
    """As in HOMER."""
    for ui in (user, await homer.signed_in("support")):
        assert await ui.post("alias", PBX) == (403, REFUSED)
        assert await ui.put(f"alias/{uuid4()}", PBX) == (403, REFUSED)
        assert await ui.delete(f"alias/{uuid4()}") == (403, REFUSED)
