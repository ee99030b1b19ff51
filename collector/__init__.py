# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything between a HEP packet and a committed PostgreSQL row.

The package never imports ``KSR``: all of it runs and is tested without Kamailio.
"""

__version__ = "0.1.0"
