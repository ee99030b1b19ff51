# SPDX-License-Identifier: GPL-2.0-or-later
"""One base for everything that is raised on purpose."""

from __future__ import annotations

import inspect

from collector import errors
from collector.causes import Cause
from collector.errors import JournalError, JournalFullError, KemiscopeError


def test_every_error_has_the_one_base() -> None:
    """So that a command can show it without a trace; and the tree in the docstring is complete."""
    found = [
        item
        for _, item in inspect.getmembers(errors, inspect.isclass)
        if item.__module__ == errors.__name__
    ]
    assert len(found) >= 5
    for error in found:
        assert issubclass(error, KemiscopeError)
        assert error.__name__ in (errors.__doc__ or "")


def test_a_full_journal_says_which_limit() -> None:
    """The cause is what is counted, the message what is logged."""
    error = JournalFullError(Cause.DISK_FULL, "3 bytes are free")
    assert isinstance(error, JournalError)
    assert error.cause is Cause.DISK_FULL
    assert str(error) == "3 bytes are free"
