# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls and registrations for the pages to show: the flows, told of many people."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tests import flow
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.flow import Flow

_PLAYED: Final = (
    *("two-proxies", "two-proxies", "hold", "busy", "prack", "cancel-unanswered", "early-media"),
    *("two-proxies", "retransmissions", "unavailable", "fork-serial", "forbidden", "redirected"),
    *("proxy-authentication", "no-response", "b2bua-header", "fork-decline", "transfer-blind"),
    *("registration-new", "registration-renewed", "registration-forbidden", "reinvite-address"),
)
_ALICE: Final = ("+493012345", "+498915550", "+442079460", "+33140200", "+12125550", "1042", "1007")
_BOB: Final = ("+4969555", "+431234", "2001", "2017", "+4930900", "+41445550", "0800330")


def played(count: int, until: datetime, every_s: float = 17.0) -> list[Flow]:
    """So many flows, the last one begun at ``until``; the same each time."""
    return [
        _cast(_PLAYED[number % len(_PLAYED)], number, until - timedelta(seconds=number * every_s))
        for number in range(count)
    ]


def _cast(name: str, number: int, begins: datetime) -> Flow:
    """A flow with other people, addresses and Call-ID."""
    key = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    alice = f"{_ALICE[number % len(_ALICE)]}{number % 90 + 10}"
    bob = f"{_BOB[number * 3 % len(_BOB)]}{number * 7 % 90 + 10}"
    text = (flow.FLOWS / f"{name}.flow").read_text()
    text = re.sub(r"\balice@", f"{alice}@", text)
    text = re.sub(r"\bbob@", f"{bob}@", text)
    text = text.replace("192.0.2.101", f"192.0.2.{number % 40 + 20}")
    return flow.parse(key[:24], text, begins=begins)


async def ingest(database: Database, flows: list[Flow]) -> None:
    """Store them as an ingest process does."""
    ingests = Ingests(database)
    try:
        process = await ingests.open()
        messages = [message for one in flows for message in one.messages]
        await process.store(sorted(messages, key=lambda message: message.us))
        await process.write()
    finally:
        await ingests.close()


def now() -> datetime:
    """To the second."""
    return datetime.now(UTC).replace(microsecond=0)
