# SPDX-License-Identifier: GPL-2.0-or-later
"""Who goes first where processors are short: receiving before storing.

What is not stored at once waits in the journal; what is not received at once does not fit the
socket buffer and is lost.
"""

from __future__ import annotations

import os


def give_way(nice: int) -> None:
    """Be at least as nice as ``nice`` (0 … 19, nice(1)).

    Absolute, so that a node that was started with another niceness has no less of it.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < nice:
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def go_first(nice: int) -> bool:
    """Be no nicer than ``nice`` (-20 … 0; 0 leaves everything as it is); False if not permitted.

    It needs root, CAP_SYS_NICE or a resource limit (RLIMIT_NICE, ``LimitNICE=`` of systemd).
    """
    if nice >= 0 or os.getpriority(os.PRIO_PROCESS, 0) <= nice:
        return True
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        return False
    return True
