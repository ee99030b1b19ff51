# SPDX-License-Identifier: GPL-2.0-or-later
"""Databases of other sites in the settings."""

from __future__ import annotations

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings.show import toml_value
from collector.settings.sites import MAX_SITES, Place, parse_places


def test_connections_as_libpq_takes_them() -> None:
    """The first = ends the name."""
    entries = ("berlin = host=db.example dbname=k", "x.y-1=postgresql://r@db.example/k?a=b")
    assert list(parse_places(entries[:1])) == [Place("berlin", "host=db.example dbname=k")]
    with pytest.raises(ValueError, match="is not a connection"):
        list(parse_places(entries))
    uri = "postgresql://r@db.example/k?sslmode=require"
    assert list(parse_places([f"x.y-1={uri}"])) == [Place("x.y-1", uri)]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["hunter2"], "an entry must be a name"),
        (["=host=x"], "an entry must be a name"),
        (["postgresql://r:hunter2@x/y?sslmode=require"], "an entry must be a name"),
        (["a b=host=x"], "an entry must be a name"),
        (["a,b=host=x"], "an entry must be a name"),
        ([f"{'x' * 33}=host=x"], "an entry must be a name"),
        (["a="], "a: is not a connection of libpq"),
        (["a=hunter2"], "a: is not a connection of libpq"),
        (["a=host=x", "a=host=y"], "a is there twice"),
        (["local=host=x"], "local is what this site is called (sites.name)"),
        ([f"s{number}=host=x" for number in range(MAX_SITES + 1)], "names 21 sites; 20 are the"),
    ],
)
def test_what_is_no_site(entries: list[str], message: str) -> None:
    """It is said when the service starts, without a password."""
    variables = {
        "KEMISCOPE_CONFIG": "/dev/null",
        "KEMISCOPE_SITES_DATABASES": toml_value(entries),
    }
    with pytest.raises(SettingsError) as raised:
        settings.load(None, variables)
    assert f"sites.databases: {message}" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "-a", "x" * 33])
def test_a_name_that_a_parameter_could_not_have(name: str) -> None:
    """Names stand with commas between them."""
    variables = {"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_SITES_NAME": name}
    with pytest.raises(SettingsError, match=r"sites\.name: "):
        settings.load(None, variables)
