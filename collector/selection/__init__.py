# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the packets is kept, and in which form.

In this order, each step with its own counter: capture password; filters by address, method, user
agent and expression; sampling; duplicates; the user's hook; censoring. Then the headers that the
settings ask for are looked up. A step that is not set costs nothing.
"""

from collector.selection.selection import Selected, Selection

__all__ = ["Selected", "Selection"]
