"""The scenarios of every language: the table is in bindings/README.md."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import wa
from async_timeout import timeout
from conftest import PATIENCE, Link, next_message, next_of, pair, until
from wa._native.wa import LogRecord
from wa.logs import _Sink
from wa.opening import Opening


async def test_pair_by_qr(server: wa.TestServer) -> None:
    phone = server.phone("anna")
    async with wa.connect(wa.Store.memory(), test_server=server, device_name="a test") as client:
        device = await pair(client, phone)
        assert phone.linked_devices() == [device]
        assert client.status() == wa.Status.READY
        assert await client.own_addresses() == [phone.address(), phone.lid()]


async def test_pair_by_code(server: wa.TestServer) -> None:
    phone = server.phone("anna")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                match event:
                    case wa.Event.PAIRING_QR():
                        code = await client.pair_with_code(phone.number())
                        assert len(code) == 9 and code[4] == "-"
                        await phone.enter_code(code)
                    case wa.Event.CONNECTED():
                        break
        assert len(phone.linked_devices()) == 1


async def test_pair_by_passkey(server: wa.TestServer) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    async with wa.connect(wa.Store.memory(), test_server=server, answers_passkeys=True) as client:
        asked: wa.TestPasskeyLink | None = None
        device = ""
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                match event:
                    case wa.Event.PAIRING_QR(text=text) if asked is None:
                        asked = anna.ask_passkey(text)
                    case wa.Event.PASSKEY_CHALLENGE(options=options):
                        signed = anna.sign_with_passkey(options)
                        client.respond_passkey(signed.credential_id, signed.assertion)
                    case wa.Event.PASSKEY_CODE(code=code, is_asked=True):
                        assert asked is not None and await asked.code() == code
                        client.confirm_passkey(True)
                        device = await asked.confirm()
                    case wa.Event.CONNECTED():
                        break
        assert anna.linked_devices() == [device]
        with pytest.raises(wa.errors.ConflictError) as late:
            client.confirm_passkey(True)
        assert late.value.code == "not_asked"

    # Declined: the code that is shown links all the same.
    async with wa.connect(wa.Store.memory(), test_server=server, answers_passkeys=True) as client:
        shown, links = "", []
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                match event:
                    case wa.Event.PAIRING_QR(text=text) if not shown:
                        shown = text
                        links.append(bob.ask_passkey(text, inline=False))
                    case wa.Event.PASSKEY_CHALLENGE():
                        client.respond_passkey()
                    case wa.Event.PASSKEY_FAILED(code=why):
                        assert why == "declined"
                        await bob.scan(shown)
                    case wa.Event.CONNECTED():
                        break
        assert len(bob.linked_devices()) == 1


async def test_a_store_may_be_awaited_by_connect(server: wa.TestServer, store_path: Path) -> None:
    async with wa.connect(wa.Store.sqlite(str(store_path)), test_server=server) as client:
        device = await pair(client, server.phone("anna"))
    # It was that file.
    async with wa.connect(store_path, test_server=server) as client:
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                if isinstance(event, wa.Event.CONNECTED):
                    break
    assert server.phone("anna").linked_devices() == [device]


async def test_an_end_that_fails_is_told_also_when_it_is_cancelled() -> None:
    ends = asyncio.Event()

    async def opens() -> int:
        return 1

    async def end(opened: int) -> None:
        await ends.wait()
        raise OSError("it did not end well")

    async def use() -> None:
        async with Opening(opens, end):
            pass

    using = asyncio.create_task(use())
    await asyncio.sleep(0)
    using.cancel()
    await asyncio.sleep(0)
    assert not using.done(), "the end is waited for"
    ends.set()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await using
    # Who awaits a task that was cancelled is handed an exception of its own, with the task's as the context.
    told: BaseException | None = cancelled.value
    while told is not None and not isinstance(told, OSError):
        told = told.__context__
    assert str(told) == "it did not end well"
    with pytest.raises(OSError, match="it did not end well"):
        await use()


async def test_text_both_ways(server: wa.TestServer, link: Link) -> None:
    client, bob = await link("anna"), server.phone("bob")
    sent = await client.send(bob.address(), wa.Message.text("hello bob"))
    received = await bob.next_message()
    assert (received.id, received.text) == (sent.id, "hello bob")
    assert isinstance(await client.sent_state(sent.id), (wa.SendState.ACKED, wa.SendState.DELIVERED))

    answer = wa.Message.text("hello anna").reply_to(received.key, received.message)
    await bob.send(server.phone("anna").address(), answer)
    message = await next_message(client)
    assert message.text == "hello anna"
    assert message.quoted == sent.id
    assert message.timestamp.tzinfo is not None
    await client.mark_read([message.key])
    await bob.wait_read(message.id)
    bob.read(sent.id)
    async with timeout(PATIENCE):
        async for event in wa.events(client):
            if isinstance(event, wa.Event.RECEIPT) and isinstance(event.kind, wa.ReceiptKind.READ):
                assert event.ids == [sent.id]
                break
    with pytest.raises(wa.errors.NotFoundError) as unknown:
        bob.read("NOBODYS")
    assert unknown.value.code == "no_message"


async def test_media_both_ways(link: Link, tmp_path: Path) -> None:
    anna, bob = await link("anna"), await link("bob")
    bob_address = (await bob.own_addresses())[0]
    content = bytes(range(256)) * 4096
    path = tmp_path / "out.bin"
    path.write_bytes(content)

    def pieces() -> list[bytes]:
        return [content[at : at + 100_000] for at in range(0, len(content), 100_000)]

    async def pieces_later() -> AsyncIterator[bytes]:
        for piece in pieces():
            await asyncio.sleep(0)
            yield piece

    files = [
        await anna.upload_file(str(path), wa.MediaKind.DOCUMENT),
        await anna.upload_bytes(content, wa.MediaKind.DOCUMENT),
        await wa.upload(anna, pieces(), wa.MediaKind.DOCUMENT),
        await wa.upload(anna, pieces_later(), wa.MediaKind.DOCUMENT),
        await wa.upload(anna, path, wa.MediaKind.DOCUMENT),
        await wa.upload(anna, str(path), wa.MediaKind.DOCUMENT),
        await wa.upload(anna, content, wa.MediaKind.DOCUMENT),
        await wa.upload(anna, bytearray(content), wa.MediaKind.DOCUMENT),
        await wa.upload(anna, memoryview(content).cast("I"), wa.MediaKind.DOCUMENT),
        await wa.upload(anna, BytesIO(content), wa.MediaKind.DOCUMENT),
    ]
    with path.open("rb") as opened:
        files.append(await wa.upload(anna, opened, wa.MediaKind.DOCUMENT))
    assert {file.sha256() for file in files} == {sha256(content).digest()}
    assert files[0].with_kind(wa.MediaKind.DOCUMENT).kind() == wa.MediaKind.DOCUMENT
    for file in files:
        options = wa.DocumentOptions(file_name="out.bin", mimetype="application/octet-stream", caption="a file")
        await anna.send(bob_address, wa.Message.document(file, options))
    for number in range(len(files)):
        message = await next_message(bob)
        assert isinstance(message.content, wa.Content.DOCUMENT)
        assert (message.text, message.content.file_name) == ("a file", "out.bin")
        file = message.content.file
        if number == 0:
            await bob.download_file(file, str(tmp_path / "in.bin"))
            assert (tmp_path / "in.bin").read_bytes() == content
        elif number == 1:
            assert await bob.download_bytes(file, 1 << 21) == content
            with pytest.raises(wa.errors.InvalidError):
                await bob.download_bytes(file, 1000)
        elif number == 2:
            await wa.download_to(bob, file, tmp_path / "in-too.bin")
            assert (tmp_path / "in-too.bin").read_bytes() == content
        else:
            assert b"".join([piece async for piece in wa.download(bob, file)]) == content


async def test_group(server: wa.TestServer, link: Link) -> None:
    client, bob = await link("anna"), server.phone("bob")
    made = await client.create_group("friends", [bob.address()])
    assert made.refused == [] and made.group.subject == "friends"
    group = made.group.address
    await client.send(group, wa.Message.text("hello all"))
    received = await bob.next_message()
    assert (received.chat, received.text) == (group, "hello all")
    await bob.send_text(group, "hello anna")
    message = await next_message(client)
    assert (message.chat, message.chat_kind, message.text) == (group, wa.ChatKind.GROUP, "hello anna")
    await client.set_group_subject(group, "good friends")
    assert (await client.group(group)).subject == "good friends"
    await client.set_group(group, wa.choices.announcement(True))
    assert (await client.group(group)).is_announcement
    await client.leave_group(group)
    assert group not in [group.address for group in await client.groups()]


async def test_history(server: wa.TestServer) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    texts = [f"text {number}" for number in range(9)]
    ids = anna.remember(bob.address(), "Bob", texts)
    async with wa.connect(wa.Store.memory(), test_server=server, reads_history=True) as client:
        past = wa.history(client)
        await pair(client, anna)
        messages: dict[str, wa.PastMessage] = {}
        names = []
        async with timeout(PATIENCE):
            async for part in past:
                messages |= {one.key.id: one for one in part.messages if one.content is not None}
                names += [chat.name for chat in part.chats]
                if len(messages) == 9:
                    break
        assert sorted(messages) == ids and "Bob" in names
        for id, text in zip(ids, texts, strict=True):
            content = messages[id].content
            assert isinstance(content, wa.Content.TEXT) and content.text == text
        assert [messages[id].key.from_me for id in ids[:2]] == [False, True]
        newest = messages[ids[-1]]
        older = await client.older_messages(newest.key, newest.timestamp, 4, timedelta(seconds=30))
        assert [one.key.id for one in older] == ids[7:3:-1]


async def test_a_wait_for_the_past_that_is_given_up_loses_nothing(server: wa.TestServer) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    ids = anna.remember(bob.address(), "Bob", [f"text {number}" for number in range(9)])
    async with wa.connect(wa.Store.memory(), test_server=server, reads_history=True) as client:
        # Nothing has come, as nothing is linked.
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(aiter(wa.history(client))), 0.01)
        await pair(client, anna)
        read: set[str] = set()
        async with timeout(PATIENCE):
            while len(read) < len(ids):
                # Each part is waited for anew.
                async for part in wa.history(client):
                    read |= {one.key.id for one in part.messages if one.content is not None}
                    break
        assert sorted(read) == ids


async def test_a_stream_and_a_listener_keep_their_account(server: wa.TestServer) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def hear(event: wa.Event) -> None:
        if isinstance(event, wa.Event.MESSAGE):
            loop.call_soon_threadsafe(heard.put_nowait, event.message.text)

    async def listens() -> tuple[str, wa.Subscription]:
        client = await wa.connect(wa.Store.memory(), test_server=server)
        return await pair(client, anna), wa.listen(client, hear)

    async def streams() -> tuple[str, wa.EventStream]:
        client = await wa.connect(wa.Store.memory(), test_server=server)
        return await pair(client, bob), client.events()

    device, subscription = await listens()
    other, stream = await streams()
    gc.collect()
    await bob.send_text(anna.address(), "heard")
    await anna.send_text(bob.address(), "told")
    async with timeout(PATIENCE):
        assert await heard.get() == "heard"
        told: list[str | None] = []
        while "told" not in told:
            assert await stream.ready()
            told += [event.message.text for event in stream.drain(7) if isinstance(event, wa.Event.MESSAGE)]
        del subscription, stream
        gc.collect()
        await server.wait_offline(device)
        await server.wait_offline(other)


async def test_what_is_stopped_ends(server: wa.TestServer, tmp_path: Path) -> None:
    async with wa.connect(wa.Store.memory(), test_server=server, reads_history=True) as client:
        stream, past = client.events(), client.history()
        assert past is not None
        async with timeout(PATIENCE):
            assert await stream.ready() and stream.drain(10)
            stream.stop()
            past.stop()
            assert not await stream.ready() and not await past.ready()
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        events = manager.events(wa.EventSelection(after=0))
        await manager.create()
        async with timeout(PATIENCE):
            assert await events.ready()
            events.stop()
            assert not await events.ready()


async def test_unconfirmed_events_come_again(server: wa.TestServer, store_path: Path) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    async with wa.connect(store_path, test_server=server) as client:
        await pair(client, anna)
        for text in ("one", "two", "three"):
            await bob.send_text(anna.address(), text)
        texts = []
        async with timeout(PATIENCE):
            async for event in wa.events(client, confirm=False):
                if isinstance(event, wa.Event.MESSAGE):
                    texts.append(event.message.text)
                    if event.message.text == "one":
                        client.events().confirm(event.message.number)
                    if len(texts) == 3:
                        break
        assert texts == ["one", "two", "three"]
    # Now the loop confirms: "two", when the next one is asked for, and not "three", at which it ends.
    async with wa.connect(store_path, test_server=server) as client:
        again = []
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                if isinstance(event, wa.Event.MESSAGE):
                    again.append(event.message.text)
                    if len(again) == 2:
                        break
        assert again == ["two", "three"]
    async with wa.connect(store_path, test_server=server) as client:
        assert (await next_message(client)).text == "three"


async def test_a_slow_reader_holds_the_account_up(server: wa.TestServer) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    texts = [f"text {number}" for number in range(1500)]
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        device = await pair(client, anna)
        await bob.send_texts(anna.address(), texts)
        # Nobody takes anything: a thousand wait here, and the service keeps most of what is more.
        stream = client.events()
        async with timeout(PATIENCE):
            while stream.waiting() < 1000:
                await asyncio.sleep(0.01)
        assert stream.waiting() == 1000
        assert server.waiting_for(device) > 100

        heard: list[str | None] = []
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                if isinstance(event, wa.Event.MESSAGE):
                    heard.append(event.message.text)
                    if len(heard) == len(texts):
                        break
        assert heard == texts


async def test_queued_messages_are_taken_back(server: wa.TestServer, link: Link) -> None:
    client, bob = await link("anna"), server.phone("bob")
    await client.disconnect()
    options = wa.SendOptions(id=client.new_message_id())
    first = await client.enqueue(bob.address(), wa.Message.text("one"), options)
    assert first == options.id
    second, third = [await client.enqueue(bob.address(), wa.Message.text(text)) for text in ("two", "three")]
    for id in first, second, third:
        assert isinstance(await client.sent_state(id), wa.SendState.QUEUED)
    assert await client.cancel_send(second) == wa.Cancellation.CANCELLED
    state = await client.sent_state(second)
    assert isinstance(state, wa.SendState.FAILED) and state.code == "cancelled"
    assert await client.cancel_send(client.new_message_id()) == wa.Cancellation.NOT_FOUND
    await client.reconnect()
    received = [await bob.next_message() for _ in range(2)]
    assert [(one.id, one.text) for one in received] == [(first, "one"), (third, "three")]
    for id in first, third:
        assert await client.cancel_send(id) == wa.Cancellation.TOO_LATE


async def test_a_connection_comes_and_goes(server: wa.TestServer) -> None:
    anna = server.phone("anna")
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        device = await pair(client, anna)
        assert server.is_online(device) and client.close_reason() is None
        await client.disconnect()
        async with timeout(PATIENCE):
            await server.wait_offline(device)
        await client.reconnect()
        await next_of(client, wa.Event.CONNECTED)
        async with timeout(PATIENCE):
            await server.wait_online(device)
        # Of a lost network it is told, and comes back by itself.
        assert server.disconnect(device)
        lost = await next_of(client, wa.Event.DISCONNECTED)
        assert lost.reason.next_step == wa.NextStep.WAIT
        await next_of(client, wa.Event.CONNECTED)
        assert client.server_time() is not None
        # Unlinked here, and by the phone.
        await client.logout()
        assert anna.linked_devices() == []
    async with wa.connect(wa.Store.memory(), test_server=server) as client:
        device = await pair(client, anna)
        assert anna.remove_device(device)
        gone = await next_of(client, wa.Event.LOGGED_OUT)
        assert gone.reason.next_step == wa.NextStep.PAIR_AGAIN
        with pytest.raises(wa.errors.NotLinkedError):
            await client.send(server.phone("bob").address(), wa.Message.text("x"))
        await client.forget()
        await client.reconnect()
        assert await pair(client, anna) != device


async def test_a_phone_that_was_away_gets_what_it_missed(server: wa.TestServer, link: Link) -> None:
    client, anna, bob = await link("anna"), server.phone("anna"), server.phone("bob")
    bob.go_offline()
    sent = await client.send(bob.address(), wa.Message.text("are you there?"))
    assert bob.try_next_message() is None
    bob.go_online()
    received = await bob.next_message()
    assert (received.id, received.text) == (sent.id, "are you there?")

    # Our own phone has a copy.
    async def has_copy() -> bool:
        copy = anna.try_next_message()
        return copy is not None and (copy.id, copy.from_me) == (sent.id, True)

    await until(has_copy)


async def test_typed_errors(server: wa.TestServer, link: Link, tmp_path: Path) -> None:
    client, bob = await link("anna"), server.phone("bob")
    with pytest.raises(wa.errors.InvalidError) as caught:
        await client.send("not an address@", wa.Message.text("x"))
    assert caught.value.code == "invalid_address"
    assert "no server part" in str(caught.value) and not caught.value.is_retryable()
    assert "not an address" not in str(caught.value)

    others = server.phone("carla").create_group("others", [bob.address()])
    with pytest.raises(wa.errors.RefusedError) as refused:
        await client.send(others, wa.Message.text("x"))
    assert refused.value.code == "not_member"

    async with wa.open_manager(tmp_path, test_server=server) as manager:
        with pytest.raises(wa.errors.NotFoundError) as missing:
            manager.account("nobody")
        assert missing.value.code == "not_found"
        account = await manager.create()
        with pytest.raises(wa.errors.UnavailableError) as idle:
            await account.send(bob.address(), wa.Message.text("x"))
        assert idle.value.code == "not_ready" and idle.value.is_retryable()

    held = await wa.Store.sqlite(str(tmp_path / "account.db"))
    with pytest.raises(wa.errors.StoreError) as locked:
        await wa.Store.sqlite(str(tmp_path / "account.db"))
    assert locked.value.code == "store_locked" and locked.value.is_retryable()
    del held
    (tmp_path / "notes.txt").write_text("These are notes. " * 100)
    with pytest.raises(wa.errors.StoreError) as foreign:
        await wa.Store.sqlite(str(tmp_path / "notes.txt"))
    assert foreign.value.code == "store_foreign" and not foreign.value.is_retryable()


async def test_cancelled_calls_end(server: wa.TestServer, link: Link) -> None:
    client, bob = await link("anna"), server.phone("bob")
    before, cancelled = wa.runtime_usage().calls, wa.runtime_usage().cancelled_calls
    server.delay_acks(timedelta(minutes=10))
    waiting = [
        asyncio.create_task(client.send(bob.address(), wa.Message.text(str(number)))) for number in range(10)
    ]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert wa.runtime_usage().cancelled_calls >= cancelled + 10
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    async with timeout(PATIENCE):
        while wa.runtime_usage().calls > before:
            await asyncio.sleep(0.01)
    server.delay_acks(None)

    # Whoever stops waiting for an event misses none, and what came meanwhile comes.
    texts = [f"event {number}" for number in range(50)]
    heard: list[str | None] = []
    stream, gave_up = client.events(), asyncio.Event()
    async with timeout(PATIENCE):
        writing = asyncio.create_task(write_when(gave_up, bob, server.phone("anna").address(), texts))
        while len(heard) < len(texts):
            try:
                await asyncio.wait_for(stream.ready(), 0.002)
            except asyncio.TimeoutError:
                gave_up.set()
                continue
            events = stream.drain(7)
            heard += [event.message.text for event in events if isinstance(event, wa.Event.MESSAGE)]
        assert await writing >= len(texts)
    assert heard == texts


async def write_when(gave_up: asyncio.Event, phone: wa.TestPhone, to: str, texts: list[str]) -> int:
    """Writes each text once its reader gave a wait up. Returns how often it saw that."""
    times = 0
    for text in texts:
        await gave_up.wait()
        gave_up.clear()
        times += 1
        await phone.send_text(to, text)
    return times


async def test_a_loop_that_is_given_up_is_gone_on_with(server: wa.TestServer, link: Link) -> None:
    client, bob = await link("anna"), server.phone("bob")
    texts = [f"event {number}" for number in range(20)]
    heard: list[str | None] = []
    gave_up = asyncio.Event()
    async with timeout(PATIENCE):
        writing = asyncio.create_task(write_when(gave_up, bob, server.phone("anna").address(), texts))
        while len(heard) < len(texts):
            try:
                event = await asyncio.wait_for(anext(aiter(wa.events(client))), 0.002)
            except asyncio.TimeoutError:
                gave_up.set()
                continue
            if isinstance(event, wa.Event.MESSAGE):
                heard.append(event.message.text)
        await writing
    assert heard == texts


async def test_a_listener_that_throws(server: wa.TestServer, caplog: pytest.LogCaptureFixture) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    heard: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    # Also what is no `Exception`.
    thrown = {"one": ValueError("not this one"), "two": SystemExit(2), "three": asyncio.CancelledError()}

    def hear(event: wa.Event) -> None:
        if isinstance(event, wa.Event.MESSAGE):
            text = event.message.text or ""
            if text in thrown:
                raise thrown[text]
            loop.call_soon_threadsafe(heard.put_nowait, text)

    store = wa.Store.memory()
    async with wa.connect(store, test_server=server) as client:
        await pair(client, anna)
        subscription = wa.listen(client, hear)
        for text in (*thrown, "four"):
            await bob.send_text(anna.address(), text)
        async with timeout(PATIENCE):
            assert await heard.get() == "four"
        failures = subscription.failures()
        reasons = ["ValueError: not this one", "SystemExit: 2", "asyncio.exceptions.CancelledError"]
        assert [failure.reason.splitlines()[-1] for failure in failures] == reasons
        # With the place, and also for who does not ask.
        assert all("raise thrown[text]" in failure.reason for failure in failures)
        logged = [record.exc_info for record in caplog.records if record.name == "wa"]
        assert [told[1] for told in logged if told is not None] == list(thrown.values())
        await client.send(bob.address(), wa.Message.text("still here"))
        # What comes after it waits for who takes it.
        subscription.stop()
        async with timeout(PATIENCE):
            assert not await subscription.failed(), "what it was at is confirmed"
        await bob.send_text(anna.address(), "five")
        stream = client.events()
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                if isinstance(event, wa.Event.MESSAGE):
                    assert event.message.text == "five"
                    stream.confirm(event.message.number)
                    break
    # What it threw over comes again after a restart, and nothing else.
    async with wa.connect(store, test_server=server) as client:
        await bob.send_text(anna.address(), "six")
        again: list[tuple[str | None, int | None]] = []
        async with timeout(PATIENCE):
            async for event in wa.events(client):
                if isinstance(event, wa.Event.MESSAGE):
                    if event.message.text == "six":
                        break
                    again.append((event.message.text, event.message.number))
        assert again == list(zip(thrown, [failure.number for failure in failures], strict=True))


async def test_a_listener_is_not_awaited(link: Link, server: wa.TestServer) -> None:
    client, bob = await link("anna"), server.phone("bob")

    async def hear(event: wa.Event) -> None:
        pass

    class Hears:
        async def __call__(self, event: wa.Event) -> None:
            pass

    listeners: list[Any] = [hear, partial(hear), Hears(), Hears().__call__]
    for listener in listeners:
        with pytest.raises(TypeError, match="async for"):
            wa.listen(client, listener)
    # What is seen only when it is called is told as a failure.
    kept = []

    def returns(event: wa.Event) -> Any:
        kept.append(hear(event))
        return kept[-1]

    subscription = wa.listen(client, returns)
    await bob.send_text(server.phone("anna").address(), "hello")
    async with timeout(PATIENCE):
        assert await subscription.failed()
    reason = subscription.failures()[0].reason
    assert reason.splitlines()[-1] == "TypeError: what a listener returned is not awaited"
    subscription.stop()
    async with timeout(PATIENCE):
        while await subscription.failed():
            subscription.failures()
    for coroutine in kept:
        coroutine.close()


async def test_logs_arrive(server: wa.TestServer, caplog: pytest.LogCaptureFixture) -> None:
    def is_of_the_account(record: logging.LogRecord) -> bool:
        return record.name.startswith("wa.core") and record.getMessage().startswith("[front desk] ")

    caplog.set_level(logging.DEBUG, "wa")
    assert wa.forward_logs(logging.DEBUG)
    assert not wa.forward_logs(logging.DEBUG)
    async with wa.connect(wa.Store.memory(), test_server=server, alias="front desk") as client:
        await pair(client, server.phone("anna"))
        server.disconnect_all()
        await next_of(client, wa.Event.CONNECTED)
    async with timeout(PATIENCE):
        while not any(is_of_the_account(record) for record in caplog.records):
            await asyncio.sleep(0.01)


def test_log_records_have_the_time_when_it_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wa")
    at = datetime(2030, 5, 1, 12, 0, 0, 250_999, timezone.utc)
    said = LogRecord(level=wa.LogLevel.INFO, target="wa_core::driver", account="7", text="late", at=at, dropped=2)
    _Sink().log(said)
    # Others may say something meanwhile.
    told = [record for record in caplog.records if record.created == at.timestamp()]
    assert [record.getMessage() for record in told] == ["2 records were dropped before the next one", "[7] late"]
    assert [(record.name, record.levelno) for record in told] == [
        ("wa.core.driver", logging.WARNING),
        ("wa.core.driver", logging.INFO),
    ]
    assert all(record.msecs == 250 for record in told)
    # As formatters show it.
    assert logging.Formatter("%(asctime)s").format(told[1]).endswith(",250")
