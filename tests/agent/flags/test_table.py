# SPDX-License-Identifier: GPL-2.0-or-later
"""Every flag: that it is there, its kind and default, and what it changes in the options.

``heplify-1.66.7.tsv`` has name, kind and default of each flag of that version, as its users know
them; nothing in it is made from our table.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from agent.flags.options import AF_PACKET, PCAP, Options, read_options
from agent.flags.parse import parse
from agent.flags.table import FLAGS, GROUPS, Kind, Value
from collector.settings.endpoint import Endpoint

HEPLIFY: Final = {
    name: (kind, default)
    for name, kind, default in (
        line.split("\t")
        for line in Path(__file__).with_name("heplify-1.66.7.tsv").read_text().splitlines()
    )
}
LATER: Final = {"replacetoken", "crt-path", "key-path", "chain-path"}
"""What versions up to 1.66.10 brought."""
_THIS_FILE: Final = Path(__file__)
_HERE: Final = _THIS_FILE.parent


class Row(NamedTuple):
    """A flag and what it means."""

    default: Any
    """The option's, as the rest of the agent sees it."""
    text: str
    """A value on the command line; empty for a switch."""
    value: Any
    """The option then."""
    field: str = ""
    """The option's name if it is not the flag's."""
    beside: tuple[str, ...] = ()
    """Flags without which it means nothing."""


def _switch(*beside: str) -> Row:
    return Row(False, "", True, beside=beside)


_NO_FILE: Final = None
ROWS: Final = {
    "i": Row("any", "eth0", "eth0"),
    "t": Row(AF_PACKET, "pcap", PCAP),
    "b": Row(32 << 20, "64", 64 << 20),
    "s": Row(65_535, "8192", 8192),
    "pr": Row("5060-5090", "5060", "5060"),
    "m": Row("SIPRTCP", "SIPDNS", "SIPDNS"),
    "bpf": Row("", "udp port 5060", "udp port 5060"),
    "erspan": _switch(),
    "vlan": _switch(),
    "fg": Row(0, "7", 7),
    "fw": Row(4, "2", 2),
    "o": _switch(),
    "rf": Row(_NO_FILE, str(_THIS_FILE), _THIS_FILE),
    "lp": Row(1, "0", 0),
    "rs": _switch(),
    "eof-exit": _switch(),
    "wf": Row(_NO_FILE, str(_HERE / "new"), _HERE / "new"),
    "rt": Row(3600, "5", 300),
    "zf": _switch(),
    "hs": Row(
        (Endpoint("udp", "127.0.0.1", 9060),),
        "192.0.2.1:9060,homer.example.com:9061,[2001:db8::1]:9062",
        (
            Endpoint("udp", "192.0.2.1", 9060),
            Endpoint("udp", "homer.example.com", 9061),
            Endpoint("udp", "2001:db8::1", 9062),
        ),
        "servers",
    ),
    "nt": Row("udp", "tls", "tls"),
    "skipverify": _switch(),
    "keepalive": Row(5, "0", 0),
    "tcpsendretries": Row(0, "3", 3),
    "hi": Row(2002, "4294967294", 0xFFFF_FFFE),
    "hn": Row(b"", "näme", "näme".encode()),
    "hp": Row(b"", "secret", b"secret"),
    "protobuf": _switch(),
    "hin": Row(None, "tcp:[::1]:9093", Endpoint("tcp", "::1", 9093)),
    "collectonlysip": _switch(),
    "replacetoken": _switch(),
    "dd": _switch(),
    "fi": Row((), r"INVITE,\x53IP/2.0\r\n", (b"INVITE", b"SIP/2.0\r\n")),
    "di": Row((), r"sipvicious,\"a\"", (b"sipvicious", b'"a"')),
    "dim": Row(frozenset(), "options, Register", frozenset({b"OPTIONS", b"REGISTER"})),
    "diip": Row((), "192.0.2.1,10.0.0.0/8", ("192.0.2.1/32", "10.0.0.0/8")),
    "disip": Row((), "2001:db8::1", ("2001:db8::1/128",)),
    "didip": Row((), "2001:DB8::/32", ("2001:db8::/32",)),
    "tcpassembly": _switch(),
    "sipassembly": _switch(),
    "assembly_debug_log": _switch(),
    "assembly_memuse_log": _switch(),
    "hep-buffer-activate": _switch(),
    "hep-buffer-file": Row(Path("HEP-Buffer.dump"), "/var/spool/hep", Path("/var/spool/hep")),
    "hep-buffer-max-size": Row(0, "20MB", 20 << 20, beside=("-hep-buffer-activate",)),
    "hep-buffer-debug": _switch(),
    "prometheus": Row(("", 8090), "127.0.0.1:9096", ("127.0.0.1", 9096)),
    "script-file": Row(_NO_FILE, str(_THIS_FILE), _THIS_FILE),
    "script-hep-filter": Row(frozenset({1}), "1, 100,x", frozenset({1, 100})),
    "l": Row("info", "debug", "debug"),
    "e": _switch(),
    "sl": _switch(),
    "p": Row(Path(), "/var/log", Path("/var/log")),
    "n": Row("heplify.log", "agent.log", "agent.log"),
    "fsize": Row(10 << 20, "1048576", 1 << 20),
    "fnum": Row(7, "3", 3),
    "d": Row(frozenset(), "rtcp, SDP", frozenset({"rtcp", "sdp"})),
    "crt-path": Row("./cert.pem", "a.pem", "a.pem"),
    "key-path": Row("./key.pem", "b.pem", "b.pem"),
    "chain-path": Row("./chain.pem", "c.pem", "c.pem"),
}


