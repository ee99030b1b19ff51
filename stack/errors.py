# SPDX-License-Identifier: GPL-2.0-or-later
"""The exception of this package."""

from collector.errors import KemiscopeError


class StackError(KemiscopeError):
    """A part is missing, cannot start or does not answer; the message says what to do."""
