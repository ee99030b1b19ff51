# SPDX-License-Identifier: GPL-2.0-or-later
"""Which form of the hop is chosen: the compiled one, when it is of the sources that are there."""

from __future__ import annotations

import sys

import pytest

from collector import compiled as package
from collector.compiled import sources
from collector.correlation import encode
from collector.hop import form, plain
from collector.hop.form import Encode


def test_the_compiled_form_is_chosen(compiled: Encode) -> None:
    """Where it is built."""
    chosen = form.choose()
    assert (chosen.name, chosen.reason, chosen.encode) == (form.COMPILED, "", compiled)
    assert chosen.row_encoder is not encode.RowEncoder


def test_without_sources_it_needs_no_comparison(
    compiled: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed without them was built with what is beside it."""
    monkeypatch.setattr(sources, "paths", list)
    assert form.choose().encode is compiled


def test_one_of_other_sources_is_not(compiled: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old build would do what the code did before."""
    monkeypatch.setattr(sources, "fingerprint", lambda: "other")
    chosen = form.choose()
    assert (chosen.name, chosen.encode) == (form.PLAIN, plain.encode) != ("", compiled)
    assert chosen.reason == "it was built from other sources"


def test_without_one_plain_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says why."""
    monkeypatch.delattr(package, "hop", raising=False)
    monkeypatch.setitem(sys.modules, "collector.compiled.hop", None)
    assert form.choose() == form.Form(
        form.PLAIN, "it is not built", plain.encode, encode.RowEncoder
    )
