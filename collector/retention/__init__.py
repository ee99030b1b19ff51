# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept and what goes: by age, by bytes, by the use of the file system.

``measure`` says what is there, ``plan`` decides (a pure function), ``drop`` acts and writes it
down, ``watch`` does the three again and again. ``disk`` finds the file system below the database,
``strays`` cares for rows without a partition of their own, ``history`` keeps what was seen for
status and forecast, and ``report`` shows it to the operator.
"""
