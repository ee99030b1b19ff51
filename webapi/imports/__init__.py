# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files in, HEP to the capture node out.

::

    upload ─▶ temporary file ─▶ a process of its own:  agent's decoder ─▶ RTP summary ─▶ HEP/TCP

So what is imported goes through journal, filters, correlation and balance as everything else.
"""
