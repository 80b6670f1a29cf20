"""How a bot is tested: the test server is a fixture, and phones are its users. No network and no phone.

    pip install pytest pytest-asyncio
    pytest test_my_bot.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import wa
from echo_bot import echo

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def server() -> wa.TestServer:
    return await wa.TestServer.start()


@pytest_asyncio.fixture
async def bot(server: wa.TestServer) -> AsyncIterator[str]:
    """The bot, running. Its address."""
    phone = server.phone("bot")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        async for event in wa.events(client):
            if isinstance(event, wa.Event.PAIRING_QR):
                await phone.scan(event.text)
            elif isinstance(event, wa.Event.CONNECTED):
                break
        running = asyncio.create_task(echo(client))
        yield phone.address()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):  # A bot that failed says here why.
            await running


async def test_it_answers(server: wa.TestServer, bot: str) -> None:
    anna = server.phone("anna")
    await anna.send_text(bot, "hello")
    answer = await anna.next_message()
    assert answer.text == "you said: hello"


async def test_it_answers_after_a_lost_connection(server: wa.TestServer, bot: str) -> None:
    anna = server.phone("anna")
    server.disconnect_all()
    await anna.send_text(bot, "are you there?")
    answer = await anna.next_message()
    assert answer.text == "you said: are you there?"


async def test_it_answers_no_status(server: wa.TestServer, bot: str) -> None:
    anna, phone = server.phone("anna"), server.phone("bot")
    await anna.send_status([bot], "on holiday")
    await anna.send_text(bot, "hello")
    assert (await anna.next_message()).text == "you said: hello"
    # The bot's phone has a copy of all that the bot wrote, to status, too: this is the first.
    while not (copy := await phone.next_message()).from_me:
        pass
    assert copy.text == "you said: hello"
