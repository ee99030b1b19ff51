# SPDX-License-Identifier: GPL-2.0-or-later
"""What messages say about calls and registrations, merged into one row for each.

``facts`` takes one stored message after the other, ``columns`` says how the facts of several
messages become one row, ``writer`` brings them to PostgreSQL.
"""
