# SPDX-License-Identifier: GPL-2.0-or-later
"""kemiscope as a target: the capture Kamailio of `make run` with its default settings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import measure
from bench.target import Target
from collector.causes import Cause
from collector.columns import SIP_MESSAGE_TABLES
from collector.journal.counters import Counters, Field, Role
from collector.settings.endpoint import UDP
from stack.trial import Trial

_GROUPS: Final = {
    Role.UDP: "UDP workers",
    Role.INGEST: "ingest",
    Role.LISTENER: "listener",
}
_REST: Final = "other Kamailio"
_POLL_S: Final = 0.1


class Kemiscope(Target):
    """A trial stack without the web API."""

    name = "kemiscope"
    tables = (*SIP_MESSAGE_TABLES, "call", "call_key", "call_link", "registration")
    messages = """
        SELECT xmin, via_branch AS number, ts AS sent_at FROM sip_message_call
         UNION ALL
        SELECT xmin, via_branch AS number, ts AS sent_at FROM sip_message_registration
         UNION ALL
        SELECT xmin, via_branch AS number, ts AS sent_at FROM sip_message_other
    """

    def __init__(
        self,
        directory: Path,
        postgres: str = "",
        streams: Sequence[str] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """``postgres``, ``streams`` and ``settings`` as for ``Trial``."""
        self._trial = Trial(directory, settings, postgres, streams)
        self.cluster = self._trial.cluster
        self.port = self._trial.hep_port
        self._groups: dict[str, list[int]] = {}

    def use(self, protocol: str, connections: int) -> None:
        """Take the load over this protocol from now on."""
        self.name = protocol if protocol == UDP else f"{protocol}, {connections} connections"
        self.protocol = protocol
        self.connections = connections
        self.port = self._trial.ports[protocol]

    @property
    def udp_port(self) -> int:
        """Also while the load goes elsewhere."""
        return self._trial.hep_port

    def start(self) -> None:
        """Start database and capture node; wait until all its processes are at work."""
        self._trial.start_database()
        self._trial.start_capture()
        expected = self._trial.settings.ingest.processes
        self._trial.wait(
            lambda: (
                len(self._find_groups().get(_GROUPS[Role.INGEST], [])) == expected
                and self._row() is not None
            ),
            "the ingest processes",
        )
        self._groups = self._find_groups()

    def stop(self) -> None:
        """Stop everything."""
        self.disconnect()
        self._trial.stop()

    def settings(self) -> str:
        """With the settings of the capture node."""
        node = self._trial.settings
        # The same whatever carries the load.
        found = super().settings().removeprefix(self.name)
        return (
            f"kemiscope{found}; {node.hep.workers} UDP workers, {node.ingest.processes} ingest "
            f"processes, ingest.nice {node.ingest.nice}, "
            f"ingest.batch_messages {node.ingest.batch_messages}, "
            f"ingest.commit_interval {node.ingest.commit_interval} s, "
            f"journal.sync_interval {node.journal.sync_interval} s"
        )

    def groups(self) -> dict[str, list[int]]:
        """As found at the start: a process that ends takes Kamailio with it."""
        return self._groups

    def settle(self, sent: int, timeout_s: float) -> float:
        """Wait until the node says that all has arrived and nothing waits in the journal."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            row = self._row()
            if row and row[0] >= sent and row[1] == 0 and self._is_correlated():
                break
            time.sleep(_POLL_S)
        return max(slot[Field.LAST_COMMIT] for slot in self._slots()) / 1e9

    def causes(self) -> dict[str, int]:
        """From the published balance, all causes but ``stored``."""
        rows = self.connection.execute("SELECT cause, messages FROM balance").fetchall()
        found: dict[str, int] = dict(rows)
        return {
            cause.label: found.get(cause.label, 0) for cause in Cause if cause is not Cause.STORED
        }

    def unaccounted(self) -> int:
        """From the published balance."""
        row = self._row()
        return row[2] if row else -1

    def _is_correlated(self) -> bool:
        found = self.connection.execute(
            "SELECT bool_and(correlated = octets) FROM journal_progress"
        ).fetchone()
        return found is None or found[0] is not False

    def _row(self) -> tuple[int, int, int] | None:
        return self.connection.execute(
            "SELECT received, waiting, unaccounted FROM capture_node"
        ).fetchone()

    def _find_groups(self) -> dict[str, list[int]]:
        """Kamailio's processes by the role that they have in the journal's counters."""
        kamailio = self._trial.kamailio
        if kamailio is None or kamailio.process is None:
            return {}
        rest = measure.tree(kamailio.process.pid)
        groups: dict[str, list[int]] = {name: [] for name in _GROUPS.values()}
        for slot in self._slots():
            name = _GROUPS.get(Role(slot[Field.ROLE]))
            if name and slot[Field.PID] in rest:
                groups[name].append(slot[Field.PID])
                rest.remove(slot[Field.PID])
        return {name: pids for name, pids in groups.items() if pids} | {_REST: rest}

    def _slots(self) -> list[list[int]]:
        """The numbers of the processes that use the journal, each indexed by ``Field``."""
        counters = Counters(Path(self._trial.settings.journal.directory))
        slots = [counters.slot(number).tolist() for number in counters.used_slots()]
        counters.close()
        return slots
