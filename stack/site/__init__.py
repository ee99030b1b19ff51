# SPDX-License-Identifier: GPL-2.0-or-later
"""The documentation as a static site: `make site` makes it of ``docs/``, into ``var/site``."""
