# SPDX-License-Identifier: GPL-2.0-or-later
"""From file and environment to settings; every mistake named with its setting and rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.settings import Settings, load
from collector.settings.model import describe


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file to be written by the test."""
    return tmp_path / "kemiscope.toml"


def _load(text: str, file: Path, **environment: str) -> Settings:
    file.write_text(text)
    return load(file, {f"KEMISCOPE_{name}": value for name, value in environment.items()})


def _errors(text: str, file: Path, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(text, file, **environment)
    return [line.removeprefix(f"{file}: ") for line in str(caught.value).splitlines()]


def test_without_anything_the_defaults_are_in_force() -> None:
    """A start needs no file."""
    found = load(None, {"KEMISCOPE_CONFIG": os.devnull})
    for setting in describe():
        if setting.key != "journal.directory":
            assert getattr(getattr(found, setting.section), setting.name) == setting.default


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(file: Path) -> None:
    """Setting by setting."""
    found = _load("[hep]\nworkers = 3\nmax_connections = 7\n", file, HEP_WORKERS="5")
    assert found.hep.workers == 5
    assert found.hep.max_connections == 7
    assert found.hep.idle_timeout == 3600


def test_values_of_every_type_from_the_file(file: Path) -> None:
    """Numbers plain or with units, text, lists."""
    found = _load(
        '[node]\nname = "n"\n[hep]\nlisten = ["udp:0.0.0.0:1", "tcp:[::1]:2"]\n'
        'socket_buffer = "1MiB"\nidle_timeout = 7\n[journal]\nmax_bytes = 8388608\n'
        'segment_bytes = "1.5MiB"\nsync_interval = "250ms"\n[ingest]\ncommit_interval = 0.5\n',
        file,
    )
    assert found.node.name == "n"
    assert found.hep.listen == ("udp:0.0.0.0:1", "tcp:[::1]:2")
    assert found.hep.socket_buffer == 1 << 20
    assert found.hep.idle_timeout == 7
    assert isinstance(found.hep.idle_timeout, float)
    assert found.journal.max_bytes == 8 << 20
    assert found.journal.segment_bytes == 3 << 19
    assert found.journal.sync_interval == 0.25
    assert found.ingest.commit_interval == 0.5


def test_values_of_every_type_from_the_environment(file: Path) -> None:
    """All text there; a list is separated by commas."""
    found = _load(
        *("", file),
        NODE_NAME="5",
        HEP_WORKERS="3",
        HEP_LISTEN=" udp:0.0.0.0:1 ,tcp:[::1]:2, ",
        HEP_SOCKET_BUFFER="1MiB",
        CLOCK_ACCEPT_PAST="2h",
        INGEST_BATCH_MESSAGES="500",
        WEB_QUERY_TIMEOUT="1.5",
    )
    assert found.node.name == "5"
    assert found.hep.workers == 3
    assert found.hep.listen == ("udp:0.0.0.0:1", "tcp:[::1]:2")
    assert found.hep.socket_buffer == 1 << 20
    assert found.clock.accept_past == 7200
    assert found.ingest.batch_messages == 500
    assert found.web.query_timeout == 1.5


BAD = [
    ("hep.workers", "0", "expected int >= 1"),
    ("hep.workers", "33", "expected int <= 32"),
    ("hep.workers", "2.5", "expected int"),
    ("hep.workers", '"two"', "expected int, got str"),
    ("hep.workers", "true", "expected int, got bool"),
    ("hep.listen", "[]", "expected array of length >= 1"),
    ("hep.listen", '"udp:0.0.0.0:1"', "expected array, got str"),
    ("hep.listen", "[5]", "expected str, got int"),
    ("hep.socket_buffer", '"16MiBi"', "'16MiBi' is not a number with one of the units"),
    ("hep.socket_buffer", '"1KiB"', "expected int >= 65536"),
    ("hep.idle_timeout", "inf", "expected float <= 2592000.0"),
    ("hep.idle_timeout", "nan", "expected float >= 1.0"),
    ("hep.idle_timeout", '"5 minutes"', "'5 minutes' is not a number with one of the units"),
    ("node.name", '""', "expected str of length >= 1"),
    ("node.name", "5", "expected str, got int"),
    ("journal.directory", '""', "expected str of length >= 1"),
    ("retention.call", '"36501d"', "expected float <= 3153600000"),
    ("retention.call", "-1", "expected float >= 0"),
    ("clock.accept_past", "inf", "expected float <= 3153600000"),
    ("sip.max_field_bytes", "2049", "expected int <= 2048"),
    ("web.max_rows", "1e3", "expected int, got float"),
    ("database.dsn", "5", "expected str, got int"),
    ("partition.interval", '"7h"', "must divide a day or be whole days"),
    ("partition.interval", '"36h"', "must divide a day or be whole days"),
    ("hep.listen", '["udp:here:1"]', "'here:1' does not have the form address:port"),
    ("hep.listen", '["tcp:127.0.0.1:9060"]', "needs a udp socket"),
    ("web.change_token", '"x"', "is gone: remove it; docs/access.md says"),
    ("web.listen", '"0.0.0.0:9080"', "0.0.0.0 is not a loopback address"),
    ("web.listen", '"[::]:9080"', ":: is not a loopback address"),
    ("web.listen", '"192.0.2.1:9080"', "192.0.2.1 is not a loopback address"),
    ("web.listen", '"localhost:9080"', "does not have the form address:port"),
    ("web.import_target", '"udp:127.0.0.1:9060"', "must begin with tcp:"),
    ("web.import_target", '"here"', "'here' does not begin with"),
    ("retention.other", '"1d"', "is shorter than clock.accept_past"),
    ("retention.precious", '["calls"]', "'calls' is not one of call, registration, other"),
    ("retention.max_disk_percent", "100", "expected float <= 99"),
    ("journal.max_bytes", '"20MiB"', "must hold at least two segments (journal.segment_bytes)"),
]


@pytest.mark.parametrize(("key", "value", "rule"), BAD)
def test_a_bad_value_names_setting_and_rule(file: Path, key: str, value: str, rule: str) -> None:
    """One line, in the words of the settings."""
    section, name = key.split(".")
    (error,) = _errors(f"[{section}]\n{name} = {value}\n", file)
    assert error.startswith(f"{key}: ")
    assert rule in error
    assert "`" not in error


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("HEP_WORKERS", "0", "hep.workers: expected int >= 1"),
        ("HEP_WORKERS", "two", "hep.workers: expected int, got str"),
        ("HEP_WORKERS", "", "hep.workers: expected int, got str"),
        ("HEP_LISTEN", "", "hep.listen: expected array of length >= 1"),
        ("NODE_NAME", "", "node.name: expected str of length >= 1"),
        ("RETENTION_CALL", "36501d", "retention.call: expected float <= 3153600000.0"),
    ],
)
def test_a_bad_value_from_the_environment_says_so(
    file: Path, variable: str, value: str, error: str
) -> None:
    """The operator would look in the file otherwise."""
    assert _errors("", file, **{variable: value}) == [f"{error} (from KEMISCOPE_{variable})"]


