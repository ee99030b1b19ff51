# SPDX-License-Identifier: GPL-2.0-or-later
"""What the search page knows of the API."""

from __future__ import annotations

import re

import pytest

from webapi.export.table import COLUMNS
from webapi.filters import conditions
from webapi.pages.assets import FILES
from webapi.pages.tab import FIELDS, TABS, Tab
from webapi.subject import SUBJECTS


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.title)
def test_every_filter_of_the_api_has_its_words(tab: Tab) -> None:
    """A filter that the API gets is completed by the box, or this fails."""
    assert {field["name"] for field in tab.to_json()["fields"]} == set(tab.subject.filters)
    assert set(tab.form) <= set(tab.subject.filters)


def test_no_field_is_left_that_nothing_can_be_searched_by() -> None:
    """The other way round, for all tabs together."""
    known = {name for subject in SUBJECTS for name in subject.filters}
    assert set(FIELDS) <= known


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.title)
def test_the_api_takes_every_value_that_is_offered(tab: Tab) -> None:
    """None of them is an error."""
    for field in tab.to_json()["fields"]:
        for value in field["values"]:
            assert conditions(tab.subject.filters, {field["name"]: value})


def test_columns_are_of_rows_as_the_api_shows_them() -> None:
    """A column that no row has would always be empty."""
    shown = {name for subject in SUBJECTS for name in subject.columns}
    shown |= {name for names in COLUMNS.values() for name in names} | {"src", "dst"}
    keys = re.findall(
        r'(?:text|mono|time|outcome|delay|socket)\("(\w+)"', FILES["common/columns.js"].decode()
    )
    assert len(keys) > 40
    assert set(keys) <= shown, set(keys) - shown
