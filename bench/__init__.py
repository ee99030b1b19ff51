# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements, each beside a rival or a limit in the same run. They print, and assert nothing."""
