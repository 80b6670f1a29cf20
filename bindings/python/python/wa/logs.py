"""Log records of the library in :mod:`logging`."""

from __future__ import annotations

import logging

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
            logger.warning("%d records were dropped before the next one", record.dropped)
        account = "" if record.account is None else f"[{record.account}] "
        logger.log(_LEVELS[record.level], "%s%s", account, record.text)


def forward_logs(level: int = logging.INFO) -> bool:
    """Sends the library's log records of this level and above to the loggers below ``wa``; those that are about an account
    begin with it. Once for the process: later calls return false and change nothing."""
    wanted = next((kind for kind, number in _LEVELS.items() if number >= level), LogLevel.ERROR)
    return init_logging(wanted, _Sink())
