# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts behind flags, and what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.flags import values
from collector.networks import Networks
from collector.settings.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\r\n\t", b"\r\n\t"),
        (r"\a\b\f\v", b"\a\b\f\v"),
        (r"\x41\x00\xff", b"A\0\xff"),
        (r"\101\377", b"A\xff"),
        ("\\u00e9\\U0001F600", "é😀".encode()),
        (r"\"\\\'", b"\"\\'"),
        ('say "hi"', b'say "hi"'),
        ("é", "é".encode()),
        (r"\\n", rb"\n"),
    ],
)
def test_the_escapes_of_a_go_string(text: str, found: bytes) -> None:
    """-fi and -di take them."""
    assert values.unescape(text) == found


@pytest.mark.parametrize(
    "text", ["\\", "a\\", r"\q", r"\x4", r"\8", r"\400", r"\uD800", r"\U00110000"]
)
def test_what_is_no_escape_is_refused(text: str) -> None:
    """heplify says so and goes on without any of the texts; so it filters nothing."""
    with pytest.raises(ValueError, match=r"is no escape sequence; write \\\\ for a backslash"):
        values.unescape(text)


@given(st.binary())
def test_every_byte_can_be_written(wanted: bytes) -> None:
    """As ``\\x41``; a comma, too, which would separate texts."""
    text = "".join(f"\\x{byte:02x}" for byte in wanted)
    assert values.texts(text) == ((wanted,) if wanted else ())


def test_texts_keep_their_spaces_and_empty_ones_are_none() -> None:
    """An empty one would be in every frame."""
    assert values.texts(" a ,,b,") == (b" a ", b"b")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 0),
        ("0", 0),
        ("0KB", 0),
        ("100B", 100),
        ("3KB", 3 << 10),
        ("20MB", 20 << 20),
        ("5GB", 5 << 30),
        ("1TB", 1 << 40),
        ("20mb", 20 << 20),
        (" 20 MB ", 20 << 20),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Powers of 1024."""
    assert values.size(text) == size


@pytest.mark.parametrize("text", ["100", "1.5GB", "-1MB", "MB", "10MiB", "ten MB", "²MB"])
def test_a_size_needs_a_unit(text: str) -> None:
    """A bare number could be anything."""
    with pytest.raises(ValueError, match="needs a whole number and a unit: B, KB, MB, GB or TB"):
        values.size(text)


@pytest.mark.parametrize(
    ("text", "ports"),
    [("5060", "5060"), (" 5060 - 5090 ", "5060-5090"), ("5090-5060", "5060-5090"), ("0-9", "0-9")],
)
def test_port_ranges(text: str, ports: str) -> None:
    """One port, or two in any order."""
    assert values.port_range(text) == ports


@pytest.mark.parametrize("text", ["", "sip", "5060,5080", "5060-", "-5060", "1-2-3", "65536", "٣"])
def test_what_is_no_port_range(text: str) -> None:
    """The way out is named."""
    with pytest.raises(ValueError, match="neither a port nor a range like 5060-5090; -bpf can"):
        values.port_range(text)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", []),
        ("192.0.2.1:9060", [("192.0.2.1", 9060)]),
        ("Homer.Example.com:9060", [("homer.example.com", 9060)]),
        ("[2001:DB8:0::1]:1", [("2001:db8::1", 1)]),
        (":9060", [("127.0.0.1", 9060)]),
        (" a:1 , b:2,, a:1 ", [("a", 1), ("b", 2)]),
    ],
)
def test_servers(text: str, hosts: list[tuple[str, int]]) -> None:
    """Names and addresses; each server once, without spaces around it."""
    assert values.servers(text, "tcp") == tuple(Endpoint("tcp", *host) for host in hosts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1", "'192.0.2.1' has no port; write 192.0.2.1:9060"),
        ("homer", "'homer' has no port; write homer:9060"),
        ("[::1]", "'[::1]' has no port; write [::1]:9060"),
        ("2001:db8::1:9060", "needs brackets and a port, as in [2001:db8::1]:9060"),
        ("a:0", "'a:0': the port must be 1 … 65535"),
        ("a:65536", "the port must be 1 … 65535"),
        ("a:", "the port must be 1 … 65535"),
        ("a:sip", "the port must be 1 … 65535"),
        ("tcp:192.0.2.1:9060", "write host:port, and -nt for the protocol"),
        ("http://homer:9060", "write host:port, and -nt for the protocol"),
        ("999.0.0.1:9060", "does not have the form address:port"),
    ],
)
def test_what_is_no_server(text: str, message: str) -> None:
    """What is wrong and what would be right."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the whole text is compared)
        values.servers(f"127.0.0.1:9060,{text}", "udp")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "protocol", "host"),
    [
        ("udp:127.0.0.1:9093", "udp", "127.0.0.1"),
        ("tcp:[::]:9093", "tcp", "::"),
        ("udp::9093", "udp", "0.0.0.0"),
        ("tcp:localhost:9093", "tcp", "localhost"),
    ],
)
def test_where_hep_is_taken_from(text: str, protocol: str, host: str) -> None:
    """-hin; without an address on all of them."""
    assert values.hep_in(text) == Endpoint(protocol, host, 9093)


@pytest.mark.parametrize(
    "text", ["9093", "127.0.0.1:9093", "tls:127.0.0.1:9093", "udp:9093", "udp:"]
)
def test_where_hep_is_not_taken_from(text: str) -> None:
    """The form is named."""
    with pytest.raises(ValueError, match="must be udp:address:port or tcp:address:port"):
        values.hep_in(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        (":8090", ("", 8090)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:1", ("::1", 1)),
        ("localhost:8090", ("localhost", 8090)),
    ],
)
def test_where_metrics_are_served(text: str, found: tuple[str, int] | None) -> None:
    """-prometheus; empty switches them off."""
    assert values.listen(text) == found


@pytest.mark.parametrize("text", [":", "8090", "localhost:0", ":65536", "::1:8090"])
def test_where_metrics_cannot_be_served(text: str) -> None:
    """A port is a must."""
    with pytest.raises(ValueError, match=r"address:port|the port must be|brackets"):
        values.listen(text)


def test_networks_are_addresses_and_prefixes() -> None:
    """An address is a network of one; what is returned can be looked up in."""
    found = values.networks("10.1.2.3, 192.0.2.0/24,2001:db8::1")
    assert found == ("10.1.2.3/32", "192.0.2.0/24", "2001:db8::1/128")
    assert bytes((192, 0, 2, 77)) in Networks(found)
    with pytest.raises(ValueError, match="not an address or a network"):
        values.networks("10.1.2.3,proxy")


def test_files_and_directories(tmp_path: Path) -> None:
    """A file is there; a directory may come to be."""
    path = tmp_path / "calls.pcap"
    with pytest.raises(ValueError, match="is not there; name a file"):
        values.file(str(path))
    path.touch()
    assert values.file(str(path)) == path
    assert values.file("") is values.directory("") is None
    with pytest.raises(ValueError, match="is a directory; name a file"):
        values.file(str(tmp_path))
    assert values.directory(str(tmp_path / "new")) == tmp_path / "new"
    with pytest.raises(ValueError, match="is a file; name a directory"):
        values.directory(str(path))
    if Path("/dev/stdin").exists():
        assert values.file("-") == Path("/dev/stdin")
