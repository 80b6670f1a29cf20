//! Messages of all kinds, out and in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_ffi::client::Client;
use wa_ffi::content::{Content, VideoKind};
use wa_ffi::error::WaError;
use wa_ffi::event::MessageReceived;
use wa_ffi::media::MediaKind;
use wa_ffi::message::{
    ImageOptions, LinkOptions, Message, MessageKey, OccasionOptions, PollOptions, VideoOptions,
    card_of_number,
};
use wa_ffi::polls::PollTally;
use wa_ffi::stickers::{NewSticker, NewStickerPack};
use wa_ffi::testing::{TestPhone, TestServer};

use crate::support::{arrived, link, message, phone, text};

#[tokio::test]
async fn messages_of_many_kinds() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let (client, other) = (link(&server, "anna").await, link(&server, "bob").await);
    let send = async |message| {
        let sent = client.send(bob.address(), message, None).await.unwrap();
        let received = Arc::clone(&bob).next_message().await.unwrap();
        assert_eq!(received.id, sent.id);
        (sent.key, received)
    };

    // Out.
    let picture = client.upload_bytes(vec![1; 3000], MediaKind::Image).await.unwrap();
    let options = ImageOptions {
        caption: Some("look".to_owned()),
        width: Some(40),
        height: Some(30),
        ..ImageOptions::default()
    };
    let (_, got) = send(Message::image(picture, Some(options))).await;
    let Content::Image { file, caption, width, height, .. } = got.content else { panic!() };
    assert_eq!((caption.as_deref(), width, height), (Some("look"), Some(40), Some(30)));
    assert_eq!((file.kind(), file.length()), (MediaKind::Image, Some(3000)));

    let webp = client.upload_bytes(vec![2; 2000], MediaKind::Sticker).await.unwrap();
    let (_, got) = send(Message::sticker(webp, None)).await;
    let Content::Sticker { mimetype, animated, .. } = got.content else { panic!() };
    assert_eq!((mimetype.as_str(), animated), ("image/webp", false));

    let (_, got) = send(Message::location(52.5, 13.25, Some("here".to_owned()), None)).await;
    let Content::Location { latitude, longitude, name, .. } = got.content else { panic!() };
    assert_eq!((latitude, longitude, name.as_deref()), (52.5, 13.25, Some("here")));

    let card = card_of_number("Carla".to_owned(), phone(&server, "carla").number()).unwrap();
    let (_, got) = send(Message::contacts(vec![card.clone()])).await;
    let Content::Contacts { cards } = got.content else { panic!() };
    assert_eq!(cards, [card]);

    let (first, _) = send(text("first")).await;
    let (_, got) = send(Message::edit(first.clone(), text("second")).unwrap()).await;
    let Content::Edit { target, message: edited } = got.content else { panic!() };
    assert_eq!(target.id, first.id);
    assert!(matches!(edited.content(), Content::Text { text, .. } if text == "second"));
    let (_, got) = send(Message::delete(first.clone()).unwrap()).await;
    assert!(matches!(got.content, Content::Delete { target } if target.id == first.id));

    // In, and what answers it.
    Arc::clone(&bob).send_text(anna.address(), "a question".to_owned()).await.unwrap();
    let asked = message(&client).await;
    let (_, got) = send(Message::reaction(asked.key.clone(), "👍".to_owned()).unwrap()).await;
    let Content::Reaction { target, emoji } = got.content else { panic!() };
    assert_eq!((target.id, emoji.as_deref()), (asked.id.clone(), Some("👍")));
    let answer = text("an answer").reply_to(asked.key.clone(), Some(asked.message)).unwrap();
    let (answered, got) = send(answer).await;
    assert_eq!((got.text.as_deref(), got.quoted.as_ref()), (Some("an answer"), Some(&asked.id)));
    let heart = Message::reaction(got.key, "❤".to_owned()).unwrap();
    Arc::clone(&bob).send(anna.address(), heart).await.unwrap();
    let reaction = message(&client).await;
    let Content::Reaction { target, emoji } = reaction.content else { panic!() };
    assert_eq!((target.id, emoji.as_deref()), (answered.id, Some("❤")));
    Arc::clone(&bob).send(anna.address(), Message::location(1.0, 2.0, None, None)).await.unwrap();
    assert!(matches!(message(&client).await.content, Content::Location { latitude: 1.0, .. }));

    // A poll, and the votes of two.
    let options = ["tea", "coffee", "water"].map(str::to_owned).to_vec();
    let (poll, got) = send(Message::poll("What?".to_owned(), options.clone(), None)).await;
    let Content::Poll { question, options: offered, selectable, .. } = &got.content else { panic!() };
    assert_eq!((question.as_str(), offered, *selectable), ("What?", &options, 1));
    let tally = PollTally::of(got.message, poll.clone()).unwrap();
    let asked = arrived(&other, &poll.id).await;
    let vote = Message::poll_vote(asked.key, vec!["coffee".to_owned()]).unwrap();
    other.send(anna.address(), vote, None).await.unwrap();
    let voted = message(&client).await;
    assert!(matches!(&voted.content, Content::PollVote { poll: of, .. } if of.id == poll.id));
    assert!(tally.add(voted).unwrap());
    assert!(!tally.add(reaction_of(&client, &bob, &anna, &poll).await).unwrap());
    tally.cast(anna.lid(), SystemTime::now(), vec!["coffee".to_owned(), "tea".to_owned()]).unwrap();
    let counts: Vec<_> =
        tally.options().into_iter().map(|option| (option.name, option.voters.len())).collect();
    let [tea, coffee, water] = <[String; 3]>::try_from(options).unwrap();
    assert_eq!(counts, [(tea, 0), (coffee, 2), (water, 0)]);
    let no_poll = PollTally::of(text("no poll"), poll).unwrap_err();
    assert!(matches!(&no_poll, WaError::Invalid { code, .. } if code == "no_poll"), "{no_poll:?}");

    // The rest, each with what the other side has of it.
    let sent = async |message| client.send(bob.address(), message, None).await.unwrap().key;
    let known = Known {
        about: sent(text("about this")).await,
        party: sent(Message::occasion(party())).await,
        lunch: sent(Message::poll("Lunch?".to_owned(), vec!["soup".to_owned()], None)).await,
        album: sent(Message::album(1, 0)).await,
        bob: bob.lid(),
    };
    let mut cases = files(&client, &known).await;
    cases.extend(about_messages(&known));
    cases.extend(by_themselves(&known));
    for (name, message, is_it) in cases {
        let sent = client.send(bob.address(), message, None).await.unwrap();
        let received = arrived(&other, &sent.id).await;
        assert!(is_it(&received, &known), "{name} came as {received:?}");
    }
}

