# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to a proxy's control: what the web API may write, and what nobody may."""

from __future__ import annotations

from typing import Final


def body(method: str, parameters: str, number: str = "1") -> str:
    """A JSON-RPC request, written exactly as the web API writes it."""
    return f'{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":[{parameters}]}}'


ALLOWED: Final = (
    body("htable.stats", ""),
    body("siptrace.status", '"check"'),
    body("siptrace.status", '"on"', "999999999"),
    body("siptrace.status", '"off"'),
    body("htable.dump", '"trace_rule"'),
    body("htable.dump", '"trace_call"'),
    body("htable.dump", '"trace_count"'),
    body("htable.setxs", '"trace_rule","from_user:x","1;include;65536;10;*",60'),
    body("htable.get", '"trace_rule","from_user:x"'),
    body("htable.setxs", r'"trace_rule","call_id:a\"b\\c","1;include;65536;10;*",60'),
    body("htable.setxs", '"trace_rule","from_user:[]{},:;$()%~|<>\'","x",60'),
    body("htable.setxi", '"trace_call","a@b",-17,60'),
    body("htable.delete", '"trace_call","a@b"'),
    body("htable.setxi", '"trace_rule","kinds",4095,604800'),
    body("htable.setxs", '"trace_rule","from_user:' + "x" * 2000 + '","1",60'),
)

_DUMP: Final = body("htable.dump", '"trace_rule"')

REFUSED: Final = (
    "",
    " ",
    "{}",
    "[]",
    "null",
    # Other commands, other tables, other words.
    body("core.kill", ""),
    body("core.shmmem", ""),
    body("core.echo", '"x"'),
    body("htable.flush", '"trace_rule"'),
    body("htable.seti", '"trace_rule","kinds",1'),
    body("htable.sets", '"trace_rule","all","1"'),
    body("htable.setex", '"trace_rule","kinds",1'),
    body("htable.reload", '"trace_rule"'),
    body("htable.listTables", ""),
    body("htable.dump", '"ipban"'),
    body("htable.dump", '"trace_rules"'),
    body("htable.dump", '"trace_rule'),
    body("htable.dump", '"trace_\\u0072ule"'),
    body("htable.dump", ""),
    body("htable.delete", ""),
    body("htable.stats", '"trace_rule"'),
    body("siptrace.status", '"on","off"'),
    body("siptrace.status", '"toggle"'),
    body("siptrace.status", ""),
    body("tm.t_uac_start", '"OPTIONS","sip:x"'),
    body("cfg.seti", '"core","debug",9'),
    # Smuggled past the comparison.
    _DUMP + " ",
    " " + _DUMP,
    _DUMP + "\n",
    _DUMP + "\n" + body("core.kill", ""),
    _DUMP + body("core.kill", ""),
    body("core.kill", "") + "\n" + _DUMP,
    f"[{_DUMP}]",
    f"[{_DUMP},{body('core.kill', '')}]",
    _DUMP[:-1] + ',"method":"core.kill"}',
    '{"method":"core.kill",' + _DUMP[1:],
    _DUMP.replace("htable.dump", "htable.dump\\u0000"),
    _DUMP.replace("htable.dump", "core\\u002ekill"),
    _DUMP.replace("htable.dump", "htablexdump"),
    _DUMP.replace(":", ": "),
    _DUMP.replace("2.0", "2x0"),
    _DUMP.replace('"id":1', '"id":"1"'),
    _DUMP.replace('"id":1', '"id":1,"id":2'),
    _DUMP.replace('"id":1', '"id":-1'),
    _DUMP.replace('"id":1', '"id":1e9'),
    _DUMP.replace('"id":1', '"id":12345678901'),
    _DUMP.replace('["trace_rule"]', '{"a":"trace_rule"}'),
    _DUMP.replace('["trace_rule"]', '["trace_rule",["x"]]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule",{"method":"core.kill"}]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule",]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule",true]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule",1.5]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a"b"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\\"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\\n"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\\/"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","\\u0041"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\nb"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\tb"]'),
    _DUMP.replace('["trace_rule"]', '["trace_rule","a\x7fb"]'),
)
