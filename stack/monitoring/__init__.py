# SPDX-License-Identifier: GPL-2.0-or-later
"""What Prometheus and Grafana need: scrape jobs, alert rules, the dashboard.

``alerts.yml`` and ``prometheus.yml`` are files for Prometheus as they are; ``dashboard.json`` is
made of ``panels.py`` by `make docs`. docs/monitoring.md tells a user how to put them in place.
"""
