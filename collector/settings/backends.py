# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of Prometheus, Loki and Grafana, as clients of HOMER's API reach them through us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from collector.settings.section import Section, setting
from collector.settings.url import url_of

_URLS: Final = ("prometheus", "loki", "grafana")


class Backends(Section, frozen=True):
    """Services behind HOMER's API."""

    prometheus: Annotated[
        str,
        setting(
            "Base URL of Prometheus, like http://127.0.0.1:9090; empty for none. Everybody who may "
            "read can query it through /api/v3/prometheus."
        ),
    ] = ""
    prometheus_user: Annotated[str, setting("User name for it; empty for none.")] = ""
    prometheus_password: Annotated[str, setting("Password for it.", secret=True)] = ""
    loki: Annotated[
        str,
        setting(
            "Base URL of Loki, like http://127.0.0.1:3100; empty for none. Everybody who may read "
            "can query it through /api/v3/search/remote."
        ),
    ] = ""
    loki_user: Annotated[str, setting("User name for it; empty for none.")] = ""
    loki_password: Annotated[str, setting("Password for it.", secret=True)] = ""
    loki_template: Annotated[
        str,
        setting(
            "Query with which the Loki tab of HOMER's call window begins; %callid% stands for the "
            "Call-IDs."
        ),
    ] = '{job="heplify-server"} |~ "%callid%"'
    grafana: Annotated[
        str,
        setting(
            "Base URL of Grafana, as browsers reach it too; empty for none. Everybody who may read "
            "sees its folders and dashboards through /api/v3/proxy/grafana."
        ),
    ] = ""
    grafana_token: Annotated[
        str, setting("Token of a service account for it that may only view.", secret=True)
    ] = ""
    agents: Annotated[
        tuple[str, ...],
        setting(
            "Agents of HOMER's HEPSUB that may be asked about calls, like http://192.0.2.7:8080. "
            "Others may subscribe and are not asked."
        ),
    ] = ()
    timeout: Annotated[
        float, setting("One of them that takes longer is given up.", unit="s", ge=0.5, le=120)
    ] = 10.0
    max_bytes: Annotated[
        int,
        setting("Longest answer of one of them.", unit="bytes", ge=1024, le=1 << 28),
    ] = 8 << 20


def conflicts(backends: Backends) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    for name in _URLS:
        url = getattr(backends, name)
        if url and not _is_base(url):
            yield (
                f"backends.{name}: must be http:// or https://, a host and perhaps a path, "
                "without user, query and fragment"
            )

    for url in backends.agents:
        if not _is_base(url) or url_of(url).path or url_of(url).port is None:
            yield f"backends.agents: {url!r} must be http:// or https://, a host and a port"


def _is_base(text: str) -> bool:
    url = url_of(text)
    is_plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return is_plain and url.is_web and url.is_bare
