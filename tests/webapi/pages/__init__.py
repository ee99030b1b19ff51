# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ``webapi/pages/``, most of them in a browser."""
