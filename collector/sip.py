# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP extraction (RFC 3261): the fields that people search by, out of one message's bytes.

Nothing here raises on bad input. What cannot be read is left empty and the message carries a
``Fault``, so that it is stored, marked and findable instead of lost.
"""

from __future__ import annotations

import re
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from collector import sip_header as header
from collector.sip_address import address, parse_uri, party
from collector.sip_header import COMPACT_NAMES, FOLD

CHALLENGES: Final = (401, 407)
"""Statuses that ask for credentials: no failure, the request comes again."""
MAX_CSEQ: Final = 2**31 - 1
"""RFC 3261 §8.1.1.5: the sequence number is less than 2**31."""


METHODS: Final = frozenset(
    (
        *("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "SUBSCRIBE"),
        *("NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE"),
    )
)
"""Methods told apart in statistics (RFC 3261 and extensions); anything can stand in a message."""


class Kind(IntEnum):
    """Which table a message belongs to; retention differs by kind."""

    CALL = 0
    REGISTRATION = 1
    OTHER = 2

    @property
    def label(self) -> str:
        """The name used in table names, settings and JSON."""
        return self.name.lower()


_OTHER: Final = Kind.OTHER
_KINDS: Final = {
    **dict.fromkeys(
        (b"INVITE", b"ACK", b"BYE", b"CANCEL", b"UPDATE", b"PRACK", b"REFER", b"INFO", b"NOTIFY"),
        Kind.CALL,
    ),
    b"REGISTER": Kind.REGISTRATION,
}
"""By CSeq method; whatever is not here is ``OTHER``."""


def kind_of(method: bytes) -> Kind:
    """The kind of the messages with this CSeq method."""
    return _KINDS.get(method, _OTHER)


class Fault(StrEnum):
    """What is wrong with a stored message; the column ``fault`` holds the first that applies."""

    START_LINE = "start_line"
    """The first line is neither a request line nor a status line."""
    CALL_ID = "call_id"
    """No Call-ID, or an empty one."""
    CSEQ = "cseq"
    """No CSeq, or its number or method cannot be read."""
    TRUNCATED = "truncated"
    """The empty line is missing within 64 KiB, or the body is shorter than Content-Length."""
    TEXT = "text"
    """A header value holds NUL or bytes that are not UTF-8; the column has U+FFFD instead."""
    FIELD_LENGTH = "field_length"
    """A header value is longer than sip.max_field_bytes; the column has its beginning."""


class Sip(NamedTuple):
    """One SIP message. Text is as received, ``b""`` where absent; host names in lower case.

    ``method`` is the request method, in a response that of CSeq. ``status`` is 0 in a request.
    ``cseq`` is -1 when it cannot be read. ``via_transport`` and ``via_branch`` are of the top Via.
    From ``contact`` on there are whole header values; ``reason`` is the reason phrase,
    ``reason_header`` that of RFC 3326. ``body_size`` in bytes is -1 when the empty line is missing.
    """

    kind: Kind
    method: bytes
    status: int
    reason: bytes
    call_id: bytes
    cseq: int
    ruri_user: bytes
    ruri_domain: bytes
    from_user: bytes
    from_domain: bytes
    from_tag: bytes
    to_user: bytes
    to_domain: bytes
    to_tag: bytes
    contact_user: bytes
    contact_domain: bytes
    pai_user: bytes
    pai_domain: bytes
    auth_user: bytes
    auth_realm: bytes
    user_agent: bytes
    via_transport: bytes
    via_branch: bytes
    fault: Fault | None
    contact: bytes
    expires: bytes
    session_id: bytes
    replaces: bytes
    refer_to: bytes
    reason_header: bytes
    warning: bytes
    body_size: int


COLUMN_FIELDS: Final = Sip._fields[: Sip._fields.index("contact")]
"""The fields that are columns of a stored message; the others are for correlation."""


MAX_HEAD: Final = 65_535
"""Bytes of start line and headers that are read. Only what was inflated can have more, and to read
a quarter of a megabyte takes up to 50 ms."""
_MAX_VIA: Final = 8192
"""Bytes of Via in which the branch must begin: 60,000 semicolons would take 10 ms."""

# One match per header value instead of a dozen finds: measured, it is twice as fast. Each pattern
# is linear, or one packet of 64 KB could stop an ingest process: a repetition excludes what ends
# it and is possessive (*+, ++), so that a late mismatch does not try all its shorter forms. Quoted
# text is [^"\\]*+(?:\\.[^"\\]*+)*+ because an alternation costs three times as much an escape.
_REQUEST_LINE: Final = re.compile(rb"([^ :/]++) ++(.+) SIP/\d\.\d\s*+\Z", re.DOTALL | re.IGNORECASE)
_STATUS_LINE: Final = re.compile(
    rb"SIP/\d\.\d +([1-6]\d\d)(?: +(.*)|\s*)\Z", re.DOTALL | re.IGNORECASE
)
_CSEQ_VALUE: Final = re.compile(rb"(\d{1,10})\s+(\S+)\Z")
_TOP_VIA: Final = re.compile(
    rb"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9_-]+)[^,;]*"
    rb"(?:;(?!\s*branch\s*=)[^,;]*)*(?:;\s*branch\s*=\s*([^;,\s]*))?",
    re.IGNORECASE,
)
_BRANCH_VALUE: Final = re.compile(rb"[^;,\s]*+")
_USERNAME: Final = re.compile(
    rb'[\s,]username\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^",\s]*))', re.DOTALL | re.IGNORECASE
)
_REALM: Final = re.compile(
    rb'[\s,]realm\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^",\s]*))', re.DOTALL | re.IGNORECASE
)


def extract(message: bytes) -> Sip:
    """Read one SIP message of any form; leading empty lines are skipped (RFC 3261 §7.5)."""
    head, body_size = _split_body(message)
    start_line, found = header.read(head)
    status, method, reason, ruri = _start_line(start_line)
    cseq, cseq_method = _cseq(found[header.CSEQ])
    if status:
        method = cseq_method
    call_id = found[header.CALL_ID]

    fault = None
    kind = _KINDS.get(cseq_method or method, _OTHER)
    if not (method or status):
        fault, kind = Fault.START_LINE, _OTHER
    elif not call_id:
        fault, kind = Fault.CALL_ID, _OTHER
    elif cseq < 0 or not cseq_method:
        fault = Fault.CSEQ
    elif body_size < _content_length(found[header.LENGTH]):
        fault = Fault.TRUNCATED

    contact_user = contact_domain = pai_user = pai_domain = auth_user = auth_realm = b""
    ruri_user, ruri_domain = parse_uri(ruri) if ruri else (b"", b"")
    from_user, from_domain, from_tag = party(found[header.FROM])
    to_user, to_domain, to_tag = party(found[header.TO])
    if found[header.CONTACT]:
        contact_user, contact_domain, _ = address(found[header.CONTACT])
    identity = found[header.PAI] or found[header.PPI] or found[header.RPID]
    if identity:
        pai_user, pai_domain, _ = address(identity)
    credentials = found[header.AUTH] or found[header.PROXY_AUTH]
    if credentials:
        auth_user = _quoted(_USERNAME, credentials)
        auth_realm = _quoted(_REALM, credentials)
    via_transport, via_branch = _via(found[header.VIA])
    return Sip(
        kind,
        method,
        status,
        reason,
        call_id,
        cseq,
        ruri_user,
        ruri_domain,
        from_user,
        from_domain,
        from_tag,
        to_user,
        to_domain,
        to_tag,
        contact_user,
        contact_domain,
        pai_user,
        pai_domain,
        auth_user,
        auth_realm,
        found[header.USER_AGENT] or found[header.SERVER],
        via_transport,
        via_branch,
        fault,
        found[header.CONTACT],
        found[header.EXPIRES],
        found[header.SESSION_ID],
        found[header.REPLACES],
        found[header.REFER_TO],
        found[header.REASON],
        found[header.WARNING],
        body_size,
    )


def find_headers(message: bytes, wanted: frozenset[bytes]) -> dict[bytes, bytes]:
    """The first value of each of the ``wanted`` headers that the message has.

    Names are in lower case and written out; any spelling in the message, compact form and folded
    value is found.
    """
    return {name: values[0] for name, values in find_all_headers(message, wanted).items()}


def find_all_headers(message: bytes, wanted: frozenset[bytes]) -> dict[bytes, list[bytes]]:
    """The same with all values in their order; a value may be a list with commas of its own."""
    head, _ = _split_body(message)
    found: dict[bytes, list[bytes]] = {}
    for line in FOLD.sub(b" ", head).split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            lower = name.strip().lower()
            lower = COMPACT_NAMES.get(lower, lower)
            if lower in wanted:
                found.setdefault(lower, []).append(value.strip())
    return found


def find_empty_line(message: bytes | bytearray, start: int, end: int) -> tuple[int, int] | None:
    """Where the end of the headers begins and where the body does: two line ends, CRLF or bare LF.

    A pattern would do, at a hundred times the cost for a message full of line ends.
    """
    bare, whole = message.find(b"\n\n", start, end), message.find(b"\n\r\n", start, end)
    if bare < 0 or 0 <= whole < bare:
        at, size = whole, 3
    else:
        at, size = bare, 2
    if at < 0:
        return None
    begin = at - 1 if at > start and message.startswith(b"\r", at - 1) else at
    return begin, at + size


def is_keepalive(message: bytes) -> bool:
    """True for what SIP endpoints send to keep a NAT binding open: only CR, LF, NUL or blanks."""
    return not message.strip(b"\r\n\0 \t")


def _split_body(message: bytes) -> tuple[bytes, int]:
    """Start line and headers, and the size of the body; -1 when the empty line is missing.

    It is missed, too, when it comes after ``MAX_HEAD`` bytes.
    """
    if message[:1] in (b"\r", b"\n"):
        message = message.lstrip(b"\r\n")
    end = message.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0 or b"\n" in message[: message.find(b"\r\n")]:
        # Bare LF: accepted when the first line ends so, or when no other empty line is found.
        blank = find_empty_line(message, 0, MAX_HEAD)
        head = message[: blank[0] if blank else MAX_HEAD]
        size = len(message) - blank[1] if blank else -1
        return head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), size
    return message[:end], len(message) - end - 4


def _start_line(line: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Status, method, reason phrase and request-URI; status 0 and no method if it is neither."""
    request = _REQUEST_LINE.match(line)
    if request:
        return 0, request[1], b"", request[2].strip()
    response = _STATUS_LINE.match(line)
    if response:
        return int(response[1]), b"", (response[2] or b"").strip(), b""
    return 0, b"", b"", b""


