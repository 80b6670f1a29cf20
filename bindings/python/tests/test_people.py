"""Scenarios of other people, of chats and of groups: the table is in bindings/README.md."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import wa
from async_timeout import timeout
from conftest import PATIENCE, Link, next_message, next_of, pair, until


async def test_contacts_and_chats(server: wa.TestServer, link: Link) -> None:
    # Two devices of one account.
    client, other, bob = await link("anna"), await link("anna"), server.phone("bob")

    async def shows(contacts: list[wa.Contact], starred: list[str]) -> None:
        """Contacts and starred messages on the other device, a little later."""

        async def is_so() -> bool:
            return (await other.contacts(), [key.id for key in await other.starred()]) == (contacts, starred)

        await until(is_so)

    async def stands(**wanted: object) -> None:
        """How the chat stands on the other device, a little later."""

        async def is_so() -> bool:
            settings = await other.chat_settings(bob.lid())
            return {name: getattr(settings, name) for name in wanted} == wanted

        await until(is_so)

    # Contacts.
    contact = wa.Contact(address=bob.lid(), full_name="Bob", first_name="B.")
    await client.put_contact(contact)
    await shows([contact], [])
    renamed = wa.Contact(address=bob.lid(), full_name="Robert")
    await client.put_contact(renamed)
    await shows([renamed], [])
    for device in client, other:
        assert await device.contacts() == [renamed]
        assert await device.contact(bob.lid()) == renamed
        assert await device.contact(server.phone("carla").lid()) is None

    # A chat.
    chat = bob.lid()
    bare = await other.chat_settings(chat)
    assert not (bare.is_archived or bare.is_pinned or bare.is_muted or bare.is_marked_unread or bare.is_locked)
    await client.archive_chat(chat, True)
    await stands(is_archived=True)
    await client.archive_chat(chat, False)
    await client.pin_chat(chat, True)
    await stands(is_archived=False, is_pinned=True)
    then = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    await client.mute_chat(chat, then)
    await stands(is_muted=True, muted_until=then)
    await client.mute_chat(chat)
    await stands(is_muted=True, muted_until=None)
    await client.mark_chat(chat, False)
    await stands(is_marked_unread=True)
    await client.lock_chat(chat, True)
    await stands(is_locked=True)
    await client.lock_chat(chat, False)
    await client.pin_chat(chat, False)
    await client.unmute_chat(chat)
    await client.mark_chat(chat, True)
    assert await client.chat_settings(chat) == bare
    await stands(**vars(bare))

    # Its messages.
    await bob.send_text(server.phone("anna").address(), "a star")
    received = await next_message(client)
    await client.star(received.key, True)
    await shows([renamed], [received.id])
    assert [key.id for key in await client.starred()] == [received.id]
    await client.star(received.key, False)
    await shows([renamed], [])
    await client.delete_for_me(received.key, received.timestamp)
    newest = wa.NewestMessage(key=received.key, at=received.timestamp)
    await client.clear_chat(chat, newest)
    await client.delete_chat(chat, newest)

    # What else is kept of people.
    await client.set_favorites([chat])
    assert await client.favorites() == [chat]
    await client.mute_status(chat, True)
    assert await client.is_status_muted(chat)
    await client.mute_status(chat, False)
    assert not await client.is_status_muted(chat)
    await client.remove_contact(chat)
    assert await client.contacts() == []
    await shows([], [])


async def test_presence_and_typing(server: wa.TestServer, link: Link) -> None:
    client, other, bob = await link("anna"), await link("bob"), server.phone("bob")
    anna = server.phone("anna")

    # Who is watched comes and goes.
    await client.watch_presence(bob.lid())
    at_first = await next_of(client, wa.Event.PRESENCE)
    assert (at_first.user, at_first.available) == (bob.lid(), False)
    await other.set_available(True)
    assert (await next_of(client, wa.Event.PRESENCE)).available
    await other.set_available(False)
    gone = await next_of(client, wa.Event.PRESENCE)
    assert not gone.available and gone.last_seen is not None and gone.last_seen.tzinfo is not None

    # A phone writes, and stops.
    for is_typing, state in (True, wa.TypingState.COMPOSING), (False, wa.TypingState.PAUSED):
        bob.typing(anna.lid(), is_typing)
        heard = await next_of(client, wa.Event.TYPING)
        assert (heard.user, heard.state) == (bob.lid(), state)

    # What the account does arrives.
    for state in wa.TypingState.COMPOSING, wa.TypingState.RECORDING, wa.TypingState.PAUSED:
        await client.set_typing(bob.lid(), state)
        heard = await next_of(other, wa.Event.TYPING)
        assert (heard.user, heard.state) == (anna.lid(), state)
    with pytest.raises(wa.errors.InvalidError) as unknown:
        await client.set_typing(bob.lid(), wa.TypingState.UNKNOWN)
    assert unknown.value.code == "invalid_typing"

    # Nobody is told of who is watched no more: the message comes, and nothing before it.
    await client.unwatch_presence(bob.lid())
    # The service answers in order: it has heard that.
    await client.check_numbers([server.phone("bob").number()])
    await other.set_available(True)
    await other.send(anna.address(), wa.Message.text("I am here"))
    async with timeout(PATIENCE):
        async for event in wa.events(client):
            assert not isinstance(event, wa.Event.PRESENCE)
            if isinstance(event, wa.Event.MESSAGE):
                assert event.message.text == "I am here"
                break


async def test_people_tell_of_themselves(server: wa.TestServer, link: Link) -> None:
    client, other = await link("anna"), await link("bob")
    anna, bob = server.phone("anna"), server.phone("bob")
    numbers = await client.check_numbers([bob.number(), "19995550000"])
    assert [status.is_registered for status in numbers] == [True, False]
    assert numbers[0].lid == bob.lid()
    await other.set_about("gone fishing")
    picture = b"\xff\xd8" + bytes(range(256)) * 40
    await other.set_picture(picture)
    await other.set_push_name("Bob the bot")
    assert [info.about for info in await client.user_info([bob.lid()])] == ["gone fishing"]
    assert await client.picture(bob.lid(), 1 << 20) == picture
    await other.set_picture()
    assert await client.picture(bob.lid(), 1 << 20) is None

    await client.block(bob.lid())
    assert await client.blocked() == [bob.lid()]
    await client.unblock(bob.lid())
    assert await client.blocked() == []

    bob.call(anna.address(), "CALL1", True)
    call = await next_of(client, wa.Event.CALL)
    assert (call.id, call.what, call.video) == ("CALL1", "offer", True)
    await client.reject_call(call.call)


async def test_a_user_is_trusted(server: wa.TestServer) -> None:
    bob = server.phone("bob")
    async with wa.connect(wa.Store.memory(), test_server=server, holds_for_new_identities=True) as client:
        await pair(client, server.phone("anna"))
        # Who has the key that they always had is trusted already.
        await client.trust_identity(bob.address())
        await client.send(bob.address(), wa.Message.text("hello"))
        assert (await bob.next_message()).text == "hello"
        with pytest.raises(wa.errors.InvalidError) as wrong:
            await client.trust_identity("nobody@")
        assert wrong.value.code == "invalid_address"


async def test_members_of_a_group_come_and_go(server: wa.TestServer, link: Link) -> None:
    client, other = await link("anna"), await link("dora")
    anna, bob, carla, dora = (server.phone(name) for name in ("anna", "bob", "carla", "dora"))
    group = (await client.create_group("friends", [bob.address()])).group.address

    async def roles(wanted: dict[str, wa.MemberRole]) -> None:
        async def are_so() -> bool:
            return {member.address: member.role for member in (await client.group(group)).members} == wanted

        await until(are_so)

    owner, admin, member = wa.MemberRole.OWNER, wa.MemberRole.ADMIN, wa.MemberRole.MEMBER
    assert [one.refused for one in await client.add_members(group, [carla.address()])] == [None]
    assert [one.refused is None for one in await client.add_members(group, [carla.address()])] == [False]
    await roles({anna.lid(): owner, bob.lid(): member, carla.lid(): member})
    assert [one.refused for one in await client.promote(group, [bob.address()])] == [None]
    await roles({anna.lid(): owner, bob.lid(): admin, carla.lid(): member})
    assert [one.refused for one in await client.demote(group, [bob.address()])] == [None]
    assert [one.refused for one in await client.remove_members(group, [carla.address()])] == [None]
    await roles({anna.lid(): owner, bob.lid(): member})

    await client.set_group_description(group, "for friends")
    choices = wa.choices
    week = timedelta(days=7)
    settings = [choices.locked(True), choices.disappearing(week), choices.admins_add(True), choices.announcement(True)]
    for setting in settings:
        await client.set_group(group, setting)

    async def is_set() -> bool:
        now = await client.group(group)
        told = (now.description, now.is_locked, now.is_announcement, now.disappearing_after)
        return told == ("for friends", True, True, week)

    await until(is_set)
    picture = b"\xff\xd8" + bytes(range(256)) * 40
    await client.set_group_picture(group, picture)
    assert await client.picture(group, 1 << 20) == picture

    # By a link, and when an admin lets them in.
    await client.set_group(group, choices.join_approval(True))
    old = await client.group_invite_link(group)
    invitation = await client.group_invite_link(group, reset=True)
    assert old != invitation
    with pytest.raises(wa.WaError):
        await other.join_group(old)
    assert (await other.group_of_link(invitation)).subject == "friends"
    assert await other.join_group(invitation) == wa.JoinOutcome(group=group, is_waiting=True)
    asking = [request.user for request in await client.join_requests(group)]
    assert asking == [dora.lid()]
    assert [one.refused for one in await client.answer_join_requests(group, asking, True)] == [None]
    await roles({anna.lid(): owner, bob.lid(): member, dora.lid(): member})
    assert group in [one.address for one in await other.groups()]

    # Who lets nobody add them is sent an invitation.
    dora.refuse_adding()
    crew = (await client.create_group("crew", [bob.address()])).group.address
    refused = (await client.add_members(crew, [dora.address()]))[0]
    assert refused.invitation
    code, expires = refused.invitation.code, refused.invitation.expires
    await client.send(dora.address(), wa.Message.group_invite(crew, code, "crew", expires))
    received = await next_message(other)
    invite = received.content
    assert isinstance(invite, wa.Content.GROUP_INVITE) and (invite.group, invite.code, invite.expires) == (crew, code, expires)
    joined = await other.accept_group_invite(crew, code, expires, received.sender)
    assert joined == wa.JoinOutcome(group=crew, is_waiting=False)
