# SPDX-License-Identifier: GPL-2.0-or-later
"""One file through the agent's own parts: frames, packets, messages, and what became of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.capture.file import File
from agent.capture.source import CaptureError, Frame
from agent.count import Count, Outcome, Unit
from agent.counts import Counts, Rows
from agent.flags.options import read_options
from agent.message.media import Media
from agent.message.messages import Messages
from agent.packet.decoder import Decoder
from agent.packet.packet import Packet
from agent.stream.streams import Streams
from agent.worker import Worker
from collector.hep import TYPE_SIP, Hep
from collector.moment import from_us, to_text
from webapi.imports.job import ImportFault, Job
from webapi.imports.outlet import Outlet, is_filed
from webapi.imports.rtp import Rtp

AT_ONCE: Final = 256
_LATEST: Final = 0xFFFF_FFFF * 1_000_000
"""µs: the last second that HEP can say."""
_RTP: Final = int(Count.RTP)
_DAY_S: Final = 86_400


class Import:
    """One job. What it reads goes out as it is read."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.counts: Counts = Rows(1).row(0)
        self.outlet: Outlet | None = None

    def run(self, progress: Callable[[], None]) -> dict[str, Any]:
        """Read and send all; what there was, for the answer. Raises ImportFault.

        ``progress`` is called between reads.
        """
        try:
            return self._run(progress)
        except CaptureError as error:
            raise ImportFault("bad_capture_file", self._without_path(error)) from error

    def _run(self, progress: Callable[[], None]) -> dict[str, Any]:
        job, counts = self.job, self.counts
        file = _open(job)
        try:
            decoder = Decoder(file.linktype, erspan=False, counts=counts)
        except ValueError as error:
            raise ImportFault("bad_capture_file", f"{job.name}: {error}") from error
        first, last = _span(_open(job), whole=job.shift)
        if first is None:
            # Nothing can be read: the reason is the file's.
            shift = 0
        elif job.shift and last is not None:
            shift = time.time_ns() // 1000 - last
        else:
            shift = 0
            self._check_age(first)
        node, password = job.node.encode(), job.password.encode()
        outlet = self.outlet = Outlet(job, counts)
        rtp = Rtp(node, job.capture_id, password)
        messages = WithRtp(
            Messages(
                counts, Media(counts), capture_id=job.capture_id, node_name=node, auth_key=password
            ),
            rtp,
        )
        # No flag of the agent is set: nothing is filtered here.
        options = read_options([])
        worker = Worker(options, counts, decoder, Streams(counts), messages, outlet)
        source = Shifted(file, shift)
        errors = []
        stop, held = os.pipe()
        try:
            worker.run(source, stop, before_read=progress, at_once=AT_ONCE, takes_rest=False)
        except CaptureError as error:
            if not counts[Count.CAPTURED]:
                raise
            errors.append(self._without_path(error))
        finally:
            os.close(stop)
            os.close(held)
            file.close()
        outlet.finish()
        return self._result(outlet, rtp, shift, errors)

    def _check_age(self, first: int) -> None:
        """Nobody should import what is deleted within the minute."""
        if is_filed(self.job, "call", first / 1e6):
            return
        if first / 1e6 > time.time():
            message = (
                f"the capture begins at {_text(first)}, which is in the future: shift=now moves it"
            )
            raise ImportFault("too_young", message)
        kept = self.job.kept_s["call"] / _DAY_S
        message = (
            f"the capture begins at {_text(first)}, and messages of calls are deleted after "
            f"{kept:g} days (retention.call): shift=now moves it to the present"
        )
        raise ImportFault("too_old", message)

    def _without_path(self, error: CaptureError) -> str:
        return str(error).replace(self.job.path, self.job.name)

    def _result(self, outlet: Outlet, rtp: Rtp, shift: int, errors: list[str]) -> dict[str, Any]:
        found = {
            "name": self.job.name,
            "node": self.job.node,
            "frames": balance(self.counts, Unit.FRAME),
            "messages": balance(self.counts, Unit.MESSAGE),
            "beside": _causes(self.counts, (Unit.DATAGRAM, Unit.STREAM, Unit.ADDRESS)),
            "sent": dict(outlet.kinds),
            "filed_by_arrival": outlet.by_arrival,
            "rtp": {
                "packets": rtp.packets,
                "streams": rtp.streams,
                "without_call": rtp.without_call,
            },
            "from": None if outlet.first is None else _text(outlet.first),
            "to": None if outlet.last is None else _text(outlet.last),
            "shifted_s": shift / 1e6,
            "calls": len(outlet.call_ids),
            "call_ids": outlet.shown_call_ids,
            "errors": errors,
        }
        if outlet.last is not None:
            deleted = outlet.last + int(self.job.kept_s["call"] * 1e6)
            found["kept_until"] = _text(deleted) if deleted < _LATEST else None
        return found


