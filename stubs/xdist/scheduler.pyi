# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from xdist.remote import Producer

class LoadFileScheduling:
    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None: ...
