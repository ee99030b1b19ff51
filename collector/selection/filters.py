# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters: one small class each, with its setting and its counter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol
from zlib import crc32

from collector.causes import Cause
from collector.networks import Networks
from collector.selection import expression
from collector.selection.candidate import Candidate
from collector.sip import Kind

_SAMPLE_STEPS: Final = 10_000
"""A share is as fine as 0.01 %."""


class Filter(Protocol):
    """Decides about one packet at a time; the first filter that discards it gives the cause."""

    cause: Cause

    def discards(self, candidate: Candidate) -> bool:
        """Whether the packet is left out."""


class AddressFilter:
    """``filter.discard_addresses``: source or destination is in one of the networks."""

    cause = Cause.FILTER_ADDRESS

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError for what is no network."""
        self._networks = Networks(networks)

    def discards(self, candidate: Candidate) -> bool:
        """By the addresses of the captured packet, not those of the agent."""
        packet = candidate.packet
        return packet.src_ip in self._networks or packet.dst_ip in self._networks


class MethodFilter:
    """``filter.discard_methods``: requests of these methods, and the responses to them."""

    cause = Cause.FILTER_METHOD

    def __init__(self, methods: Iterable[str]) -> None:
        self._methods = frozenset(method.upper().encode() for method in methods)

    def discards(self, candidate: Candidate) -> bool:
        """By request method or CSeq method; upper and lower case are the same."""
        message = candidate.message
        return message is not None and message.method.upper() in self._methods


class UserAgentFilter:
    """``filter.discard_user_agents``: User-Agent, or Server, contains one of these texts."""

    cause = Cause.FILTER_USER_AGENT

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(text.lower().encode() for text in texts)

    def discards(self, candidate: Candidate) -> bool:
        """Upper and lower case are the same."""
        message = candidate.message
        if message is None or not message.user_agent:
            return False
        agent = message.user_agent.lower()
        return any(text in agent for text in self._texts)


class ExpressionFilter:
    """``filter.discard_expression``: packets for which the expression is true."""

    cause = Cause.FILTER_EXPRESSION

    def __init__(self, text: str) -> None:
        """Raises ValueError that says what is wrong and where."""
        self._condition = expression.compile_condition(text)

    def discards(self, candidate: Candidate) -> bool:
        """The expression's value."""
        return self._condition(candidate)


class SampleFilter:
    """``filter.sample_call`` and its like: only a share of the Call-IDs is kept.

    The decision depends on the Call-ID alone: a call is kept whole or not at all, by every ingest
    process and every capture node alike.
    """

    cause = Cause.SAMPLED_OUT

    def __init__(self, percent: dict[Kind, float]) -> None:
        """``percent`` of the Call-IDs, by kind, is kept; 100 where a kind is missing."""
        self._steps = {kind: round(share * _SAMPLE_STEPS / 100) for kind, share in percent.items()}

    def discards(self, candidate: Candidate) -> bool:
        """Packets without a Call-ID are kept."""
        message = candidate.message
        if message is None or not message.call_id:
            return False
        steps = self._steps.get(message.kind, _SAMPLE_STEPS)
        return crc32(message.call_id) % _SAMPLE_STEPS >= steps
