# SPDX-License-Identifier: GPL-2.0-or-later
"""Made documentation is up to date, written documentation is complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from agent.flags.markdown import flags_markdown
from collector.causes import causes_markdown
from collector.output.fate import Fate
from collector.output.kpi import Figures
from collector.output.metrics import Snapshot
from collector.peers import Peers
from collector.selection import Selection
from collector.settings import Settings, show
from collector.settings.sending import LOKI_FIELDS
from collector.trace_rule import KINDS
from stack.service import ROOT
from stack.site.hook import anchor
from webapi import kpi, stats
from webapi.access.administration import (
    AUDIT_PARAMETERS,
    CHANGED_FIELDS,
    MORE_USER_FIELDS,
    USER_FIELDS,
)
from webapi.access.asked import MORE_TOKEN_FIELDS, TOKEN_FIELDS
from webapi.access.audit import Action
from webapi.access.roles import SCOPES, Role, Scope
from webapi.app import CHANGES, ROUTES
from webapi.registration import STATES as REGISTRATION_STATES
from webapi.rows import INTERNAL
from webapi.subject import CALLS, SUBJECTS
from webapi.trace import report
from webapi.trace.asked import FIELDS
from webapi.trace.proxy import State
from webapi.trace.rules import StoredRule


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("kemiscope.sample.toml", show.sample()),
        ("docs/settings.md", show.markdown()),
        ("docs/causes.md", causes_markdown()),
        ("docs/flags.md", flags_markdown()),
    ],
)
def test_made_pages_are_up_to_date(path: str, text: str) -> None:
    """`make docs` writes them."""
    assert (ROOT / path).read_text() == text, f"run `make docs`: {path} is old"


def test_the_api_page_names_every_route_parameter_and_column() -> None:
    """Nothing that can be asked is a secret."""
    page = (ROOT / "docs" / "api.md").read_text()
    for method, path in (*(("GET", path) for path, _ in ROUTES), *(one[:2] for one in CHANGES)):
        assert f"## `{method} {path}`" in page
    for subject in SUBJECTS:
        shown = {*subject.columns} - (INTERNAL if subject is CALLS else set())
        for name in {*subject.parameters, *subject.sorts, *shown}:
            assert f"`{name}`" in page, name
    for metric in stats.metrics([]):
        assert f"`{metric.name}`" in page, metric.name
    for metric in report.metrics([]):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}`" in page, name
    names = (*stats.PARAMETERS, *stats.BY, *kpi.SHOWN, *REGISTRATION_STATES)
    for name in (*names, *FIELDS, *KINDS, *StoredRule._fields[1:], *State):
        assert f"`{name}`" in page, name


def test_the_page_of_tracing_explains_every_state() -> None:
    """What an operator sees when a proxy does not do as it should."""
    page = (ROOT / "docs" / "trace.md").read_text()
    for state in State:
        assert f"| `{state}` | " in page, state


def test_the_page_of_access_names_roles_rights_and_what_is_written_down() -> None:
    """What an administrator decides by."""
    page = (ROOT / "docs" / "access.md").read_text()
    for scope in Scope:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{scope}` |"))
        marks = [cell.strip() for cell in row.split("|")[3:6]]
        allowed = [mark == "✓" for mark in marks]
        assert allowed == [scope in SCOPES[role] for role in Role], scope
    for action in Action:
        assert f"`{action}`" in page, action
    api = (ROOT / "docs" / "api.md").read_text()
    fields = (*USER_FIELDS, *MORE_USER_FIELDS, *TOKEN_FIELDS, *MORE_TOKEN_FIELDS)
    for name in (*fields, *CHANGED_FIELDS, *AUDIT_PARAMETERS):
        assert f"`{name}`" in api, name


def test_the_threat_model_names_tests_that_there_are() -> None:
    """A row without a test that shows it is a wish."""
    rows = re.findall(r"^\| .*$", (ROOT / "THREAT_MODEL.md").read_text(), re.MULTILINE)[1:]
    assert len(rows) > 20
    for row in rows:
        shown = re.findall(r"`([\w/]+\.py)?::(\w+)`", row)
        assert shown, row
        file = ""
        for name, test in shown:
            file = name or file
            path = file if "/" in file else f"tests/webapi/access/{file}"
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


def test_the_page_of_the_outputs_names_every_fate_label_and_metric() -> None:
    """What a dashboard is made of."""
    page = (ROOT / "docs" / "outputs.md").read_text()
    for fate in Fate:
        assert f"| {fate.outcome} | `{fate}` | " in page, fate
    for field in LOKI_FIELDS[:7]:
        assert f"`{field}`" in page, field
    figures = Figures(Peers(()), Selection(Settings()), 100)
    for family in Snapshot(figures).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("page", [*Path().glob("*.md"), *Path("docs").glob("*.md")])
def test_links_lead_somewhere(page: str | Path) -> None:
    """Files that a page links to exist, and so do their headings."""
    file = ROOT / page
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", file.read_text()):
        found = file.parent / target if target else file
        assert found.exists(), target
        assert not heading or heading in _headings(found.read_text()), f"{target}#{heading}"


def _headings(text: str) -> set[str]:
    """As GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {anchor(title) for title in titles}


def test_every_make_target_is_listed_by_make() -> None:
    """`make` alone says what there is."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in targets:
        assert f"make {target} " in listed
