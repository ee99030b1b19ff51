# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows are blamed for what is their fault, and for nothing else."""

from __future__ import annotations

import pytest
from psycopg import errors

from collector.sqlstate import blames_row


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (errors.CharacterNotInRepertoire, True),
        (errors.NumericValueOutOfRange, True),
        (errors.CheckViolation, True),
        (errors.NotNullViolation, True),
        (errors.ProgramLimitExceeded, True),
        (errors.UndefinedColumn, False),
        (errors.DiskFull, False),
        (errors.AdminShutdown, False),
        (errors.LockNotAvailable, False),
        (errors.DeadlockDetected, False),
    ],
)
def test_by_sqlstate(error: type[errors.Error], blamed: bool) -> None:
    """The class that PostgreSQL puts the error in."""
    assert blames_row(error.sqlstate) is blamed


def test_a_connection_that_broke_has_no_sqlstate() -> None:
    """That is nobody's row."""
    assert not blames_row(None)
