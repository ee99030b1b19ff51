# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard in Grafana's JSON; ``panels`` has what is on it."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from stack.monitoring.panels import ROWS, Panel

UID: Final = "kemiscope"
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24
"""Of Grafana's grid."""


def dashboard() -> dict[str, Any]:
    """The dashboard in the form that Grafana 9 and later import."""
    return {
        "uid": UID,
        "title": "kemiscope",
        "description": "SIP capture: what came in, what became of it, and the calls.",
        "tags": ["kemiscope", "sip"],
        "schemaVersion": 38,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "capture_node",
                    "label": "Capture node",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": {
                        "query": "label_values(kemiscope_received_total, capture_node)",
                        "refId": "capture_node",
                    },
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": list(_placed()),
    }


def _placed() -> list[dict[str, Any]]:
    """Rows below each other, panels from left to right."""
    placed: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        placed.append({"type": "row", "title": row.title, "gridPos": place, "panels": []})
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y = 0, y + height
            height = 4 if panel.is_number else 8
            place = {"x": x, "y": y, "w": panel.width, "h": height}
            placed.append(_panel(panel) | {"gridPos": place})
            x += panel.width
        y += height
    return [{"id": number, **panel} for number, panel in enumerate(placed, 1)]


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.red_from is not None:
        defaults["thresholds"] = _steps("green", "red", panel.red_from)
    elif panel.red_below is not None:
        defaults["thresholds"] = _steps("red", "green", panel.red_below)
    return {
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": target.expr,
                "legendFormat": target.legend or "__auto",
            }
            for number, target in enumerate(panel.targets)
        ],
    }


def _steps(below: str, above: str, value: float) -> dict[str, Any]:
    steps = [{"color": below, "value": None}, {"color": above, "value": value}]
    return {"mode": "absolute", "steps": steps}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=2) + "\n")
