//! What a message is for the limits: what is done, and whether its text is counted. Requirements: manager.md, 3.3, 3.7.

use wa_core::crypto::kdf::hmac_sha256;
use wa_core::message::Content;
use wa_types::Jid;

use super::request::Recipient;
use crate::store::ContactRecord;
use crate::trust::{Deed, Person};

/// What sending this does; `None` when nothing can be sent there. `contact` is who it is for, as far as they are known.
pub(super) fn deed_of(
    recipient: &Recipient,
    content: &Content,
    contact: Option<&ContactRecord>,
    own: &[Jid],
) -> Option<Deed> {
    let Recipient { to, addresses, token_at } = recipient;
    if own.iter().any(|own| own.is_same_user(to)) {
        // A note to ourselves disturbs nobody.
        return Some(Deed::Light);
    }
    if to.is_user() || !addresses.is_empty() {
        let person = Person {
            id: contact.map_or(0, |contact| contact.id),
            last_inbound: contact.and_then(|contact| contact.last_inbound),
            unanswered: contact.map_or(0, |contact| contact.unanswered),
            token_at: *token_at,
        };
        let is_known = person.last_inbound.is_some() || person.unanswered > 0 || person.token_at.is_some();
        return Some(if is_light(content) && is_known { Deed::Light } else { Deed::Message(person) });
    }
    let is_broadcast = to.is_broadcast();
    if !(to.is_group() || is_broadcast || to.is_newsletter() || to.is_bot()) {
        return None;
    }
    Some(match (is_light(content), is_broadcast) {
        (true, _) => Deed::Light,
        (false, true) => Deed::Status,
        // A channel's post and a question to a bot count and wait like a message to a group.
        (false, false) => Deed::Group,
    })
}

/// Whether it adds to what is there already: a reaction, an edit, a deletion, a vote.
const fn is_light(content: &Content) -> bool {
    matches!(
        content,
        Content::Reaction(_)
            | Content::Edit(_)
            | Content::Revoke(_)
            | Content::Pin(_)
            | Content::Keep(_)
            | Content::PollVote(_)
            | Content::PollOption(_)
            | Content::OccasionAnswer(_)
            | Content::Sealed(_)
    )
}

/// What a message says in words, where it does.
pub(crate) fn text_of(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(&text.text),
        Content::Image(image) => image.caption.as_deref(),
        Content::Video(video) => video.caption.as_deref(),
        Content::Document(document) => document.caption.as_deref(),
        _ => None,
    }
}

/// A keyed hash of a text: the same for texts that differ in case, spaces and signs only. `None` without any text.
pub(super) fn tag(key: &[u8; 32], content: &Content) -> Option<u64> {
    let text = text_of(content)?;
    let mut normal: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if normal.is_empty() {
        // Nothing but signs: they are the text.
        normal = text.split_whitespace().collect();
    }
    if normal.is_empty() {
        return None;
    }
    let [a, b, c, d, e, f, g, h, ..] = hmac_sha256(key, &[normal.as_bytes()]);
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// The same recipient, as a question without a message: a plain one.
pub(super) fn plain() -> Content {
    wa_core::Message::text("?").content()
}

#[cfg(test)]
mod tests {
    use wa_core::Message;
    use wa_core::message::MessageKey;
    use wa_types::{MessageId, UnixMillis};

    use super::*;
    use crate::ids::AccountId;

    fn contact(unanswered: u32) -> ContactRecord {
        ContactRecord {
            account: AccountId::of([0; 16]),
            id: 7,
            pn: Some(Jid::pn("1")),
            lid: None,
            push_name: None,
            created_at: UnixMillis(1),
            last_inbound: None,
            unanswered,
        }
    }

    fn deed(to: &str, message: &Message, contact: Option<&ContactRecord>) -> Option<Deed> {
        let to: Jid = to.parse().unwrap();
        deed_of(&Recipient::of(&to), &message.content(), contact, &[Jid::pn("99")])
    }

    #[test]
    fn a_deed_is_by_content_and_recipient() {
        let chat = Jid::pn("1");
        let text = Message::text("hi");
        let reaction = Message::reaction(MessageKey::own(&chat, MessageId::new("A")), "+");
        let delete = Message::delete(MessageKey::own(&chat, MessageId::new("A")));
        assert_eq!(deed("5-1@g.us", &text, None), Some(Deed::Group));
        assert_eq!(deed("5-1@g.us", &delete, None), Some(Deed::Light));
        assert_eq!(deed("status@broadcast", &text, None), Some(Deed::Status));
        assert_eq!(deed("status@broadcast", &reaction, None), Some(Deed::Light));
        assert_eq!(deed("5@newsletter", &text, None), Some(Deed::Group));
        assert_eq!(deed("99@s.whatsapp.net", &text, None), Some(Deed::Light));
        assert_eq!(deed("s.whatsapp.net", &text, None), None);
        assert!(matches!(deed("1@s.whatsapp.net", &text, None), Some(Deed::Message(_))));
        // A reaction makes no chat with a stranger.
        assert!(matches!(deed("1@s.whatsapp.net", &reaction, None), Some(Deed::Message(_))));
        assert_eq!(deed("1@s.whatsapp.net", &reaction, Some(&contact(1))), Some(Deed::Light));
    }

    #[test]
    fn texts_are_the_same_whatever_their_case_spaces_and_signs() {
        let of = |text: &str| tag(&[1; 32], &Message::text(text).content());
        assert_eq!(of("Big  SALE!\u{200b} today"), of("big sale today."));
        assert_ne!(of("big sale today"), of("big sale tomorrow"));
        assert_ne!(of("!!"), of("??"));
        assert_eq!(of("  "), None);
        assert_ne!(tag(&[2; 32], &Message::text("a").content()), of("a"));
    }
}
