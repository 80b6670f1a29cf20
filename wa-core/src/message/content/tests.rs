//! Each kind that can be sent, read again.

use std::time::Duration;

use wa_proto::e2e;
use wa_types::{Jid, UnixMillis, UnixSeconds};

use super::*;
use crate::media::{Attachment, MediaKey, MediaKind};
use crate::message::{Message, Wrapper};

fn file(kind: MediaKind) -> Attachment {
    let mut file = Attachment::new(kind);
    file.direct_path = Some("/v/t62.7/1?ccb=11-4".into());
    file.key = Some(MediaKey::new([1; 32]));
    file.key_timestamp = Some(UnixSeconds(1_700_000_000));
    file.file_sha256 = Some([2; 32]);
    file.file_enc_sha256 = Some([3; 32]);
    file.file_length = Some(4000);
    file
}

fn key() -> MessageKey {
    MessageKey::by(&Jid::lid("11"), &"33@g.us".parse().unwrap(), "TARGET".into())
}

fn preview() -> LinkPreview {
    let mut picture = file(MediaKind::LinkThumbnail);
    picture.file_length = None;
    LinkPreview::new("https://example.org/a")
        .title("A")
        .description("B")
        .thumbnail(vec![9])
        .picture(picture, 4, 3)
}

/// Everything that can be sent, as a content and as the message that it becomes.
fn all() -> Vec<(Content, Message)> {
    macro_rules! pair {
        ($kind:ident, $value:expr) => {{
            let value = $value;
            (Content::$kind(value.clone()), Message::from(value))
        }};
    }
    let at = Some(UnixMillis(1_700_000_000_500));
    let since = Some(UnixSeconds(1_700_000_000));
    let minute = Duration::from_secs(60);
    let stickers = vec![PackedSticker::new("hash.webp", ["😀", "🎈"])];
    let mut pack_picture = file(MediaKind::StickerPackThumbnail);
    pack_picture.file_length = None;
    let poll = || Poll::new("Lunch?", ["Soup", "Salad", "Bread"]);
    let card = || ContactCard::of_number("Ana", &Jid::pn("15550001"));
    vec![
        pair!(Text, Text { text: "*bold* \u{1F600}".into(), ..Text::default() }),
        pair!(Text, Text { text: "see https://example.org/a".into(), link: Some(preview()), style: None }),
        pair!(Text, Text { text: "status".into(), link: None, style: Some(TextStyle::on(0xFF11_2233)) }),
        pair!(Image, Image::new(file(MediaKind::Image)).caption("c").size((640, 480)).thumbnail(vec![1, 2])),
        pair!(Image, Image { is_view_once: true, ..Image::new(file(MediaKind::Image)) }),
        pair!(Video, Video::new(file(MediaKind::Video)).duration(minute).caption("c")),
        pair!(Video, Video::new(file(MediaKind::Gif)).size((10, 20))),
        pair!(Video, Video::new(file(MediaKind::RoundVideo)).duration(minute)),
        pair!(Audio, Audio::new(file(MediaKind::Audio)).duration(minute)),
        pair!(Audio, Audio::new(file(MediaKind::VoiceNote)).waveform((0..64).collect())),
        pair!(Audio, Audio { is_view_once: true, ..Audio::new(file(MediaKind::VoiceNote)) }),
        pair!(
            Document,
            Document::new(file(MediaKind::Document), "application/pdf", "a.pdf").title("A").pages(3)
        ),
        pair!(
            Document,
            Document::new(file(MediaKind::Document), "text/plain", "a.txt").title("A").caption("c")
        ),
        pair!(Sticker, Sticker::new(file(MediaKind::Sticker)).label("a cat")),
        pair!(Sticker, Sticker::new(file(MediaKind::Sticker)).lottie()),
        pair!(
            StickerPack,
            StickerPack::new("pack", "Cats", "Ana", file(MediaKind::StickerPack), stickers).thumbnail(
                pack_picture,
                252,
                252
            )
        ),
        pair!(Album, Album::new(2, 1)),
        pair!(Location, Location::new(52.5, -13.25).name("Here").address("There")),
        pair!(LiveLocation, LiveLocation { accuracy: Some(5), sequence: 7, ..LiveLocation::new(1.0, 2.0) }),
        pair!(Contacts, Contacts { name: Some("Two".into()), cards: vec![card(), card()] }),
        (Content::Contacts(Contacts::new(vec![card()])), Message::contact(card())),
        pair!(Reaction, Reaction { at, ..Reaction::new(key(), "👍") }),
        pair!(Reaction, Reaction::new(key(), "")),
        pair!(Poll, poll()),
        pair!(Poll, poll().selectable(0)),
        pair!(Poll, poll().quiz("Soup")),
        pair!(
            Occasion,
            Occasion::new("Party", UnixSeconds(5)).ends(UnixSeconds(6)).location(Location::new(1.0, 2.0))
        ),
        pair!(Edit, Edit { at, ..Edit::new(key(), Message::text("new")) }),
        pair!(Revoke, Revoke::new(key())),
        pair!(Pin, Pin { at, ..Pin::new(key(), Duration::from_secs(86_400)) }),
        pair!(Pin, Pin::removed(key())),
        pair!(Keep, Keep { at, ..Keep::new(key(), true) }),
        pair!(Keep, Keep::new(key(), false)),
        pair!(Disappearing, Disappearing { after: Some(Duration::from_secs(604_800)), since }),
        pair!(Disappearing, Disappearing::new(None)),
        pair!(MemberLabel, MemberLabel { label: "Crew".into(), since }),
        pair!(
            GroupInvite,
            GroupInvite::new(&"33@g.us".parse().unwrap(), "CODE", "Crew", UnixSeconds(9)).caption("come")
        ),
    ]
}

