//! How the stanza of a message presents its content. Protocol: messages, "`type`", "`mediatype` on `enc`", "`edit`",
//! "`decrypt-fail`", "`meta`".

use wa_proto::common::MessageKey;
use wa_proto::e2e;
use wa_proto::e2e::KeepType;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::secret_encrypted_message::SecretEncType;

use super::wrapper::{self, Wrapper};
use crate::stanza::message::Class;

/// The class of a message. Wrappers are looked through; content that we do not know counts as text.
pub(super) fn of(message: &e2e::Message) -> Class {
    let inner = wrapper::unwrap(message);
    let secret = inner.secret_encrypted_message.as_ref().map(|message| message.secret_enc_type());
    let mut class = kind(inner, secret);
    class.edit = edit(message, inner, secret);
    class.hides_failure = hides_failure(message, inner, secret);
    class.meta = meta(message, inner, secret);
    class
}

fn kind(m: &e2e::Message, secret: Option<SecretEncType>) -> Class {
    if m.reaction_message.is_some() || m.enc_reaction_message.is_some() {
        Class::new("reaction")
    } else if m.event_message.is_some()
        || m.enc_event_response_message.is_some()
        || secret == Some(SecretEncType::EventEdit)
    {
        Class::new("event")
    } else if has_poll(m) || matches!(secret, Some(SecretEncType::PollEdit | SecretEncType::PollAddOption)) {
        Class::new("poll")
    } else {
        media(m).map_or(Class::TEXT, Class::media)
    }
}

fn has_poll(m: &e2e::Message) -> bool {
    m.poll_creation_message.is_some()
        || m.poll_creation_message_v2.is_some()
        || m.poll_creation_message_v3.is_some()
        || m.poll_creation_message_v5.is_some()
        || m.poll_creation_message_v6.is_some()
        || m.poll_update_message.is_some()
}

fn media(m: &e2e::Message) -> Option<&'static str> {
    let has_link = |text: &e2e::ExtendedTextMessage| !text.matched_text().trim().is_empty();
    if m.extended_text_message.as_ref().is_some_and(|text| has_link(text)) || m.group_invite_message.is_some()
    {
        return Some("url");
    }
    if let Some(video) = &m.video_message {
        return Some(if video.gif_playback() { "gif" } else { "video" });
    }
    if let Some(audio) = &m.audio_message {
        return Some(if audio.ptt() { "ptt" } else { "audio" });
    }
    let kinds = [
        (m.image_message.is_some(), "image"),
        (m.ptv_message.is_some(), "ptv"),
        (m.document_message.is_some(), "document"),
        (m.sticker_message.is_some() || m.lottie_sticker_message.is_some(), "sticker"),
        (m.sticker_pack_message.is_some(), "sticker_pack"),
        (m.location_message.is_some(), "location"),
        (m.live_location_message.is_some(), "livelocation"),
        (m.contact_message.is_some(), "vcard"),
        (m.contacts_array_message.is_some(), "contact_array"),
        (m.list_message.is_some(), "list"),
        (m.list_response_message.is_some(), "list_response"),
        (m.buttons_response_message.is_some(), "buttons_response"),
        (m.interactive_response_message.is_some(), "native_flow_response"),
        (m.order_message.is_some(), "order"),
        (m.product_message.is_some(), "product"),
        (m.message_history_bundle.is_some(), "group_history"),
    ];
    kinds.into_iter().find_map(|(is_this, name)| is_this.then_some(name))
}

fn protocol_type(m: &e2e::Message) -> Option<Type> {
    m.protocol_message.as_ref().map(|protocol| protocol.r#type())
}

fn edit(outer: &e2e::Message, m: &e2e::Message, secret: Option<SecretEncType>) -> Option<&'static str> {
    let is_removal = m.reaction_message.as_ref().is_some_and(|reaction| reaction.text().is_empty())
        || m.keep_in_chat_message.as_ref().is_some_and(|keep| {
            keep.keep_type() == KeepType::UndoKeepForAll && keep.key.as_ref().is_some_and(MessageKey::from_me)
        });
    let is_own = |protocol: &e2e::ProtocolMessage| protocol.key.as_ref().is_none_or(|key| key.from_me());
    if outer.edited_message.is_some()
        || protocol_type(m) == Some(Type::MessageEdit)
        || matches!(secret, Some(SecretEncType::MessageEdit | SecretEncType::EventEdit))
    {
        Some("1")
    } else if m.pin_in_chat_message.is_some() {
        Some("2")
    } else if let Some(protocol) = &m.protocol_message
        && protocol_type(m) == Some(Type::Revoke)
    {
        Some(if is_own(protocol) { "7" } else { "8" })
    } else if is_removal {
        Some("7")
    } else {
        None
    }
}

type Attributes = &'static [(&'static str, &'static str)];

