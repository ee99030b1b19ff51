# SPDX-License-Identifier: GPL-2.0-or-later
"""Every flag of heplify 1.66, once: name, kind, default and what it does here.

The parser, ``-help``, the options and the flag table of the documentation are derived from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, TypeAlias

Value: TypeAlias = bool | int | str


class Kind(Enum):
    """The kinds of Go's ``flag`` package; the value is the word that its ``-help`` prints."""

    BOOL = ""
    INT = "int"
    UINT = "uint"
    """An integer without a sign."""
    STRING = "string"


class Flag(NamedTuple):
    """One flag."""

    name: str
    kind: Kind
    default: Value
    """heplify's."""
    help: str
    unneeded: str = ""
    """Why it is accepted without effect; this is said once at the start."""
    since: str = ""
    """The version of heplify that brought it, if that is later than 1.66.7."""


def _flag(name: str, default: Value, text: str, unneeded: str = "", since: str = "") -> Flag:
    """A flag whose kind is told by its default."""
    kinds = {bool: Kind.BOOL, int: Kind.INT, str: Kind.STRING}
    return Flag(name, kinds[type(default)], default, text, unneeded, since)


def _uint(name: str, default: int, text: str, unneeded: str = "") -> Flag:
    return Flag(name, Kind.UINT, default, text, unneeded)


_NO_CERTIFICATE: Final = "a TLS server is shown no certificate"
_OWN_TRUST: Final = "the system says whose certificates are trusted"

