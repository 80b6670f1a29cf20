"""Log records of the library in :mod:`logging`."""

from __future__ import annotations

import logging
from datetime import datetime

from ._native.wa import LogLevel, LogRecord, LogSink, init_logging

_LEVELS = {
    LogLevel.TRACE: 5,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


class _Sink(LogSink):
    def log(self, record: LogRecord) -> None:
        target = record.target.replace("::", ".")
        logger = logging.getLogger(f"wa.{target.removeprefix('wa_')}")
        if record.dropped:
            _log(logger, logging.WARNING, record.at, "%d records were dropped before the next one", record.dropped)
        account = "" if record.account is None else f"[{record.account}] "
        _log(logger, _LEVELS[record.level], record.at, "%s%s", account, record.text)


def _log(logger: logging.Logger, level: int, at: datetime, text: str, *arguments: object) -> None:
    """As :meth:`logging.Logger.log`, but at the time when it happened: records wait for their turn."""
    if logger.isEnabledFor(level):
        told = logger.makeRecord(logger.name, level, __file__, 0, text, arguments, None)
        told.relativeCreated -= (told.created - at.timestamp()) * 1000
        told.created, told.msecs = at.timestamp(), at.microsecond // 1000 + 0.0
        logger.handle(told)


def forward_logs(level: int = logging.INFO) -> bool:
    """Sends the library's log records of this level and above to the loggers below ``wa``; those that are about an account
    begin with it. Once for the process: later calls return false and change nothing."""
    wanted = next((kind for kind, number in _LEVELS.items() if number >= level), LogLevel.ERROR)
    return init_logging(wanted, _Sink())
