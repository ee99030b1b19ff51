# SPDX-License-Identifier: GPL-2.0-or-later
"""What is on the dashboard, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

_NODE: Final = '{capture_node=~"$capture_node"}'


class Target(NamedTuple):
    """One query and the name of what it gives."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One chart, or one number with ``is_number``; ``unit`` is Grafana's name of it."""

    title: str
    unit: str
    targets: Sequence[Target]
    text: str
    width: int = 8
    is_number: bool = False
    red_from: float | None = None
    """A number from here on is red, what is below green."""
    red_below: float | None = None


class Row(NamedTuple):
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def _total(metric: str, *labels: str) -> str:
    """Per second, as the sum over what is not named; a counter that is new counts from 0."""
    return f"sum by ({', '.join(labels)}) (rate({metric}{_NODE}[$__rate_interval]))"


def _number(title: str, unit: str, expr: str, text: str, **red: float) -> Panel:
    return Panel(title, unit, [Target(expr)], text, 4, is_number=True, **red)


ROWS: Final = (
    Row(
        "Is anything lost?",
        [
            _number(
                *("Unaccounted", "short", f"sum(kemiscope_unaccounted_messages{_NODE})"),
                "Received without a known fate. Anything but 0 is a bug.",
                red_from=1,
            ),
            _number(
                *("Dropped in 1 h", "short"),
                'sum(increase(kemiscope_messages_total{capture_node=~"$capture_node",'
                'outcome="dropped"}[1h]))',
                "Packets that are lost; the chart of causes below says why.",
                red_from=1,
            ),
            _number(
                *("Rejected in 1 h", "short"),
                'sum(increase(kemiscope_messages_total{capture_node=~"$capture_node",'
                'outcome="rejected"}[1h]))',
                "Packets that are not HEP, damaged, or of senders who may not send.",
            ),
            _number(
                *("Waiting", "short", f"sum(kemiscope_journal_messages{_NODE})"),
                "Messages in the journal, not yet in PostgreSQL.",
            ),
            _number(
                *("Since the last packet", "s"),
                f"time() - max(kemiscope_last_packet_timestamp_seconds{_NODE})",
                "Silence of all senders.",
                red_from=300,
            ),
            _number(
                *("PostgreSQL", "bool_yes_no", "min(kemiscope_database_up)"),
                "Whether it answers the web API. The journal keeps everything while it does not.",
                red_below=1,
            ),
        ],
    ),
    Row(
        "From packet to row",
        [
            Panel(
                *("Received", "pps"),
                [Target(_total("kemiscope_received_total", "capture_node"), "{{capture_node}}")],
                "Packets that reached the nodes' sockets.",
            ),
            Panel(
                *("What became of them", "pps"),
                [Target(_total("kemiscope_messages_total", "outcome"), "{{outcome}}")],
                "Stored, filtered, duplicate, rejected, dropped.",
            ),
            Panel(
                *("Not stored, by cause", "pps"),
                [
                    Target(
                        "sum by (outcome, cause) (rate(kemiscope_messages_total{"
                        'capture_node=~"$capture_node",outcome!="stored"}[$__rate_interval]))',
                        "{{outcome}}: {{cause}}",
                    )
                ],
                "docs/causes.md explains each cause.",
            ),
            Panel(
                *("Journal", "bytes"),
                [Target(f"kemiscope_journal_bytes{_NODE}", "{{capture_node}}")],
                "Grows while PostgreSQL is away or too slow.",
            ),
            Panel(
                *("Messages in the journal", "short"),
                [Target(f"kemiscope_journal_messages{_NODE}", "{{capture_node}}")],
                "Not yet stored.",
            ),
            Panel(
                *("Since the last commit", "s"),
                [
                    Target(
                        f"time() - kemiscope_last_commit_timestamp_seconds{_NODE}",
                        "{{capture_node}}",
                    )
                ],
                "Seconds since messages were stored.",
            ),
        ],
    ),
    Row(
        "Calls",
        [
            Panel(
                *("Calls in five minutes", "short"),
                [
                    Target("sum(kemiscope_call_attempts)", "attempts"),
                    Target("sum(kemiscope_call_answered)", "answered"),
                ],
                "Calls that began in the five minutes before the last one.",
            ),
            Panel(
                *("Answered and effective", "percentunit"),
                [
                    Target("kemiscope_call_asr_ratio", "ASR {{node}}"),
                    Target("kemiscope_call_ner_ratio", "NER {{node}}"),
                ],
                "Answer seizure ratio; network effectiveness ratio (ITU-T E.425).",
            ),
            Panel(
                *("Session establishment", "percentunit"),
                [
                    Target("kemiscope_call_ser_ratio", "SER {{node}}"),
                    Target("kemiscope_call_seer_ratio", "SEER {{node}}"),
                    Target("kemiscope_call_isa_ratio", "ISA {{node}}"),
                ],
                "RFC 6076: SER, SEER, and ineffective attempts (ISA).",
            ),
            Panel(
                *("Post-dial delay", "s"),
                [Target("kemiscope_call_pdd_seconds", "{{node}}")],
                "INVITE to the first sign of ringing.",
            ),
            Panel(
                *("Setup time", "s"),
                [Target("kemiscope_call_setup_seconds", "{{node}}")],
                "INVITE to answer.",
            ),
            Panel(
                *("Duration", "s"),
                [Target("kemiscope_call_duration_seconds", "{{node}}")],
                "Answer to end.",
            ),
        ],
    ),
    Row(
        "Disk and retention",
        [
            Panel(
                *("Stored", "bytes"),
                [
                    Target("max(kemiscope_stored_bytes)", "stored"),
                    Target("max(kemiscope_stored_limit_bytes) > 0", "retention.max_bytes"),
                ],
                "All captured messages with their indexes.",
            ),
            Panel(
                *("The database's disk", "bytes"),
                [
                    Target("max(kemiscope_disk_used_bytes)", "used"),
                    Target("max(kemiscope_disk_limit_bytes)", "retention.max_disk_percent"),
                    Target("max(kemiscope_disk_size_bytes)", "size"),
                ],
                "Empty when PostgreSQL runs on another host.",
            ),
            Panel(
                *("Dropped by retention", "Bps"),
                [
                    Target(
                        "sum by (kind, reason) (rate(kemiscope_retention_dropped_bytes_total"
                        "[$__rate_interval]))",
                        "{{kind}}: {{reason}}",
                    )
                ],
                "Whole partitions: too old, too many bytes, or the disk too full.",
            ),
        ],
    ),
    Row(
        "Outputs and proxies",
        [
            Panel(
                *("Backlog of outputs", "bytes"),
                [Target(f"kemiscope_output_backlog_bytes{_NODE}", "{{capture_node}} {{output}}")],
                "What a relay target, Loki or the metrics have still to get.",
            ),
            Panel(
                *("Outputs by fate", "pps"),
                [
                    Target(
                        _total("kemiscope_output_records_total", "output", "outcome"),
                        "{{output}}: {{outcome}}",
                    )
                ],
                "docs/outputs.md explains each fate.",
            ),
            Panel(
                *("Calls traced by proxies", "short"),
                [
                    Target("kemiscope_trace_calls", "{{proxy}} calls"),
                    Target("kemiscope_trace_rules", "{{proxy}} rules"),
                ],
                "Trace rules in force, and calls that they have taken.",
            ),
        ],
    ),
    Row(
        "What the packets say (metrics.listen)",
        [
            Panel(
                *("Requests", "reqps"),
                [
                    Target(
                        "sum by (method) (rate(kemiscope_sip_messages_total"
                        '{response!~"[1-6].."}[$__rate_interval]))',
                        "{{method}}",
                    )
                ],
                "SIP requests by method.",
            ),
            Panel(
                *("Responses", "reqps"),
                [
                    Target(
                        "sum by (response) (rate(kemiscope_sip_messages_total"
                        '{response=~"[1-6].."}[$__rate_interval]))',
                        "{{response}}",
                    )
                ],
                "SIP responses by status code.",
            ),
            Panel(
                *("Session request delay, p95", "s"),
                [
                    Target(
                        "histogram_quantile(0.95, sum by (le, peer) (rate("
                        "kemiscope_sip_session_request_delay_seconds_bucket[$__rate_interval])))",
                        "{{peer}}",
                    )
                ],
                "INVITE to 18x or 2xx (RFC 6076).",
            ),
        ],
    ),
    Row(
        "Agents",
        [
            Panel(
                *("Messages captured", "pps"),
                [
                    Target(
                        "sum by (instance, outcome) (rate(hepagent_messages_total"
                        "[$__rate_interval]))",
                        "{{instance}} {{outcome}}",
                    )
                ],
                "What became of the messages that agents found.",
            ),
            Panel(
                *("Lost before capture", "pps"),
                [
                    Target(
                        "sum by (instance, cause) (rate(hepagent_dropped_packets_total"
                        "[$__rate_interval]))",
                        "{{instance}} {{cause}}",
                    )
                ],
                "Packets that the kernel dropped: a larger -b, or more workers.",
            ),
            Panel(
                *("Waiting for a server", "bytes"),
                [Target("hepagent_server_waiting_bytes", "{{instance}} → {{server}}")],
                "Kept on disk until the server is back.",
            ),
        ],
    ),
)