/// What messages are about.
struct Known {
    about: MessageKey,
    party: MessageKey,
    lunch: MessageKey,
    album: MessageKey,
    bob: String,
}

/// What it is, the message, and whether that came.
type Case = (&'static str, Arc<Message>, fn(&MessageReceived, &Known) -> bool);

const DAY: Duration = Duration::from_secs(86_400);

/// A time, in seconds since 1970.
fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn party() -> OccasionOptions {
    OccasionOptions {
        name: "Party".to_owned(),
        starts: time(1_900_000_000),
        ends: Some(time(1_900_003_600)),
        description: Some("with cake".to_owned()),
    }
}

/// The message as the library below has it: the surface has no words for what stands beside a message's content.
fn below(received: &MessageReceived) -> wa_core::Message {
    wa_core::Message::from_encoded(received.message.encoded()).unwrap()
}

/// A picture of 512 by 512 pixels, as far as anybody looks into it.
fn webp() -> Vec<u8> {
    let head = b"RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\xFF\x01\0\xFF\x01\0";
    [head.as_slice(), &[1; 2000]].concat()
}

/// A time that no calendar of a host has is its last one; an event that a host cannot read would come again for good.
#[tokio::test]
async fn times_beyond_the_calendar_arrive() {
    let server = TestServer::start().await.unwrap();
    let (client, anna, bob) = (link(&server, "anna").await, phone(&server, "anna"), phone(&server, "bob"));
    let write = async |encoded: &str| {
        let byte = |at: usize| u8::from_str_radix(&encoded[at..at + 2], 16).unwrap();
        let encoded = (0..encoded.len()).step_by(2).map(byte).collect();
        Arc::clone(&bob).send(anna.address(), Message::decode(encoded).unwrap()).await.unwrap();
        message(&client).await.content
    };
    let end = Duration::from_secs(253_402_300_799);
    let last = SystemTime::UNIX_EPOCH + end;
    // It begins after all seconds that fit, and ends at milliseconds that were taken for seconds.
    let far = write("da04161a0346617238ffffffffffffffff7f4080f0cc86a637").await;
    let Content::Occasion { name, starts, ends, .. } = far else { panic!("{far:?}") };
    assert_eq!((name.as_str(), starts, ends), ("Far", Some(last), Some(last)));
    let late = write("ea031208ffffffffffffffff7f10011a044c617465").await;
    let Content::ScheduledCall { at, .. } = late else { panic!("{late:?}") };
    assert_eq!(at, Some(last));
    let long = write("aa04100801100118ffffffffffffffff7f2000").await;
    let Content::CallLog { duration, .. } = long else { panic!("{long:?}") };
    assert_eq!(duration, end);
    Arc::clone(&bob).send_text(anna.address(), "and now".to_owned()).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("and now"));
}

