# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the log goes: -e stderr, -sl syslog, else the file -n in -p, rotated by -fsize and -fnum.

All processes of the agent write to the same place. Only the parent rotates the file; the others
see that it has another name now, and follow.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler, SysLogHandler, WatchedFileHandler
from pathlib import Path
from typing import Final

from collector.log import LOGGER

PROGRAM: Final = "hepagent"
SYSLOG: Final = Path("/dev/log")
_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "err": logging.ERROR,
    "critical": logging.CRITICAL,
    "crit": logging.CRITICAL,
}


class _OneLine(logging.Formatter):
    """A record is one line, so that processes can share a file; a traceback follows it."""

    def __init__(self, text: str = _FORMAT) -> None:
        super().__init__(text, "%Y-%m-%dT%H:%M:%S%z")


class Log:
    """The log of one run of the agent."""

    def __init__(
        self,
        level: str = "info",
        *,
        stderr: bool = False,
        syslog: bool = False,
        path: Path | None = None,
        max_bytes: int = 0,
        files: int = 0,
    ) -> None:
        """``path`` is used when neither stderr nor syslog is asked for, as are the limits: a file
        of ``max_bytes`` is renamed to ``.1``, and ``files`` of them are kept. A place that cannot
        be used gives way to stderr, with a line that says so.
        """
        self._file: _Rotated | None = None
        self._path = path
        LOGGER.setLevel(_LEVELS.get(level.lower(), logging.INFO))
        LOGGER.propagate = False
        handler: logging.Handler | None = None
        trouble = ""
        if syslog and not stderr:
            try:
                handler = _syslog()
            except OSError as error:
                trouble = f"-sl: {SYSLOG}: {error.strerror or error}: the log goes to stderr"
        elif path and not stderr:
            try:
                handler = self._file = _Rotated(
                    path, maxBytes=max_bytes, backupCount=files, encoding="utf-8"
                )
            except OSError as error:
                trouble = f"-p, -n: {path}: {error.strerror or error}: the log goes to stderr"
        self.is_stderr = handler is None
        """Whether it ended up there."""
        self._use(handler or logging.StreamHandler(sys.stderr))
        if trouble:
            LOGGER.warning(trouble)

    def forked(self) -> None:
        """In a process that was just forked: leave the rotation to the parent."""
        if self._file and self._path:
            self._use(WatchedFileHandler(self._path, encoding="utf-8"))
            self._file = None

    def rotate(self) -> None:
        """Rename the file if it has reached its size; the parent calls this about every second."""
        if self._file:
            self._file.rotate_if_long()

    @staticmethod
    def always(text: str) -> None:
        """Log a line whatever -l says."""
        record = LOGGER.makeRecord(LOGGER.name, logging.INFO, "", 0, text, (), None)
        LOGGER.handle(record)

    @staticmethod
    def _use(handler: logging.Handler) -> None:
        if not isinstance(handler, SysLogHandler):
            handler.setFormatter(_OneLine())
        for old in list(LOGGER.handlers):
            LOGGER.removeHandler(old)
            old.close()
        LOGGER.addHandler(handler)
        logging.raiseExceptions = False  # a full disk must not end in tracebacks


class _Rotated(RotatingFileHandler):
    """Rotates when it is told to, for others write to the file as well."""

    def shouldRollover(self, _record: logging.LogRecord) -> bool:  # noqa: N802
        return False

    def rotate_if_long(self) -> None:
        """Rename the file if it has reached its size."""
        with suppress(OSError):
            if 0 < self.maxBytes <= Path(self.baseFilename).stat().st_size:
                self.acquire()
                try:
                    self.doRollover()
                finally:
                    self.release()


def _syslog() -> SysLogHandler:
    SYSLOG.stat()  # the handler would wait for it in silence
    handler = SysLogHandler(str(SYSLOG), SysLogHandler.LOG_DAEMON)
    handler.ident = f"{PROGRAM}: "
    handler.append_nul = False
    return handler
