# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes of proxy.cfg in Python: same names, same order. proxy-kemi.cfg loads this file.

What an existing script needs of this are the lines marked "trace".
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import KSR

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # trace

from kemi import log
from kemi.edge import collectors, trace

_REALM: Final = "demo.example"
_NUMBER: Final = re.compile(r"401[0-9]\Z", re.ASCII)


def mod_init() -> kamailio:
    """Called once, before Kamailio forks."""
    log.start()
    return kamailio()


class kamailio(collectors.TraceCollectors):  # noqa: N801 (Kamailio's name)
    """The routes."""

    def child_init(self, _rank: int) -> int:
        """Called in every process."""
        return 0

    def ksr_request_route(self, msg: object) -> int:
        """Every request."""
        trace.ksr_route_trace_request(msg)  # trace
        if KSR.maxfwd.process_maxfwd(10) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            return 1
        if KSR.is_CANCEL():
            if KSR.tm.t_check_trans() > 0:
                self.ksr_route_relay(msg)
            return 1
        if KSR.siputils.has_totag() > 0:
            if KSR.rr.loose_route() > 0:
                self.ksr_route_relay(msg)
            elif KSR.is_ACK():
                KSR.tm.t_check_trans()  # absorbs the ACK to a negative reply
            else:
                KSR.sl.sl_send_reply(404, "Not Here")
            return 1
        # 0 is a retransmission, which has been answered; native routes end by themselves then.
        if KSR.tm.t_check_trans() == 0:
            return 1
        if KSR.is_REGISTER():
            return self.ksr_route_registrar(msg)
        if KSR.is_INVITE():
            KSR.rr.record_route()
            if self.ksr_route_location(msg) < 0:
                return 1
        return self.ksr_route_relay(msg)

    def ksr_route_registrar(self, _msg: object) -> int:
        """One user, password secret: enough for the 401 and the answer to it."""
        if KSR.auth.pv_auth_check(_REALM, "secret", 0, 0) < 0:
            KSR.auth.auth_challenge(_REALM, 0)
            return 1
        KSR.sl.sl_send_reply(200, "OK")
        return 1

    def ksr_route_location(self, msg: object) -> int:
        """Where the callee of a number listens; -1 for what is unknown, after a 404."""
        number = str(KSR.pv.get("$rU") or "")
        if not _NUMBER.match(number):
            trace.ksr_route_trace_log(msg, f"no such number: {number}")  # trace
            KSR.sl.sl_send_reply(404, "Not Found")
            return -1
        host = KSR.pv.get("$Ri")
        if KSR.is_IPv6():
            host = f"[{host}]"
        port = int(KSR.pv.get("$def(CALLEE_PORT)") or 0) + int(number[-1])
        KSR.pv.sets("$du", f"sip:{host}:{port};transport={KSR.pv.get('$proto')}")
        return 1

    def ksr_route_relay(self, _msg: object) -> int:
        """Onward, or an answer that says why not."""
        if KSR.tm.t_relay() < 0:
            KSR.sl.sl_reply_error()
        return 1