async fn files(client: &Client, known: &Known) -> Vec<Case> {
    let file = async |kind| client.upload_bytes(vec![3; 500], kind).await.unwrap();
    let film = VideoOptions {
        caption: Some("look".to_owned()),
        mimetype: None,
        kind: None,
        duration: Some(Duration::from_secs(9)),
        width: Some(40),
        height: Some(30),
        thumbnail: None,
        view_once: false,
    };
    let picture = file(MediaKind::Image).await;
    assert_eq!(picture.with_kind(MediaKind::Document).unwrap().kind(), MediaKind::Document);
    let picture = Message::image(picture, None);
    let pack = NewStickerPack {
        id: "cats-1".to_owned(),
        name: "Cats".to_owned(),
        publisher: "Ana".to_owned(),
        tray_icon: webp(),
        stickers: vec![NewSticker { webp: webp(), emojis: vec!["🐈".to_owned()], label: None }],
        caption: None,
        description: None,
    };
    vec![
        ("a film", Message::video(file(MediaKind::Video).await, Some(film)), |received, _| {
            let Content::Video { kind, duration, width, .. } = &received.content else { return false };
            (*kind, *duration, *width) == (VideoKind::Film, Some(Duration::from_secs(9)), Some(40))
                && received.text.as_deref() == Some("look")
        }),
        ("a GIF", Message::video(file(MediaKind::Gif).await, None), |received, _| {
            matches!(received.content, Content::Video { kind: VideoKind::Gif, .. })
        }),
        ("a round film", Message::video(file(MediaKind::RoundVideo).await, None), |received, _| {
            matches!(received.content, Content::Video { kind: VideoKind::Round, .. })
        }),
        ("a sound", Message::audio(file(MediaKind::Audio).await, None), |received, _| {
            matches!(received.content, Content::Audio { voice_note: false, .. })
        }),
        ("a voice note", Message::audio(file(MediaKind::VoiceNote).await, None), |received, _| {
            let Content::Audio { voice_note, mimetype, .. } = &received.content else { return false };
            *voice_note && mimetype == "audio/ogg; codecs=opus"
        }),
        (
            "a pack of stickers",
            client.upload_sticker_pack(pack).await.unwrap(),
            |received, _| matches!(&received.content, Content::StickerPack { name, .. } if name == "Cats"),
        ),
        ("what is seen once", picture.view_once(), |received, _| {
            matches!(received.content, Content::Image { view_once: true, .. })
        }),
        ("a picture of an album", picture.in_album(known.album.clone()).unwrap(), |received, known| {
            below(received).association().is_some_and(|of| of.parent.id.as_str() == known.album.id)
        }),
    ]
}

fn about_messages(known: &Known) -> Vec<Case> {
    let about = || known.about.clone();
    vec![
        ("a pin", Message::pin(about(), DAY).unwrap(), |received, known| {
            let Content::Pin { target, duration } = &received.content else { return false };
            target.id == known.about.id && *duration == Some(DAY)
        }),
        ("the end of it", Message::unpin(about()).unwrap(), |received, known| {
            let Content::Pin { target, duration } = &received.content else { return false };
            target.id == known.about.id && duration.is_none()
        }),
        ("what is kept", Message::keep(about(), true).unwrap(), |received, known| {
            let Content::Keep { target, kept } = &received.content else { return false };
            target.id == known.about.id && *kept
        }),
        ("what is kept no more", Message::keep(about(), false).unwrap(), |received, known| {
            let Content::Keep { target, kept } = &received.content else { return false };
            target.id == known.about.id && !kept
        }),
        ("a comment", Message::comment(about(), text("indeed")).unwrap(), |received, known| {
            let Content::Comment { target, message } = &received.content else { return false };
            target.id == known.about.id
                && matches!(message.content(), Content::Text { text, .. } if text == "indeed")
        }),
        (
            "who comes",
            Message::occasion_answer(known.party.clone(), Some(true), 2).unwrap(),
            |received, known| {
                let Content::OccasionAnswer { occasion, going, guests } = &received.content else {
                    return false;
                };
                (&occasion.id, *going, *guests) == (&known.party.id, Some(true), 2)
            },
        ),
        (
            "one more option",
            Message::poll_option(known.lunch.clone(), "salad".to_owned()).unwrap(),
            |received, known| {
                let Content::PollOption { poll, name } = &received.content else { return false };
                poll.id == known.lunch.id && name == "salad"
            },
        ),
    ]
}

