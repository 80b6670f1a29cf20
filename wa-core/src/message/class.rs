//! How the stanza of a message presents its content. Protocol: messages, "`type`", "`mediatype` on `enc`", "`edit`",
//! "`decrypt-fail`".

use wa_proto::e2e;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::secret_encrypted_message::SecretEncType;

use super::wrapper;
use crate::stanza::message::Class;

/// The class of a message. Wrappers are looked through; content that we do not know counts as text.
pub(super) fn of(message: &e2e::Message) -> Class {
    let inner = wrapper::unwrap(message);
    let secret = inner.secret_encrypted_message.as_ref().map(|message| message.secret_enc_type());
    let mut class = kind(inner, secret);
    class.edit = edit(message, inner, secret);
    class.hides_failure = hides_failure(message, inner, secret);
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
    let is_removal = m.reaction_message.as_ref().is_some_and(|reaction| reaction.text().is_empty());
    if outer.edited_message.is_some()
        || protocol_type(m) == Some(Type::MessageEdit)
        || matches!(secret, Some(SecretEncType::MessageEdit | SecretEncType::EventEdit))
    {
        Some("1")
    } else if m.pin_in_chat_message.is_some() {
        Some("2")
    } else if is_removal || protocol_type(m) == Some(Type::Revoke) {
        Some("7")
    } else {
        None
    }
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
