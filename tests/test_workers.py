# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that must not run beside each other, and a worker's report."""

from __future__ import annotations

from stack.service import ROOT
from tests.workers import ALONE


def test_the_files_that_run_alone_are_there() -> None:
    """A file that was renamed would run beside the others and fail now and then."""
    assert [name for name in ALONE if not (ROOT / name).is_file()] == []