fn by_themselves(known: &Known) -> Vec<Case> {
    let link = LinkOptions {
        url: "https://example.org".to_owned(),
        title: Some("Example".to_owned()),
        description: None,
        thumbnail: None,
    };
    let options = vec!["three".to_owned(), "four".to_owned()];
    let quiz = PollOptions { selectable: 1, answer: Some("four".to_owned()) };
    let invite =
        Message::group_invite("5@g.us".to_owned(), "CODE".to_owned(), "Crew".to_owned(), time(1_900_000_000));
    let named = text(&format!("@{} look", known.bob.split('@').next().unwrap()));
    // As a host that kept it has it.
    let news = Message::decode(text("news").encoded()).unwrap();
    vec![
        ("a link", Message::link("see https://example.org".to_owned(), link), |received, _| {
            let Content::Text { text, link } = &received.content else { return false };
            text.starts_with("see") && link.as_deref() == Some("https://example.org")
        }),
        ("a quiz", Message::poll("Two and two?".to_owned(), options, Some(quiz)), |received, _| {
            matches!(received.content, Content::Poll { quiz: true, .. })
        }),
        (
            "where somebody is",
            Message::live_location(52.5, 13.25, Some("on my way".to_owned()), 3),
            |received, _| {
                let Content::LiveLocation { latitude, caption, sequence, .. } = &received.content else {
                    return false;
                };
                (*latitude, caption.as_deref(), *sequence) == (52.5, Some("on my way"), 3)
            },
        ),
        ("an event", Message::occasion(party()), |received, _| {
            let Content::Occasion { name, starts, ends, description, canceled } = &received.content else {
                return false;
            };
            let party = party();
            (name, starts, ends, description)
                == (&party.name, &Some(party.starts), &party.ends, &party.description)
                && !canceled
        }),
        ("an invitation", invite.unwrap(), |received, _| {
            let Content::GroupInvite { group, code, name, expires, .. } = &received.content else {
                return false;
            };
            (group.as_str(), code.0.as_str(), name.as_str()) == ("5@g.us", "CODE", "Crew")
                && *expires == Some(time(1_900_000_000))
        }),
        (
            "a label",
            Message::member_label("Cook".to_owned()),
            |received, _| matches!(&received.content, Content::MemberLabel { label } if label == "Cook"),
        ),
        ("an album", Message::album(2, 1), |received, _| {
            matches!(received.content, Content::Album { images: 2, videos: 1 })
        }),
        ("what is sent on", Message::forward(news), |received, _| {
            received.text.as_deref() == Some("news") && below(received).context().forwarded == Some(1)
        }),
        ("a name", named.mention(vec![known.bob.clone()]).unwrap(), |received, known| {
            received.mentions == std::slice::from_ref(&known.bob)
        }),
        ("the names of all", text("@all").mention_all(), |received, _| {
            below(received).context().mentions_all
        }),
        ("what disappears", text("soon gone").expire_after(DAY), |received, _| {
            below(received).context().expiration == Some(DAY)
        }),
        (
            "a time to stay",
            Message::disappearing(Some(DAY)),
            |received, _| matches!(received.content, Content::Disappearing { after: Some(time) } if time == DAY),
        ),
        ("no such time", Message::disappearing(None), |received, _| {
            matches!(received.content, Content::Disappearing { after: None })
        }),
    ]
}

/// A reaction to the poll, as the client gets it.
async fn reaction_of(
    client: &Client,
    bob: &Arc<TestPhone>,
    anna: &TestPhone,
    poll: &MessageKey,
) -> MessageReceived {
    let target = MessageKey { chat: anna.address(), from_me: false, ..poll.clone() };
    let reaction = Message::reaction(target, "🤔".to_owned()).unwrap();
    Arc::clone(bob).send(anna.address(), reaction).await.unwrap();
    message(client).await
}
