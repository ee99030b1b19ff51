# SPDX-License-Identifier: GPL-2.0-or-later
"""What was refused is tried again, when settings, database or this program are others now."""
