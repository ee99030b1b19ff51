# SPDX-License-Identifier: GPL-2.0-or-later
"""The forms of the hop: tests that use ``hop_form`` run once with each."""

from __future__ import annotations

import pytest

from collector import hop
from collector.hop import form, plain
from collector.hop.form import Encode


@pytest.fixture
def compiled() -> Encode:
    """The compiled form; it must be there."""
    chosen = form.choose()
    assert chosen.name == form.COMPILED, f"{chosen.reason}: `make install-dev` compiles the hop"
    return chosen.encode


@pytest.fixture(params=[form.PLAIN, form.COMPILED])
def hop_form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the form that ``hop.encode`` has for this test."""
    name: str = request.param
    encode = plain.encode if name == form.PLAIN else request.getfixturevalue("compiled")
    monkeypatch.setattr(hop, "encode", encode)
    return name
