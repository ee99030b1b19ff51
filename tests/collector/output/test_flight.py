# SPDX-License-Identifier: GPL-2.0-or-later
"""When bytes on a connection count as delivered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.output.flight import SETTLE_S, Flight

TICK_S = 0.1


def _pass_time(flight: Flight[str], start: float, seconds: float, unacknowledged: int) -> list[str]:
    safe = []
    for tick in range(1, round(seconds / TICK_S) + 1):
        safe += flight.safe(unacknowledged, start + tick * TICK_S)
    return safe


def test_a_piece_is_safe_some_time_after_its_acknowledgement() -> None:
    """Not before, and later ones later."""
    flight: Flight[str] = Flight()
    flight.sent(100, "a")
    assert flight.safe(0, 10.0) == []
    assert _pass_time(flight, 10.0, 1, 0) == []
    flight.sent(100, "b")
    assert _pass_time(flight, 11.0, SETTLE_S - 1.2, 0) == []
    assert _pass_time(flight, 10 + SETTLE_S - 0.2, 0.4, 0) == ["a"]
    assert _pass_time(flight, 10 + SETTLE_S + 0.2, 2, 0) == ["b"]


def test_what_is_not_acknowledged_is_never_safe() -> None:
    """However long the connection moves before it."""
    flight: Flight[int] = Flight()
    safe = []
    for number in range(200):
        flight.sent(100, number)
        # Of each piece the last byte is on its way.
        safe += flight.safe(1, number * TICK_S)
    assert safe == list(range(200 - round(SETTLE_S / TICK_S) - 1))


def test_a_hanging_receiver_keeps_what_its_kernel_took_in_doubt() -> None:
    """It acknowledged, and then nothing moves: it may not have read what was acknowledged."""
    flight: Flight[str] = Flight()
    flight.sent(100, "taken by the kernel")
    flight.safe(0, 0.0)
    flight.sent(100, "does not fit")
    assert _pass_time(flight, 0.0, 100 * SETTLE_S, 50) == []
    assert _pass_time(flight, 1000.0, SETTLE_S + 1, 0) == ["taken by the kernel", "does not fit"]


def test_at_an_orderly_end_an_acknowledgement_is_enough() -> None:
    """Nobody is there to send it again."""
    flight: Flight[str] = Flight()
    flight.sent(100, "a")
    flight.sent(100, "b")
    assert flight.acknowledged(100) == ["a"]
    assert flight.acknowledged(0) == ["b"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 1000)),
            st.tuples(st.just("wait"), st.integers(0, 100)),
            st.tuples(st.just("acknowledge"), st.integers(0, 1000)),
        ),
        max_size=60,
    )
)
def test_in_order_once_and_only_what_was_acknowledged_long_enough(
    steps: list[tuple[str, int]],
) -> None:
    """Whatever happens in whatever order."""
    flight: Flight[int] = Flight()
    ends: list[int] = []
    written = acknowledged = 0
    now = 0.0
    times: list[tuple[float, int]] = []
    safe: list[int] = []
    for kind, amount in steps:
        if kind == "send":
            written += amount
            ends.append(written)
            flight.sent(amount, len(ends) - 1)
        elif kind == "wait":
            now += amount / 10
        else:
            acknowledged = min(written, acknowledged + amount)
        times.append((now, acknowledged))
        safe += flight.safe(written - acknowledged, now)
        assert safe == list(range(len(safe)))
        for number in safe:
            assert any(
                at <= now - SETTLE_S + 1e-6 and ends[number] <= have for at, have in times
            ), "too early"


def test_a_look_takes_nothing_out() -> None:
    """It tells how much of each piece has arrived."""
    flight: Flight[str] = Flight()
    flight.sent(100, "a")
    flight.sent(0, "nothing to send")
    flight.sent(50, "b")
    assert list(flight.look(150)) == []
    assert list(flight.look(80)) == [("a", 70)]
    assert list(flight.look(40)) == [("a", 100), ("nothing to send", 0), ("b", 10)]
    assert flight.acknowledged(40) == ["a", "nothing to send"]
    assert list(flight.look(40)) == [("b", 10)]
