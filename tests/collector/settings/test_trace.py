# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of trace rules: what is accepted, what is refused with which words."""

from __future__ import annotations

import os

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings import Settings, show
from collector.settings.trace import MAX_PROXIES, Proxy, parse_proxies

TOKEN = "a-token-of-some-length"


def _load(**environment: str) -> Settings:
    variables = {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    return settings.load(None, {"KEMISCOPE_CONFIG": os.devnull, **variables})


@pytest.mark.parametrize(
    ("entry", "proxy"),
    [
        ("edge1=http://192.0.2.5:5071", Proxy("edge1", "http://192.0.2.5:5071")),
        ("a=https://Proxy.Example.com:443/", Proxy("a", "https://proxy.example.com:443")),
        ("b=http://[2001:db8::1]:5071", Proxy("b", "http://[2001:db8::1]:5071")),
    ],
)
def test_proxies(entry: str, proxy: Proxy) -> None:
    """Names and addresses."""
    assert list(parse_proxies([entry])) == [proxy]


@pytest.mark.parametrize(
    "entry",
    [
        *("", "edge1", "=http://a:1", "a b=http://a:1", "a=ftp://a:1", "a=http://a", "a=http://:1"),
        *("a=http://a:0", "a=http://a:65536", "a=http://a:x", "a=http://u:p@a:1", "a=http://a:1/x"),
        *("a=http://a:1?x", "a=http://a b:1", "a=http://[::1:1", "a=http://-a:1", "a=192.0.2.1:1"),
    ],
)
def test_what_is_no_proxy(entry: str) -> None:
    """Says what the form is."""
    with pytest.raises(ValueError, match="does not have the form name=http://host:port"):
        list(parse_proxies([entry]))


def test_names_are_told_apart() -> None:
    """Each stands for one proxy, and there are not more than a service can watch."""
    with pytest.raises(ValueError, match="a is there twice"):
        list(parse_proxies(["a=http://a:1", "a=http://b:1"]))
    with pytest.raises(ValueError, match=f"{MAX_PROXIES} are the most"):
        list(parse_proxies(f"p{n}=http://a:1" for n in range(MAX_PROXIES + 1)))


def test_proxies_need_their_token() -> None:
    """An empty secret does not switch the check off."""
    with pytest.raises(SettingsError, match=r"trace\.token: is empty"):
        _load(TRACE_PROXIES="edge1=http://192.0.2.5:5071")
    loaded = _load(TRACE_PROXIES="edge1=http://192.0.2.5:5071", TRACE_TOKEN=TOKEN)
    assert list(parse_proxies(loaded.trace.proxies)) == [Proxy("edge1", "http://192.0.2.5:5071")]


def test_a_wrong_proxy_is_named() -> None:
    """With the setting and what would be right."""
    with pytest.raises(SettingsError, match=r"trace\.proxies: 'edge1=here' does not have the form"):
        _load(TRACE_PROXIES="edge1=here", TRACE_TOKEN=TOKEN)


@pytest.mark.parametrize("token", ["short", "fifteen-letters", 'sixteen"letters!', "x" * 20 + " "])
@pytest.mark.parametrize("name", ["TRACE_TOKEN", "WEB_METRICS_TOKEN"])
def test_tokens_that_can_be_guessed_are_refused(name: str, token: str) -> None:
    """Also those that no header could carry; the value itself is not in the message."""
    with pytest.raises(SettingsError, match="must be at least 16 letters") as caught:
        _load(**{name: token})
    assert token not in str(caught.value)


def test_tokens_are_not_shown() -> None:
    """Neither in the settings in force nor in a log."""
    loaded = _load(TRACE_TOKEN=TOKEN, WEB_METRICS_TOKEN=TOKEN)
    assert TOKEN not in show.to_toml(loaded)
    assert TOKEN not in repr(loaded)
