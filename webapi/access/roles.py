# SPDX-License-Identifier: GPL-2.0-or-later
"""What each role may do, and what each route needs: the one table that decides."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """A right: of a role, and of an API token."""

    READ = "read"
    EXPORT = "export"
    TRACE = "trace"
    ADMIN = "admin"


class Role(StrEnum):
    """Of a user."""

    ADMIN = "admin"
    SUPPORT = "support"
    USER = "user"


class Need(StrEnum):
    """What a route needs that is no right."""

    NOTHING = "nothing"
    SIGNED_IN = "signed in"
    IN_PERSON = "in person"
    """A session: what one does with one's own account. Or a token with the scope admin."""
    SCRAPE = "scrape"
    """``READ``, ``web.metrics_token``, or, when that is empty, a request of this host."""


SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.ADMIN: frozenset(Scope),
    Role.SUPPORT: frozenset({Scope.READ, Scope.EXPORT, Scope.TRACE}),
    Role.USER: frozenset({Scope.READ, Scope.EXPORT}),
}
ANYBODY: Final = frozenset({Scope.READ, Scope.EXPORT})
"""What may be done without sign-in when ``web.sign_in`` is off."""

NEEDS: Final[Mapping[tuple[str, str], Scope | Need]] = {
    ("GET", "/api/v1/messages"): Scope.READ,
    ("GET", "/api/v1/reports"): Scope.READ,
    ("GET", "/api/v1/events"): Scope.READ,
    ("GET", "/api/v1/calls"): Scope.READ,
    ("GET", "/api/v1/calls/{call_id}"): Scope.READ,
    ("GET", "/api/v1/calls/{call_id}/export.pcap"): Scope.EXPORT,
    ("GET", "/api/v1/calls/{call_id}/export.pcapng"): Scope.EXPORT,
    ("GET", "/api/v1/calls/{call_id}/export.txt"): Scope.EXPORT,
    ("GET", "/api/v1/calls/{call_id}/export.json"): Scope.EXPORT,
    ("GET", "/api/v1/calls/{call_id}/export.xml"): Scope.EXPORT,
    ("GET", "/api/v1/calls/{call_id}/export.svg"): Scope.EXPORT,
    ("GET", "/api/v1/calls/export.jsonl"): Scope.EXPORT,
    ("GET", "/api/v1/calls/export.csv"): Scope.EXPORT,
    ("GET", "/api/v1/messages/export.pcap"): Scope.EXPORT,
    ("GET", "/api/v1/messages/export.pcapng"): Scope.EXPORT,
    ("GET", "/api/v1/messages/export.txt"): Scope.EXPORT,
    ("GET", "/api/v1/messages/export.jsonl"): Scope.EXPORT,
    ("GET", "/api/v1/messages/export.csv"): Scope.EXPORT,
    ("GET", "/api/v1/messages/{id}/decode"): Scope.READ,
    ("GET", "/api/v1/live/calls"): Scope.READ,
    ("GET", "/api/v1/live/messages"): Scope.READ,
    ("GET", "/api/v1/registrations"): Scope.READ,
    ("GET", "/api/v1/stats"): Scope.READ,
    ("GET", "/api/v1/status"): Scope.READ,
    ("GET", "/api/v1/retention"): Scope.READ,
    ("GET", "/api/v1/retention/drops"): Scope.READ,
    ("GET", "/api/v1/settings"): Scope.ADMIN,
    ("GET", "/api/v1/openapi.json"): Scope.READ,
    ("GET", "/api/v1/trace-rules"): Scope.READ,
    ("GET", "/api/v1/trace-rules/{id}"): Scope.READ,
    ("POST", "/api/v1/trace-rules"): Scope.TRACE,
    ("DELETE", "/api/v1/trace-rules/{id}"): Scope.TRACE,
    ("POST", "/api/v1/imports"): Scope.TRACE,
    ("GET", "/api/v1/aliases"): Scope.READ,
    ("GET", "/api/v1/aliases/export.json"): Scope.READ,
    ("GET", "/api/v1/aliases/export.csv"): Scope.READ,
    ("GET", "/api/v1/aliases/{id}"): Scope.READ,
    ("POST", "/api/v1/aliases"): Scope.ADMIN,
    ("POST", "/api/v1/aliases/import"): Scope.ADMIN,
    ("PATCH", "/api/v1/aliases/{id}"): Scope.ADMIN,
    ("DELETE", "/api/v1/aliases/{id}"): Scope.ADMIN,
    ("GET", "/api/v1/saved-searches"): Scope.READ,
    ("GET", "/api/v1/saved-searches/{id}"): Scope.READ,
    ("POST", "/api/v1/saved-searches"): Need.IN_PERSON,
    ("PATCH", "/api/v1/saved-searches/{id}"): Need.IN_PERSON,
    ("DELETE", "/api/v1/saved-searches/{id}"): Need.IN_PERSON,
    ("GET", "/api/v1/share-links"): Need.IN_PERSON,
    ("POST", "/api/v1/share-links"): Need.IN_PERSON,
    ("DELETE", "/api/v1/share-links/{id}"): Need.IN_PERSON,
    # Who has the token in the path has the right: share_link.find says which.
    ("GET", "/api/v1/shared/{token}"): Need.NOTHING,
    ("GET", "/api/v1/shared/{token}/export.pcap"): Need.NOTHING,
    ("GET", "/api/v1/sign-in"): Need.NOTHING,
    ("POST", "/api/v1/sign-in"): Need.NOTHING,
    ("GET", "/api/v1/oauth2/{provider}"): Need.NOTHING,
    ("GET", "/api/v1/oauth2/{provider}/callback"): Need.NOTHING,
    ("POST", "/api/v1/sign-out"): Need.SIGNED_IN,
    ("GET", "/api/v1/me"): Need.SIGNED_IN,
    ("POST", "/api/v1/me/password"): Need.IN_PERSON,
    ("GET", "/api/v1/tokens"): Need.IN_PERSON,
    ("POST", "/api/v1/tokens"): Need.IN_PERSON,
    ("DELETE", "/api/v1/tokens/{id}"): Need.IN_PERSON,
    ("GET", "/api/v1/users"): Scope.ADMIN,
    ("POST", "/api/v1/users"): Scope.ADMIN,
    ("GET", "/api/v1/users/{id}"): Scope.ADMIN,
    ("PATCH", "/api/v1/users/{id}"): Scope.ADMIN,
    ("DELETE", "/api/v1/users/{id}"): Scope.ADMIN,
    ("GET", "/api/v1/audit"): Scope.ADMIN,
    ("GET", "/metrics"): Need.SCRAPE,
    ("GET", "/api/v3/auth/type/list"): Need.NOTHING,
    ("GET", "/api/v3/oauth2/redirect/{provider}"): Need.NOTHING,
    ("GET", "/api/v3/oauth2/auth/{provider}"): Need.NOTHING,
    ("POST", "/api/v3/oauth2/token"): Need.NOTHING,
    ("GET", "/api/v3/users"): Need.SIGNED_IN,
    ("GET", "/api/v3/users/groups"): Scope.READ,
    ("GET", "/api/v3/users/profile"): Need.SIGNED_IN,
    ("GET", "/api/v3/users/{guid}"): Need.SIGNED_IN,
    ("GET", "/api/v3/user/settings"): Need.SIGNED_IN,
    ("GET", "/api/v3/user/settings/{category}"): Need.SIGNED_IN,
    ("GET", "/api/v3/dashboard/info"): Need.SIGNED_IN,
    ("GET", "/api/v3/dashboard/reset"): Need.IN_PERSON,
    ("GET", "/api/v3/dashboard/store/{id}"): Need.SIGNED_IN,
    ("GET", "/api/v3/advanced"): Scope.READ,
    ("GET", "/api/v3/advanced/{guid}"): Scope.READ,
    ("GET", "/api/v3/token/auth"): Scope.ADMIN,
    ("GET", "/api/v3/token/auth/{guid}"): Scope.ADMIN,
    ("GET", "/api/v3/alias"): Scope.READ,
    ("GET", "/api/v3/mapping/protocol"): Scope.READ,
    ("GET", "/api/v3/mapping/protocol/reset"): Scope.ADMIN,
    ("GET", "/api/v3/mapping/protocol/reset/{guid}"): Scope.ADMIN,
    ("GET", "/api/v3/mapping/protocol/{guid}"): Scope.READ,
    ("GET", "/api/v3/mapping/protocol/{id}/{transaction}"): Scope.READ,
    ("GET", "/api/v3/hepsub/protocol"): Scope.READ,
    ("GET", "/api/v3/hepsub/protocol/{guid}"): Scope.READ,
    ("GET", "/api/v3/hepsub/protocol/{id}/{transaction}"): Scope.READ,
    ("GET", "/api/v3/agent/subscribe"): Scope.READ,
    ("GET", "/api/v3/agent/subscribe/{guid}"): Scope.READ,
    ("GET", "/api/v3/agent/type"): Scope.READ,
    ("GET", "/api/v3/agent/type/{type}"): Scope.READ,
    ("GET", "/api/v3/prometheus/labels"): Scope.READ,
    ("GET", "/api/v3/prometheus/label/{name}"): Scope.READ,
    ("GET", "/api/v3/search/remote/label"): Scope.READ,
    ("GET", "/api/v3/search/remote/values"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/url"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/path"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/status"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/org"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/folders"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/search/{uid}"): Scope.READ,
    ("GET", "/api/v3/proxy/grafana/dashboards/uid/{uid}"): Scope.READ,
    ("GET", "/api/v3/version/api/info"): Scope.READ,
    ("GET", "/api/v3/version/ui/info"): Scope.READ,
    ("GET", "/api/v3/script"): Scope.READ,
    ("POST", "/api/v3/auth"): Need.NOTHING,
    ("POST", "/api/v3/users"): Scope.ADMIN,
    ("PUT", "/api/v3/users/{guid}"): Need.IN_PERSON,
    ("DELETE", "/api/v3/users/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/user/settings"): Need.IN_PERSON,
    ("PUT", "/api/v3/user/settings/{guid}"): Need.IN_PERSON,
    ("DELETE", "/api/v3/user/settings/{guid}"): Need.IN_PERSON,
    ("POST", "/api/v3/dashboard/store/{id}"): Need.IN_PERSON,
    ("PUT", "/api/v3/dashboard/store/{id}"): Need.IN_PERSON,
    ("DELETE", "/api/v3/dashboard/store/{id}"): Need.IN_PERSON,
    ("POST", "/api/v3/advanced"): Scope.ADMIN,
    ("PUT", "/api/v3/advanced/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/advanced/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/token/auth"): Scope.ADMIN,
    ("PUT", "/api/v3/token/auth/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/token/auth/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/alias"): Scope.ADMIN,
    ("PUT", "/api/v3/alias/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/alias/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/mapping/protocol"): Scope.ADMIN,
    ("PUT", "/api/v3/mapping/protocol/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/mapping/protocol/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/hepsub/protocol"): Scope.ADMIN,
    ("PUT", "/api/v3/hepsub/protocol/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/hepsub/protocol/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/hepsub/search"): Scope.READ,
    ("POST", "/api/v3/agent/subscribe"): Scope.TRACE,
    ("PUT", "/api/v3/agent/subscribe/{guid}"): Scope.ADMIN,
    ("DELETE", "/api/v3/agent/subscribe/{guid}"): Scope.ADMIN,
    ("POST", "/api/v3/agent/search/{guid}/{type}"): Scope.READ,
    ("POST", "/api/v3/prometheus/value"): Scope.READ,
    ("POST", "/api/v3/prometheus/data"): Scope.READ,
    ("POST", "/api/v3/search/remote/data"): Scope.READ,
    ("GET", "/api/v3/database/node/list"): Scope.READ,
    ("GET", "/api/v3/modules/status"): Scope.READ,
    ("GET", "/api/v3/smart/search/tag/{hepid}/{profile}"): Scope.READ,
    ("POST", "/api/v3/search/call/data"): Scope.READ,
    ("POST", "/api/v3/search/call/message"): Scope.READ,
    ("POST", "/api/v3/search/call/decode/message"): Scope.READ,
    ("POST", "/api/v3/call/transaction"): Scope.READ,
    ("POST", "/api/v3/call/report/log"): Scope.READ,
    ("POST", "/api/v3/call/report/qos"): Scope.READ,
    ("POST", "/api/v3/export/call/messages/pcap"): Scope.EXPORT,
    ("POST", "/api/v3/export/call/messages/text"): Scope.EXPORT,
    ("POST", "/api/v3/import/data/pcap"): Scope.TRACE,
    ("POST", "/api/v3/import/data/pcap/now"): Scope.TRACE,
    ("GET", "/api/v3/statistic/_db"): Scope.READ,
    ("GET", "/api/v3/statistic/_measurements/{database}"): Scope.READ,
    ("POST", "/api/v3/statistic/data"): Scope.READ,
    ("POST", "/api/v3/statistic/_retentions"): Scope.READ,
    ("POST", "/api/v3/statistic/_metrics"): Scope.READ,
    ("POST", "/api/v3/statistic/_tags"): Scope.READ,
    ("GET", "/"): Need.NOTHING,
    ("GET", "/sign-in"): Need.NOTHING,
    ("GET", "/password"): Need.SIGNED_IN,
    ("GET", "/search"): Scope.READ,
    ("GET", "/status"): Scope.READ,
    ("GET", "/calls/{call_id}"): Scope.READ,
    # Without data: the token counts when the page asks the API.
    ("GET", "/shared/{token}"): Need.NOTHING,
    ("GET", "/admin"): Scope.TRACE,
    ("GET", "/admin/users"): Scope.ADMIN,
    ("GET", "/admin/aliases"): Scope.TRACE,
    ("GET", "/admin/trace-rules"): Scope.TRACE,
    ("GET", "/admin/retention"): Scope.TRACE,
    ("GET", "/admin/settings"): Scope.ADMIN,
    ("GET", "/admin/audit"): Scope.ADMIN,
    ("GET", "/account/tokens"): Need.IN_PERSON,
    ("GET", "/account/share-links"): Need.IN_PERSON,
    ("GET", "/assets/{version}/{name}"): Need.NOTHING,
}
"""Method and path of every route. One that is not here is refused."""
WITH_OLD_PASSWORD: Final = frozenset(
    {"/api/v1/sign-in", "/api/v1/sign-out", "/api/v1/me", "/api/v1/me/password", "/password"}
)
"""All that is left to a user who must change the password."""
