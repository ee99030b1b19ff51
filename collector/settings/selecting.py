# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the way from a packet to a row: what is read, and how."""

from __future__ import annotations

from typing import Annotated

from collector.settings.section import DAY, LONGEST, PATH, Section, setting


class Sip(Section, frozen=True):
    """How messages are read."""

    max_field_bytes: Annotated[
        int,
        setting(
            "Longest header value in a column. A longer one is cut there and the message is "
            "marked field_length; the raw message keeps everything.",
            unit="bytes",
            ge=64,
            le=2048,
        ),
    ] = 512
    custom_headers: Annotated[
        tuple[str, ...],
        setting(
            "Further headers that are kept and can be searched, in any spelling, like X-Tenant; "
            "`X-Cost: number` keeps a number.",
            max_length=32,
        ),
    ] = ()


class Correlation(Section, frozen=True):
    """How messages become calls and registrations, and legs find each other."""

    calls: Annotated[
        bool,
        setting(
            "Keep the tables call, call_link, registration and rtp_stream. Without it only "
            "messages and reports are stored, at about three quarters of the cost."
        ),
    ] = True
    interval: Annotated[
        float,
        setting(
            "Calls and registrations are brought up to date this often, which is how far they can "
            "be behind their messages. Longer is cheaper. A node that does not keep up with its "
            "messages lets them wait four times as long.",
            unit="s",
            ge=0.05,
            le=60,
        ),
    ] = 0.85
    unanswered_timeout: Annotated[
        float,
        setting(
            "A call that rings or tries and of which nothing was heard for so long is timed_out. "
            "Proxies wait three minutes (Timer C, RFC 3261).",
            unit="s",
            ge=60,
            le=DAY,
        ),
    ] = 600.0
    answered_timeout: Annotated[
        float,
        setting(
            "The same for an answered call without BYE. Session timers (RFC 4028) let one be heard "
            "of twice an hour.",
            unit="s",
            ge=60,
            le=30 * DAY,
        ),
    ] = 12 * 3600.0

    numbers_window: Annotated[
        float,
        setting(
            "Legs that begin at most this far apart, have the same caller or callee and meet at "
            "one host are shown with a call as a guess; 0 for none.",
            unit="s",
            ge=0,
            le=60,
        ),
    ] = 3.0

    headers: Annotated[
        tuple[str, ...],
        setting(
            "Headers that name the Call-ID of the leg before, such as X-CID; the first one that a "
            "message has counts. `Name: pattern` takes the first group of an RE2 pattern. "
            "It is kept in aleg_id, and in correlation_id when HEP has brought none.",
            max_length=32,
        ),
    ] = ()
    force: Annotated[
        bool, setting("The header counts more than the correlation id that HEP has brought.")
    ] = False


class Filter(Section, frozen=True):
    """What is not stored. Filters work in this order; each has its own counter."""

    discard_addresses: Annotated[
        tuple[str, ...],
        setting("Messages from or to these addresses or networks, like 192.0.2.0/24."),
    ] = ()
    discard_methods: Annotated[
        tuple[str, ...],
        setting("Requests of these methods and their responses, like OPTIONS."),
    ] = ()
    discard_user_agents: Annotated[
        tuple[str, ...],
        setting("Messages whose User-Agent or Server contains one of these texts."),
    ] = ()
    discard_expression: Annotated[
        str,
        setting(
            "Messages for which this is true, e.g. "
            '`method == "OPTIONS" and in_network(src_ip, "10.0.0.0/8")`. '
            "docs/filters.md has the fields and functions."
        ),
    ] = ""
    sample_call: Annotated[
        float,
        setting(
            "Share of calls that is kept, by Call-ID: whole calls or nothing.",
            unit="percent",
            ge=0,
            le=100,
        ),
    ] = 100.0
    sample_registration: Annotated[
        float, setting("The same for registrations.", unit="percent", ge=0, le=100)
    ] = 100.0
    sample_other: Annotated[
        float, setting("The same for everything else in SIP.", unit="percent", ge=0, le=100)
    ] = 100.0
    duplicate_window: Annotated[
        float,
        setting(
            "A message that arrives again within this time is counted and not stored; 0 stores "
            "all. 500 ms (T1) and more also take retransmissions for duplicates.",
            unit="s",
            ge=0,
            le=60,
        ),
    ] = 0.0
    duplicate_key: Annotated[
        str,
        setting(
            "What makes messages the same: `message` compares all their bytes, `packet` also "
            "addresses and ports.",
            pattern="^(message|packet)$",
        ),
    ] = "message"
    censor_methods: Annotated[
        tuple[str, ...],
        setting("Bodies of these methods are stored as x, byte for byte, like MESSAGE."),
    ] = ()


class Hook(Section, frozen=True):
    """The user's own functions."""

    file: Annotated[
        str,
        setting(
            "A Python file; each of its public functions is called with every packet before it "
            "is stored. It runs inside ingest and can do what ingest can.",
            unit=PATH,
        ),
    ] = ""


class Clock(Section, frozen=True):
    """How far a sender's clock may be off."""

    accept_past: Annotated[
        float,
        setting(
            "A message older than this is filed by time of arrival; its own time is kept in "
            "sender_ts. Agents that were offline send old messages with true times. Imported "
            "files may be as old as retention keeps them.",
            unit="s",
            ge=0,
            le=LONGEST,
        ),
    ] = 3.0 * DAY
    accept_future: Annotated[
        float,
        setting("The same for a message from the future.", unit="s", ge=0, le=LONGEST),
    ] = 300.0
