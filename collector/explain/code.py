# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's names of everything that an explanation can say."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Stable names: scripts and pages depend on them. ``help`` is for the documentation."""

    help: str

    def __new__(cls, name: str, text: str) -> Self:
        code = str.__new__(cls, name)
        code._value_ = name
        code.help = text
        return code

    CALLED = "called", "who called whom, from which address to which"
    RANG = "rang", "the callee's phone rang, and for how long"
    PROGRESS = "progress", "183 or another provisional response without ringing"
    EARLY_MEDIA = "early_media", "audio before the answer: announcement or ringing tone"
    ANSWERED = "answered", "who answered, and how long after the INVITE"
    TALKED = "talked", "how long the call lasted from answer to BYE"
    HUNG_UP = "hung_up", "who sent the BYE, with its Reason"
    NO_END = "no_end", "answered, and no BYE was captured"
    COMPLETED = "completed", "headline: the call was answered and ended"
    RUNNING = "running", "headline: the call had not ended when its last message was captured"
    UNKNOWN = "unknown", "headline: the captured messages do not tell"
