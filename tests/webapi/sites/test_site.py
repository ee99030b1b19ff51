# SPDX-License-Identifier: GPL-2.0-or-later
"""A site that was away is not waited for again at once."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.fix_sites import THERE, Far
from webapi.database import Database
from webapi.errors import ApiError
from webapi.sites.site import Site

RETRY_S = 5.0


async def _answers(site: Site) -> bool:
    async with AsyncExitStack() as stack:
        try:
            await site.connect(stack)
        except ApiError:
            return False
        return True


async def test_it_is_tried_again_after_a_while(far: Far) -> None:
    """Until then the answer is the one of the last attempt, whatever the site would say."""
    now = 100.0
    database = Database(far.database.reader_dsn, connections=1, timeout_s=0.5)
    site = Site(THERE, database, retry_s=RETRY_S, clock=lambda: now)
    async with database.pool:
        assert await _answers(site)
        far.go()
        assert not await _answers(site)
        far.come_back()
        now += RETRY_S - 0.1
        assert not await _answers(site)
        now += 0.2
        assert await _answers(site)


@pytest.mark.parametrize("given", [0.1, 0.5, 1.5])
def test_no_wait_is_without_end(given: float) -> None:
    """libpq knows whole seconds, and takes 0 for ever."""
    database = Database("host=127.0.0.1", connections=1, timeout_s=given)
    assert isinstance(database.pool.kwargs, dict)
    assert database.pool.kwargs["connect_timeout"] == 1
