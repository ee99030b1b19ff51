# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages on a machine that has nothing but Debian 12 and systemd: installed, used,
started anew, killed, upgraded with a full journal, removed. The tests are in the order of a host's
life, and share it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.container import ROOT, Container, run

pytestmark = pytest.mark.timeout(1500)

SERVICES: Final = ("kemiscope-capture", "kemiscope-web", "hepagent")
SETTINGS: Final = "/etc/kemiscope/kemiscope.toml"
FLAGS: Final = "/etc/default/hepagent"
_OTHERS: Final = ("postgresql", "sip-tester", "rsyslog", "logrotate")
_PATIENCE_S: Final = 60.0
_NEW_VERSION: Final = "0.1.0+upgraded"
_SIP_PORT: Final = 5060
_SEND: Final = """
import socket, sys, time
from tests.sip_text import packet, request
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    sender.sendto(packet(request("OPTIONS", f"{sys.argv[1]}-{number}")), ("127.0.0.1", 9060))
    if number % 20 == 19:
        time.sleep(0.01)
"""
_WORKERS: Final = """
from pathlib import Path
from collector.journal.counters import Counters, Field, Role
counters = Counters(Path("/var/lib/kemiscope/journal"))
slots = [counters.slot(number) for number in counters.used_slots()]
print(*(slot[Field.PID] for slot in slots if slot[Field.ROLE] == Role.UDP))
"""


