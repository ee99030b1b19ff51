# SPDX-License-Identifier: GPL-2.0-or-later
"""What one worker process does: put the parts together as the flags say, and run them."""

from __future__ import annotations

import asyncio
import select
import sys
import time
from collections.abc import Callable
from typing import Final

from agent.capture.file import File
from agent.capture.live import Live
from agent.capture.recorder import Recorder
from agent.capture.source import Source
from agent.children import StartError
from agent.counts import COMPILED, Counts
from agent.flags.options import AF_PACKET, Options
from agent.handover import Handover
from agent.message.media import Media
from agent.message.messages import Messages
from agent.message.script import Script, ScriptError
from agent.message.share import Share
from agent.ordinary import choose, describe
from agent.packet.decoder import Decoder
from agent.relay.server import serve
from agent.sending.journal import Journal
from agent.stream.streams import Streams
from agent.worker import BATCH, Worker
from collector.log import LOGGER, LimitedLog

ROOM_PAUSE_S: Final = 0.02
ROOM_PATIENCE_S: Final = 60.0
"""A file waits for so long for servers that take nothing; then the oldest messages make room."""
_STDIN: Final = 0


def relay(
    options: Options, journal: Journal, counts: Counts, stop: int, ready: Callable[[], None]
) -> None:
    """The worker of -hin. Raises OSError or JournalError."""
    assert options.hin  # noqa: S101
    writer = journal.writer()
    try:
        handover = Handover(writer, counts, options.servers)
        asyncio.run(serve(options, options.hin, handover, counts, stop, ready))
    finally:
        writer.close()


def capture(
    options: Options,
    journal: Journal,
    counts: Counts,
    share: Share | None,
    stop: int,
    ready: Callable[[], None],
) -> None:
    """A worker that captures. Raises CaptureError, StartError or JournalError."""
    source = open_source(options)
    try:
        decoder = Decoder(source.linktype, erspan=options.erspan, counts=counts)
    except ValueError as error:
        raise StartError(str(error)) from error
    media = Media(counts, share)
    messages = Messages(
        counts,
        media,
        mode=options.m,
        capture_id=options.hi,
        node_name=options.hn,
        auth_key=options.hp,
        script=_script(options, counts),
    )
    recorder = None
    if options.wf and not options.rf:
        recorder = Recorder(
            str(options.wf),
            counts,
            interface=options.i,
            linktype=source.linktype,
            node_id=options.hi,
            rotation_s=options.rt,
            is_packed=options.zf,
        )
    writer = journal.writer()
    handover = Handover(writer, counts, options.servers, as_protobuf=options.protobuf)
    form = choose(options, source.linktype, counts, media, handover)
    counts[COMPILED] = form.ordinary is not None
    worker = Worker(
        *(options, counts, decoder, Streams(counts), messages, handover),
        *(recorder, form.ordinary),
    )
    before: Callable[[], None] | None = None
    if options.o:
        before = Step(stop).wait
    elif options.rf:
        before = Room(journal, stop).wait
    ready()
    LOGGER.info("capturing from %s", options.rf or f"{options.i} (-i)")
    LOGGER.info("ordinary frames are read %s", describe(form))
    try:
        at_once = 1 if options.o else BATCH
        is_file = options.rf is not None
        worker.run(source, stop, media.fileno(), before, at_once, takes_rest=not is_file)
    finally:
        writer.close()
        if recorder:
            recorder.close()
        source.close()


def open_source(options: Options) -> Source:
    """The file or the interface. Raises CaptureError."""
    if options.rf:
        return File(
            str(options.rf),
            filter_text=options.capture_filter,
            full_speed=options.rs,
            loops=1 if options.eof_exit else options.lp,
        )
    return Live(
        options.i,
        snap_length=options.s,
        buffer_mb=max(1, options.b >> 20),
        filter_text=options.capture_filter,
        promiscuous=options.t != AF_PACKET,
        fanout_group=options.fg if options.workers > 1 else None,
    )


def _script(options: Options, counts: Counts) -> Script | None:
    if not options.script_file:
        return None
    try:
        return Script(options.script_file, options.script_hep_filter, counts)
    except ScriptError as error:
        raise StartError(str(error)) from error


class Step:
    """-o: waits for Enter before each packet; not any more when nobody can press it."""

    def __init__(self, stop: int) -> None:
        self._stop = stop
        self._asks = True

    def wait(self) -> None:
        """For Enter, or for the stop."""
        if not self._asks:
            return
        sys.stdout.write("Enter for the next packet: ")
        sys.stdout.flush()
        ready = select.select([_STDIN, self._stop], [], [])[0]
        if _STDIN in ready and not sys.stdin.readline():
            self._asks = False


class Room:
    """A file can wait until the servers have taken what is there: nothing of it need be lost."""

    def __init__(self, journal: Journal, stop: int) -> None:
        self._journal = journal
        self._stop = stop
        self._limited = LimitedLog()
        self._patience = True

    def wait(self) -> None:
        """For room in the journal, or for the stop; with servers that are away, not for ever."""
        if self._journal.has_room():
            self._patience = True
            return
        deadline = time.monotonic() + ROOM_PATIENCE_S
        while self._patience and not self._journal.has_room():
            self._limited.warn("room", "the file waits: the servers do not take what is read")
            if time.monotonic() > deadline:
                self._limited.warn("gone", "it waits no longer: the oldest messages make room")
                self._patience = False
            if select.select([self._stop], [], [], ROOM_PAUSE_S)[0]:
                return
