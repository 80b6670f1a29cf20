"""Scenarios of what messages say: the table is in bindings/README.md."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import wa
from conftest import Link, next_message

DAY = timedelta(days=1)
NOON = datetime(2030, 5, 1, 12, tzinfo=timezone.utc)
# One pixel.
WEBP = b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")


async def test_messages_of_many_kinds(server: wa.TestServer, link: Link) -> None:
    client, anna, bob = await link("anna"), server.phone("anna"), server.phone("bob")

    async def send(message: wa.Message) -> tuple[wa.MessageKey, wa.PhoneMessage]:
        sent = await client.send(bob.address(), message)
        # Copies of what its other device wrote come, too.
        while (received := await bob.next_message()).from_me:
            pass
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

    # The others: each goes out, and is on the phone what it is here.
    for message, kind, fields in await each_of_the_others(client, answered, asked.key):
        _, got = await send(message)
        assert isinstance(got.content, kind), got.content
        assert {name: getattr(got.content, name) for name in fields} == fields

    # About a poll and an occasion of the other: each is sealed with the secret of what it answers.
    await other.send(anna.address(), wa.Message.poll("And?", ["yes"]))
    offered = await next_message(client)
    sealed, _ = await send(wa.Message.poll_option(offered.key, "perhaps"))
    added = (await next_of_id(other, sealed.id)).content
    assert isinstance(added, wa.Content.POLL_OPTION) and added.name == "perhaps"
    await other.send(anna.address(), wa.Message.occasion(wa.OccasionOptions(name="Lunch", starts=NOON)))
    offered = await next_message(client)
    for going, guests in (True, 2), (False, 0), (None, 1):
        sealed, _ = await send(wa.Message.occasion_answer(offered.key, going, guests))
        answer = (await next_of_id(other, sealed.id)).content
        assert isinstance(answer, wa.Content.OCCASION_ANSWER)
        assert (answer.occasion.id, answer.going, answer.guests) == (offered.id, going, guests)

    # A comment, which groups have.
    group = (await client.create_group("friends", [bob.address()])).group.address
    sent = await client.send(group, wa.Message.text("news"))
    assert (await bob.next_message()).text == "news"
    news = await next_of_id(other, sent.id)
    await other.send(group, wa.Message.comment(news.key, wa.Message.text("good news")))
    comment = (await next_message(client)).content
    assert isinstance(comment, wa.Content.COMMENT) and comment.target.id == sent.id
    said = comment.message.content()
    assert isinstance(said, wa.Content.TEXT) and said.text == "good news"

    # What a message may have beside what it says.
    label = wa.Message.text(f"@{bob.number()}").mention([bob.address()]).mention_all().expire_after(DAY)
    sealed, _ = await send(label)
    assert (await next_of_id(other, sealed.id)).mentions == [bob.address()]
    # Kept as bytes, and read again; and sent on.
    kept = wa.Message.decode(label.encoded())
    assert kept.content() == label.content()
    with pytest.raises(wa.errors.InvalidError) as broken:
        wa.Message.decode(b"\xff")
    assert broken.value.code == "no_message"
    _, got = await send(wa.Message.forward(asked.message))
    assert got.text == "a question"


async def test_times_beyond_the_calendar_arrive(server: wa.TestServer, link: Link) -> None:
    client, anna, bob = await link("anna"), server.phone("anna"), server.phone("bob")
    end = timedelta(seconds=253402300799)
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)

    async def write(encoded: str) -> wa.Content:
        await bob.send(anna.address(), wa.Message.decode(bytes.fromhex(encoded)))
        return (await next_message(client)).content

    # It begins after all seconds that fit, and ends at milliseconds that were taken for seconds.
    far = await write("da04161a0346617238ffffffffffffffff7f4080f0cc86a637")
    assert isinstance(far, wa.Content.OCCASION) and (far.name, far.starts, far.ends) == ("Far", last, last)
    late = await write("ea031208ffffffffffffffff7f10011a044c617465")
    assert isinstance(late, wa.Content.SCHEDULED_CALL) and (late.title, late.at) == ("Late", last)
    long = await write("aa04100801100118ffffffffffffffff7f2000")
    assert isinstance(long, wa.Content.CALL_LOG) and long.duration == end
    await bob.send_text(anna.address(), "and now")
    assert (await next_message(client)).text == "and now"


async def next_of_id(client: wa.Client, id: str) -> wa.MessageReceived:
    """The message of this id; those before it are passed over."""
    while (message := await next_message(client)).id != id:
        pass
    return message


async def each_of_the_others(
    client: wa.Client, ours: wa.MessageKey, theirs: wa.MessageKey
) -> list[tuple[wa.Message, type[Any], dict[str, Any]]]:
    """A message of each kind that stands for itself or is about another, what it is, and what it says."""
    message, content, kinds = wa.Message, wa.Content, wa.MediaKind
    files = {kind: await client.upload_bytes(bytes(3000), kind) for kind in kinds if kind != kinds.OTHER}
    stickers = [wa.NewSticker(webp=WEBP, emojis=["🐈"], label="a cat")]
    pack = wa.NewStickerPack(id="cats", name="Cats", publisher="Ana", tray_icon=WEBP, stickers=stickers)
    preview = wa.LinkOptions(url="https://example.org", title="Example", description="An example")
    film = wa.VideoOptions(caption="a film", duration=timedelta(seconds=9), width=40, height=30)
    sound = wa.AudioOptions(duration=timedelta(seconds=3), voice_note=True, waveform=bytes(64))
    file = wa.DocumentOptions(file_name="a.pdf", mimetype="application/pdf", title="A", pages=3)
    party = wa.OccasionOptions(name="Party", starts=NOON, ends=NOON + DAY, description="bring cake")
    quiz = wa.PollOptions(selectable=1, answer="4")
    return [
        (
            message.link("see https://example.org", preview),
            content.TEXT,
            {"text": "see https://example.org", "link": "https://example.org"},
        ),
        (message.image(files[kinds.IMAGE], wa.ImageOptions(view_once=True)), content.IMAGE, {"view_once": True}),
        (message.image(files[kinds.IMAGE]).view_once(), content.IMAGE, {"view_once": True}),
        (
            message.video(files[kinds.VIDEO], film),
            content.VIDEO,
            {"kind": wa.VideoKind.FILM, "caption": "a film", "duration": film.duration, "width": 40, "height": 30},
        ),
        (message.video(files[kinds.GIF]), content.VIDEO, {"kind": wa.VideoKind.GIF}),
        (message.video(files[kinds.ROUND_VIDEO]), content.VIDEO, {"kind": wa.VideoKind.ROUND}),
        (message.audio(files[kinds.AUDIO]), content.AUDIO, {"voice_note": False, "duration": None}),
        (
            message.audio(files[kinds.VOICE_NOTE], sound),
            content.AUDIO,
            {"voice_note": True, "duration": timedelta(seconds=3), "waveform": bytes(64)},
        ),
        (
            message.document(files[kinds.DOCUMENT], file),
            content.DOCUMENT,
            {"file_name": "a.pdf", "mimetype": "application/pdf", "pages": 3},
        ),
        (
            await client.upload_sticker_pack(pack),
            content.STICKER_PACK,
            {"name": "Cats", "publisher": "Ana"},
        ),
        (message.album(1, 2), content.ALBUM, {"images": 1, "videos": 2}),
        (message.image(files[kinds.IMAGE]).in_album(ours), content.IMAGE, {"caption": None}),
        (
            message.live_location(52.5, 13.25, "on my way", 7),
            content.LIVE_LOCATION,
            {"latitude": 52.5, "longitude": 13.25, "caption": "on my way", "sequence": 7},
        ),
        (
            message.poll("2 + 2?", ["3", "4"], quiz),
            content.POLL,
            {"question": "2 + 2?", "options": ["3", "4"], "selectable": 1, "quiz": True},
        ),
        (
            message.occasion(party),
            content.OCCASION,
            {"name": "Party", "description": "bring cake", "starts": NOON, "ends": NOON + DAY, "canceled": False},
        ),
        (message.pin(theirs, DAY), content.PIN, {"duration": DAY}),
        (message.unpin(theirs), content.PIN, {"duration": None}),
        (message.keep(theirs, True), content.KEEP, {"kept": True}),
        (message.keep(theirs, False), content.KEEP, {"kept": False}),
        (message.disappearing(DAY), content.DISAPPEARING, {"after": DAY}),
        (message.disappearing(), content.DISAPPEARING, {"after": None}),
        (
            message.group_invite("120363000000000001@g.us", "CODE", "Crew", NOON),
            content.GROUP_INVITE,
            {"group": "120363000000000001@g.us", "code": "CODE", "name": "Crew", "expires": NOON},
        ),
        (message.member_label("Cook"), content.MEMBER_LABEL, {"label": "Cook"}),
        (message.reaction(theirs, ""), content.REACTION, {"emoji": None}),
    ]
