# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of links from a call to other systems: Grafana, Prometheus, Loki and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

from collector.settings.section import DAY, Section, setting
from collector.settings.url import parse_url

PLACEHOLDERS: Final = (
    *("call_id", "from_ms", "to_ms", "from_s", "to_s", "caller", "callee"),
    *("source", "source_port", "source_name", "destination", "destination_port"),
    *("destination_name", "node"),
)
"""What a template may name, in braces."""
MAX_LINKS: Final = 50
MAX_NAME: Final = 100
MAX_TEMPLATE: Final = 4000
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class Links(Section, frozen=True):
    """Links to other systems."""

    call: Annotated[
        tuple[str, ...],
        setting(
            "What a call links to, each a name, = and a URL: "
            "Loki=https://grafana.example.com/d/sip?from={from_ms}&to={to_ms}&var-id={call_id}. "
            f"There are {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}; values are "
            "percent-encoded. Write other braces as %7B and %7D."
        ),
    ] = ()
    margin: Annotated[
        float,
        setting(
            "So long before its first message and after its last one the time of a link begins and "
            "ends.",
            unit="s",
            ge=0,
            le=DAY,
        ),
    ] = 60.0


class Template(NamedTuple):
    """A link that is not filled yet."""

    name: str
    """For people."""
    url: str

    @property
    def placeholders(self) -> list[str]:
        """What it needs."""
        return _PLACEHOLDER.findall(self.url)

    def fill(self, values: dict[str, str]) -> str:
        """The URL; ``values`` has what it needs, percent-encoded."""
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.url)


def parse_link(text: str) -> Template:
    """An item of ``links.call``. Raises ValueError with the rule that it breaks."""
    name, equals, url = (part.strip() for part in text.partition("="))
    if not equals or not name or len(name) > MAX_NAME or not name.isprintable():
        message = f"must be a name of up to {MAX_NAME} characters, = and a URL"
        raise ValueError(message)
    if len(url) > MAX_TEMPLATE or not url.isascii() or not url.isprintable() or " " in url:
        message = f"{name!r}: a URL has up to {MAX_TEMPLATE} characters of ASCII and no blanks"
        raise ValueError(message)
    template = Template(name, url)
    for found in template.placeholders:
        if found not in PLACEHOLDERS:
            known = ", ".join(PLACEHOLDERS)
            message = f"{name!r}: there is no placeholder {{{found}}}; there are {known}"
            raise ValueError(message)
    plain = _PLACEHOLDER.sub("x", url)
    if "{" in plain or "}" in plain:
        message = f"{name!r}: a brace without the other one; write %7B and %7D"
        raise ValueError(message)
    _check_place(name, url, plain)
    return template


def _check_place(name: str, url: str, plain: str) -> None:
    """Where it leads is up to who writes the settings, never to who sends SIP."""
    try:
        place = parse_url(plain)
    except ValueError as error:
        message = f"{name!r}: {error}"
        raise ValueError(message) from None
    if not place.is_web:
        message = f"{name!r}: must begin with http:// or https:// and a host"
        raise ValueError(message)
    if place.has_user or "\\" in url:
        message = f"{name!r}: has a user, a password or a backslash"
        raise ValueError(message)
    scheme, _, rest = url.partition("://")
    if "{" in scheme or "{" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        message = f"{name!r}: has a placeholder in its host"
        raise ValueError(message)


def conflicts(links: Links) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    if len(links.call) > MAX_LINKS:
        yield f"links.call: has more than {MAX_LINKS} links"
    for text in links.call:
        try:
            parse_link(text)
        except ValueError as error:
            yield f"links.call: {error}"
