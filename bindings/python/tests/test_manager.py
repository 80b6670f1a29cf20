"""Scenarios of many accounts in one process: the table is in bindings/README.md."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import wa
from async_timeout import timeout
from conftest import PATIENCE, Link, next_message, next_of


async def test_a_ticket_goes_on_after_a_break(server: wa.TestServer, tmp_path: Path) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await manager.create()
        ticket = await account.pair(wa.PairRequest())
        seen: list[wa.PairingUpdate] = []
        async with timeout(PATIENCE):
            while not seen or not isinstance(seen[-1], wa.PairingUpdate.LINKED):
                async for update in wa.updates(ticket):
                    seen.append(update)
                    if isinstance(update, wa.PairingUpdate.QR):
                        await server.phone("anna").scan(update.text)
                    break


async def test_an_account_is_made_and_linked_at_once(server: wa.TestServer, tmp_path: Path) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        ticket = await manager.create_and_pair(wa.PairRequest(), wa.AccountSpec(name="anna"))
        assert ticket.expires_at() > datetime.now(timezone.utc)
        await scan(ticket, server.phone("anna"))
        async with timeout(PATIENCE):
            await manager.account("anna").reached(wa.AccountStatus.READY)


async def test_a_ticket_is_called_off(server: wa.TestServer, tmp_path: Path) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await manager.create()
        ticket = await account.pair(wa.PairRequest(phone_number=server.phone("anna").number()))
        async with timeout(PATIENCE):
            async for update in wa.updates(ticket):
                if isinstance(update, wa.PairingUpdate.CODE):
                    break
        # No other code as long as this one is good.
        with pytest.raises(wa.errors.ConflictError) as early:
            await ticket.refresh()
        assert early.value.code == "code_outstanding" and early.value.retry_after is not None
        await ticket.cancel()
        last: wa.PairingUpdate | None = None
        async with timeout(PATIENCE):
            async for update in wa.updates(ticket):
                last = update
        assert isinstance(last, wa.PairingUpdate.FAILED) and last.code == "cancelled"
        with pytest.raises(wa.errors.ConflictError) as late:
            await ticket.refresh()
        assert late.value.code == "not_pairing"
        async with timeout(PATIENCE):
            await account.reached(wa.AccountStatus.IDLE)


async def test_an_attempt_goes_on_without_its_ticket_until_it_is_called_off(
    server: wa.TestServer, tmp_path: Path
) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await manager.create()
        ticket = await account.pair(wa.PairRequest())
        del ticket
        with pytest.raises(wa.errors.ConflictError) as twice:
            await account.pair(wa.PairRequest())
        assert twice.value.code == "already_pairing"
        await account.cancel_pairing()
        with pytest.raises(wa.errors.ConflictError) as none:
            await account.cancel_pairing()
        assert none.value.code == "not_pairing"
        ticket = await account.pair(wa.PairRequest())
        await scan(ticket, server.phone("anna"))
        async with timeout(PATIENCE):
            await account.reached(wa.AccountStatus.READY)


async def test_an_account_is_linked_by_passkey(server: wa.TestServer, tmp_path: Path) -> None:
    anna = server.phone("anna")
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await manager.create()
        ticket = await account.pair(wa.PairRequest())
        asked: wa.TestPasskeyLink | None = None
        device = ""
        async with timeout(PATIENCE):
            async for update in wa.updates(ticket):
                match update:
                    case wa.PairingUpdate.QR(text=text) if asked is None:
                        asked = anna.ask_passkey(text)
                    case wa.PairingUpdate.PASSKEY_CHALLENGE(options=options):
                        signed = anna.sign_with_passkey(options)
                        await ticket.respond_passkey(signed.credential_id, signed.assertion)
                    case wa.PairingUpdate.PASSKEY_CONFIRM(code=code, is_asked=True):
                        assert asked is not None and await asked.code() == code
                        await ticket.confirm_passkey(True)
                        device = await asked.confirm()
                    case wa.PairingUpdate.LINKED():
                        break
            await account.reached(wa.AccountStatus.READY)
        assert anna.linked_devices() == [device]


async def scan(ticket: wa.PairingTicket, phone: wa.TestPhone) -> None:
    """Lets the phone scan the code of the ticket, and waits until it is linked."""
    async with timeout(PATIENCE):
        async for update in wa.updates(ticket):
            match update:
                case wa.PairingUpdate.QR(text=text):
                    await phone.scan(text)
                case wa.PairingUpdate.LINKED():
                    break
                case wa.PairingUpdate.FAILED(detail=detail):
                    raise AssertionError(detail)


async def linked_account(manager: wa.ClientManager, phone: wa.TestPhone, name: str) -> wa.Account:
    account = await manager.create(wa.AccountSpec(name=name))
    ticket = await account.pair(wa.PairRequest())
    await scan(ticket, phone)
    async with timeout(PATIENCE):
        await account.reached(wa.AccountStatus.READY)
    return account


async def may_write(account: wa.Account, to: str) -> None:
    """Waits until the account may: who is a stranger is known once the phone told of the past."""
    async with timeout(PATIENCE):
        while not isinstance(await account.preview(to), wa.Preview.ALLOWED):
            await asyncio.sleep(0.01)


async def test_limits(server: wa.TestServer, tmp_path: Path) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await linked_account(manager, server.phone("anna"), "anna")
        trust = await account.trust()
        assert (trust.level, trust.daily_limit, trust.sent_today) == (1, 50, 0)
        strangers = [server.phone(f"stranger {number}").address() for number in range(3)]
        await may_write(account, strangers[0])
        assert isinstance(await account.send(strangers[0], wa.Message.text("hello")), wa.SendResult.SENT)
        with pytest.raises(wa.errors.LimitedError) as limited:
            await account.send(strangers[1], wa.Message.text("hello"))
        assert limited.value.code == "limited" and limited.value.is_retryable()
        assert limited.value.retry_after is not None and limited.value.retry_after > timedelta(seconds=60)
        assert limited.value.until is not None
        preview = await account.preview(strangers[-1])
        assert isinstance(preview, wa.Preview.LATER)
        assert preview.limit.retry_at is not None
        assert (await account.trust()).sent_today == 1


async def test_ten_accounts(server: wa.TestServer, tmp_path: Path) -> None:
    names = [f"account-{number}" for number in range(10)]
    async with wa.open_manager(tmp_path, test_server=server, database=tmp_path / "manager.db") as manager:
        accounts = await asyncio.gather(
            *(linked_account(manager, server.phone(name), name) for name in names)
        )
        assert manager.health() == wa.ManagerHealth(connected=10, total=10)
        for account, name in zip(accounts, names[1:] + names[:1], strict=True):
            await may_write(account, server.phone(name).address())
            await account.send(server.phone(name).address(), wa.Message.text(f"for {name}"))
        heard: set[str] = set()
        async with timeout(PATIENCE):
            async for update in wa.manager_events(manager, after=0, kinds=["message.received"]):
                assert isinstance(update, wa.ManagerUpdate.EVENT)
                assert update.event.message is not None and update.event.message.text is not None
                heard.add(update.event.message.text)
                if len(heard) == 10:
                    break
        assert heard == {f"for {name}" for name in names}
        results = await manager.batch_stop([*names, "nobody"])
        assert [result.error for result in results] == [None] * 10 + ["not_found"]
        assert manager.health().connected == 0


async def test_manager_media(server: wa.TestServer, link: Link, tmp_path: Path) -> None:
    anna, bob = server.phone("anna"), await link("bob")
    content = bytes(range(256)) * 4096
    path = tmp_path / "out.bin"
    path.write_bytes(content)

    def document(file: wa.Attachment) -> wa.Message:
        options = wa.DocumentOptions(file_name="out.bin", mimetype="application/octet-stream", caption="a file")
        return wa.Message.document(file, options)

    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await linked_account(manager, anna, "anna")
        # In: what an event tells of a message is enough for its file, for an answer, and to say that it was read.
        file = await bob.upload_file(str(path), wa.MediaKind.DOCUMENT)
        sent = await bob.send(anna.address(), document(file))
        received: wa.InboundMessage | None = None
        data = ""
        async with timeout(PATIENCE):
            async for update in wa.manager_events(manager, after=0):
                if isinstance(update, wa.ManagerUpdate.EVENT) and update.event.message is not None:
                    received, data = update.event.message, update.event.data
                    break
        assert received is not None and (received.id, received.text) == (sent.id, "a file")
        assert isinstance(received.content, wa.Content.DOCUMENT) and received.content.file_name == "out.bin"
        await account.download_file(received, str(tmp_path / "in.bin"))
        assert (tmp_path / "in.bin").read_bytes() == content
        await wa.download_to(account, received, tmp_path / "in-too.bin")
        assert (tmp_path / "in-too.bin").read_bytes() == content
        assert await account.download_bytes(received, 1 << 21) == content
        with pytest.raises(wa.errors.InvalidError) as large:
            await account.download_bytes(received, 1000)
        assert large.value.code == "too_large"
        assert b"".join([piece async for piece in wa.download(account, received)]) == content
        await account.mark_read([received])
        async with timeout(PATIENCE):
            async for event in wa.events(bob):
                if isinstance(event, wa.Event.RECEIPT) and isinstance(event.kind, wa.ReceiptKind.READ):
                    assert event.ids == [sent.id]
                    break

        # Out: by path, as bytes and in pieces; the answer is a file.
        pieces = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
        files = [
            await account.upload_file(str(path), wa.MediaKind.DOCUMENT),
            await account.upload_bytes(content, wa.MediaKind.DOCUMENT),
            await wa.upload(account, pieces, wa.MediaKind.DOCUMENT),
            await wa.upload(account, path, wa.MediaKind.DOCUMENT),
        ]
        for file in files:
            assert await bob.download_bytes(file, 1 << 21) == content
        # The host kept the event as JSON, and reads it again.
        replied = await account.reply(wa.message_of_event(data), document(files[0]))
        assert isinstance(replied, wa.SendResult.SENT)
        answer = await next_message(bob)
        assert (answer.text, answer.quoted) == ("a file", sent.id)

        # What is kept is there without a connection; what is to be sent wants one.
        await account.stop()
        assert await account.download_bytes(received, 1 << 21) == content
        with pytest.raises(wa.errors.UnavailableError) as idle:
            await account.upload_bytes(content, wa.MediaKind.DOCUMENT)
        assert idle.value.code == "not_ready"
        with pytest.raises(wa.errors.InvalidError):
            wa.message_of_event("{}")


async def test_manager_restart(server: wa.TestServer, tmp_path: Path) -> None:
    database = tmp_path / "manager.db"
    async with wa.open_manager(tmp_path, test_server=server, database=database) as manager:
        await linked_account(manager, server.phone("anna"), "anna")
        cursor = manager.last_event()
    async with wa.open_manager(tmp_path, test_server=server, database=database) as manager:
        assert len((await manager.restore()).started) == 1
        async with timeout(PATIENCE):
            await manager.account("anna").reached(wa.AccountStatus.READY)
        await server.phone("bob").send_text(server.phone("anna").address(), "still there?")
        async with timeout(PATIENCE):
            async for update in wa.manager_events(manager, after=cursor):
                assert isinstance(update, wa.ManagerUpdate.EVENT)
                assert update.event.seq > cursor
                cursor = update.event.seq
                if update.event.message is not None:
                    assert update.event.message.text == "still there?"
                    break


async def test_settings_of_an_account(server: wa.TestServer, link: Link, tmp_path: Path) -> None:
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        # One by one, and what is not named stays.
        chosen = wa.AccountSettings(auto_start=True, time_zone="Asia/Jakarta")
        account = await manager.create(wa.AccountSpec(name="anna", settings=chosen))
        before = account.snapshot()
        change = wa.SettingsChange(sync_limit=7, storage=wa.MediaStorage.DATABASE)
        after = await account.update("Anna", change, {"color": "green"})
        assert (after.display_name, after.metadata) == ("Anna", {"color": "green"})
        assert (after.settings.sync_limit, after.settings.storage) == (7, wa.MediaStorage.DATABASE)
        assert (after.settings.auto_start, after.settings.time_zone) == (True, "Asia/Jakarta")
        assert account.snapshot() == after
        after = await account.update(settings=wa.SettingsChange(strict_daily_limit=True, time_zone=""))
        assert (after.settings.strict_daily_limit, after.settings.time_zone) == (True, None)
        assert (after.display_name, after.settings.sync_limit) == ("Anna", 7)
        with pytest.raises(wa.errors.ConflictError):
            await account.update("A.", version=before.version)
        with pytest.raises(wa.errors.InvalidError) as wrong:
            await account.update(settings=wa.SettingsChange(sync_limit=501))
        assert wrong.value.code == "invalid_settings"
        assert account.snapshot().display_name == "Anna"
        assert manager.account_of(after.tenant, "anna").id() == account.id()
        await manager.delete("anna")

        # Trust: lower at will, higher by one step.
        account = await linked_account(manager, server.phone("anna"), "anna")
        await account.set_trust_level(2, "a test", "known for years")
        await account.set_daily_limit(3, "a test")
        trust = await account.trust()
        assert (trust.level, trust.daily_limit, trust.restrictions) == (2, 3, [])
        for level, code in (4, "too_high"), (6, "invalid_level"):
            with pytest.raises(wa.WaError) as refused:
                await account.set_trust_level(level, "a test", "a wish")
            assert refused.value.code == code
        await account.set_trust_level(1, "a test", "a new number")

        # One stranger a day at this level: the next one's message waits, and is taken back.
        strangers = [server.phone(f"stranger {number}").address() for number in range(2)]
        await may_write(account, strangers[0])
        assert isinstance(await account.send(strangers[0], wa.Message.text("hello")), wa.SendResult.SENT)
        later = wa.AccountSendOptions(on_limit=wa.choices.enqueue(timedelta(days=3)))
        queued = await account.send(strangers[1], wa.Message.text("hello"), later)
        assert isinstance(queued, wa.SendResult.QUEUED)
        assert [(one.id, one.to, one.position) for one in await account.outbox()] == [(queued.id, strangers[1], 0)]
        assert await account.cancel_send(queued.id)
        assert not await account.cancel_send(queued.id)
        assert await account.outbox() == []
        # Once a day what was used is forgiven.
        await account.reset_usage("a test", "it was a mistake")
        with pytest.raises(wa.errors.LimitedError) as again:
            await account.reset_usage("a test", "and another one")
        assert again.value.code == "already_reset"

        # It shows that it writes, and answers for numbers.
        bob = await link("bob")
        await account.set_typing(server.phone("bob").lid(), wa.TypingState.RECORDING)
        heard = await next_of(bob, wa.Event.TYPING)
        assert (heard.user, heard.state) == (server.phone("anna").lid(), wa.TypingState.RECORDING)
        found = await account.check_numbers([server.phone("bob").number(), "19995550000"])
        assert [one.is_registered for one in found] == [True, False]

        # Batches tell of each account.
        await manager.create(wa.AccountSpec(name="unlinked"))
        assert [one.error for one in await manager.stop_all()] == [None, None]
        assert manager.health().connected == 0
        started = await manager.batch_start(["anna", "unlinked", "nobody"])
        assert [one.error for one in started] == [None, "not_linked", "not_found"]
        async with timeout(PATIENCE):
            await account.reached(wa.AccountStatus.READY)
        await account.restart()
        async with timeout(PATIENCE):
            await account.reached(wa.AccountStatus.READY)
        assert (await account.stop()).changed and (await account.start()).changed
        async with timeout(PATIENCE):
            await account.reached(wa.AccountStatus.READY)
        deleted = await manager.batch_delete(["unlinked", "nobody"], False)
        assert [one.error for one in deleted] == [None, "not_found"]
        assert [one.name for one in await manager.accounts()] == ["anna"]

        # Every step was numbered and kept.
        events = await manager.events_since(0, 1000)
        assert [one.seq for one in events] == sorted({one.seq for one in events})
        assert events[-1].seq == manager.last_event()

        # It is unlinked, on the phone too.
        assert len(server.phone("anna").linked_devices()) == 1
        await account.logout()
        assert server.phone("anna").linked_devices() == []
        with pytest.raises(wa.errors.NotLinkedError):
            await account.start()


async def test_a_phone_is_asked_for_the_past(server: wa.TestServer, tmp_path: Path) -> None:
    anna, bob = server.phone("anna"), server.phone("bob")
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await linked_account(manager, anna, "anna")
        cursor = manager.last_event()
        await bob.send_text(anna.address(), "hello")
        async with timeout(PATIENCE):
            async for _ in wa.manager_events(manager, after=cursor, kinds=["message.received"]):
                break
        job = await account.sync_history(7, [bob.address()])
        end = ""
        async with timeout(PATIENCE):
            async for update in wa.manager_events(manager, after=cursor, kinds=["history.progress"]):
                assert isinstance(update, wa.ManagerUpdate.EVENT)
                end = update.event.data
                if job in end and '"state":"running"' not in end:
                    break
        assert job in end and '"state":"done"' in end
        with pytest.raises(wa.errors.NotFoundError) as unknown:
            await account.sync_history(chats=[server.phone("carla").address()])
        assert unknown.value.code == "unknown_chat"
        with pytest.raises(wa.errors.InvalidError) as many:
            await account.sync_history(501)
        assert many.value.code == "invalid_limit"


async def test_votes_for_an_account_are_counted(server: wa.TestServer, link: Link, tmp_path: Path) -> None:
    anna, bob, other = server.phone("anna"), server.phone("bob").address(), await link("bob")
    async with wa.open_manager(tmp_path, test_server=server) as manager:
        account = await linked_account(manager, anna, "anna")
        await may_write(account, bob)
        poll = wa.Message.poll("What?", ["tea", "coffee"])
        await account.send(bob, poll)
        asked = await next_message(other)
        await other.send(anna.address(), wa.Message.poll_vote(asked.key, ["coffee"]))
        voted: wa.InboundMessage | None = None
        async with timeout(PATIENCE):
            async for update in wa.manager_events(manager, after=0):
                if isinstance(update, wa.ManagerUpdate.EVENT) and update.event.message is not None:
                    voted = update.event.message
                    break
        assert voted is not None
        tally = wa.PollTally.of(poll, wa.MessageKey(chat=bob, id=asked.id, from_me=True))
        assert tally.add_inbound(voted)
        assert [(one.name, len(one.voters)) for one in tally.options()] == [("tea", 0), ("coffee", 1)]
