# SPDX-License-Identifier: GPL-2.0-or-later
"""The tabs of the search page: what the API can be asked, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from webapi.schema import Schema
from webapi.sites.reading import SITE
from webapi.subject import CALLS, MESSAGES, REGISTRATIONS, Subject

_METHODS: Final = (
    *("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER"),
    *("SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE"),
)
_STATUSES: Final = ("200", "2xx", "3xx", "4xx", "486", "487", "5xx", "503", "6xx")


class Field(NamedTuple):
    """A filter of the API."""

    label: str
    """In the form and in the list of completions."""
    help: str
    usual: Sequence[str] = ()
    """Values that it often has, where the API allows any."""


_PATTERN: Final = "the whole, or a pattern with *"
_EXACT: Final = "the whole text"
_ADDRESS: Final = "address or network: 10.0.0.0/8"
_DURATION: Final = "seconds, or 250ms, 2m"
FIELDS: Final[Mapping[str, Field]] = {
    "number": Field("Number", "of caller or callee, of From, To or request-URI: 4711, +4930*"),
    "caller": Field("Caller", "+4930123, its beginning +4930*, its end *30123"),
    "callee": Field("Callee", "+4930123, its beginning +4930*, its end *30123"),
    "aor": Field("Address of record", _PATTERN),
    "contact": Field("Contact", _PATTERN),
    "contact_user": Field("Contact user", _PATTERN),
    "contact_domain": Field("Contact domain", _PATTERN),
    "call_id": Field("Call-ID", "the whole text, found at any time"),
    "ip": Field("Address", f"{_ADDRESS}, either side"),
    "src_ip": Field("Source address", _ADDRESS),
    "dst_ip": Field("Destination address", _ADDRESS),
    "alias": Field("Host name", "alias of an address, exactly; either side"),
    "src_alias": Field("Source host name", "alias of an address, exactly"),
    "dst_alias": Field("Destination host name", "alias of an address, exactly"),
    "media_ip": Field("Media address", f"{_ADDRESS}, of the audio"),
    "port": Field("Port", "either side"),
    "src_port": Field("Source port", "0 to 65535"),
    "dst_port": Field("Destination port", "0 to 65535"),
    "state": Field("State", "one or several: completed,busy"),
    "status": Field("Status", "codes and classes: 486,5xx; none", _STATUSES),
    "method": Field("Method", "one or several: INVITE,BYE", _METHODS),
    "kind": Field("Kind", "what the message belongs to"),
    "domain": Field("Domain", f"of From, To or request-URI; {_PATTERN}"),
    "from_user": Field("From user", _PATTERN),
    "from_domain": Field("From domain", _PATTERN),
    "from_tag": Field("From tag", _EXACT),
    "to_user": Field("To user", _PATTERN),
    "to_domain": Field("To domain", _PATTERN),
    "to_tag": Field("To tag", _EXACT),
    "ruri_user": Field("Request-URI user", _PATTERN),
    "ruri_domain": Field("Request-URI domain", _PATTERN),
    "pai_user": Field("P-Asserted-Identity user", _PATTERN),
    "pai_domain": Field("P-Asserted-Identity domain", _PATTERN),
    "auth_user": Field("Username", f"of the credentials; {_PATTERN}"),
    "auth_realm": Field("Realm", f"of the credentials; {_PATTERN}"),
    "user_agent": Field("User agent", _PATTERN),
    "min_duration": Field("Longer than", _DURATION),
    "max_duration": Field("Shorter than", _DURATION),
    "min_pdd": Field("Post-dial delay from", _DURATION),
    "max_pdd": Field("Post-dial delay to", _DURATION),
    "min_setup": Field("Setup time from", _DURATION),
    "max_setup": Field("Setup time to", _DURATION),
    "running": Field("Running", "neither ended nor timed out"),
    "ended_by": Field("Ended by", "who sent the BYE or CANCEL"),
    "on_hold": Field("On hold", "true or false"),
    "transport": Field("Transport", "several with commas"),
    "node": Field("Capture agent", "its name or number"),
    "header": Field("Custom header", "X-Tenant:7"),
    "text": Field("Text", "anywhere in it"),
    "correlation_id": Field("Correlation id", "of HEP"),
    "aleg_id": Field("Leg before", "its Call-ID"),
    "via_branch": Field("Via branch", _EXACT),
    "fault": Field("Fault", "what is wrong with the message"),
}
"""Every filter of the tabs' searches, in the order in which the list of completions has them."""


class Tab(NamedTuple):
    """A search of the API."""

    subject: Subject
    title: str
    form: tuple[str, ...]
    """Fields of the form, the others are within reach of the box."""
    exports: tuple[str, ...] = ()
    """Suffixes of ``/api/v1/…/export.…``."""
    live: bool = False

    def to_json(self, sites: Sequence[str] = ()) -> dict[str, Any]:
        """For the page's modules; with several sites one can be chosen."""
        subject = self.subject
        more = [_site(sites)] if len(sites) > 1 else []
        return {
            "name": subject.name,
            "title": self.title,
            "fields": [self._field(name) for name in FIELDS if name in subject.filters] + more,
            "form": [*self.form, *(field["name"] for field in more)],
            "sorts": list(subject.sorts),
            "time": subject.time,
            "everywhere": sorted(subject.everywhere),
            "range": int(subject.default_range.total_seconds()),
            "exports": self.exports,
            "live": self.live,
        }

    def _field(self, name: str) -> dict[str, Any]:
        label, help_, usual = FIELDS[name]
        values = [*usual, *_values(self.subject.filters[name].schema)]
        return {"name": name, "label": label, "help": help_, "values": values}


def _site(names: Sequence[str]) -> dict[str, Any]:
    return {
        "name": SITE,
        "label": "Site",
        "help": "several with commas",
        "values": names,
    }


def _values(schema: Schema) -> Iterator[str]:
    """All that the API allows, where these are a few."""
    if schema.get("type") == "boolean":
        yield from ("true", "false")
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    for part in (*schema.get("oneOf", ()), *filter(None, (schema.get("items"),))):
        yield from _values(part)


TABS: Final = (
    Tab(
        CALLS,
        "Calls",
        (
            *("number", "caller", "callee", "call_id", "ip", "state", "status", "domain"),
            *("min_duration", "max_duration", "min_pdd", "ended_by", "user_agent", "node", "text"),
        ),
        ("csv", "jsonl"),
        live=True,
    ),
    Tab(
        MESSAGES,
        "Messages",
        (
            *("number", "from_user", "to_user", "call_id", "method", "status", "ip", "src_ip"),
            *("dst_ip", "port", "transport", "user_agent", "auth_user", "node", "fault", "text"),
        ),
        ("pcap", "pcapng", "txt", "csv", "jsonl"),
        live=True,
    ),
    Tab(
        REGISTRATIONS,
        "Registrations",
        (
            *("aor", "contact", "contact_user", "state", "status", "ip", "user_agent"),
            *("auth_user", "transport", "node", "call_id"),
        ),
    ),
)
