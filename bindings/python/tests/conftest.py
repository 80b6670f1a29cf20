"""A test server in the process, and devices that are linked to its phones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import wa
from async_timeout import timeout

T = TypeVar("T")

PATIENCE = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uvloop", action="store_true", help="run on uvloop in place of asyncio's own loop")


def pytest_asyncio_loop_factories(config: pytest.Config) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if config.getoption("--uvloop"):
        import uvloop

        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def server() -> wa.TestServer:
    return await wa.TestServer.start()


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "account.db"


Link = Callable[[str], Awaitable[wa.Client]]


@pytest.fixture
async def link(server: wa.TestServer) -> AsyncIterator[Link]:
    """Links a device to the phone of this name."""
    clients: list[wa.Client] = []

    async def linked(name: str) -> wa.Client:
        client = await wa.connect(wa.Store.memory(), test_server=server)
        clients.append(client)
        await pair(client, server.phone(name))
        return client

    yield linked
    for client in clients:
        await client.shutdown()


async def pair(client: wa.Client, phone: wa.TestPhone) -> str:
    """Lets the phone scan the first QR code, and waits for the login. Returns the device."""
    device = ""
    async with timeout(PATIENCE):
        async for event in wa.events(client):
            match event:
                case wa.Event.PAIRING_QR(text=text):
                    device = await phone.scan(text)
                case wa.Event.CONNECTED():
                    return device
    raise AssertionError("the events ended")


async def next_of(client: wa.Client, kind: type[T]) -> T:
    """The next event of this kind. Those before it are passed over."""
    async with timeout(PATIENCE):
        async for event in wa.events(client):
            if isinstance(event, kind):
                return event
    raise AssertionError("the events ended")


async def next_message(client: wa.Client) -> wa.MessageReceived:
    return (await next_of(client, wa.Event.MESSAGE)).message


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so: what was changed is known a little later."""
    async with timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.01)