GROUPS: Final[dict[str, tuple[Flag, ...]]] = {
    "Capture": (
        _flag("i", "any", "Interface to capture on; any means all of them."),
        _flag(
            "t",
            "af_packet",
            "Capture type: af_packet, else pcap. Both read a ring of the kernel through libpcap; "
            "only af_packet has fanout groups.",
        ),
        _flag("b", 32, "Size of the capture ring in MB, for each worker; 0 or less means 32."),
        _flag(
            "s",
            8192,
            "Most bytes of a frame to capture; 0 or less means 65535, and so does leaving it out: "
            "network cards join TCP segments to frames of that size.",
        ),
        _flag("pr", "5060-5090", "Port or range of ports of SIP: 5060 or 5060-5090."),
        _flag("m", "SIPRTCP", "What to capture: SIP, SIPDNS, SIPLOG or SIPRTCP."),
        _flag(
            "bpf", "", "Capture filter, see pcap-filter(7), in place of the one made by -m and -pr."
        ),
        _flag("vlan", False, "Capture frames with one or two VLAN tags, too."),
        _flag("erspan", False, "Capture GRE, too, and take what is in it for ERSPAN."),
        _uint("fg", 0, "Fanout group for several capture workers, 1 to 65535; 0 means one worker."),
        _flag("fw", 4, "Capture workers of the fanout group of -fg."),
    ),
    "Files": (
        _flag("rf", "", "Capture file to read in place of an interface: pcap, pcapng, also gz."),
        _flag("lp", 1, "How often to read the file of -rf; 0 means for ever."),
        _flag(
            "rs",
            False,
            "Read the file of -rf at full speed and keep its times. Without it the gaps between "
            "packets are kept, and the times are those of now.",
        ),
        _flag("eof-exit", False, "Read the file of -rf once, send everything, then exit with 0."),
        _flag("o", False, "Wait for Enter before each packet."),
        _flag("wf", "", "Directory to write the captured frames to, as pcap files."),
        _flag("rt", 60, "Minutes until -wf begins another file."),
        _flag("zf", False, "Compress the files of -wf with gzip."),
    ),
    "Sending": (
        _flag(
            "hs",
            "127.0.0.1:9060",
            "HEP servers as host:port, separated by commas; each gets every message. Empty: print "
            "the messages to the log.",
        ),
        _flag("nt", "udp", "How to send to the servers: udp, tcp or tls."),
        _flag("skipverify", False, "Trust any certificate of a TLS server."),
        _uint("keepalive", 5, "Seconds between TCP keep-alives; 0 leaves that to the agent."),
        _uint(
            "tcpsendretries",
            0,
            "Send errors before connecting again.",
            "a broken connection is made anew at once, then with growing pauses",
        ),
        _uint("hi", 2002, "Node ID of this agent, at most 4294967294."),
        _flag("hn", "", "Node name of this agent."),
        _flag("hp", "", "Password for the servers; with it a ping is sent at each connect."),
        _flag("crt-path", "./cert.pem", "Certificate of this agent.", _NO_CERTIFICATE, "1.66.8"),
        _flag("key-path", "./key.pem", "Its key.", _NO_CERTIFICATE, "1.66.8"),
        _flag("chain-path", "./chain.pem", "Who signed the server's.", _OWN_TRUST, "1.66.8"),
        _flag("protobuf", False, "Send Protobuf in place of HEP3; over UDP only."),
        _flag("hep-buffer-activate", False, "Keep on disk what a server that is away has not got."),
        _flag(
            "hep-buffer-file",
            "HEP-Buffer.dump",
            "Where: the directory of this name with .journal behind it. What heplify left in the "
            "file itself is sent at the start.",
        ),
        _flag(
            "hep-buffer-max-size",
            "0",
            "Most bytes on disk, with B, KB, MB, GB or TB (powers of 1024); 0: as many as there is "
            "room for. The oldest go first.",
        ),
        _flag(
            "hep-buffer-debug",
            False,
            "Log each buffered message.",
            "messages that wait are counted in the metrics and the exit line, not logged one by "
            "one",
        ),
    ),
    "Collector mode": (
        _flag(
            "hin",
            "",
            "Take HEP from other agents in place of capturing, and pass it on: "
            "udp:127.0.0.1:9093 or tcp:127.0.0.1:9093.",
        ),
        _flag("collectonlysip", False, "With -hin: pass on SIP only."),
        _flag(
            "replacetoken", False, "With -hin: put the password of -hp in place.", since="1.66.10"
        ),
    ),
    "What is left out": (
        _flag("dd", False, "Drop the copies of a frame that follow it within 0.4 s."),
        _flag(
            "fi",
            "",
            r"Texts separated by commas; a frame is used if it has all of them. \r \n \t \x41 \" "
            r"and \\ as in Go.",
        ),
        _flag("di", "", "Texts as for -fi; a frame is left out if it has any of them."),
        _flag("dim", "", "SIP methods to leave out, separated by commas; told by the CSeq."),
        _flag(
            "diip",
            "",
            "Addresses or networks, separated by commas; packets from or to them are left out.",
        ),
        _flag("disip", "", "The same for the source."),
        _flag("didip", "", "The same for the destination."),
    ),
    "TCP": (
        _flag(
            "tcpassembly",
            False,
            "Put TCP segments together.",
            "TCP segments are always put together",
        ),
        _flag(
            "sipassembly",
            False,
            "Put SIP messages together.",
            "SIP messages are always put together",
        ),
        _flag(
            "assembly_debug_log",
            False,
            "Debug log of gopacket's reassembly.",
            "the library that it belongs to is not used",
        ),
        _flag(
            "assembly_memuse_log",
            False,
            "Memory log of gopacket's reassembly.",
            "the library that it belongs to is not used",
        ),
    ),
    "Script": (
        _flag("script-file", "", "Lua script whose functions see, and may change, each message."),
        _flag("script-hep-filter", "1", "HEP types that the script sees, separated by commas."),
    ),
    "Metrics and log": (
        _flag(
            "prometheus",
            ":8090",
            "Address and port of the metrics; without an address: on all. Empty: none.",
        ),
        _flag("l", "info", "Log level: debug, info, warning, error or critical."),
        _flag("e", False, "Log to stderr, not to a file or syslog."),
        _flag("sl", False, "Log to syslog."),
        _flag("p", "./", "Directory of the log file."),
        _flag("n", "heplify.log", "Name of the log file."),
        _uint("fsize", 10 * 1024 * 1024, "Bytes after which another log file is begun."),
        _flag("fnum", 7, "Log files to keep."),
        _flag(
            "d",
            "",
            "Debug selectors, separated by commas.",
            "what is left out, and why, is counted in the metrics and the exit line",
        ),
        _flag("version", False, "Print the version."),
    ),
}
"""As the documentation has them."""

FLAGS: Final = {flag.name: flag for group in GROUPS.values() for flag in group}
