# SPDX-License-Identifier: GPL-2.0-or-later
"""From TCP segments to whole SIP messages: reassembly, framing, WebSocket; and what is SIP at all.

::

    segments ─▶ reassembly  bytes in their order ─▶ sip_stream  messages
                                                      └─ websocket  where frames carry them
"""
