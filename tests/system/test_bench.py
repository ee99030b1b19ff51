# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark harness leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import limit, loss, quiet, soak, start
from bench.agent import capture
from bench.api import scenario as api
from bench.edge import comparison
from bench.edge.slice import KEMI, NATIVE
from bench.edge.variant import BARE, HOOKS, NO_HOOKS, NO_RULE, OWN, TWO_COLLECTORS
from bench.pages import scenario as pages
from collector.settings import Settings
from stack.service import ROOT

START_S = 60
MESSAGES = 13
"""Of a call of the bench on both sides of the proxy, its own 100 included."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_stops_its_stack(number: signal.Signals) -> None:
    """Kamailio, PostgreSQL, the sender and the scratch directory are gone with it."""
    before = _scratch()
    run = subprocess.Popen(
        [sys.executable, "-m", "bench", "--quick", "sustained"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_S
        while not {"kamailio", "postgres"} <= {name for name, _ in _family(run.pid)}:
            assert run.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "it did not start its stack"
            time.sleep(0.05)
        family = _family(run.pid)
        run.send_signal(number)
        assert run.wait(60) != 0
    finally:
        run.kill()
        run.wait()
    assert not [name for name, pid in family if _name(pid) == name]
    assert _scratch() == before


@pytest.mark.timeout(240)
def test_the_cost_of_tracing_is_measured(tmp_path: Path) -> None:
    """In miniature: each variant places its calls, all come through, and those traced are sent."""
    section = comparison.run(tmp_path, quick=True)
    for form in (NATIVE, KEMI):
        sent = {
            name: sum(sum(part["hep"]) for part in parts) / sum(part["calls"] for part in parts)
            for name, parts in section.data[form].items()
        }
        for setting in (BARE, HOOKS, TWO_COLLECTORS, *OWN):
            assert {str(phase.name) for phase in setting.phases} <= set(sent)
        quiet = [NO_HOOKS, *HOOKS.phases[:3]]
        assert [sent[str(phase.name)] for phase in quiet] == [0] * len(quiet)
        assert 0 < sent["10 % sampled"] < MESSAGES
        assert sent["all traced"] == MESSAGES
        assert sent[str(TWO_COLLECTORS.phases[0].name)] == MESSAGES
        assert all(
            part["completed"] == part["calls"] and part["cpu_s"] > 0
            for parts in section.data[form].values()
            for part in parts
        )
    assert NO_RULE.name in section.markdown()


@pytest.mark.timeout(240)
def test_what_the_agent_captures_is_measured(tmp_path: Path) -> None:
    """In miniature: what is put on the cable arrives as HEP, with the flood of RTP beside it."""
    if os.geteuid():
        pytest.skip("no network namespace can be made here")
    section = capture.run(tmp_path, quick=True)
    rows = [row for rows in section.data.values() for row in rows]
    assert all(row["cpu"]["workers"] > 0 for row in section.data["live"])
    assert {"live", "file", "flood", "workers"} == section.data.keys()
    for row in rows:
        assert row["captured"] == row["sent"] == row["delivered"] > 0
        assert not row["lost"]
    (played,) = [row["flood"] for row in rows if row["flood"]]
    assert played["sent"] == capture.FLOOD_RATE * capture.QUICK_SECONDS


@pytest.mark.timeout(240)
def test_the_api_is_measured(tmp_path: Path) -> None:
    """In miniature: all are answered, searches from partitions of the range they name."""
    section = api.run(tmp_path, quick=True, messages=4000)
    asked = {(one["api"], one["question"]) for one in section.data.values()}
    assert {name for name, _ in asked} >= {"native"}
    assert len(section.data) == len(asked) * len(api.USERS)
    for one in section.data.values():
        assert one["requests"] == api.QUICK_REQUESTS[one["users"]]
        assert one["errors"] == {}
        assert 0 < one["p50_s"] <= one["p99_s"] <= one["max_s"]
        assert one["rows"] > 0 or "none" in one["question"]
        if one["users"] == 1:
            touched = one["touched"]
            assert 0 < touched["read"] < touched["all"]
            # A call is looked for by its Call-ID, wherever its other legs are.
            assert touched["outside"] == () or one["question"] == "transaction"


@pytest.mark.timeout(240)
def test_the_pages_are_measured(tmp_path: Path) -> None:
    """In miniature: each is opened and painted, each search finds what it looks for."""
    section = pages.run(tmp_path, quick=True, messages=4000)
    names = {thing.name for thing in (*pages.LOADS, *pages.SEARCHES)} | {pages.SORT}
    assert section.data.keys() == names
    loads = {load.name for load in pages.LOADS}
    for name, measured in section.data.items():
        assert measured["times"] == pages.QUICK_TIMES
        assert measured["content_s"]["p50"] > 0
        if name in loads:
            assert measured["paint_s"]["p50"] > 0
        else:
            assert 0 < measured["answer_s"]["p50"] < measured["content_s"]["p100"]
            assert measured["rows"]["p50"] > 0


@pytest.mark.timeout(120)
def test_the_soak_is_measured(tmp_path: Path) -> None:
    """In miniature: all is counted, every part has its figures, and the web API answers."""
    section = soak.run(tmp_path, quick=True, seconds=8)
    outcome = section.data["outcome"]
    assert outcome["sent"] == soak.RATE * 8
    lost = outcome["lost by any other cause"] + outcome[loss.KERNEL]
    assert outcome["rows kept"] == outcome["sent"] - lost > 0
    assert outcome["unaccounted in the balance"] == outcome["rows kept more than once"] == 0
    assert outcome["questions that the web API did not answer"] == 0
    first, *_, last = section.data["moments"]
    for figures in (first, last):
        for kind in ("memory", "descriptors"):
            assert {"ingest", "web API", "PostgreSQL"} <= figures[kind].keys()
            assert all(figures[kind].values())
        assert 0 < figures["journal"] < figures["disk"]
    assert first["messages"] < last["messages"]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures do not matter here: nobody waits for a quiet machine."""
    monkeypatch.setattr(quiet, "wait", lambda: None)


