# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may send, decided before a packet reaches the journal.

``door`` says yes or no, ``rate`` shares the packets of each peer between the processes, ``refused``
counts by peer what was not let in, and ``publication`` brings those counts into the database.
"""
