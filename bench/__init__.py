# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements, each beside a rival or a limit in the same run. A benchmark prints, it asserts nothing."""
