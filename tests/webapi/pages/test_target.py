# SPDX-License-Identifier: GPL-2.0-or-later
"""Where sign-in leads to."""

from __future__ import annotations

import pytest

from webapi.pages.target import target_of


@pytest.mark.parametrize("path", ["/", "/search?number=%2B49", "/calls/a%2Fb@c?message=1"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    """With what was searched for."""
    assert target_of(path) == path


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "search",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
        ),
        *("https://evil.example/", "javascript:alert(1)", "/\n/evil.example", "/a\\..\\b"),
        *("/api/v1/sign-out", "data:text/html,x", "/" + "x" * 5000, "/\u202e", " //evil.example"),
    ],
)
def test_nothing_leads_to_another_host(text: str) -> None:
    """No open redirect, whatever browsers make of it."""
    assert target_of(text) == "/search"
