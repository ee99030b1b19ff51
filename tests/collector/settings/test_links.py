# SPDX-License-Identifier: GPL-2.0-or-later
"""Templates of links to other systems."""

from __future__ import annotations

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings.links import MAX_LINKS, PLACEHOLDERS, parse_link


def test_a_template_is_read() -> None:
    """The first = ends the name; every placeholder has its use."""
    url = "https://g.example:3000/x?a=b" + "".join(f"&{one}={{{one}}}" for one in PLACEHOLDERS)
    template = parse_link(f" Grafana = {url}")
    assert (template.name, template.url) == ("Grafana", url)
    assert template.placeholders == list(PLACEHOLDERS)
    filled = template.fill(dict.fromkeys(PLACEHOLDERS, "v"))
    assert filled.endswith("&node=v")
    assert "{" not in filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://x.example/", "links.call: must be a name of up to 100 characters, = and a URL"),
        ("=https://x.example/", "links.call: must be a name"),
        ("x=javascript:alert(1)", "links.call: 'x': must begin with http:// or https:// and a ho"),
        ("x=//x.example/", "links.call: 'x': must begin with http"),
        ("x=https:///x", "links.call: 'x': must begin with http"),
        ("x={call_id}://x.example/", "links.call: 'x': "),
        ("x=https://{call_id}/", "links.call: 'x': has a placeholder in its host"),
        ("x=https://x.example{node}/", "links.call: 'x': has a placeholder in its host"),
        ("x=https://x.example:{source_port}/", "links.call: 'x': "),
        ("x=https://{node}@x.example/", "links.call: 'x': has a user, a password or a backslash"),
        ("x=https://x.example\\{node}/", "links.call: 'x': has a user, a password or a backslash"),
        ("x=https://x.example/{nothing}", "links.call: 'x': there is no placeholder {nothing}; th"),
        ("x=https://x.example/{", "links.call: 'x': a brace without the other one"),
        ("x=https://x.example/{{node}}", "links.call: 'x': a brace without the other one"),
        ("x=https://x.example/a b", "links.call: 'x': a URL has up to 4000 characters of ASCII"),
        ("x=https://x.example:x/", "links.call: 'x': "),
    ],
)
def test_a_bad_template_is_named(text: str, message: str) -> None:
    """When the service starts, and by check-config."""
    quoted = text.replace("\\", "\\\\")
    variables = {"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_LINKS_CALL": f'["{quoted}"]'}
    with pytest.raises(SettingsError) as raised:
        settings.load(None, variables)
    assert str(raised.value).startswith(f"/dev/null: {message}")


def test_there_may_be_so_many() -> None:
    """An answer has all of them."""
    texts = ",".join(["x=https://x.example/"] * (MAX_LINKS + 1))
    variables = {"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_LINKS_CALL": texts}
    with pytest.raises(SettingsError, match="more than 50 links"):
        settings.load(None, variables)


def test_a_share_link_lives_no_longer_than_it_may() -> None:
    """The default is at most the limit."""
    variables = {"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_SHARE_MAX_LIFETIME": "1d"}
    with pytest.raises(SettingsError, match=r"share\.lifetime: is longer than"):
        settings.load(None, variables)
