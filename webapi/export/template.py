# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of captured SIP messages as SIPp sends them: text that stands for itself, keywords for what
differs from call to call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from collector import sip, sip_address
from collector.sip_header import COMPACT_NAMES, FOLD

# In SIPp brackets are keywords, some of which read files; a backslash begins a hex code.
_SPECIAL: Final = {ord(c): f"\\x{ord(c):02x}" for c in "\\[]"}
_MADE: Final = frozenset(
    (
        *("via", "from", "to", "call-id", "cseq", "contact", "content-length", "max-forwards"),
        *("route", "record-route", "authorization", "proxy-authorization"),
    )
)
"""Headers that SIPp or the scenario makes; lower case."""
_TAG: Final = re.compile(r";\s*tag\s*=\s*[^;,\s]*", re.IGNORECASE)
_ADDRESSED: Final = ("a=candidate:", "a=remote-candidates:", "a=rtcp:", "a=ice-", "a=end-of-")
"""Lines of SDP that name addresses or ports beside the ones that are replaced."""
_MEDIA: Final = re.compile(r"m=(\S+) ([0-9]+)(?:/[0-9]+)? (.*)", re.DOTALL)
_LOCAL: Final = "[local_ip]:[local_port]"


class Header(NamedTuple):
    """One header field: the name as written, and the value on one line."""

    name: str
    value: str

    @property
    def key(self) -> str:
        """The name written out, in lower case."""
        lower = self.name.strip().lower()
        return COMPACT_NAMES.get(lower.encode(), lower.encode()).decode()


def headers(message: bytes) -> list[Header]:
    """All of them in their order. What is not UTF-8 is replaced."""
    message = message.lstrip(b"\r\n")
    blank = sip.find_empty_line(message, 0, len(message))
    head = message[: blank[0]] if blank else message
    head = FOLD.sub(b" ", head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    found = []
    for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.append(Header(name.strip(), value.strip()))
    return found


def literal(text: str) -> str:
    """Text of anybody that SIPp sends as it is and XML can hold: nothing in it is a keyword.

    Characters that cannot be printed are blanks, so it stays on its line.
    """
    return "".join(c if c.isprintable() else " " for c in text).translate(_SPECIAL)


def copied(found: list[Header]) -> Iterator[str]:
    """The lines of all headers but those that are made for each call."""
    for header in found:
        if header.key not in _MADE and header.name.isprintable() and " " not in header.name:
            yield f"{literal(header.name)}: {literal(header.value)}"


def party(found: list[Header], key: str, parameter: str) -> str:
    """A From or To value with another tag: ``parameter``, which may be empty."""
    value = next((header.value for header in found if header.key == key), "<sip:unknown>")
    return f"{literal(_TAG.sub('', value))}{parameter}"


def uri(user: str, place: str) -> str:
    """A SIP URI with a captured user."""
    return f"sip:{literal(user)}@{place}" if user else f"sip:{place}"


def contact(found: list[Header]) -> Iterator[str]:
    """The line that says where this side is, if the message had one."""
    value = next((header.value for header in found if header.key == "contact"), None)
    if value is not None:
        user, _, _ = sip_address.address(value.encode())
        place = uri(user.decode("utf-8", "replace"), _LOCAL)
        yield f"Contact: <{place};transport=[transport]>"


def body(found: list[Header], data: bytes) -> list[str]:
    """The lines of a body; none when it is empty or no text."""
    kind = next((header.value.lower() for header in found if header.key == "content-type"), "")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return []
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n") if text.strip() else []
    return list(_sdp(lines)) if kind.startswith("application/sdp") else list(map(literal, lines))


def _sdp(lines: list[str]) -> Iterator[str]:
    """SDP with SIPp's own addresses and ports (RFC 8866 §5.2, §5.7, §5.14)."""
    streams = 0
    for line in lines:
        media = _MEDIA.match(line)
        if line.startswith("o="):
            origin = " ".join(line.split(" ")[:3])
            yield f"{literal(origin)} IN IP[local_ip_type] [local_ip]"
        elif line.startswith("c="):
            yield "c=IN IP[media_ip_type] [media_ip]"
        elif media:
            port = f"[media_port+{2 * streams}]" if streams else "[media_port]"
            streams += 1
            kept = port if int(media[2]) else "0"  # 0 is refused: RFC 3264 §6
            yield f"m={literal(media[1])} {kept} {literal(media[3])}"
        elif not line.startswith(_ADDRESSED):
            yield literal(line)
