# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Prometheus with the shipped scrape jobs and alert rules, on a port of its own."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from stack import monitoring
from stack.ports import free_port
from stack.service import Services

FILES: Final = Path(monitoring.__file__).parent
_TIMEOUT_S: Final = 10


class Prometheus:
    """Scrapes every second."""

    def __init__(self, directory: Path, targets: Mapping[str, str]) -> None:
        """``targets`` gives ``host:port`` in the place of each shipped one."""
        directory.mkdir()
        text = (FILES / "prometheus.yml").read_text().replace(": 15s", ": 1s")
        for shipped, real in targets.items():
            assert f'"{shipped}"' in text
            text = text.replace(shipped, real)
        rules = (FILES / "alerts.yml").read_text()
        (directory / "alerts.yml").write_text(rules)
        (directory / "prometheus.yml").write_text(text)
        self._address = f"127.0.0.1:{free_port()}"
        self._services = Services(directory)
        self._command = [
            "prometheus",
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self._address}",
        ]

    def start(self) -> None:
        """Start it; it need not be ready."""
        self._services.start("prometheus", self._command)

    def stop(self) -> None:
        """Stop it."""
        self._services.stop(timeout_s=10)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Raises OSError while Prometheus is not ready."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def rules(self) -> dict[str, str]:
        """The expression of each alert, as Prometheus has read it."""
        groups = self._get("rules")["groups"]
        return {rule["name"]: rule["query"] for group in groups for rule in group["rules"]}

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def _get(self, name: str, **values: str) -> Any:
        url = f"http://{self._address}/api/v1/{name}?{urlencode(values)}"
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return json.load(answer)["data"]


def without_comparison(expression: str) -> str:
    """An alert's expression with 0 or 1 for every series, whether or not it is over the limit."""
    compared, times = re.subn(r" (<|>) ([\d.]+)$", r" \1 bool \2", expression)
    assert times == 1, expression
    return compared
