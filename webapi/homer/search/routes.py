# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes of captured packets below ``/api/v3``; ``access.roles`` says who may use them."""

from __future__ import annotations

from typing import Final

from webapi.homer.search import (
    export,
    imports,
    message,
    report,
    results,
    statistic,
    transaction,
)

ROUTES: Final = (
    ("/api/v3/smart/search/tag/{hepid}/{profile}", results.suggest_fields),
    ("/api/v3/statistic/_db", statistic.list_databases),
    ("/api/v3/statistic/_measurements/{database}", statistic.list_measurements),
)
"""What can be asked, with GET."""
CHANGES: Final = (
    ("POST", "/api/v3/search/call/data", results.search_data),
    ("POST", "/api/v3/search/call/message", message.show_message),
    ("POST", "/api/v3/search/call/decode/message", message.decode_message),
    ("POST", "/api/v3/call/transaction", transaction.show_transaction),
    ("POST", "/api/v3/call/report/log", report.show_logs),
    ("POST", "/api/v3/call/report/qos", report.show_quality),
    ("POST", "/api/v3/export/call/messages/pcap", export.export_pcap),
    ("POST", "/api/v3/export/call/messages/text", export.export_text),
    ("POST", "/api/v3/import/data/pcap", imports.import_pcap),
    ("POST", "/api/v3/import/data/pcap/now", imports.import_pcap_now),
    ("POST", "/api/v3/statistic/data", statistic.show_figures),
    ("POST", "/api/v3/statistic/_retentions", statistic.list_retentions),
    ("POST", "/api/v3/statistic/_metrics", statistic.list_fields),
    ("POST", "/api/v3/statistic/_tags", statistic.list_tags),
)
"""What is asked with POST, as HOMER does it, and imports."""