#[test]
fn what_is_sent_is_read_again() {
    for (content, message) in all() {
        let read = Message::from_encoded(message.encoded().to_vec()).unwrap().content();
        assert!(read == content, "{}: {:?}", content.name(), message.proto());
    }
}

#[test]
fn contents_do_not_show_in_logs() {
    for (content, message) in all() {
        let (content, message) = (format!("{content:?}"), format!("{message:?}"));
        for secret in
            ["Ana", "Lunch", "bold", "new", "Crew", "CODE", "example.org", "15550001", "👍", "There"]
        {
            assert!(!content.contains(secret) && !message.contains(secret), "{content} {message}");
        }
    }
}

#[test]
fn a_plain_text_is_the_short_form() {
    let plain = Message::from(Text { text: "hi".into(), ..Text::default() });
    assert_eq!(plain, Message::text("hi"));
    let extended = e2e::ExtendedTextMessage { text: Some("hi".into()), ..Default::default() };
    let extended = e2e::Message { extended_text_message: Some(Box::new(extended)), ..Default::default() };
    assert_eq!(Message::from_proto(extended).content(), plain.content());
}

#[test]
fn an_unknown_kind_keeps_its_bytes() {
    // A wrapper with a field that this version does not know, with the number 5000.
    let inner = [0xC2, 0xB8, 0x02, 1, 7];
    let wrapped = [&[0xC2, 0x02, 7, 0x0A, 5][..], &inner].concat();
    let message = Message::from_encoded(wrapped).unwrap();
    assert_eq!(message.wrappers(), [Wrapper::Ephemeral]);
    assert_eq!(message.content(), Content::Unknown(inner.to_vec()));
    assert_eq!(Message::from_encoded(Vec::new()).unwrap().content(), Content::Empty);
    assert!(Message::from_encoded(vec![0xFF; 9]).is_err());
}

#[test]
fn what_lacks_its_target_is_unknown() {
    let reaction = e2e::ReactionMessage { text: Some("👍".into()), ..Default::default() };
    let message = e2e::Message { reaction_message: Some(Box::new(reaction)), ..Default::default() };
    assert!(matches!(Message::from_proto(message).content(), Content::Unknown(_)));
    // No type is not the type of number zero, which deletes.
    let protocol = e2e::ProtocolMessage { key: Some(Box::new(key().to_proto())), ..Default::default() };
    assert!(matches!(Message::from_protocol(protocol).content(), Content::Unknown(_)));
}

#[test]
fn buttons_lists_and_choices_are_read() {
    use wa_proto::e2e::buttons_message::button::ButtonText;
    use wa_proto::e2e::{buttons_message, list_message, list_response_message};
    let of = |message| Message::from_proto(message).content();
    let button = buttons_message::Button {
        button_id: Some("yes".into()),
        button_text: Some(ButtonText { display_text: Some("Yes".into()) }),
        ..Default::default()
    };
    let buttons = e2e::ButtonsMessage {
        content_text: Some("Sure?".into()),
        buttons: vec![button],
        ..Default::default()
    };
    let Content::Interactive(read) =
        of(e2e::Message { buttons_message: Some(Box::new(buttons)), ..Default::default() })
    else {
        panic!("buttons")
    };
    assert!(read.body == "Sure?" && read.buttons == [Button::Reply { text: "Yes".into(), id: "yes".into() }]);

    let row = list_message::Row { row_id: Some("1".into()), title: Some("One".into()), ..Default::default() };
    let section = list_message::Section { title: None, rows: vec![row] };
    let list = e2e::ListMessage { title: Some("Pick".into()), sections: vec![section], ..Default::default() };
    let Content::List(read) = of(e2e::Message { list_message: Some(Box::new(list)), ..Default::default() })
    else {
        panic!("list")
    };
    assert_eq!((read.title.as_str(), read.sections[0].rows[0].id.as_str()), ("Pick", "1"));

    let reply = list_response_message::SingleSelectReply { selected_row_id: Some("1".into()) };
    let response = e2e::ListResponseMessage { single_select_reply: Some(reply), ..Default::default() };
    let Content::Choice(choice) =
        of(e2e::Message { list_response_message: Some(Box::new(response)), ..Default::default() })
    else {
        panic!("choice")
    };
    assert_eq!(choice.id, "1");

    // Cards that hold cards come to an end.
    let mut card = e2e::InteractiveMessage::default();
    for _ in 0..10 {
        let carousel = e2e::interactive_message::CarouselMessage { cards: vec![card], ..Default::default() };
        let kind = e2e::interactive_message::InteractiveMessage::CarouselMessage(carousel);
        card = e2e::InteractiveMessage { interactive_message: Some(kind), ..Default::default() };
    }
    let Content::Interactive(mut cards) =
        of(e2e::Message { interactive_message: Some(Box::new(card)), ..Default::default() })
    else {
        panic!("cards")
    };
    let mut depth = 0;
    while let Some(inner) = cards.cards.pop() {
        (cards, depth) = (inner, depth + 1);
    }
    assert_eq!(depth, 2);
}
