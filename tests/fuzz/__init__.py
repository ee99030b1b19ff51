# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutated packets and messages through codec and hop; ``python -m tests.fuzz``."""
