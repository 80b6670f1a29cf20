"""Scenarios of what messages say: the table is in bindings/README.md."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
import wa
from conftest import Link, next_message


async def test_messages_of_many_kinds(server: wa.TestServer, link: Link) -> None:
    client, anna, bob = await link("anna"), server.phone("anna"), server.phone("bob")

    async def send(message: wa.Message) -> tuple[wa.MessageKey, wa.PhoneMessage]:
        sent = await client.send(bob.address(), message)
        received = await bob.next_message()
        assert received.id == sent.id
        return sent.key, received

    # Out.
    picture = await client.upload_bytes(bytes(3000), wa.MediaKind.IMAGE)
    _, got = await send(wa.Message.image(picture, wa.ImageOptions(caption="look", width=40, height=30)))
    image = got.content
    assert isinstance(image, wa.Content.IMAGE)
    assert (image.caption, image.width, image.height) == ("look", 40, 30)
    assert (image.file.kind(), image.file.length()) == (wa.MediaKind.IMAGE, 3000)

    webp = await client.upload_bytes(bytes(2000), wa.MediaKind.STICKER)
    _, got = await send(wa.Message.sticker(webp))
    assert isinstance(got.content, wa.Content.STICKER)
    assert (got.content.mimetype, got.content.animated) == ("image/webp", False)

    _, got = await send(wa.Message.location(52.5, 13.25, "here"))
    place = got.content
    assert isinstance(place, wa.Content.LOCATION)
    assert (place.latitude, place.longitude, place.name) == (52.5, 13.25, "here")

    card = wa.card_of_number("Carla", server.phone("carla").number())
    _, got = await send(wa.Message.contacts([card]))
    assert isinstance(got.content, wa.Content.CONTACTS) and got.content.cards == [card]

    first, _ = await send(wa.Message.text("first"))
    _, got = await send(wa.Message.edit(first, wa.Message.text("second")))
    assert isinstance(got.content, wa.Content.EDIT) and got.content.target.id == first.id
    edited = got.content.message.content()
    assert isinstance(edited, wa.Content.TEXT) and edited.text == "second"
    _, got = await send(wa.Message.delete(first))
    assert isinstance(got.content, wa.Content.DELETE) and got.content.target.id == first.id

    # In, and what answers it.
    await bob.send_text(anna.address(), "a question")
    asked = await next_message(client)
    _, got = await send(wa.Message.reaction(asked.key, "👍"))
    assert isinstance(got.content, wa.Content.REACTION)
    assert (got.content.target.id, got.content.emoji) == (asked.id, "👍")
    answered, got = await send(wa.Message.text("an answer").reply_to(asked.key, asked.message))
    assert (got.text, got.quoted) == ("an answer", asked.id)
    await bob.send(anna.address(), wa.Message.reaction(got.key, "❤"))
    reaction = (await next_message(client)).content
    assert isinstance(reaction, wa.Content.REACTION)
    assert (reaction.target.id, reaction.emoji) == (answered.id, "❤")
    await bob.send(anna.address(), wa.Message.location(1.0, 2.0))
    assert isinstance((await next_message(client)).content, wa.Content.LOCATION)

    # A poll, and the votes of two.
    other = await link("bob")
    options = ["tea", "coffee", "water"]
    poll, got = await send(wa.Message.poll("What?", options))
    assert isinstance(got.content, wa.Content.POLL)
    assert (got.content.question, got.content.options, got.content.selectable) == ("What?", options, 1)
    tally = wa.PollTally.of(got.message, poll)
    offered = await next_message(other)
    await other.send(anna.address(), wa.Message.poll_vote(offered.key, ["coffee"]))
    voted = await next_message(client)
    assert isinstance(voted.content, wa.Content.POLL_VOTE) and voted.content.poll.id == poll.id
    assert tally.add(voted) and not tally.add(asked)
    tally.cast(anna.lid(), datetime.now(timezone.utc), ["coffee"])
    assert [(one.name, len(one.voters)) for one in tally.options()] == [("tea", 0), ("coffee", 2), ("water", 0)]
    with pytest.raises(wa.errors.InvalidError):
        wa.PollTally.of(wa.Message.text("no poll"), poll)
