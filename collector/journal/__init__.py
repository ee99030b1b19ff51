# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal: queue, retry buffer and crash log between receiving and storing, in one mechanism.

::

    <directory>/
        counters                      shared memory: who runs, what was received, by cause
        00/                           one directory per writer slot, locked by its writer
            00000000000000000000-…-16384.end    records 0 … 16,383 of this slot
            00000000000000016384-….seg          from record 16,384 on; still growing
        01/ …

A writer process owns one slot and appends to the slot's last segment. Readers claim whole
segments; rows and progress are committed together; a segment is deleted after its last record is
committed. A record counts as accepted when ``Writer.append`` has returned: it is in the page cache
then and survives the end of every process, but a power cut only as far as it was synced.
"""
