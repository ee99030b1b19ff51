# SPDX-License-Identifier: GPL-2.0-or-later
"""What a production proxy includes: tracing by rule, and whole proxies as examples.

It runs with the Python of the distribution alone; nothing of the virtual environment is needed.
"""
