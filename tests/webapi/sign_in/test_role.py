# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of another system → a role here."""

from __future__ import annotations

import pytest

from webapi.access.roles import Role
from webapi.sign_in.role import Rules

RULES = Rules(["cn=admins,dc=example", "boss"], ["help"], ["staff"], "none")


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ([], None),
        (["others"], None),
        (["adm"], None),
        (["administrators of nothing", "bosses"], None),
        (["staff"], Role.USER),
        (["staff", "help"], Role.SUPPORT),
        (["staff", "BOSS", "help"], Role.ADMIN),
        (["CN=Admins, DC=example"], Role.ADMIN),
        (["cn=admins,dc=example,dc=com"], None),
    ],
)
def test_the_highest_role_of_whole_names(groups: list[str], role: Role | None) -> None:
    """A part of a name is none, other than in homer-app, where any group with "admin" in it is."""
    assert RULES.role(groups) is role


def test_the_default() -> None:
    """For everybody else; whether groups say anything is told."""
    assert RULES._replace(default="support").role(["x"]) is Role.SUPPORT
    assert RULES.knows
    assert not Rules([], [], [], "user").knows
