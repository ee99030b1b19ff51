# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said at the start of flags that do nothing."""

from __future__ import annotations

import pytest

from agent.flags.options import read_options

_UNREAD = (
    "what begins with 'true' was not read: it is no flag and no flag's value (a switch takes one "
    "only behind =)"
)


@pytest.mark.parametrize(
    ("arguments", "notices"),
    [
        ("", []),
        ("-fw 2", ["-fw has no effect without -fg"]),
        ("-rs", ["-rs has no effect without -rf"]),
        ("-eof-exit", ["-eof-exit has no effect without -rf"]),
        ("-zf", ["-zf has no effect without -wf"]),
        ("-collectonlysip", ["-collectonlysip has no effect without -hin"]),
        ("-script-hep-filter 1,5", ["-script-hep-filter has no effect without -script-file"]),
        ("-bpf udp -vlan", ["-vlan has no effect with -bpf"]),
        (f"-rf {__file__} -wf new", ["-wf has no effect with -rf"]),
        ("-hin udp::9093 -i eth0", ["-i has no effect with -hin"]),
        ("-hin udp::9093 -protobuf", ["-protobuf has no effect with -hin"]),
        (f"-hin udp::9093 -script-file {__file__}", ["-script-file has no effect with -hin"]),
        ("-hin udp::9093 -i any", []),
        ("-hin udp::9093 -collectonlysip", []),
        ("-skipverify", ["-skipverify has no effect without -nt tls"]),
        ("-skipverify -nt tls", []),
        ("-fg 1 -t pcap", ["-fg has no effect with -t pcap; use -t af_packet for 4 workers"]),
        ("-m VOIP", ["-m VOIP is none of SIP, SIPDNS, SIPLOG, SIPRTCP: it means SIPRTCP"]),
        ("-tcpassembly=false", []),
        (
            "-e true -i eth0",
            [_UNREAD],
        ),
    ],
)
def test_what_is_said(arguments: str, notices: list[str]) -> None:
    """Of what was given, and only of that."""
    assert list(read_options(arguments.split()).notices) == notices
