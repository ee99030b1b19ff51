# SPDX-License-Identifier: GPL-2.0-or-later
"""What people add to what was captured: names of hosts, searches they keep, links they give away.

``alias`` is the table of names, ``resolver`` finds the one of an address, ``aliases`` keeps them in
memory. ``saved_search`` and ``share_link`` are tables too; ``links`` fills URLs of other systems.
"""
