# SPDX-License-Identifier: GPL-2.0-or-later
"""Which paths are of this service."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapi.local_path import is_local

TEXT = st.text(max_size=60) | st.text("/\\.:@?#%;=&\t\n\r ahtps", max_size=20)


@given(TEXT)
@example("//evil.example.com")
@example("/\\evil.example.com")
@example("/\t/evil.example.com")
def test_what_is_local_leads_to_no_other_host(text: str) -> None:
    """As browsers read it: a backslash is a slash, tabs and line ends are not there."""
    cleaned = text.replace("\\", "/").translate({9: "", 10: "", 13: ""})
    if is_local(text, 100):
        joined = urlsplit(urljoin("https://sip.example.com/api/", cleaned))
        assert (joined.scheme, joined.netloc) == ("https", "sip.example.com")


@pytest.mark.parametrize("text", ["/", "/search?number=%2B49&state=busy", "/calls/a%2Fb@c#1"])
def test_paths_are_local(text: str) -> None:
    """With what comes behind; up to a length."""
    assert is_local(text, len(text))
    assert not is_local(text, len(text) - 1)