def test_every_setting_refuses_another_type(file: Path) -> None:
    """None slips through as it is."""
    for setting in describe():
        (error,) = _errors(f"[{setting.section}]\n{setting.name} = {{}}\n", file)
        assert error.startswith(f"{setting.key}: expected ")


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    """One per line, with the file's name."""
    file.write_text("[hep]\nworkers = 0\nnonsense = 1\n[ingest]\nprocesses = 99\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {"KEMISCOPE_WEB_NOTHING": "x"})
    assert str(caught.value).splitlines() == [
        f"{file}: hep.workers: expected int >= 1",
        f"{file}: ingest.processes: expected int <= 32",
        f"{file}: hep.nonsense: there is no such setting",
        f"{file}: KEMISCOPE_WEB_NOTHING: there is no such setting",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[hepp]\n", "hepp: there is no such section"),
        ("[hep]\nworker = 2\n", "hep.worker: there is no such setting"),
        ("hep = 5\n", "hep: is a section, write it as [hep]"),
        ("workers = 5\n", "workers: there is no such section"),
        ("[hep.workers]\nx = 1\n", "hep.workers: expected int, got object"),
    ],
)
def test_unknown_names_are_refused(file: Path, text: str, error: str) -> None:
    """A typing mistake must not leave a default in force unnoticed."""
    assert _errors(text, file) == [error]


def test_a_secret_is_not_in_the_message(file: Path) -> None:
    """Not even when it is wrong."""
    (error,) = _errors('[database]\ndsn = ["hunter2"]\n', file)
    assert "hunter2" not in error


