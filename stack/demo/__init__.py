# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo`: SIPp callers and callees place real calls through an example proxy.

The proxy is a second Kamailio that traces by rule: nothing is captured until one is asked for. Then
each call is captured twice, as it came in and as it went out.
"""

from __future__ import annotations

import sys

from stack.demo.calls import CALLS, Demo
from stack.demo.show import ladder, links, summary
from stack.instance import Instance


def run(instance: Instance) -> None:
    """Place one call of each kind and show what was captured. Raises StackError if one fails."""
    out = sys.stdout
    with Demo(instance, instance.directory / "demo") as demo:
        out.write("calling     once while there is no rule: the proxy sends nothing\n")
        out.flush()
        demo.place_untraced()
        rule = demo.rules.trace_all()
        methods = "all methods" if "*" in rule["methods"] else ", ".join(rule["methods"])
        out.write(
            f"tracing     rule {rule['id']}: {rule['kind']} {rule['value']}, {methods}, until"
            f" {rule['expires_at']}\n"
        )
        for call in CALLS:
            out.write(f"calling     {call.name}: {call.what}\n")
        out.flush()
        found = demo.place_all()
        demo.check_untraced()
        out.write("captured    all of these, and nothing of the first\n")
    out.write("\n" + summary(found) + "\n" + links(found))
    answered = found["answered"]
    out.write(f"\nThe first of them as the capture node has it ({answered['call_id']}):\n\n")
    out.write(ladder(answered["messages"]) + "\n")
    out.write(
        f"web API     http://{instance.settings.web.listen}, after sign-in; or, on this host:\n"
    )
    get = "            .venv/bin/python -m webapi --get '/api/v1/calls"
    out.write(f"{get}?from=-10m&state=completed,busy'\n")
    out.write(f"{get}/{answered['call_id']}'\n")
    out.write(f"{get}/{answered['call_id']}/export.txt'\n")
