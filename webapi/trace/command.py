# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi trace …``: trace rules from the shell, through the running web API."""

from __future__ import annotations

import argparse
import getpass
import http.client
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from collector.api_token import local_token
from collector.errors import KemiscopeError
from collector.log import one_line
from collector.settings import Settings
from collector.settings.web import local_host_port
from collector.trace_rule import ALL_VALUE, EXCLUDE, INCLUDE, KINDS
from webapi.table import say, table
from webapi.trace.asked import DEFAULT_CALLS
from webapi.trace.rules import STATES

_PATH: Final = "/api/v1/trace-rules"
_SCOPES: Final = ("read", "trace")
_TIMEOUT_S: Final = 150
"""Beyond the longest that the web API waits for slow proxies: twice trace.request_timeout."""
_NOT_EVERYWHERE: Final = 3

_DESCRIPTION: Final = """\
Trace calls on the production proxies: say which, for how long, and why.

  python -m webapi trace add request_user 4711 --reason "no audio, ticket 815"
  python -m webapi trace add call_id 3c26700c@192.0.2.7 --reason "running call" --for 30m
  python -m webapi trace add all --percent 1 --calls 500 --reason "sample"
  python -m webapi trace list
  python -m webapi trace remove 17
"""
_EPILOG: Final = (
    "Exit status: 0 done; 1 refused, or the web API does not answer; 2 wrong usage; "
    "3 done, but not every proxy has it yet: they get it as soon as they can be reached."
)


class CommandError(KemiscopeError):
    """The web API has refused, or does not answer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of the command with their options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="trace the calls that match")
    add.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    add.add_argument("value", nargs="?", help="user, prefix, domain, network or Call-ID")
    add.add_argument("--reason", required=True, help="why; it is kept with the rule")
    add.add_argument("--by", default=_user(), help="who asks (default: %(default)s)")
    add.add_argument(
        "--for",
        dest="duration",
        metavar="TIME",
        help="15m, 2h (default: 1h, or trace.max_duration)",
    )
    add.add_argument(
        "--calls", type=int, help=f"most calls on each proxy (default: {DEFAULT_CALLS})"
    )
    add.add_argument("--percent", type=float, help="of the calls that match (default: 100)")
    add.add_argument(
        "--method",
        action="append",
        dest="methods",
        help="of the first request, may be given again; * for all (default: INVITE)",
    )
    add.add_argument(
        "--exclude", action="store_true", help="do not trace them, whatever others say"
    )
    listed = actions.add_parser("list", help="rules, and where they are in force")
    listed.add_argument("--state", choices=STATES, default=STATES[0], help="default: %(default)s")
    listed.add_argument("--json", action="store_true", help="as the web API shows it")
    show = actions.add_parser("show", help="one rule with all that is known of it")
    show.add_argument("id", type=int)
    remove = actions.add_parser("remove", help="end a rule, and the tracing of its calls")
    remove.add_argument("id", type=int)
    remove.add_argument("--by", default=_user(), help="who asks (default: %(default)s)")
    status = actions.add_parser("status", help="how the proxies do; 3 unless all have the rules")
    status.add_argument("--json", action="store_true", help="as the web API shows it")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Do it; returns the exit status. Raises CommandError."""
    action: Callable[[Settings, argparse.Namespace], int] = _ACTIONS[options.action]
    return action(settings, options)


def _add(settings: Settings, options: argparse.Namespace) -> int:
    asked = {
        "kind": options.kind,
        "value": options.value if options.value is not None or options.kind != "all" else ALL_VALUE,
        "action": EXCLUDE if options.exclude else INCLUDE,
        "requested_by": options.by,
        "reason": options.reason,
        "duration": options.duration,
        "calls": options.calls,
        "percent": options.percent,
        "methods": options.methods,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    answer = _request(settings, "POST", _PATH, given)
    say(f"rule {answer['id']} is in force until {answer['expires_at']}")
    return _on_proxies(answer, in_force=True)


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    query = urlencode({"requested_by": options.by})
    answer = _request(settings, "DELETE", f"{_PATH}/{options.id}?{query}")
    say(f"rule {answer['id']} has ended")
    return _on_proxies(answer, in_force=False)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    answer = _request(settings, "GET", f"{_PATH}?{urlencode({'state': options.state})}")
    if options.json:
        say(json.dumps(answer, indent=2))
        return 0
    table(
        ("id", "kind", "value", "action", "%", "calls", "traced", "until", "by", "reason", "on"),
        [
            (
                *(rule["id"], rule["kind"], rule["value"], rule["action"], f"{rule['percent']:g}"),
                *(rule["calls"], sum(rule["traced"].values()), rule["expires_at"][:19] + "Z"),
                *(rule["requested_by"], rule["reason"]),
                ",".join(rule["in_force_on"]) or rule["ended"] or "none",
            )
            for rule in answer["trace_rules"]
        ],
    )
    return 0


def _show(settings: Settings, options: argparse.Namespace) -> int:
    say(json.dumps(_request(settings, "GET", f"{_PATH}/{options.id}"), indent=2))
    return 0


def _status(settings: Settings, options: argparse.Namespace) -> int:
    answer = _request(settings, "GET", f"{_PATH}?limit=1")
    if options.json:
        say(json.dumps({name: answer[name] for name in ("proxies", "database")}, indent=2))
    else:
        table(
            ("proxy", "state", "since", "rules", "calls", "drift", "restarts", "last error"),
            [
                (
                    *(proxy["name"], proxy["state"], proxy["since"][:19] + "Z"),
                    *(len(proxy["in_force"]), proxy["calls_now"], proxy["drift"]),
                    *(proxy["restarts"], proxy["last_error"] or ""),
                )
                for proxy in answer["proxies"]
            ],
        )
        if not answer["database"]["reachable"]:
            say(f"PostgreSQL is away: {answer['database']['last_error']}")
    is_ready = all(proxy["state"] == "ready" for proxy in answer["proxies"])
    return 0 if is_ready and answer["database"]["reachable"] else _NOT_EVERYWHERE


_ACTIONS: Final = {
    "add": _add,
    "list": _list,
    "show": _show,
    "remove": _remove,
    "status": _status,
}


def _on_proxies(answer: dict[str, Any], *, in_force: bool) -> int:
    """Say which proxies are as they should be."""
    missing = 0
    for proxy in answer["proxies"]:
        done = proxy["state"] == "ready" and (answer["id"] in proxy["in_force"]) is in_force
        why = f": {one_line(proxy['last_error'])}" if proxy["last_error"] and not done else ""
        say(f"  {proxy['name']}: {'done' if done else 'not yet, ' + proxy['state'] + why}")
        missing += not done
    return _NOT_EVERYWHERE if missing else 0


def _request(
    settings: Settings, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    host, port = local_host_port(settings.web)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        data = None if body is None else json.dumps(body).encode()
        with local_token(settings, _SCOPES) as authorization:
            connection.request(method, path, data, headers | authorization)
            response = connection.getresponse()
            answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"the web API at {settings.web.listen} does not answer: {error}"
        raise CommandError(message) from error
    finally:
        connection.close()
    if response.status >= 400 or not isinstance(answer, dict):
        said = answer.get("error") if isinstance(answer, dict) else None
        text = said.get("message") if isinstance(said, dict) else "is not an answer of the web API"
        raise CommandError(one_line(f"{response.status}: {text}"))
    return answer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
