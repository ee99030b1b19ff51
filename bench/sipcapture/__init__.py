# SPDX-License-Identifier: GPL-2.0-or-later
"""The rival: Kamailio's own ``sipcapture`` module, and the comparison with it."""
