# SPDX-License-Identifier: GPL-2.0-or-later
"""Which ways to sign in a page offers."""

from __future__ import annotations

import pytest

from tests.fix_access import OpenSite
from tests.fix_provider import oauth2_settings


@pytest.mark.parametrize(
    ("kind", "title"), [("internal", "Internal"), ("http", "HTTP"), ("ldap", "LDAP")]
)
async def test_ways_to_sign_in(open_site: OpenSite, kind: str, title: str) -> None:
    """One with a password, and a button for each provider; nobody has to be signed in to see it,
    and nothing is in it that is nobody's business."""
    site = await open_site(
        WEB_SIGN_IN=kind,
        HTTP_AUTH_URL="https://check.example.com",
        LDAP_SERVERS="ldaps://ldap.example.com",
        LDAP_USER_DN="uid=%s,dc=example,dc=com",
        LDAP_DEFAULT_ROLE="user",
        **oauth2_settings(
            PROVIDERS="google,staff",
            ISSUER="google=https://accounts.google.com,staff=https://sso.example.com",
            TITLE="google=Google",
            AT_ONCE="staff",
            IMAGE="google=/static/google.svg",
        ),
    )
    answer = await site.person().ask("GET", "/api/v1/sign-in")
    assert answer.status == 200
    assert answer.json["ways"] == [
        _way(type=kind, name=kind, title=title),
        _way(
            type="oauth2",
            name="google",
            title="Google",
            url="/api/v1/oauth2/google",
            image="/static/google.svg",
        ),
        _way(type="oauth2", name="staff", title="staff", url="/api/v1/oauth2/staff", at_once=True),
    ]


def _way(**fields: object) -> dict[str, object]:
    return {"url": "", "image": "", "at_once": False, **fields}
