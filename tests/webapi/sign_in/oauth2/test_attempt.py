# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a browser's cookie is taken, and where it may lead."""

from __future__ import annotations

import time
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from webapi.access.principal import Client
from webapi.sign_in.oauth2 import attempt as subject
from webapi.sign_in.oauth2.attempt import Attempt

HERE = Client(ip_address("127.0.0.1"), secure=False, here=True)
TEXT = st.text(max_size=60) | st.text("/\\.:@?#%;=&\t\n\r ahtps", max_size=20)


def _found(cookie: str, provider: str = "sso") -> Attempt | None:
    headers = {"Cookie": f"kemiscope_oauth2={cookie}"}
    return subject.found(make_mocked_request("GET", "/", headers=headers), HERE, provider)


@given(TEXT)
@example("//evil.example.com")
@example("/\\evil.example.com")
@example("/%5cevil.example.com")
def test_where_it_leads_is_always_here(path: str) -> None:
    """Whatever is asked for; browsers take a backslash for a slash, and leave out tabs."""
    attempt = subject.begin("sso", path)
    cleaned = attempt.next.replace("\\", "/").replace("\t", "")
    joined = urlsplit(urljoin("https://sip.example.com/api/", cleaned))
    assert (joined.scheme, joined.netloc) == ("https", "sip.example.com")
    assert attempt.next in (path, "/")
    again = _found(attempt.cookie)
    assert again == attempt


@given(st.text(max_size=100).filter(lambda text: text.isprintable() and ";" not in text))
@example("1.2.3")
@example(f"{int(time.time())}.{'x' * 43}.Ly9ldmls")
@example(f"{int(time.time())}.{'x' * 43}.!!!")
@example(f"{'9' * 12}.{'x' * 43}.Lw")
@example("\u0661." + "x" * 43 + ".Lw")
def test_any_cookie_is_none_or_leads_here(cookie: str) -> None:
    """It is what a browser says."""
    found = _found(cookie)
    assert found is None or found.next == "/"


def test_all_that_must_be_random_differs() -> None:
    """Between attempts, between providers, and from each other; none tells another."""
    one = subject.begin("sso", "/")
    other = subject.begin("sso", "/")
    elsewhere = one._replace(provider="other")
    made = [
        value
        for attempt in (one, other, elsewhere)
        for value in (attempt.state, attempt.nonce, attempt.verifier, attempt.challenge)
    ]
    assert len(set(made)) == 12
    # RFC 7636 §4.1: 43 to 128 of the unreserved characters.
    assert all(len(value) == 43 for value in made)
