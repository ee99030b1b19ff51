# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compiled of the agent: ``frames``, built as ``collector.compiled`` is."""
