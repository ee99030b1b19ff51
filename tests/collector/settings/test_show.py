# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings as text: what is in force, and the sample that explains each."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from collector.settings import Settings, load, show
from collector.settings.model import describe
from collector.settings.receiving import Node, Senders
from collector.settings.sites import Sites
from collector.settings.storing import Database

SAMPLE = Path(__file__).resolve().parents[3] / "kemiscope.sample.toml"


def test_the_sample_file_is_up_to_date() -> None:
    """`python -m collector dump-config --sample > kemiscope.sample.toml` makes it."""
    assert SAMPLE.read_text() == show.sample()


def test_the_sample_explains_every_setting() -> None:
    """By name, with its whole help text and its limits."""
    text = show.sample()
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for setting in describe():
        assert f"\n# {setting.name} = " in text
        assert setting.help in words
        assert show.range_of(setting) in words


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    """Everything in it is commented out."""
    file = tmp_path / "sample.toml"
    file.write_text(show.sample())
    assert load(file, {"KEMISCOPE_JOURNAL_DIRECTORY": "/j"}) == load(
        None, {"KEMISCOPE_JOURNAL_DIRECTORY": "/j", "KEMISCOPE_CONFIG": os.devnull}
    )


def test_the_sample_with_its_comment_signs_taken_away_is_the_default(tmp_path: Path) -> None:
    """The values shown are the defaults, in a form that can be read."""
    lines = []
    names = {setting.name for setting in describe()}
    for line in show.sample().splitlines():
        name = line.removeprefix("# ").partition(" = ")[0]
        lines.append(line.removeprefix("# ") if name in names and " = " in line else line)
    file = tmp_path / "kemiscope.toml"
    file.write_text("\n".join(lines))
    found = load(file, {})
    for setting in describe():
        if setting.key not in ("node.name", "journal.directory"):
            assert getattr(getattr(found, setting.section), setting.name) == setting.default


def test_no_line_of_the_sample_is_too_long() -> None:
    """It is read in terminals."""
    assert max(map(len, show.sample().splitlines())) <= 100


def test_what_is_in_force_can_be_read_again(tmp_path: Path) -> None:
    """The dump is a settings file."""
    text = '[node]\nname = "a \\"b\\" \\\\ ünï"\n[hep]\nlisten = ["udp:[::1]:1"]\n'
    text += '[clock]\naccept_past = "90m"\n[ingest]\ncommit_interval = "3ms"\n'
    file = tmp_path / "kemiscope.toml"
    file.write_text(text)
    found = load(file, {})
    file.write_text(show.to_toml(found))
    assert load(file, {}) == found
    assert set(tomllib.loads(file.read_text())) == {setting.section for setting in describe()}


@pytest.mark.parametrize(
    ("dsn", "visible", "hidden"),
    [
        ("postgresql://u:hunter2@db:5432/k", ["user=u", "host=db", "dbname=k"], ["hunter2"]),
        ("host=db user=u password=hunter2", ["user=u", "host=db"], ["hunter2"]),
        ("host=db password='hunter2 with blanks'", ["host=db"], ["hunter2", "blanks"]),
        ("host=db sslkey=k sslpassword=hunter2", ["sslkey=k"], ["hunter2"]),
        ("postgresql://db/k?password=hunter2", ["dbname=k"], ["hunter2"]),
        ("host=db user=u", ["host=db", "user=u"], ["***"]),
        ("this is no dsn: hunter2", ["***"], ["hunter2"]),
        ("postgresql://u:hunter2@[bad", ["***"], ["hunter2"]),
        ("", [], ["***"]),
    ],
)
def test_passwords_are_masked(dsn: str, visible: list[str], hidden: list[str]) -> None:
    """The rest of a DSN is what one wants to see."""
    text = show.to_toml(Settings(database=Database(dsn=dsn, reader_dsn=dsn)))
    shown = [line for line in text.splitlines() if "dsn = " in line]
    assert len(shown) == 2
    for line in shown:
        assert all(word in line for word in visible)
        assert not any(word in line for word in hidden)


def test_the_name_of_the_host_is_not_in_the_sample() -> None:
    """The file is the same on every machine."""
    (name,) = [setting for setting in describe() if setting.key == "node.name"]
    assert show.default_of(name) == "(name of the host)"
    assert Node().name


def test_ranges_are_shown_with_units() -> None:
    """As one would write them."""
    ranges = {setting.key: show.range_of(setting) for setting in describe()}
    assert ranges["hep.workers"] == " (1 … 32)"
    assert ranges["hep.socket_buffer"] == " (64KiB … 1GiB)"
    assert ranges["ingest.commit_interval"] == " (1ms … 5s)"
    assert ranges["node.name"] == ""


def test_databases_of_sites_show_all_but_their_passwords() -> None:
    """Names, hosts and users help who looks for a fault."""
    entries = ("berlin=host=db.example user=r password=hunter2", "x=postgresql://r:hunter2@db/k")
    text = show.to_toml(Settings(sites=Sites(databases=entries)))
    assert "hunter2" not in text
    for part in ("berlin=", "host=db.example", "user=r", "password=***", "x=", "dbname=k"):
        assert part in text


def test_a_list_of_passwords_shows_whose_they_are_and_nothing_else() -> None:
    """Also when an entry is not written as it should be."""
    loaded = Settings(senders=Senders(passwords=("2001:hunter2", "*:x:hunter2", "hunter2")))
    text = show.to_toml(loaded)
    assert 'passwords = ["2001:***", "*:***", "***"]' in text
    assert "hunter2" not in text
