# SPDX-License-Identifier: GPL-2.0-or-later
"""Linked legs and the quality of the audio, from rows of other tables."""

from __future__ import annotations

from typing import Any

import pytest

from collector.explain import Certainty, Code, Severity, explain


@pytest.mark.parametrize(
    ("confidence", "certainty"),
    [
        ("certain", Certainty.CERTAIN),
        ("likely", Certainty.LIKELY),
        ("guess", Certainty.UNKNOWN),
    ],
)
def test_linked_legs(confidence: str, certainty: Certainty) -> None:
    """Why they belong together, and how sure that is."""
    link = {"linked_id": "b@sbc", "reason": "header", "detail": "X-CID", "confidence": confidence}
    (statement,) = explain([], links=[link]).statements
    assert (statement.code, statement.certainty) == (Code.LINKED, certainty)
    assert statement.text == 'Belongs together with "b@sbc" (header: X-CID).'


def test_bad_audio() -> None:
    """Loss that people hear, and the MOS that comes of it."""
    stream = {"src_ip": "192.0.2.1", "dst_ip": "192.0.2.2", "mos": 2.34, "loss": 0.051}
    (statement,) = explain([], streams=[stream]).statements
    assert (statement.code, statement.severity) == (Code.BAD_AUDIO, Severity.PROBLEM)
    assert statement.text == (
        "Bad audio from 192.0.2.1 to 192.0.2.2: MOS 2.3, 5.1% of the packets lost."
    )


@pytest.mark.parametrize("stream", [{"mos": 4.4, "loss": 0.001}, {"mos": None}, {}])
def test_good_audio_says_nothing(stream: dict[str, Any]) -> None:
    """Nor does a stream that nobody reported on."""
    assert explain([], streams=[stream]).statements == ()
