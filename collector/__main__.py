# SPDX-License-Identifier: GPL-2.0-or-later
"""The operator's commands: ``python -m collector <command>``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from psycopg import Error

from collector import (
    __version__,
    control,
    doctor,
    ingest,
    kamailio_settings,
    migrate,
    settings,
)
from collector.backup import command as backup
from collector.causes import CAUSES, causes_markdown
from collector.correlation.relink import relink
from collector.errors import KemiscopeError, SettingsError
from collector.import_config import command as import_config
from collector.journal.counters import Counters
from collector.pool import connect
from collector.provision import command as provision
from collector.provision.wanted import Wanted
from collector.reload import reload
from collector.replay import command as replay
from collector.retention import report
from collector.selection import Selection
from collector.settings import Settings, show

_MOST_HOURS: Final = 24 * 366.0
_CONTROL_HELP: Final = {
    "pause": "stop storing; the journal keeps what comes",
    "resume": "store again",
    "rotate": "begin new journal segments",
    "balance": "what was received and what became of it, without the database",
}
"""Commands of ``control``; ``reload`` as a command waits for the answers."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed or alarm, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (KemiscopeError, Error, OSError) as error:
        sys.stderr.write(f"{error}\n".removeprefix("\n"))
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m collector", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file instead of kemiscope.toml")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")

    check = commands.add_parser("check-config", help="check the settings and say what is wrong")
    check.set_defaults(run=_check_config)

    dump = commands.add_parser("dump-config", help="print the settings in force")
    form = dump.add_mutually_exclusive_group()
    form.add_argument("--kamailio", action="store_true", help="as kamailio-settings.cfg")
    form.add_argument("--sample", action="store_true", help="a file that explains each setting")
    form.add_argument("--markdown", action="store_true", help="the page docs/settings.md")
    dump.set_defaults(run=_dump_config)

    take = commands.add_parser("import-config", help="print settings made from those of another")
    import_config.add_arguments(take)
    take.set_defaults(run=import_config.run)

    init = commands.add_parser("init-db", help="create or update the database schema")
    provision.add_init_arguments(init)
    init.set_defaults(run=_init_db)

    create = commands.add_parser("create-db", help="create roles, database and schema")
    provision.add_create_arguments(create)
    create.set_defaults(run=provision.run_create)

    look = commands.add_parser("check-db", help="what lacks in the database, and who may too much")
    provision.add_check_arguments(look)
    look.set_defaults(run=provision.run_check)

    keep = commands.add_parser("backup", help="settings and what users made, into one file")
    backup.add_backup_arguments(keep)
    keep.set_defaults(run=backup.run_backup)

    bring = commands.add_parser("restore", help="bring a backup back")
    backup.add_restore_arguments(bring)
    bring.set_defaults(run=backup.run_restore)

    store = commands.add_parser("ingest", help="store the journal, outside of Kamailio")
    store.set_defaults(run=_ingest)

    for name, text in _CONTROL_HELP.items():
        control_parser = commands.add_parser(name, help=text)
        control_parser.set_defaults(run=_control, control=name)

    again = commands.add_parser("reload", help="make ingest read the settings again")
    again.set_defaults(run=_reload)

    repeat = commands.add_parser(
        "replay", help="store the quarantine's packets, or a capture file's messages"
    )
    replay.add_arguments(repeat)
    repeat.set_defaults(run=_replay)

    retention = commands.add_parser("retention", help="drop now what goes by age or limit")
    retention.add_argument("--dry-run", action="store_true", help="only say what would go, and why")
    retention.set_defaults(run=_retention)

    link = commands.add_parser(
        "relink", help="link stored calls by the rules that the settings have now"
    )
    link.add_argument(
        "--hours", type=float, default=24.0, help="how far back to begin (default 24)"
    )
    link.set_defaults(run=_relink)

    deliver = commands.add_parser("output", help="relay, push and count, outside of Kamailio")
    deliver.set_defaults(run=_output)

    list_causes = commands.add_parser("causes", help="everything that can become of a packet")
    list_causes.add_argument("--markdown", action="store_true", help="the page docs/causes.md")
    list_causes.set_defaults(run=_causes)

    tell = commands.add_parser("explain", help="what happened in a call, and why it ended so")
    tell.add_argument("call_id", metavar="CALL-ID", help="the Call-ID of its SIP messages")
    tell.add_argument("--json", action="store_true", help="print the statements as JSON")
    tell.set_defaults(run=_explain)

    examine = commands.add_parser("doctor", help='why is there no data? "ok" or what to do')
    examine.add_argument("--json", action="store_true", help="print the findings as JSON")
    examine.set_defaults(run=_doctor)

    well = commands.add_parser("health", help="can packets be taken and stored now? in one line")
    well.set_defaults(run=_health)
    return parser