fn meta(outer: &e2e::Message, m: &e2e::Message, secret: Option<SecretEncType>) -> Attributes {
    let label = m.protocol_message.as_ref().and_then(|protocol| protocol.member_label.as_ref());
    if m.poll_update_message.is_some() {
        &[("polltype", "vote")]
    } else if matches!(secret, Some(SecretEncType::PollEdit | SecretEncType::PollAddOption)) {
        &[("polltype", "edit")]
    } else if has_poll(m) {
        &[("polltype", "creation")]
    } else if m.enc_event_response_message.is_some() {
        &[("event_type", "response")]
    } else if secret == Some(SecretEncType::EventEdit) {
        &[("event_type", "edit")]
    } else if m.event_message.is_some() {
        &[("event_type", "creation")]
    } else if is_view_once(outer) {
        &[("view_once", "true")]
    } else if let Some(label) = label {
        if label.label().is_empty() {
            &[("appdata", "member_tag"), ("tag_reason", "user_delete")]
        } else {
            &[("appdata", "member_tag"), ("tag_reason", "user_update")]
        }
    } else {
        &[]
    }
}

/// Whether it is to be viewed or played once.
pub(super) fn is_view_once(message: &e2e::Message) -> bool {
    let unwrapped = wrapper::unwrapped(message);
    let m = unwrapped.inner;
    unwrapped.wrappers.contains(&Wrapper::ViewOnce)
        || m.image_message.as_ref().is_some_and(|media| media.view_once())
        || m.video_message.as_ref().is_some_and(|media| media.view_once())
        || m.ptv_message.as_ref().is_some_and(|media| media.view_once())
        || m.audio_message.as_ref().is_some_and(|media| media.view_once())
        || m.extended_text_message.as_ref().is_some_and(|text| text.view_once())
}

