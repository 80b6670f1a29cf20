"""What goes wrong at the service, and how it is told: the table is in bindings/README.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import wa
from async_timeout import timeout
from conftest import PATIENCE, next_message, next_of, pair

MANY = 1000


@pytest.fixture
async def linked(server: wa.TestServer) -> AsyncIterator[tuple[wa.Client, str]]:
    """A client, and its device."""
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        yield client, await pair(client, server.phone("anna"))


async def test_faults(server: wa.TestServer, linked: tuple[wa.Client, str]) -> None:
    client, device = linked
    anna, bob = server.phone("anna"), server.phone("bob")

    # A message that is refused.
    server.refuse_next(device, 400)
    with pytest.raises(wa.errors.RefusedError) as refused:
        await client.send(bob.address(), wa.Message.text("refused"))
    assert refused.value.code == "refused_400" and not refused.value.is_retryable()
    sent = await client.send(bob.address(), wa.Message.text("taken"))
    assert (await bob.next_message()).id == sent.id

    # An acknowledgement that is lost: with the next connection it is known, and nothing comes twice.
    server.drop_acks(device, 1)
    sending = asyncio.create_task(client.send(bob.address(), wa.Message.text("once")))
    received = await bob.next_message()
    assert received.text == "once"
    # What was asked for later is answered.
    await client.check_numbers([bob.number()])
    assert not sending.done()
    assert server.disconnect(device)
    async with timeout(PATIENCE):
        assert (await sending).id == received.id
    await client.send(bob.address(), wa.Message.text("after it"))
    assert (await bob.next_message()).text == "after it"

    # A message that cannot be read is told, asked for again, and comes.
    server.garble_next(device, 1)
    id = await bob.send_text(anna.address(), "garbled")
    garbled = await next_of(client, wa.Event.UNDECRYPTABLE)
    assert garbled.key.id == id
    message = await next_message(client)
    assert (message.id, message.text) == (id, "garbled")

    # One that comes twice is told once, and one that was overtaken comes behind.
    server.duplicate_next(device, 1)
    await bob.send_text(anna.address(), "twice")
    await bob.send_text(anna.address(), "the next")
    assert [(await next_message(client)).text for _ in range(2)] == ["twice", "the next"]
    server.reorder_next(device, 1)
    await bob.send_text(anna.address(), "one")
    await bob.send_text(anna.address(), "two")
    assert [(await next_message(client)).text for _ in range(2)] == ["two", "one"]

    # A file that the hosts have no more: our phone, which has the message, uploads it again.
    content = bytes(range(256)) * 64
    file = await client.upload_bytes(content, wa.MediaKind.DOCUMENT)
    options = wa.DocumentOptions(file_name="a.bin", mimetype="application/octet-stream")
    await bob.send(anna.address(), wa.Message.document(file, options))
    message = await next_message(client)
    assert isinstance(message.content, wa.Content.DOCUMENT)
    file = message.content.file
    assert server.lose_file(file)
    await cannot_be_had(client, file, wa.errors.MediaError, "gone")
    file = await client.request_reupload(message.key, file, timedelta(seconds=30))
    assert await client.download_bytes(file, 1 << 20) == content
    server.tamper_downloads(MANY)
    await cannot_be_had(client, file, wa.errors.MediaError, "tampered")
    server.clear_faults()
    assert await client.download_bytes(file, 1 << 20) == content

    # A login that is refused: it comes back.
    server.refuse_logins(device, 503, 1)
    assert server.disconnect(device)
    await comes_back(client)

    # A ban: until then nothing is tried, whoever asks.
    server.ban(device, 101, timedelta(hours=1))
    assert server.disconnect(device)
    async with timeout(PATIENCE):
        while (reason := (await next_of(client, wa.Event.DISCONNECTED)).reason).code != "banned":
            pass
    assert reason.next_step == wa.NextStep.WAIT_UNTIL and reason.until is not None
    with pytest.raises(wa.errors.RestrictedError) as banned:
        await client.reconnect()
    assert (banned.value.code, banned.value.until) == ("banned", reason.until)
    assert banned.value.retry_after is not None and banned.value.retry_after > timedelta(minutes=30)


async def comes_back(client: wa.Client) -> None:
    """Two ends of a connection are told, and then the login."""
    ends = 0
    async with timeout(PATIENCE):
        async for event in wa.events(client):
            if isinstance(event, wa.Event.DISCONNECTED):
                ends += 1
            elif isinstance(event, wa.Event.CONNECTED):
                break
    assert ends >= 2


async def test_a_pairing_code_that_is_refused(server: wa.TestServer) -> None:
    anna = server.phone("anna")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        await next_of(client, wa.Event.PAIRING_QR)
        server.refuse_pairing_code(429)
        with pytest.raises(wa.errors.RefusedError) as refused:
            await client.pair_with_code(anna.number())
        assert refused.value.code == "pairing_refused"
        await anna.enter_code(await client.pair_with_code(anna.number()))
        await next_of(client, wa.Event.CONNECTED)


async def test_connections_that_are_refused(server: wa.TestServer, linked: tuple[wa.Client, str]) -> None:
    client, device = linked
    server.refuse_connections(2)
    assert server.disconnect(device)
    await comes_back(client)


async def test_faults_name_a_device(server: wa.TestServer) -> None:
    phone = server.phone("bob").address()
    with pytest.raises(wa.errors.InvalidError) as no_client:
        server.refuse_logins(phone, 503, 1)
    assert no_client.value.code == "no_client"
    with pytest.raises(wa.errors.InvalidError) as no_client:
        server.ban(phone, 101, timedelta(hours=1))
    assert no_client.value.code == "no_client"
    with pytest.raises(wa.errors.NotFoundError) as nobody:
        server.drop_acks("19995550000:1@s.whatsapp.net", 1)
    assert nobody.value.code == "no_account"


async def test_media_hosts_that_refuse(server: wa.TestServer, linked: tuple[wa.Client, str]) -> None:
    client, _ = linked
    content = bytes(range(256)) * 64
    # Once is mended by itself.
    server.refuse_media(503, 1)
    file = await client.upload_bytes(content, wa.MediaKind.DOCUMENT)
    assert await client.download_bytes(file, 1 << 20) == content
    for status, kind, code in (503, wa.errors.UnavailableError, "media_hosts"), (404, wa.errors.MediaError, "gone"):
        server.refuse_media(status, MANY)
        await cannot_be_had(client, file, kind, code)
        server.clear_faults()
    assert await client.download_bytes(file, 1 << 20) == content


async def test_a_phone_uploads_a_file_later(server: wa.TestServer, linked: tuple[wa.Client, str]) -> None:
    client, _ = linked
    anna, bob = server.phone("anna"), server.phone("bob")
    content = bytes(range(256)) * 64
    file = await client.upload_bytes(content, wa.MediaKind.IMAGE)
    await bob.send(anna.address(), wa.Message.image(file))
    message = await next_message(client)
    assert (await anna.next_message()).id == message.id
    assert isinstance(message.content, wa.Content.IMAGE)
    file = message.content.file
    assert server.lose_file(file)
    # The phone is off: what it says later comes as an event.
    anna.go_offline()
    with pytest.raises(wa.errors.UnavailableError, match="phone"):
        await client.request_reupload(message.key, file, timedelta(milliseconds=50))
    anna.go_online()
    told = await next_of(client, wa.Event.REUPLOADED)
    assert told.id == message.id
    assert await client.download_bytes(file.moved(told.place), 1 << 20) == content
    await cannot_be_had(client, file, wa.errors.MediaError, "gone")


async def cannot_be_had(client: wa.Client, file: wa.Attachment, kind: type[wa.WaError], code: str) -> None:
    with pytest.raises(kind) as failed:
        await client.download_bytes(file, 1 << 20)
    assert failed.value.code == code
    with pytest.raises(kind) as failed:
        async for _ in wa.download(client, file):
            pass
    assert failed.value.code == code
