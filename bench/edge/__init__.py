# SPDX-License-Identifier: GPL-2.0-or-later
"""What tracing costs a production proxy."""
