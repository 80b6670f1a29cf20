"""Clients and managers, to be awaited or entered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Generic, TypeVar

from ._native.wa import Client, ClientManager, ClientOptions, ManagerOptions, Store, TestServer

T = TypeVar("T")


class Opening(Generic[T]):
    """``await`` it and end what it gives yourself, or use it with ``async with``."""

    def __init__(self, open: Callable[[], Awaitable[T]], end: Callable[[T], Awaitable[None]]) -> None:
        self._open = open
        self._end = end
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is None:
            return
        ending = asyncio.ensure_future(self._end(self._opened))
        cancelled: asyncio.CancelledError | None = None
        # In order, also when the task is cancelled meanwhile: then the end is waited for all the same.
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError as error:
                cancelled = error
        try:
            ending.result()
        finally:
            # An end that failed shows as its context.
            if cancelled is not None:
                raise cancelled


def connect(
    store: Store | Awaitable[Store] | str | PathLike[str],
    *,
    device_name: str | None = None,
    push_name: str | None = None,
    alias: str | None = None,
    test_server: TestServer | None = None,
    answers_passkeys: bool = False,
    holds_for_new_identities: bool = False,
    reads_history: bool = False,
) -> Opening[Client]:
    """One account, kept in this store or SQLite file. It connects by itself, and comes back by itself.

    The store may be one that is still to be awaited: ``wa.connect(wa.Store.sqlite(path))``.
    """
    options = ClientOptions(
        device_name=device_name,
        push_name=push_name,
        alias=alias,
        test_server=test_server,
        answers_passkeys=answers_passkeys,
        holds_for_new_identities=holds_for_new_identities,
        reads_history=reads_history,
    )

    async def open() -> Client:
        if isinstance(store, (str, PathLike)):
            opened = await Store.sqlite(fspath(store))
        else:
            opened = store if isinstance(store, Store) else await store
        return await Client.connect(opened, options)

    return Opening(open, Client.shutdown)


def open_manager(
    folder: str | PathLike[str],
    *,
    database: str | PathLike[str] | None = None,
    template: str | None = None,
    test_server: TestServer | None = None,
    device_name: str | None = None,
    max_accounts: int | None = None,
) -> Opening[ClientManager]:
    """Many accounts, with their files in this folder. What the manager knows is in ``database``; without one it is
    forgotten with the process."""
    options = ManagerOptions(
        folder=fspath(folder),
        database=None if database is None else fspath(database),
        template=template,
        test_server=test_server,
        device_name=device_name,
        max_accounts=max_accounts,
    )

    async def end(manager: ClientManager) -> None:
        await manager.shutdown(timedelta(seconds=10))

    return Opening(lambda: ClientManager.open(options), end)