class Machine:
    """A host with both packages."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.call = container.call
        self.token = ""

    def get(self, path: str) -> Any:
        """What the web API answers; None while it does not."""
        header = f"Authorization: Bearer {self.token}"
        address = f"http://127.0.0.1:9080{path}"
        said = run(*self.container.beside("curl", "-sf", "-H", header, address), check=False)
        return json.loads(said) if said else None

    def node(self) -> dict[str, Any]:
        """Its capture node in the status; empty while there is none."""
        answer = self.get("/api/v1/status") or {"nodes": []}
        nodes = [one for one in answer["nodes"] if one["received"]]
        return dict(nodes[0]) if nodes else {}

    def state(self, unit: str, name: str = "ActiveState") -> str:
        """A property of a unit."""
        return self.call("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def send(self, call_id: str, count: int) -> None:
        """So many packets to the node, with Call-IDs that begin so."""
        run(
            *self.container.beside("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", _SEND),
            call_id,
            str(count),
        )

    def sql(self, statement: str) -> str:
        """As the database's superuser."""
        psql = ("psql", "-d", "kemiscope", "-AtXqc")
        return self.call("runuser", "-u", "postgres", "--", *psql, statement).strip()

    def place_call(self) -> None:
        """SIPp calls SIPp on the host; only the agent tells the capture node of it."""
        callee = subprocess.Popen(
            self.container.command(
                *("timeout", "60", "sipp", "-sn", "uas", "-i", "127.0.0.1"),
                *("-p", str(_SIP_PORT), "-m", "1", "-nostdin"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # The caller repeats its INVITE until the callee listens.
            self.call(
                *("timeout", "60", "sipp", f"127.0.0.1:{_SIP_PORT}", "-sn", "uac"),
                *("-i", "127.0.0.1", "-p", "5061", "-m", "1", "-d", "200", "-nostdin"),
            )
            callee.wait(_PATIENCE_S)
        finally:
            callee.kill()
            callee.wait()

    def completed_calls(self) -> int:
        """Calls of SIPp that the web API finds, with all that belongs to them."""
        found = self.get("/api/v1/calls") or {"calls": []}
        return sum(
            one["from_user"] == "sipp" and one["state"] == "completed" for one in found["calls"]
        )

    def all_run(self) -> bool:
        """Whether every service is up."""
        return all(self.state(unit) == "active" for unit in SERVICES)


def _until(what: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both, built of this work tree."""
    directory = tmp_path_factory.mktemp("packages")
    run(ROOT / "stack/packages.sh", directory)
    found = sorted(directory.glob("*.deb"))
    assert [path.name.partition("_")[0] for path in found] == ["kemiscope-agent", "kemiscope"]
    return found


@pytest.fixture(scope="module")
def before() -> set[str]:
    """What is on the machine before anything is installed; ``installed`` fills it."""
    return set()


@pytest.fixture(scope="module")
def installed(
    packages: list[Path], before: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A host with both packages and a PostgreSQL that knows nothing of them."""
    container = Container(tmp_path_factory.mktemp("machine"))
    files = []
    for package in packages:
        (container.root / "root" / package.name).write_bytes(package.read_bytes())
        files.append(f"/root/{package.name}")
    container.fetch(*files, *_OTHERS)
    container.boot()
    try:
        before |= _ours(container)
        install = ("apt-get", "-q", "-y", "--no-install-recommends", "install")
        container.call(*install, *_OTHERS)
        container.call(*install, *files)
        yield Machine(container)
    finally:
        container.stop()


@pytest.fixture(scope="module")
def machine(installed: Machine) -> Machine:
    """The same with a database and a user: what an operator does after the installation."""
    installed.call("kemiscope", "create-db", "--admin", "host=/run/postgresql")
    installed.call("kemiscope-web", "user", "add", "admin", "--role", "admin")
    add = ("kemiscope-web", "token", "add", "test", "--user", "admin", "--scope", "read")
    installed.token = installed.call(*add).split()[-1]
    _until(installed.all_run)
    _until(lambda: installed.get("/api/v1/status"))
    return installed


def _ours(container: Container) -> set[str]:
    """What is named after us, wherever it is."""
    names = ("-name", "*kemiscope*", "-o", "-name", "*hepagent*")
    skip = (
        "-path",
        "/proc",
        "-o",
        "-path",
        "/sys",
        "-o",
        "-path",
        "/root",
        "-o",
        "-path",
        "/var/cache/apt",
    )
    return set(
        container.call(
            "find", "/", "(", *skip, ")", "-prune", "-o", "(", *names, ")", "-print"
        ).split()
    )


def test_it_captures_before_there_is_a_database(installed: Machine) -> None:
    """And Kamailio's own service, which came along, is no proxy that nobody has asked for."""
    assert installed.state("kemiscope-capture") == installed.state("hepagent") == "active"
    assert installed.state("kemiscope-web") == "inactive"
    assert installed.state("kamailio") == "inactive"
    assert "disabled" in installed.call("systemctl", "is-enabled", "kamailio", check=False)
    installed.send("early", 5)
    found = installed.call("kemiscope", "doctor", check=False)
    assert re.search(r"^journal +ok +about 5 packets wait", found, re.MULTILINE), found


def test_systemd_has_nothing_to_say_about_the_units(installed: Machine) -> None:
    """Where the programs are, so that it looks for them, too."""
    units = [f"{unit}.service" for unit in (*SERVICES, "kemiscope-schema")]
    assert installed.call("systemd-analyze", "verify", "--man=no", *units) == ""


def test_a_call_goes_through_agent_and_node_to_the_api(machine: Machine) -> None:
    """And what came before there was a database is there as well."""
    _until(
        lambda: machine.sql("SELECT count(*) FROM sip_message WHERE call_id LIKE 'early-%'") == "5"
    )
    assert machine.completed_calls() == 0
    machine.place_call()
    _until(lambda: machine.completed_calls() == 1)
    _until(lambda: machine.node()["unaccounted"] == 0)


def test_nothing_of_it_is_roots(machine: Machine) -> None:
    """Nor has a right of root's, but the agent that to capture; and passwords are for nobody."""
    net_raw = 1 << 13
    for unit, rights in zip(SERVICES, (0, 0, net_raw), strict=True):
        group = machine.state(unit, "ControlGroup")
        processes = machine.call("systemd-cgls", "--unit", f"{unit}.service", "--no-pager")
        assert group
        for pid in re.findall(r"[├└]─ *(\d+) ", processes):
            status = machine.call("cat", f"/proc/{pid}/status")
            found = dict(
                re.findall(r"^(Uid|CapBnd|CapEff|NoNewPrivs):\t(\S+)", status, re.MULTILINE)
            )
            assert found["Uid"] != "0", unit
            assert int(found["CapBnd"], 16) == int(found["CapEff"], 16) == rights, unit
            assert found["NoNewPrivs"] == "1"
    assert machine.call("stat", "-c", "%a %U:%G", SETTINGS).strip() == "640 root:kemiscope"


def test_killed_services_come_back(machine: Machine) -> None:
    """Each is killed; each runs again, with another process."""
    before = {unit: machine.state(unit, "MainPID") for unit in SERVICES}
    for pid in before.values():
        machine.call("kill", "-KILL", pid)
    _until(
        lambda: all(machine.state(unit, "MainPID") not in ("0", before[unit]) for unit in SERVICES)
    )
    _until(machine.all_run)
    calls = machine.completed_calls
    _until(lambda: machine.get("/api/v1/status"))
    number = calls()
    machine.place_call()
    _until(lambda: calls() == number + 1)


def test_workers_that_hang_are_started_again(machine: Machine) -> None:
    """Datagrams wait in the kernel and nobody takes them: systemd hears no more of the node."""
    machine.call("mkdir", "-p", "/run/systemd/system/kemiscope-capture.service.d")
    short = "/run/systemd/system/kemiscope-capture.service.d/test.conf"
    machine.call("sh", "-c", f"printf '[Service]\\nWatchdogSec=8s\\n' > {short}")
    try:
        machine.call("systemctl", "daemon-reload")
        machine.call("systemctl", "restart", "kemiscope-capture")
        main = machine.state("kemiscope-capture", "MainPID")
        python = "/usr/lib/kemiscope/bin/python"
        workers = machine.call("runuser", "-u", "kemiscope", "--", python, "-c", _WORKERS).split()
        assert workers
        machine.call("kill", "-STOP", *workers)
        machine.send("hanging", 5)
        _until(lambda: machine.state("kemiscope-capture", "MainPID") not in ("0", main))
        log = machine.call("journalctl", "-u", "kemiscope-capture", "--no-pager")
        assert "hangs: datagrams wait, and no UDP worker takes them" in log
        assert "Watchdog timeout" in log
    finally:
        machine.call("rm", short)
        machine.call("systemctl", "daemon-reload")
    _until(machine.all_run)


def test_everything_runs_after_a_reboot(machine: Machine) -> None:
    """With nobody there to start it, in whatever order systemd does."""
    number = machine.completed_calls()
    machine.container.reboot()
    _until(machine.all_run)
    machine.place_call()
    _until(lambda: machine.completed_calls() == number + 1)


def test_logs_are_written_and_rotated(machine: Machine) -> None:
    """By rsyslog, where there is one, to a file of their own; logrotate takes it."""
    log = "/var/log/kemiscope/kemiscope.log"
    _until(lambda: "kemiscope-web" in machine.call("cat", log, check=False))
    machine.call("logrotate", "--force", "/etc/logrotate.d/kemiscope")
    machine.get("/api/v1/status")
    _until(lambda: "GET /api/v1/status" in machine.call("cat", log, check=False))
    assert "kemiscope-web" in machine.call("cat", f"{log}.1")


def test_every_program_has_its_page(machine: Machine) -> None:
    """With each of its commands or flags."""
    for page, word in (
        *(("man1/kemiscope.1", "create-db"), ("man1/kemiscope-web.1", "token")),
        *(("man1/hepagent.1", "hep-buffer-max-size"), ("man5/kemiscope.toml.5", "max_bytes")),
    ):
        text = machine.call("zcat", f"/usr/share/man/{page}.gz")
        assert text.startswith(".TH")
        assert word in text.replace(r"\-", "-")


def test_an_upgrade_with_a_full_journal_loses_nothing(
    machine: Machine, packages: list[Path], tmp_path: Path
) -> None:
    """PostgreSQL is away, the journal has no room, the new version has a migration, settings stay;
    then PostgreSQL is back, and every packet is a row once, or counted as dropped by the full
    journal."""
    small = '[journal]\\nmax_bytes = "1MiB"\\nsegment_bytes = "64KiB"\\nmin_free_bytes = 0'
    machine.call("sed", "-i", f"s/^\\[journal\\]$/{small}/", SETTINGS)
    machine.call("sh", "-c", f"echo 'HEPAGENT_FLAGS=-i lo' >> {FLAGS}")
    machine.call("systemctl", "restart", "kemiscope-capture", "hepagent")
    kept = [machine.call("cat", path) for path in (SETTINGS, FLAGS)]
    _until(lambda: machine.node()["waiting"] == 0)
    earlier = machine.node()
    machine.call("systemctl", "stop", "postgresql")
    count = 4_000
    machine.send("full", count)
    full = machine.call("kemiscope", "doctor", check=False)
    assert "journal_full" in full, full

    _upgrade(machine, packages, tmp_path)
    for package in ("kemiscope", "kemiscope-agent"):
        version = machine.call("dpkg-query", "--show", "--showformat=${Version}", package)
        assert version == _NEW_VERSION
    assert [machine.call("cat", path) for path in (SETTINGS, FLAGS)] == kept
    assert machine.state("kemiscope-capture") == machine.state("hepagent") == "active"

    machine.call("systemctl", "start", "postgresql")
    _until(lambda: machine.sql("SELECT to_regclass('upgraded')") == "upgraded")
    _until(machine.all_run)
    _until(lambda: (node := machine.node()) and not node["waiting"] and not node["unaccounted"])
    node = machine.node()
    dropped = node["causes"]["journal_full"] - earlier["causes"].get("journal_full", 0)
    assert dropped > 0
    assert node["received"] - earlier["received"] == count
    rows = "SELECT count(*), count(DISTINCT call_id) FROM sip_message WHERE call_id LIKE 'full-%'"
    assert machine.sql(rows) == f"{count - dropped}|{count - dropped}"


def _upgrade(machine: Machine, packages: list[Path], directory: Path) -> None:
    """The same packages, newer and with one more migration."""
    for package in packages:
        tree = directory / package.stem
        run("dpkg-deb", "--raw-extract", package, tree)
        control = tree / "DEBIAN" / "control"
        new = f"Version: {_NEW_VERSION}"
        control.write_text(re.sub(r"^Version: .*$", new, control.read_text(), flags=re.MULTILINE))
        for schema in tree.glob("usr/lib/kemiscope/lib/*/site-packages/sql"):
            (schema / "9999_upgraded.sql").write_text("CREATE TABLE upgraded ();\n")
        to = machine.container.root / "root" / f"new-{package.name}"
        run("dpkg-deb", "--build", "-Znone", tree, to)
    files = [f"/root/new-{package.name}" for package in packages]
    machine.call("apt-get", "-q", "-y", "install", *files)


def test_purge_leaves_nothing_behind(machine: Machine, before: set[str]) -> None:
    """Removed, it keeps settings and journal; purged, neither file, user nor process is left."""
    names = ("kemiscope", "kemiscope-agent")
    machine.call("apt-get", "-q", "-y", "remove", *names)
    kept = _ours(machine.container)
    assert {SETTINGS, FLAGS, "/var/lib/kemiscope"} <= kept
    assert "/usr/bin/kemiscope" not in kept
    machine.call("apt-get", "-q", "-y", "purge", *names)
    assert _ours(machine.container) == before
    assert machine.call("getent", "passwd", "kemiscope", check=False) == ""
    assert machine.call("getent", "group", "kemiscope", check=False) == ""
    programs = machine.call("ps", "-eo", "args")
    assert not re.search(r"kemiscope|hepagent|webapi", programs), programs