@pytest.mark.parametrize("name", HEPLIFY)
def test_every_flag_of_heplify_has_its_kind_and_default(name: str) -> None:
    """A flag that is missing, or means another default, fails here."""
    kind, default = HEPLIFY[name]
    flag = FLAGS[name]
    assert flag.kind is (Kind.BOOL if kind == "bool" else Kind(kind))
    expected: Value = default if kind == "string" else int(default.replace("false", "0"))
    assert flag.default == expected
    assert not flag.since


def test_no_flag_is_of_our_own_making() -> None:
    """What is not heplify 1.66.7's is a later version's, and says so."""
    assert FLAGS.keys() - HEPLIFY.keys() == LATER
    assert all(FLAGS[name].since for name in LATER)
    assert sum(map(len, GROUPS.values())) == len(FLAGS), "a name twice"


def test_every_flag_and_every_option_is_in_the_table() -> None:
    """Nothing is left untested, and no option has no flag."""
    assert ROWS.keys() == FLAGS.keys() - {"version"}
    options = {field.name for field in fields(Options)} - {"notices"}
    assert options == {row.field or name.replace("-", "_") for name, row in ROWS.items()}


@pytest.mark.parametrize("dashes", ["-", "--"])
@pytest.mark.parametrize("name", ROWS)
def test_what_a_flag_changes(name: str, dashes: str) -> None:
    """``-name value``, ``-name=value``, ``--name``: the option it sets, and no other one."""
    row = ROWS[name]
    before = read_options(row.beside)
    arguments = [f"{dashes}{name}", row.text] if row.text else [f"{dashes}{name}"]
    after = read_options([*row.beside, *arguments])
    changed = {
        field.name: (getattr(before, field.name), getattr(after, field.name))
        for field in fields(Options)
        if getattr(before, field.name) != getattr(after, field.name)
    }
    changed.pop("notices", None)
    wanted = {row.field or name.replace("-", "_"): (row.default, row.value)}
    if name == "nt":
        servers = before.servers
        wanted["servers"] = (servers, tuple(one._replace(protocol="tls") for one in servers))
    assert changed == wanted
    assert read_options([*row.beside, f"{dashes}{name}={row.text or 'true'}"]) == after


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.unneeded])
def test_a_flag_without_effect_is_accepted_and_says_so_once(name: str) -> None:
    """One sentence at the start; none when it is not given."""
    row = ROWS[name]
    given = read_options([f"-{name}={row.text or 'true'}"])
    assert given.notices == (f"-{name} has no effect: {FLAGS[name].unneeded}",)
    assert read_options([]).notices == ()


@pytest.mark.parametrize("name", FLAGS)
def test_every_flag_has_a_help(name: str) -> None:
    """A sentence that ends."""
    assert FLAGS[name].help.endswith(".")
    assert parse([]).values[name] == FLAGS[name].default