def _check_config(options: argparse.Namespace) -> int:
    Selection(settings.load(options.config))
    sys.stdout.write("the settings are good\n")
    return 0


def _dump_config(options: argparse.Namespace) -> int:
    if options.sample:
        text = show.sample()
    elif options.markdown:
        text = show.markdown()
    elif options.kamailio:
        text = kamailio_settings.render(settings.load(options.config))
    else:
        text = show.to_toml(settings.load(options.config))
    sys.stdout.write(text)
    return 0


def _init_db(options: argparse.Namespace) -> int:
    database = _with_dsn(options).database
    wanted = Wanted(database.dsn, database.reader_dsn)
    asyncio.run(
        provision.init(wanted, distributed=options.distribute, time_limit=not options.no_time_limit)
    )
    return 0


def _ingest(options: argparse.Namespace) -> int:
    loaded = _with_dsn(options)
    _log_to_stderr()
    ingest.run(loaded, lambda: settings.load(options.config))
    return 0


def _output(options: argparse.Namespace) -> int:
    from collector.output import configured, process  # noqa: PLC0415 (no other command needs it)

    loaded = settings.load(options.config)
    if not configured.limits(loaded):
        message = "no output is configured: set relay.targets, loki.url or metrics.listen"
        raise SettingsError(message)
    _log_to_stderr()
    process.run(loaded)
    return 0


def _control(options: argparse.Namespace) -> int:
    journal = Path(settings.load(options.config).journal.directory)
    answer = control.COMMANDS[options.control](journal)
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


def _reload(options: argparse.Namespace) -> int:
    loaded = settings.load(options.config)
    Selection(loaded)
    answers = reload(Path(loaded.journal.directory))
    good = [answer for answer in answers if answer and not answer.error]
    sys.stdout.write(f"{len(good)} of {len(answers)} ingest processes read the settings again\n")
    lines = [line for answer in answers if answer for line in answer.lines()]
    for line in dict.fromkeys(lines):
        sys.stdout.write(f"{line}\n")
    if None in answers:
        sys.stdout.write("no answer from one of them: its log says more\n")
    return 0 if good and len(good) == len(answers) else 1


def _replay(options: argparse.Namespace) -> int:
    if options.what != replay.QUARANTINE:
        return replay.run_file(options)
    return replay.run(_with_dsn(options), options)


def _retention(options: argparse.Namespace) -> int:
    loaded = _with_dsn(options)
    counters = Counters(Path(loaded.journal.directory))
    try:
        sys.stdout.write(asyncio.run(_retain(loaded, counters.journal_id, dry=options.dry_run)))
    finally:
        counters.close()
    return 0


async def _retain(loaded: Settings, journal_id: UUID, *, dry: bool) -> str:
    async with await connect(loaded) as connection:
        await migrate.check(connection)
        return await report.run(connection, loaded, journal_id, dry=dry)


def _relink(options: argparse.Namespace) -> int:
    if not 0 < options.hours <= _MOST_HOURS:
        message = f"--hours: must be more than 0 and at most {_MOST_HOURS}"
        raise SettingsError(message)
    last = datetime.now(UTC)
    new = asyncio.run(_link(_with_dsn(options), last - timedelta(hours=options.hours), last))
    sys.stdout.write(f"{new} new links\n")
    return 0


async def _link(loaded: Settings, first: datetime, last: datetime) -> int:
    def tell(at: datetime, read: int, new: int) -> None:
        share = (at - first) / (last - first)
        sys.stderr.write(f"\r{share:4.0%}  {at:%Y-%m-%d %H:%M}  {read:,} messages, {new:,} links")
        if at >= last:
            sys.stderr.write("\n")

    async with await connect(loaded) as connection:
        await migrate.check(connection)
        return await relink(connection, loaded, first, last, tell)


def _causes(options: argparse.Namespace) -> int:
    if options.markdown:
        sys.stdout.write(causes_markdown())
    else:
        for cause in CAUSES:
            sys.stdout.write(f"{cause.outcome:<10} {cause.label:<16} {cause.help}\n")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from collector.explain import command  # noqa: PLC0415 (no other command needs it)

    return command.run(_with_dsn(options), options.call_id, as_json=options.json)


def _doctor(options: argparse.Namespace) -> int:
    return doctor.run(settings.load(options.config), as_json=options.json)


def _health(options: argparse.Namespace) -> int:
    return doctor.health(settings.load(options.config))


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )


def _with_dsn(options: argparse.Namespace) -> Settings:
    return settings.load_with_database(options.config)


if __name__ == "__main__":
    sys.exit(main())