class WithRtp:
    """The agent's messages, and beside them reports of the RTP that it passes over."""

    def __init__(self, messages: Messages, rtp: Rtp) -> None:
        self._messages = messages
        self._rtp = rtp

    @property
    def outcome(self) -> int:
        """As ``Messages.outcome``."""
        return self._messages.outcome

    def read(self, packet: Packet) -> Hep | None:
        """As ``Messages.read``."""
        message = self._messages.read(packet)
        if message is None:
            if self._messages.outcome == _RTP:
                self._rtp.add(packet)
        elif message.type == TYPE_SIP:
            self._rtp.learn(packet.src_ip, message.payload)
        return message

    def expire(self, now: int) -> Sequence[Hep]:
        """As ``Messages.expire``, and the reports of streams that are over."""
        return [*self._messages.expire(now), *self._rtp.expire(now)]


class Shifted:
    """The file with its times moved, and within what HEP can say."""

    def __init__(self, file: File, shift: int) -> None:
        """``shift`` is in µs."""
        self._file = file
        self._shift = shift
        self.linktype = file.linktype
        self.fileno, self.due, self.drops, self.close = (
            file.fileno,
            file.due,
            file.drops,
            file.close,
        )

    @property
    def ended(self) -> bool:
        """As ``Source.ended``."""
        return self._file.ended

    def read(self, max_frames: int) -> list[Frame]:
        """As ``Source.read``."""
        return [
            (min(max(at + self._shift, 1), _LATEST), data, length)
            for at, data, length in self._file.read(max_frames)
        ]


def balance(counts: Counts, unit: Unit) -> dict[str, Any]:
    """The total, and the numbers of each outcome by cause: ``agent.count`` has the equations."""
    total = Count.CAPTURED if unit is Unit.FRAME else Count.FOUND
    found: dict[str, Any] = {"total": counts[total]}
    for outcome in Outcome:
        if outcome in (Outcome.TOTAL, Outcome.USED):
            continue
        found[outcome] = {
            one.label: counts[one]
            for one in Count
            if one.unit is unit and one.outcome is outcome and counts[one]
        }
    used = Count.USED if unit is Unit.FRAME else Count.JOURNALED
    return found | {"used" if unit is Unit.FRAME else "sent": counts[used]}


def _causes(counts: Counts, units: Sequence[Unit]) -> dict[str, int]:
    return {one.label: counts[one] for one in Count if one.unit in units and counts[one]}


def _open(job: Job) -> File:
    return File(
        job.path,
        filter_text=lambda _linktype: "",
        full_speed=True,
        max_unpacked=job.max_bytes,
    )


def _span(file: File, *, whole: bool) -> tuple[int | None, int | None]:
    """Times of the first frame and, when ``whole``, of the last; as far as the file can be read."""
    first: int | None = None
    last: int | None = None
    try:
        while not file.ended:
            frames = file.read(AT_ONCE if whole else 1)
            if frames:
                first = frames[0][0] if first is None else first
                last = max(last or 0, *(at for at, _, _ in frames), 0)
                if not whole:
                    break
    except CaptureError:
        pass
    finally:
        file.close()
    return first, last


def _text(at: int) -> str:
    return to_text(from_us(min(max(at, 0), _LATEST)))
