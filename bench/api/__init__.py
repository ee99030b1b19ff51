# SPDX-License-Identifier: GPL-2.0-or-later
"""The web API under one and under many users, with many messages stored."""
