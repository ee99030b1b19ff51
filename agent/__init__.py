# SPDX-License-Identifier: GPL-2.0-or-later
"""hepagent: captures SIP on hosts that have no Kamailio, and sends it as HEP. heplify's flags.

::

    capture/  frames from an interface or a file ─▶ packet/  IP packets in one piece ─▶ stream/
    whole messages ─▶ message/  HEP packets ─▶ journal of the agent ─▶ sending/  one or more servers

Everything but ``capture/`` and ``sending/`` is bytes in, values out. The journal and the way from
there to a server are the collector's own.
"""