fn hides_failure(outer: &e2e::Message, m: &e2e::Message, secret: Option<SecretEncType>) -> bool {
    let has_edited = |protocol: &e2e::ProtocolMessage| protocol.edited_message.is_some();
    outer.edited_message.is_some()
        || m.protocol_message.as_ref().is_some_and(|protocol| has_edited(protocol))
        || m.reaction_message.is_some()
        || m.enc_reaction_message.is_some()
        || m.pin_in_chat_message.is_some()
        || m.keep_in_chat_message.is_some()
        || m.poll_update_message.is_some()
        || m.enc_event_response_message.is_some()
        || m.enc_comment_message.is_some()
        || m.message_history_notice.is_some()
        || matches!(
            secret,
            Some(SecretEncType::EventEdit | SecretEncType::PollEdit | SecretEncType::PollAddOption)
        )
        || matches!(
            protocol_type(m),
            Some(Type::EphemeralSyncResponse | Type::RequestWelcomeMessage | Type::GroupMemberLabelChange)
        )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wa_types::Jid;

    use super::*;
    use crate::media::{Attachment, MediaKind};
    use crate::message::content::*;
    use crate::message::{Message, MessageKey as Key};

    const NONE: Attributes = &[];

    fn own() -> Key {
        Key::own(&Jid::pn("2"), "X".into())
    }

    fn others() -> Key {
        Key::by(&Jid::lid("3"), &"5@g.us".parse().unwrap(), "X".into())
    }

    fn class(
        message: impl Into<Message>,
    ) -> (&'static str, Option<&'static str>, Option<&'static str>, bool, Attributes) {
        let class = message.into().class();
        (class.kind, class.media, class.edit, class.hides_failure, class.meta)
    }

    fn media(kind: MediaKind) -> Attachment {
        Attachment::new(kind)
    }

    #[test]
    fn media_has_its_kind() {
        let of = |name| ("media", Some(name), None, false, NONE);
        let day = wa_types::UnixSeconds(86_400);
        let card = || ContactCard::of_number("A", &Jid::pn("1"));
        assert_eq!(class(Image::new(media(MediaKind::Image))), of("image"));
        assert_eq!(class(Video::new(media(MediaKind::Video))), of("video"));
        assert_eq!(class(Video::new(media(MediaKind::Gif))), of("gif"));
        assert_eq!(class(Video::new(media(MediaKind::RoundVideo))), of("ptv"));
        assert_eq!(class(Audio::new(media(MediaKind::Audio))), of("audio"));
        assert_eq!(class(Audio::new(media(MediaKind::VoiceNote))), of("ptt"));
        let document = || Document::new(media(MediaKind::Document), "a/b", "c");
        assert_eq!(class(document()), of("document"));
        assert_eq!(class(document().caption("c")), of("document"));
        assert_eq!(class(Sticker::new(media(MediaKind::Sticker))), of("sticker"));
        assert_eq!(class(Sticker::new(media(MediaKind::Sticker)).lottie()), of("sticker"));
        let pack = StickerPack::new("a", "b", "c", media(MediaKind::StickerPack), Vec::new());
        assert_eq!(class(pack), of("sticker_pack"));
        assert_eq!(class(Location::new(1.0, 2.0)), of("location"));
        assert_eq!(class(LiveLocation::new(1.0, 2.0)), of("livelocation"));
        assert_eq!(class(card()), of("vcard"));
        assert_eq!(class(Contacts::new(vec![card(), card()])), of("contact_array"));
        assert_eq!(class(GroupInvite::new(&"5@g.us".parse().unwrap(), "C", "n", day)), of("url"));
        assert_eq!(class(Message::link("see a.b", LinkPreview::new("a.b"))), of("url"));
    }

    #[test]
    fn what_is_no_media_has_none() {
        let text = ("text", None, None, false, NONE);
        assert_eq!(class(Message::text("x")), text);
        assert_eq!(class(Message::text("x").mention_all()), text);
        assert_eq!(class(Album::new(1, 1)), text);
        assert_eq!(class(Message::disappearing(None)), text);
        let poll = || Poll::new("q", ["a", "b"]);
        let creation: Attributes = &[("polltype", "creation")];
        assert_eq!(class(poll()), ("poll", None, None, false, creation));
        assert_eq!(class(poll().selectable(0)), ("poll", None, None, false, creation));
        assert_eq!(class(poll().quiz("a")), ("poll", None, None, false, creation));
        let event = Occasion::new("n", wa_types::UnixSeconds(1));
        assert_eq!(class(event), ("event", None, None, false, &[("event_type", "creation")][..]));
        let label = |reason| -> [(&str, &str); 2] { [("appdata", "member_tag"), ("tag_reason", reason)] };
        assert_eq!(class(MemberLabel::new("x")), ("text", None, None, true, &label("user_update")[..]));
        assert_eq!(class(MemberLabel::new("")), ("text", None, None, true, &label("user_delete")[..]));
    }

    #[test]
    fn what_changes_a_message_says_how() {
        let of = |kind, edit, hides| (kind, None, edit, hides, NONE);
        let day = Duration::from_secs(86_400);
        assert_eq!(class(Message::reaction(own(), "+")), of("reaction", None, true));
        assert_eq!(class(Message::reaction_removed(own())), of("reaction", Some("7"), true));
        assert_eq!(class(Message::edit(own(), Message::text("y"))), of("text", Some("1"), true));
        assert_eq!(class(Message::delete(own())), of("text", Some("7"), false));
        assert_eq!(class(Message::delete(others())), of("text", Some("8"), false));
        assert_eq!(class(Message::pin(others(), day)), of("text", Some("2"), true));
        assert_eq!(class(Message::unpin(others())), of("text", Some("2"), true));
        assert_eq!(class(Message::keep(own())), of("text", None, true));
        assert_eq!(class(Message::unkeep(own())), of("text", Some("7"), true));
        assert_eq!(class(Message::unkeep(others())), of("text", None, true));
    }

    #[test]
    fn what_is_viewed_once_says_so() {
        let once: Attributes = &[("view_once", "true")];
        let image = Message::from(Image::new(media(MediaKind::Image))).view_once();
        assert!(image.is_view_once());
        assert_eq!(class(image), ("media", Some("image"), None, false, once));
        let voice = Message::from(Audio::new(media(MediaKind::VoiceNote))).view_once();
        assert_eq!(class(voice), ("media", Some("ptt"), None, false, once));
    }

    #[test]
    fn what_is_sealed_says_what_it_is() {
        let of = |message| class(Message::from_proto(message));
        let sealed = |kind: SecretEncType| {
            let sealed =
                e2e::SecretEncryptedMessage { secret_enc_type: Some(kind as i32), ..Default::default() };
            of(e2e::Message { secret_encrypted_message: Some(Box::new(sealed)), ..Default::default() })
        };
        let vote = e2e::Message { poll_update_message: Some(Box::default()), ..Default::default() };
        assert_eq!(of(vote), ("poll", None, None, true, &[("polltype", "vote")][..]));
        let answer = e2e::Message { enc_event_response_message: Some(Box::default()), ..Default::default() };
        assert_eq!(of(answer), ("event", None, None, true, &[("event_type", "response")][..]));
        assert_eq!(sealed(SecretEncType::MessageEdit), ("text", None, Some("1"), false, NONE));
        assert_eq!(
            sealed(SecretEncType::EventEdit),
            ("event", None, Some("1"), true, &[("event_type", "edit")][..])
        );
        assert_eq!(sealed(SecretEncType::PollEdit), ("poll", None, None, true, &[("polltype", "edit")][..]));
        assert_eq!(
            sealed(SecretEncType::PollAddOption),
            ("poll", None, None, true, &[("polltype", "edit")][..])
        );
    }
}
