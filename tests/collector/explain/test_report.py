# SPDX-License-Identifier: GPL-2.0-or-later
"""The explanation as a page of text."""

from __future__ import annotations

from collector.explain import explain
from collector.explain.code import codes_markdown
from collector.explain.message import fold, from_row
from collector.explain.report import report
from stack.service import ROOT
from tests.collector.explain.test_flows import load
from tests.explain_rows import rows_of


def _page(name: str) -> str:
    read = load(name)
    rows = rows_of(read.messages)
    return report(read.legs[""], explain(rows), fold([from_row(row) for row in rows]))


def test_copies_are_folded() -> None:
    """With their number, and a reference to the message that they are copies of."""
    assert _page("copies").splitlines() == [
        "alice called bob: 192.0.2.201:5060 says that bob is busy: 486 Busy Here.",
        "",
        "Call-ID  copies@atlanta.example.com",
        "from     2026-03-10 12:00:00.000000 UTC, times in ms",
        "",
        "       +0.0   alice (192.0.2.101:5060) called bob at 192.0.2.201:5060. [1]",
        (
            "       +0.0   4 messages of these are copies captured elsewhere or again (nodes 2001, "
            "2002); they"
        ),
        "              are not counted as retransmissions. [1, 2, 3]",
        "     +100.0 - 192.0.2.201:5060 says that bob is busy: 486 Busy Here. [2]",
        "",
        "Messages",
        "   1        +0.0  192.0.2.101:5060 → 192.0.2.201:5060  INVITE  x2",
        "   2      +100.0  192.0.2.201:5060 → 192.0.2.101:5060  486 Busy Here (INVITE)  x3",
        "   3      +110.0  192.0.2.101:5060 → 192.0.2.201:5060  ACK  x2",
    ]


def test_nothing_to_show() -> None:
    """A headline and the Call-ID, which cannot do anything to the terminal."""
    page = report("x\x1b[2J", explain([]), [])
    assert page == "Nothing was captured of it.\n\nCall-ID  x [2J\n\n"


def test_the_example_of_the_documentation_is_real() -> None:
    """It has marks, hedges, and more proofs than a line shows."""
    page = _page("drops-after-32-seconds")
    assert f"\n{page}```\n" in (ROOT / "docs" / "explain.md").read_text()
    assert "! bob (203.0.113.7:1024) repeated" in page
    assert "(likely) [9," in " ".join(page.split())
    assert "… 19]" in page


def test_the_documentation_lists_every_code() -> None:
    """With what it says: ``codes_markdown()`` makes the table."""
    assert codes_markdown() in (ROOT / "docs" / "explain.md").read_text()