def test_what_is_no_toml_says_where(file: Path) -> None:
    """With the file's name."""
    for text in ("[hep\n", "hep = \n", 'x = "\\q"'):
        with pytest.raises(SettingsError, match="not TOML") as caught:
            _load(text, file)
        assert str(file) in str(caught.value)
    file.write_bytes(b"[node]\nname = '\xff'\n")
    with pytest.raises(SettingsError, match="not TOML"):
        load(file, {})


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    """On the command line or in the environment."""
    missing = tmp_path / "missing.toml"
    for path, environment in ((missing, {}), (None, {"KEMISCOPE_CONFIG": str(missing)})):
        with pytest.raises(SettingsError, match="No such file") as caught:
            load(path, environment)
        assert str(missing) in str(caught.value)


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument, else the environment, else the working directory."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("kemiscope.toml", "b.toml", "c.toml"), 1):
        (tmp_path / name).write_text(f"[hep]\nworkers = {number}\n")
    assert load(None, {}).hep.workers == 1
    assert load(None, {"KEMISCOPE_CONFIG": "b.toml"}).hep.workers == 2
    assert load(Path("c.toml"), {"KEMISCOPE_CONFIG": "b.toml"}).hep.workers == 3


def test_the_journal_is_beside_the_file_unless_it_is_absolute(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every program of the node must find the same one, whatever its working directory."""
    monkeypatch.chdir("/")
    assert _load('[journal]\ndirectory = "j"\n', file).journal.directory == str(file.parent / "j")
    assert _load('[journal]\ndirectory = "/j"\n', file).journal.directory == "/j"
    assert _load("", file, JOURNAL_DIRECTORY="k").journal.directory == str(file.parent / "k")
    monkeypatch.chdir(file.parent)
    relative = load(Path(file.name), {}).journal.directory
    assert relative == str(file.parent / "var/journal")


def test_every_path_is_beside_the_file_unless_it_is_absolute(file: Path) -> None:
    """Also those of the TLS sockets; one that is not set stays empty."""
    found = _load('[tls]\ncertificate = "c.pem"\nkey = "/etc/k.pem"\n', file).tls
    assert found.certificate == str(file.parent / "c.pem")
    assert found.key == "/etc/k.pem"
    assert found.client_ca == ""
    text = '[relay]\ntls_ca = "r.pem"\ntls_certificate = "/etc/r.pem"\n[loki]\ntls_ca = "l.pem"\n'
    outputs = _load(text, file)
    assert outputs.relay.tls_ca == str(file.parent / "r.pem")
    assert outputs.relay.tls_certificate == "/etc/r.pem"
    assert outputs.loki.tls_ca == str(file.parent / "l.pem")


@pytest.mark.parametrize("protocol", ["tls", "wss"])
def test_an_encrypted_socket_needs_certificate_and_key(file: Path, protocol: str) -> None:
    """Said at the start, by name; the other sockets need none."""
    listen = f'[hep]\nlisten = ["udp:127.0.0.1:1", "{protocol}:127.0.0.1:2"]\n'
    reason = "must name a file, because hep.listen has a tls or wss socket"
    assert _errors(listen, file) == [f"tls.{name}: {reason}" for name in ("certificate", "key")]
    assert _errors(f'{listen}[tls]\nkey = "k"\n', file) == [f"tls.certificate: {reason}"]
    assert _load(f'{listen}[tls]\nkey = "k"\ncertificate = "c"\n', file).hep.listen
    assert _load('[hep]\nlisten = ["udp:127.0.0.1:1", "ws:127.0.0.1:2"]\n', file).hep.listen


@pytest.mark.parametrize(
    ("network", "accepted"),
    [
        ("192.0.2.0/24", True),
        ("192.0.2.7", True),
        ("2001:db8::/32", True),
        ("::1", True),
        ("0.0.0.0/0", True),
        ("192.0.2.7/24", False),
        ("192.0.2.0/33", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_networks(file: Path, network: str, accepted: bool) -> None:
    """A network that is not one must not leave the door open, or closed."""
    text = f'[senders]\nnetworks = ["127.0.0.1", "{network}"]\n'
    if accepted:
        assert _load(text, file).senders.networks == ("127.0.0.1", network)
    else:
        (error,) = _errors(text, file)
        assert error.startswith(f"senders.networks: {network!r} is not an address or a network")


@pytest.mark.parametrize(("retention", "accepted"), [("0", True), ('"3d"', True), ('"71h"', False)])
def test_what_is_accepted_is_kept(file: Path, retention: str, accepted: bool) -> None:
    """A message must not be dropped as soon as it is stored; 0 keeps it for ever."""
    text = f"[retention]\ncall = {retention}\n"
    if accepted:
        _load(text, file)
    else:
        assert _errors(text, file) == ["retention.call: is shorter than clock.accept_past"]


@pytest.mark.parametrize("interval", ["300", '"5m"', '"1h"', '"8h"', '"1d"', '"7d"', '"366d"'])
def test_partition_intervals(file: Path, interval: str) -> None:
    """Parts of a day, or whole days."""
    _load(f"[partition]\ninterval = {interval}\n", file)
