# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of providers: which entry is whose, and what does not go together."""

from __future__ import annotations

import pytest

from collector.errors import SettingsError
from collector.settings.oauth2 import parse_providers
from tests.collector.settings.test_web import load

ONE = {
    "OAUTH2_PROVIDERS": "sso",
    "OAUTH2_BASE_URL": "https://sip.example.com",
    "OAUTH2_ISSUER": "https://sso.example.com",
    "OAUTH2_CLIENT_ID": "kemiscope",
    "OAUTH2_DEFAULT_ROLE": "user",
}


def test_which_entry_is_whose() -> None:
    """A name before the first = is one only if there is such a provider; an own entry comes before
    one for all."""
    found = load(
        **ONE
        | {
            "OAUTH2_PROVIDERS": "google,staff",
            "OAUTH2_CLIENT_ID": "staff=a=b,other=id",
            "OAUTH2_CLIENT_SECRET": '["google=x,y:z", "c2VjcmV0=="]',
            "OAUTH2_DOMAINS": "google=Example.com,example.org",
            "OAUTH2_AT_ONCE": "staff",
        }
    )
    google, staff = parse_providers(found.oauth2)
    assert (google.name, google.title, google.at_once) == ("google", "google", False)
    assert (google.client_id, staff.client_id) == ("other=id", "a=b")
    assert (google.client_secret, staff.client_secret) == ("x,y:z", "c2VjcmV0==")
    assert google.domains == ("example.com", "example.org")
    assert staff.domains == ("example.org",)
    assert staff.at_once


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"OAUTH2_PROVIDERS": "A b"}, "oauth2.providers: 'A b' is no name"),
        ({"OAUTH2_PROVIDERS": "a,a"}, "oauth2.providers: 'a' is no name, or is there twice"),
        ({"OAUTH2_BASE_URL": ""}, "oauth2.base_url: must be like"),
        ({"OAUTH2_BASE_URL": "http://sip.example.com"}, "oauth2.base_url: must be like"),
        ({"OAUTH2_BASE_URL": "https://sip.example.com/x"}, "oauth2.base_url: must be like"),
        ({"OAUTH2_CLIENT_ID": ""}, "oauth2.client_id: there is none for sso"),
        ({"OAUTH2_ISSUER": ""}, "oauth2.issuer: sso has neither"),
        ({"OAUTH2_ISSUER": "http://sso.example.com"}, "oauth2.issuer: 'http://sso.example.com'"),
        ({"OAUTH2_TOKEN_URL": "https://x"}, "oauth2.token_url: sso has an issuer"),
        ({"OAUTH2_SCOPES": "email"}, "oauth2.scopes: sso has no openid"),
        ({"OAUTH2_ALGORITHMS": "HS256"}, "oauth2.algorithms: 'HS256' is none of"),
        ({"OAUTH2_ALGORITHMS": "none"}, "oauth2.algorithms: 'none' is none of"),
        ({"OAUTH2_ALGORITHMS": ""}, "oauth2.algorithms: is empty"),
        ({"OAUTH2_DOMAINS": "@example.com"}, "oauth2.domains: '@example.com' is no domain"),
        ({"OAUTH2_CLIENT_AUTHENTICATION": "x"}, "oauth2.client_authentication: sso has"),
        ({"OAUTH2_UNVERIFIED_EMAIL": "google"}, "oauth2.unverified_email: 'google' is not in"),
        ({"OAUTH2_DEFAULT_ROLE": "none"}, "oauth2.default_role: is none, and sso has no group"),
        ({"OAUTH2_DEFAULT_ROLE": "root"}, "oauth2.default_role: "),
    ],
)
def test_what_does_not_go_together(changed: dict[str, str], message: str) -> None:
    """The start ends with the name of the setting."""
    with pytest.raises(SettingsError) as caught:
        load(**ONE | changed)
    assert message in str(caught.value)


def test_what_goes_together() -> None:
    """One issuer is all that an OpenID provider needs; another has its three addresses."""
    load(**ONE)
    urls = {f"OAUTH2_{name}_URL": "https://x.example.com" for name in ("TOKEN", "PROFILE")}
    urls |= {"OAUTH2_AUTHORIZATION_URL": "https://x.example.com", "OAUTH2_ISSUER": ""}
    load(**ONE | urls)
