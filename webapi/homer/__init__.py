# SPDX-License-Identifier: GPL-2.0-or-later
"""HOMER's API ``/api/v3``, for its user interface and for scripts that were written for it."""
