# SPDX-License-Identifier: GPL-2.0-or-later
"""From frames of a link to transport payloads: links, tunnels, IP and its fragments."""
