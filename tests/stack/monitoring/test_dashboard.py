# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard: the file is what the table says, and Grafana can place it."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

from stack import monitoring
from stack.monitoring.dashboard import dashboard

FILE = Path(monitoring.__file__).with_name("dashboard.json")


def test_the_file_is_made_from_the_table() -> None:
    """Otherwise: `make docs`."""
    assert json.loads(FILE.read_text()) == dashboard()


def test_panels_have_a_number_each_and_do_not_overlap() -> None:
    """Within the 24 columns of the grid."""
    panels = dashboard()["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for first, second in combinations(panels, 2):
        assert not _overlap(first["gridPos"], second["gridPos"]), (first, second)


def test_every_chart_says_what_it_shows() -> None:
    """A title, a description, a query."""
    charts = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    assert len(charts) > 20
    for chart in charts:
        assert chart["title"]
        assert chart["description"].endswith(".")
        assert all(target["expr"] for target in chart["targets"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
