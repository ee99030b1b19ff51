# SPDX-License-Identifier: GPL-2.0-or-later
"""What the column ``seen`` of a leg says: which of its messages came more than once.

Each message leaves four bytes: 24 bits tell messages apart, 8 bits the capture nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

ENTRY_BYTES: Final = 4
_NODE_BYTES: Final = 1


def repeats(seen: bytes) -> tuple[int, int]:
    """Retransmissions, and copies of messages that several capture nodes have seen.

    What one node sees again is a retransmission, what another sees too is a copy. Bytes at the end
    that are no whole entry count for nothing.
    """
    whole = len(seen) - len(seen) % ENTRY_BYTES
    identities = {seen[at : at + ENTRY_BYTES - _NODE_BYTES] for at in range(0, whole, ENTRY_BYTES)}
    if len(identities) * ENTRY_BYTES == whole:
        return 0, 0
    entries = Counter(seen[at : at + ENTRY_BYTES] for at in range(0, whole, ENTRY_BYTES))
    nodes: Counter[bytes] = Counter()
    most: dict[bytes, int] = {}
    for entry, times in entries.items():
        identity = entry[:-_NODE_BYTES]
        nodes[identity] += 1
        most[identity] = max(times, most.get(identity, 0))
    return sum(most.values()) - len(most), nodes.total() - len(nodes)
