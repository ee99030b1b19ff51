# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads in, HEP packets out: SIP, RTCP as JSON with the Call-ID of its call, DNS, log lines."""