def _cseq(value: bytes) -> tuple[int, bytes]:
    found = _CSEQ_VALUE.match(value)
    if not found:
        return -1, b""
    number = int(found[1])
    return (number if number <= MAX_CSEQ else -1), found[2]


def _content_length(value: bytes) -> int:
    """The promised size of the body; 0 when the header is absent or no number."""
    return int(value[:10]) if value.isdigit() else 0


def _via(value: bytes) -> tuple[bytes, bytes]:
    """Transport, in upper case, and branch of the first Via in the value."""
    found = _TOP_VIA.match(value, 0, _MAX_VIA)
    if not found:
        return b"", b""
    branch = found[2] or b""
    if found.end(2) == _MAX_VIA:
        whole = _BRANCH_VALUE.match(value, found.start(2))
        branch = whole[0] if whole else branch
    return found[1].upper(), branch


def _quoted(pattern: re.Pattern[bytes], value: bytes) -> bytes:
    """A parameter's value; of a quoted one without its escapes (RFC 3261 §25.1)."""
    found = pattern.search(value)
    if not found:
        return b""
    text, token = found.groups(b"")
    if b"\\" in text:
        # A pair of backslashes stands for one, any other escapes what follows. A substitution per
        # escape takes six times as long.
        text = b"\\".join([part.replace(b"\\", b"") for part in text.split(b"\\\\")])
    return text or token
