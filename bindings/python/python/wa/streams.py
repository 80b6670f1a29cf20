"""``async for`` over what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from ._native.wa import (
    Client,
    ClientManager,
    Event,
    EventSelection,
    HistoryPart,
    ManagerUpdate,
    PairingTicket,
    PairingUpdate,
)

T = TypeVar("T")

BATCH = 64


class _Stream(Protocol[T]):
    async def ready(self) -> bool: ...
    def drain(self, max: int) -> list[T]: ...


async def _each(stream: _Stream[T], batch: int) -> AsyncIterator[T]:
    while await stream.ready():
        for one in stream.drain(batch):
            yield one


async def events(client: Client, *, confirm: bool = True) -> AsyncIterator[Event]:
    """What happens to an account.

    A durable event counts as dealt with when the next one is asked for: after a crash, or a ``break``, the last one comes
    again. With ``confirm=False`` that is ``client.events().confirm(number)``'s, for whoever deals with events elsewhere.

    While nobody asks for the next event, nothing more is received once a thousand wait.
    """
    stream = client.events()
    # One at a time: what was taken and not dealt with would come again only after a restart.
    while await stream.ready():
        for event in stream.drain(1):
            yield event
            if confirm and (number := number_of(event)) is not None:
                stream.confirm(number)


def number_of(event: Event) -> int | None:
    """The number of a durable event, for ``confirm``; ``None`` for those that are told once."""
    received = getattr(event, "message", None)
    number: int | None = getattr(received if received is not None else event, "number", None)
    return number


async def history(client: Client) -> AsyncIterator[HistoryPart]:
    """The past that the phone sends after linking, for a client that was connected with ``reads_history``.

    A part counts as taken when the next one is asked for. After a ``break``, or a time-out, the next loop goes on where
    it was; what was not taken comes again after a restart.
    """
    stream = client.history()
    while stream is not None and await stream.ready():
        if (part := stream.take()) is not None:
            yield part


def manager_events(
    manager: ClientManager,
    *,
    after: int | None = None,
    tenant: str | None = None,
    account: str | None = None,
    kinds: list[str] | None = None,
) -> AsyncIterator[ManagerUpdate]:
    """Events of a manager, from the event after ``after`` on; from now on without it.

    Keep the ``seq`` of the last event that was dealt with, and go on after it: a new loop knows nothing of the one before.
    """
    selection = EventSelection(tenant=tenant, account=account, kinds=kinds, after=after)
    return _each(manager.events(selection), BATCH)


def updates(ticket: PairingTicket) -> AsyncIterator[PairingUpdate]:
    """What happens while a phone is linked. After a ``break`` the next loop goes on where it was."""
    return _each(ticket, 1)
