# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept, through a real node: every packet has one fate, and settings change in flight."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from collector.causes import Cause
from collector.settings.show import toml_value
from stack.service import ROOT
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.sip_text import packet, request
from tests.system.counts import node

HOOK = """
def tenant(message):
    message.headers["tenant"] = message.fields["from_domain"]
    if message.fields["to_user"] == "fault":
        raise ValueError("on purpose")
    if message.fields["to_user"] == "drop":
        message.drop()
"""
ROUNDS = 200


def _message(to_user: str, number: int, method: str = "INVITE", headers: str = "") -> bytes:
    message = request(method, f"{to_user}-{number}@selection", number=number + 1, headers=headers)
    return message.replace(b"To: <sip:bob@", b"To: <sip:%b@" % to_user.encode())


def test_every_packet_has_one_fate(make_trial: MakeTrial, tmp_path: Path) -> None:
    """All steps at once, duplicates over two workers and two ingest processes, and a reload."""
    hook = tmp_path / "hook.py"
    hook.write_text(HOOK)
    trial = make_trial(
        senders={"passwords": ["2001:right"]},
        filter={"discard_methods": ["OPTIONS"], "duplicate_window": "10s"},
        correlation={"headers": ["X-CID"]},
        hook={"file": str(hook)},
    )
    trial.start_database()
    trial.start_capture()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", trial.hep_port))
        for number in range(ROUNDS):
            good = packet(_message("bob", number, headers="X-CID: leg-a\r\n"), auth_key=b"right")
            for data in (
                *(good, good),
                packet(_message("bob", number, "OPTIONS"), auth_key=b"right"),
                packet(_message("drop", number), auth_key=b"right"),
                packet(_message("fault", number), auth_key=b"right"),
                packet(_message("bob", number), auth_key=b"wrong-one"),
            ):
                sender.send(data)
        _wait(trial, 6 * ROUNDS)
        counts = node(trial)
        for cause in (Cause.DUPLICATE, Cause.FILTER_METHOD, Cause.HOOK_DROPPED, Cause.PASSWORD):
            assert counts[cause.label] == ROUNDS, cause.label
        assert (counts["stored"], counts["unaccounted"]) == (2 * ROUNDS, 0)
        with trial.connect() as connection:
            kept = connection.execute(
                "SELECT to_user, aleg_id, headers ->> 'tenant', count(*)"
                " FROM sip_message GROUP BY 1, 2, 3 ORDER BY 1"
            ).fetchall()
            quarantined = connection.execute("SELECT packet FROM quarantine").fetchall()
            faults = connection.execute("SELECT hook_faults FROM capture_node").fetchone()
        assert kept == [
            ("bob", "leg-a", "example.com", ROUNDS),
            ("fault", None, None, ROUNDS),
        ]
        assert quarantined
        assert not any(b"wrong-one" in data for (data,) in quarantined)
        assert faults == (ROUNDS,)

        _reload(trial, {"filter": {"discard_methods": []}})
        for number in range(ROUNDS):
            sender.send(packet(_message("bob", number, "OPTIONS")))
        _wait(trial, 7 * ROUNDS)
    counts = node(trial)
    assert (counts["stored"], counts["unaccounted"]) == (3 * ROUNDS, 0)


def _wait(trial: Trial, received: int) -> None:
    trial.wait(
        lambda: node(trial)["received"] >= received and node(trial)["waiting"] == 0,
        f"{received} packets to have a fate",
    )


def _reload(trial: Trial, sections: dict[str, dict[str, list[str]]]) -> None:
    """Take filter, senders and hook out of the file, as a user would, and say so to ingest."""
    kept = []
    skip = False
    for line in trial.config.read_text().splitlines():
        if line.startswith("["):
            skip = line in ("[filter]", "[senders]", "[hook]", "[correlation]")
        if not skip:
            kept.append(line)
    for section, values in sections.items():
        kept.append(f"[{section}]")
        kept += [f"{name} = {toml_value(value)}" for name, value in values.items()]
    trial.config.write_text("\n".join(kept) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "collector", "reload"],
        cwd=ROOT,
        env=os.environ | trial.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 of 2 ingest processes read the settings again\n"
