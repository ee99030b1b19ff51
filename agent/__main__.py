# SPDX-License-Identifier: GPL-2.0-or-later
"""``hepagent``: the program that takes heplify's place and its command line."""

from __future__ import annotations

import sys
from functools import partial

from agent import capturing
from agent.counts import Rows
from agent.flags import values
from agent.flags.command import read_command
from agent.flags.options import Options
from agent.flags.table import FLAGS
from agent.log import PROGRAM, Log
from agent.message.share import Share
from agent.metrics import MetricsServer
from agent.process import FAILED, Parent
from agent.sending import sender
from agent.sending.journal import Journal
from agent.servers import Servers
from collector.errors import KemiscopeError
from collector.log import LOGGER


def main() -> int:
    """Run until the end of the file, SIGTERM or SIGINT; returns the exit status.

    0 is a good end, also of -help and -version; 1 a failure, or a file that was not sent as a
    whole; 2 a command line that cannot be read.
    """
    options = read_command(sys.argv)
    return options if isinstance(options, int) else run(options)


def run(options: Options) -> int:
    """Run the agent; returns the exit status."""
    log = Log(
        options.l,
        stderr=options.e,
        syslog=options.sl,
        path=options.p / options.n,
        max_bytes=options.fsize,
        files=options.fnum,
    )
    for notice in options.notices:
        LOGGER.warning("%s", notice)
    try:
        return _with_journal(options, log, _metrics(options))
    except (KemiscopeError, OSError) as error:
        if not log.is_stderr:
            sys.stderr.write(f"{PROGRAM}: {error}\n")
        LOGGER.critical("%s", error)
        return FAILED


def _metrics(options: Options) -> MetricsServer | None:
    """Where nobody has asked for a port, one that is taken keeps nobody from capturing: there may
    be several agents on a host. Raises OSError for one that was asked for.
    """
    if not options.prometheus:
        return None
    try:
        return MetricsServer(options.prometheus)
    except OSError as error:
        if options.prometheus != values.listen(str(FLAGS["prometheus"].default)):
            raise
        LOGGER.error("%s: this agent has no metrics", error)
        return None


def _with_journal(options: Options, log: Log, metrics: MetricsServer | None) -> int:
    journal = Journal(options)
    status = FAILED
    try:
        status = _run(options, log, journal, metrics)
    finally:
        # After a failure the next agent, which a service manager starts, sends the rest.
        journal.close(keep=status == FAILED)
    return status


def _run(options: Options, log: Log, journal: Journal, metrics: MetricsServer | None) -> int:
    rows = Rows(options.workers)
    servers = Servers(journal.directory, journal.outputs)
    parent = Parent(options, log, rows, servers, metrics)
    shares = Share.mesh(options.workers) if options.workers > 1 else [None]
    try:
        parent.fork_sender(partial(sender.run, options, journal))
        for number in range(options.workers):
            counts = rows.row(number)
            if options.hin:
                work = partial(capturing.relay, options, journal, counts)
            else:
                work = partial(capturing.capture, options, journal, counts, shares[number])
            parent.fork_worker(f"worker {number}", work)
    except BaseException:
        parent.abandon()
        raise
    return parent.run()


if __name__ == "__main__":
    sys.exit(main())
