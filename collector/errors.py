# SPDX-License-Identifier: GPL-2.0-or-later
"""Every exception that this package raises on purpose.

KemiscopeError
├── SettingsError        a setting has a bad value or is unknown
├── JournalError         the journal directory cannot be used
│   └── JournalFullError     no room for another segment (the cause is attached)
├── SchemaError          the database has no schema, or one that this version cannot use
├── ProgressConflictError    another process has committed the same journal records
├── TraceRuleError       a field of a trace rule breaks its rule
└── BackupError          a backup cannot be read, or not be brought back here

A malformed packet is not an exception: decoders return a ``Cause`` or a ``Fault``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.causes import Cause


class KemiscopeError(Exception):
    """Base of all errors that carry a message meant for the operator."""


class SettingsError(KemiscopeError):
    """A setting is unknown or breaks its rule; the message names the setting and the rule."""


class JournalError(KemiscopeError):
    """The journal directory cannot be created, locked or understood."""


class JournalFullError(JournalError):
    """A limit forbids another segment; ``cause`` says which."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class SchemaError(KemiscopeError):
    """The database has no schema, or a version that this program does not know."""


class ProgressConflictError(KemiscopeError):
    """The journal records of a batch were committed by somebody else: nothing was stored."""


class TraceRuleError(KemiscopeError):
    """A trace rule cannot be as it was asked for; ``field`` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class BackupError(KemiscopeError):
    """A file is no whole backup, or what is there must not be replaced by it."""
