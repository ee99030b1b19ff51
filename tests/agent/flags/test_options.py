# SPDX-License-Identifier: GPL-2.0-or-later
"""Options: what flags do together, and conflicts: where, what is wrong, and the way out."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from agent.capture.filter import COOKED, capture_filter
from agent.flags.options import AF_PACKET, PCAP, OptionError, read_options


@pytest.mark.parametrize(
    ("arguments", "where", "message"),
    [
        ("-hs 192.0.2.1", "-hs: ", "has no port; write 192.0.2.1:9060"),
        ("-hs a:1,b:x", "-hs: 'b:x'", "the port must be 1 … 65535"),
        ("-nt sctp", "-nt: 'sctp'", "must be one of udp, tcp, tls"),
        ("-hi 4294967295", "-hi: 4294967295", "a node ID is 0 … 4294967294"),
        ("-fg 65536", "-fg: 65536", "a group is 0 … 65535"),
        ("-fw 100000", "-fw: 100000", "the number of workers is"),
        ("-b 4096", "-b: 4096", "the size in MB is 1 … 2047"),
        ("-s 1000000", "-s: 1000000", "the length in bytes is 1 … 262144"),
        ("-pr 5060,5080", "-pr: '5060,5080'", "-bpf can name several"),
        ("-rt 0", "-rt: 0", "the time in minutes is 1 …"),
        ("-lp -1", "-lp: -1", "the count, with 0 for ever, is 0 …"),
        ("-rf /nowhere.pcap", "-rf: '/nowhere.pcap'", "is not there; name a file"),
        ("-script-file /nowhere.lua", "-script-file: ", "is not there; name a file"),
        ("-wf /dev/null", "-wf: '/dev/null'", "is a file; name a directory"),
        ("-hin 9093", "-hin: '9093'", "must be udp:address:port or tcp:address:port"),
        (f"-hin udp::9093 -rf {__file__}", "-rf -hin: ", "leave out one of them"),
        ("-protobuf -nt tcp", "-protobuf -nt tcp: ", "leave out -protobuf, or use -nt udp"),
        ("-protobuf -nt tls", "-protobuf -nt tls: ", "leave out -protobuf, or use -nt udp"),
        (
            "-hep-buffer-activate -hep-buffer-max-size 100",
            "-hep-buffer-max-size: '100'",
            "B, KB, MB, GB or TB, as in 500MB",
        ),
        (r"-fi \q", "-fi: ", "is no escape sequence"),
        (r"-di \q", "-di: ", "is no escape sequence"),
        ("-diip proxy", "-diip: 'proxy'", "not an address or a network"),
        ("-disip 10.0.0.1/8", "-disip: ", "has host bits set"),
        ("-didip 1.2.3", "-didip: '1.2.3'", "not an address or a network"),
        ("-prometheus 8090", "-prometheus: ", "the form address:port"),
        ("-l loud", "-l: 'loud'", "must be one of debug, info, warning, error, critical"),
        (f"-hn {'x' * 2000}", "-hn: 2000", "its length in bytes is 0 … 1024"),
        (f"-hp {'x' * 2000}", "-hp: 2000", "its length in bytes is 0 … 1024"),
    ],
)
def test_a_conflict_is_explained(arguments: str, where: str, message: str) -> None:
    """Where it is, what is wrong, and what to do."""
    with pytest.raises(OptionError) as raised:
        read_options(arguments.split())
    assert str(raised.value).startswith(where)
    assert message in str(raised.value)


def test_fanout_workers_need_a_group_and_af_packet() -> None:
    """Only with -fg above 0, -fw above 1, AF_PACKET, and an interface."""
    assert read_options(["-fg", "1"]).workers == 4
    assert read_options(["-fg", "1", "-fw", "2"]).workers == 2
    assert read_options(["-fw", "8"]).workers == 1
    assert read_options(["-fg", "1", "-fw", "1"]).workers == 1
    assert read_options(["-fg", "1", "-fw", "-3"]).workers == 1
    assert read_options(["-fg", "1", "-t", "pcap"]).workers == 1
    assert read_options(["-fg", "1", "-rf", __file__]).workers == 1
    assert read_options(["-fg", "1", "-hin", "udp::9093"]).workers == 1


def test_any_other_capture_type_is_pcap() -> None:
    """Also one that nobody knows."""
    assert read_options(["-t", "af_packet"]).t == AF_PACKET
    assert read_options(["-t", "pcap"]).t == read_options(["-t", "file"]).t == PCAP


def test_sizes_that_make_no_sense_mean_the_default() -> None:
    """0 or less: 32 MB of ring, whole frames; no interface is any."""
    for number in ("0", "-5"):
        assert read_options(["-b", number]).b == 32 << 20
        assert read_options(["-s", number]).s == 65_535
    assert read_options(["-i", ""]).i == "any"


@pytest.mark.parametrize(
    ("text", "mode"),
    [("SIP", "SIP"), ("sip", "SIP"), ("SIPRTP", "SIPRTP"), ("RTCP", "SIPRTCP"), ("", "SIPRTCP")],
)
def test_an_unknown_mode_is_sip_and_rtcp(text: str, mode: str) -> None:
    """As in heplify; but small letters are no reason."""
    options = read_options(["-m", text])
    assert options.m == mode
    assert bool(options.notices) == (text in ("RTCP", ""))


def test_methods_are_trimmed_and_in_capitals() -> None:
    """A space behind a comma does not make another method of it."""
    assert read_options(["-dim", "options, Register ,"]).dim == {b"OPTIONS", b"REGISTER"}


def test_a_file_is_read_whatever_the_capture_type() -> None:
    """heplify opens the interface all the same without ``-t pcap``; nobody means that."""
    assert read_options(["-rf", __file__]).rf == Path(__file__)
    assert read_options(["-rf", __file__]).notices == ()


def test_an_exit_at_the_end_of_the_file_means_once() -> None:
    """-eof-exit wins over -lp."""
    options = read_options(["-rf", __file__, "-eof-exit", "-lp", "0"])
    assert options.lp == 1
    assert options.notices == ("-lp has no effect with -eof-exit",)


def test_the_buffer_size_is_looked_at_when_there_is_a_buffer() -> None:
    """heplify starts with any text there as long as the buffer is off."""
    options = read_options(["-hep-buffer-max-size", "100"])
    assert options.hep_buffer_max_size == 0
    assert options.notices == ("-hep-buffer-max-size has no effect without -hep-buffer-activate",)


def test_no_server_means_print() -> None:
    """-hs with nothing."""
    assert read_options(["-hs", ""]).servers == ()


def test_bpf_replaces_the_whole_filter() -> None:
    """And else there is the one of mode, ports and switches for the link type."""
    options = read_options(["-bpf", "udp port 5060", "-erspan"])
    assert options.capture_filter(1) == "udp port 5060"
    link = next(iter(COOKED))
    options = read_options(["-m", "SIP", "-pr", "5060", "-vlan", "-erspan"])
    assert options.capture_filter(link) == capture_filter(
        "SIP", "5060", vlan=True, erspan=True, linktype=link
    )


def test_the_password_is_not_shown() -> None:
    """Options may get into a log."""
    assert "secret" not in repr(read_options(["-hp", "secret"]))


def test_options_do_not_change() -> None:
    """Workers share them."""
    options = read_options([])
    with pytest.raises(FrozenInstanceError):
        options.i = "lo"  # type: ignore[misc]


def test_bytes_of_the_command_line_are_kept() -> None:
    """Also those that are no UTF-8."""
    text = b"n\xe4me".decode("utf-8", "surrogateescape")
    options = read_options(["-hn", text, "-fi", text])
    assert options.hn == b"n\xe4me"
    assert options.fi == (b"n\xe4me",)
