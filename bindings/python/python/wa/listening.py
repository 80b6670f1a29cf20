"""A function that the library calls for each event, from a thread of its own."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from traceback import format_exception

from ._native.wa import CallbackError, Client, Event, EventListener, Subscription

_logger = logging.getLogger("wa")


def listen(client: Client, function: Callable[[Event], None]) -> Subscription:
    """Has a function hear what happens to an account, instead of a loop over :func:`wa.events`. One thread of the library
    calls it, with one event at a time; while it works, events wait.

    A durable event counts as dealt with when the function returns. Over whatever it raises, the event comes again after a
    restart, ``failures()`` of what is returned tells of it, with the traceback, and so does the logger ``wa``; the next event
    comes in any case. A coroutine function is a ``TypeError``: nobody would await it.

    Hold what is returned: with it the listening ends, and events wait for the next listener, or for a loop. It keeps the
    account, too, whoever holds the client; and a function that holds it itself keeps it until ``stop()``. There is one
    listener at a time: another one is a :class:`~wa.errors.ConflictError`.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):
        raise TypeError("a listener is not awaited: it is a plain function; or use `async for event in wa.events(client)`")
    return client.listen(_Listener(function))


class _Listener(EventListener):
    def __init__(self, function: Callable[[Event], None]) -> None:
        self._function = function

    def on_event(self, event: Event) -> None:
        try:
            if inspect.isawaitable(self._function(event)):
                raise TypeError("what a listener returned is not awaited")
        except BaseException as error:
            # A text of somebody else may be in it, and have no form in UTF-8.
            reason = "".join(format_exception(error)).strip().encode(errors="backslashreplace").decode()
            try:
                # Also for who asks for no failures: without any handler the log writes it to stderr.
                _logger.error("a listener failed", exc_info=error)
            finally:
                # What is no `Exception` would end in ctypes, and the library would hear of a success.
                raise getattr(CallbackError, "Failed")(reason) from error