@pytest.mark.usefixtures("busy")
@pytest.mark.timeout(120)
def test_the_limit_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In miniature: packets are received and thrown away, rows go into the tables of a node."""
    monkeypatch.setattr(limit, "ROWS", 2 * Settings().ingest.batch_messages)
    monkeypatch.setattr(limit, "RECEIVE_S", 0.2)
    monkeypatch.setattr(limit, "QUICK_RATES", (2_000,))
    section = limit.run(tmp_path, quick=True)
    received, copied = section.data["receive"]["2000"], section.data["copy"]
    assert received["share"] == 1
    assert received["us"] > 0
    assert copied["server_us"] > 0
    assert copied["client_us"] > 0
    monkeypatch.delattr(limit, "Load")
    monkeypatch.delattr(limit, "Trial")
    assert limit.us(2_000) == pytest.approx(
        received["us"] + copied["server_us"] + copied["client_us"]
    )


@pytest.mark.usefixtures("busy")
@pytest.mark.timeout(120)
def test_the_start_is_measured(tmp_path: Path) -> None:
    """Each start journals a packet, and then stores it."""
    section = start.run(tmp_path, quick=True)
    assert len(section.data["starts"]) == start.QUICK_STARTS
    for one in section.data["starts"]:
        assert 0 < one["journaled"] <= one["stored"]


def _scratch() -> set[Path]:
    return set((ROOT / "var" / "bench").glob("*"))


def _family(ancestor: int) -> set[tuple[str, int]]:
    """Names and numbers of a process's descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found = set()
    waiting = [ancestor]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            found.add((_name(child), child))
    return found


def _parent(pid: int) -> int:
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _name(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
