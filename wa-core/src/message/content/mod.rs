//! What a message says, kind by kind. Protocol: messages, "Content types"; media, "Message fields".
//!
//! A struct per kind, in a file by subject. Those that can be sent turn into a [`Message`]; all are read by
//! [`Message::content`].

mod album;
mod call;
mod change;
mod contact;
mod interactive;
mod invite;
mod location;
mod media;
mod occasion;
mod payment;
mod poll;
mod product;
mod reaction;
mod sealed;
mod setting;
mod sticker_pack;
#[cfg(test)]
mod tests;
mod text;

pub use album::{Album, Association, AssociationKind};
pub use call::{CallLog, CallResult, ScheduledCall};
pub use change::{Edit, Keep, Pin, Revoke};
pub use contact::{ContactCard, Contacts};
pub use interactive::{Button, Choice, HeaderMedia, Interactive, List, ListRow, ListSection};
pub use invite::{GroupInvite, NewsletterInvite};
pub use location::{LiveLocation, Location};
pub use media::{Audio, Document, Image, Sticker, Video, VideoStyle};
pub use occasion::{Occasion, OccasionInvite};
pub use payment::Payment;
pub use poll::{Poll, PollResult};
pub use product::{Order, Product};
pub use reaction::{Comment, Reaction};
pub use sealed::{Attendance, OccasionAnswer, PollOption, PollVote, Sealed};
pub use setting::{Disappearing, MemberLabel, SharingLimit};
pub use sticker_pack::{PackedSticker, StickerPack};
pub use text::{LinkPreview, Text, TextStyle};
use wa_proto::e2e;
use wa_proto::e2e::protocol_message::Type;

pub(super) use album::in_album;

use super::wrapper;
use super::{Message, MessageKey};

/// What a message says. Wrappers are looked through: [`Message::wrappers`] has them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// A text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// A film: with sound, repeating, or round.
    Video(Video),
    /// A sound, or a voice note.
    Audio(Audio),
    /// A file.
    Document(Document),
    /// A sticker.
    Sticker(Sticker),
    /// Stickers that belong together.
    StickerPack(StickerPack),
    /// The beginning of an album.
    Album(Album),
    /// A place.
    Location(Location),
    /// Where somebody is, for a while.
    LiveLocation(LiveLocation),
    /// One contact or several.
    Contacts(Contacts),
    /// A reaction to a message.
    Reaction(Reaction),
    /// A comment on a message.
    Comment(Comment),
    /// A poll or a quiz.
    Poll(Poll),
    /// What came of a poll.
    PollResult(PollResult),
    /// An event that people are invited to.
    Occasion(Occasion),
    /// An invitation to an event of another chat.
    OccasionInvite(OccasionInvite),
    /// New content for an earlier message.
    Edit(Edit),
    /// An earlier message is deleted for everyone.
    Revoke(Revoke),
    /// A message is pinned, or no longer.
    Pin(Pin),
    /// A message is kept, or no longer.
    Keep(Keep),
    /// How long the chat's messages stay.
    Disappearing(Disappearing),
    /// Whether the chat may be shared on.
    SharingLimit(SharingLimit),
    /// How a member of the group wants to be known.
    MemberLabel(MemberLabel),
    /// An invitation to a group.
    GroupInvite(GroupInvite),
    /// An invitation to a channel.
    NewsletterInvite(NewsletterInvite),
    /// The sender asks for our phone number.
    PhoneNumberRequest,
    /// The sender tells its phone number, in the stanza's addresses.
    PhoneNumberShared,
    /// A text with buttons.
    Interactive(Interactive),
    /// A list to choose from.
    List(List),
    /// What was chosen of buttons or of a list.
    Choice(Choice),
    /// A product, or a catalogue.
    Product(Product),
    /// An order.
    Order(Order),
    /// Something about a payment.
    Payment(Payment),
    /// A call that took place, or did not.
    CallLog(CallLog),
    /// A call that is to be.
    ScheduledCall(ScheduledCall),
    /// A vote in a poll.
    PollVote(PollVote),
    /// One more option for a poll.
    PollOption(PollOption),
    /// An answer to the invitation to an event.
    OccasionAnswer(OccasionAnswer),
    /// Sealed with the secret of another message, that we do not have. Should that message come later, this one is told
    /// again, opened: [`Event::Opened`](crate::Event::Opened).
    Sealed(Sealed),
    /// Protocol matters between devices, by their number.
    Protocol(i32),
    /// Nothing but keys and context.
    Empty,
    /// A kind that this version does not know, or one that lacks what makes it: the encoded message inside its wrappers.
    Unknown(Vec<u8>),
}

impl Content {
    /// The kind's name, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "Text",
            Self::Image(_) => "Image",
            Self::Video(_) => "Video",
            Self::Audio(_) => "Audio",
            Self::Document(_) => "Document",
            Self::Sticker(_) => "Sticker",
            Self::StickerPack(_) => "StickerPack",
            Self::Album(_) => "Album",
            Self::Location(_) => "Location",
            Self::LiveLocation(_) => "LiveLocation",
            Self::Contacts(_) => "Contacts",
            Self::Reaction(_) => "Reaction",
            Self::Comment(_) => "Comment",
            Self::Poll(_) => "Poll",
            Self::PollResult(_) => "PollResult",
            Self::Occasion(_) => "Occasion",
            Self::OccasionInvite(_) => "OccasionInvite",
            Self::Edit(_) => "Edit",
            Self::Revoke(_) => "Revoke",
            Self::Pin(_) => "Pin",
            Self::Keep(_) => "Keep",
            Self::Disappearing(_) => "Disappearing",
            Self::SharingLimit(_) => "SharingLimit",
            Self::MemberLabel(_) => "MemberLabel",
            Self::GroupInvite(_) => "GroupInvite",
            Self::NewsletterInvite(_) => "NewsletterInvite",
            Self::PhoneNumberRequest => "PhoneNumberRequest",
            Self::PhoneNumberShared => "PhoneNumberShared",
            Self::Interactive(_) => "Interactive",
            Self::List(_) => "List",
            Self::Choice(_) => "Choice",
            Self::Product(_) => "Product",
            Self::Order(_) => "Order",
            Self::Payment(_) => "Payment",
            Self::CallLog(_) => "CallLog",
            Self::ScheduledCall(_) => "ScheduledCall",
            Self::PollVote(_) => "PollVote",
            Self::PollOption(_) => "PollOption",
            Self::OccasionAnswer(_) => "OccasionAnswer",
            Self::Sealed(_) => "Sealed",
            Self::Protocol(_) => "Protocol",
            Self::Empty => "Empty",
            Self::Unknown(_) => "Unknown",
        }
    }

    /// The message that this one is about, told from the side of who wrote this one: of a reaction, an edit, a deletion.
    #[must_use]
    pub const fn target(&self) -> Option<&MessageKey> {
        Some(match self {
            Self::Reaction(reaction) => &reaction.target,
            Self::Comment(comment) => &comment.target,
            Self::Edit(edit) => &edit.target,
            Self::Revoke(revoke) => &revoke.target,
            Self::Pin(pin) => &pin.target,
            Self::Keep(keep) => &keep.target,
            Self::PollVote(vote) => &vote.poll,
            Self::PollOption(option) => &option.poll,
            Self::OccasionAnswer(answer) => &answer.occasion,
            Self::Sealed(sealed) => &sealed.target,
            _ => return None,
        })
    }
}

impl Message {
    /// What it says. Reads the whole of it anew: keep what it gives.
    #[must_use]
    pub fn content(&self) -> Content {
        let unwrapped = wrapper::unwrapped(&self.decoded);
        let bytes = unwrapped.bytes(&self.bytes).unwrap_or(&self.bytes);
        let opened = || sealed::opened(unwrapped.inner, &self.part()?, self.opened()?);
        let known = user_content(unwrapped.inner)
            .or_else(opened)
            .or_else(|| addition(unwrapped.inner, bytes, self.decoded.message_context_info.as_deref()))
            .or_else(|| business_content(unwrapped.inner))
            .or_else(|| other_content(unwrapped.inner, bytes));
        known.unwrap_or_else(|| {
            if self.has_content() { Content::Unknown(bytes.to_vec()) } else { Content::Empty }
        })
    }
}

/// What stands for itself in a chat.
fn user_content(m: &e2e::Message) -> Option<Content> {
    Some(if let Some(image) = &m.image_message {
        Content::Image(Image::read(image))
    } else if let Some(video) = &m.video_message {
        Content::Video(Video::read(video, false))
    } else if let Some(video) = &m.ptv_message {
        Content::Video(Video::read(video, true))
    } else if let Some(audio) = &m.audio_message {
        Content::Audio(Audio::read(audio))
    } else if let Some(document) = &m.document_message {
        Content::Document(Document::read(document))
    } else if let Some(sticker) = &m.sticker_message {
        Content::Sticker(Sticker::read(sticker))
    } else if let Some(pack) = &m.sticker_pack_message {
        Content::StickerPack(StickerPack::read(pack))
    } else if let Some(album) = &m.album_message {
        Content::Album(Album::read(album))
    } else if let Some(location) = &m.location_message {
        Content::Location(Location::read(location))
    } else if let Some(location) = &m.live_location_message {
        Content::LiveLocation(LiveLocation::read(location))
    } else if let Some(contact) = &m.contact_message {
        Content::Contacts(Contacts::one(contact))
    } else if let Some(contacts) = &m.contacts_array_message {
        Content::Contacts(Contacts::several(contacts))
    } else if let Some(poll) = poll(m) {
        Content::Poll(Poll::read(poll))
    } else if let Some(result) =
        m.poll_result_snapshot_message.as_ref().or(m.poll_result_snapshot_message_v3.as_ref())
    {
        Content::PollResult(PollResult::read(result))
    } else if let Some(event) = &m.event_message {
        Content::Occasion(Occasion::read(event))
    } else if let Some(invite) = &m.event_invite_message {
        Content::OccasionInvite(OccasionInvite::read(invite))
    } else if let Some(invite) = &m.group_invite_message {
        Content::GroupInvite(GroupInvite::read(invite)?)
    } else if let Some(invite) = &m.newsletter_admin_invite_message {
        Content::NewsletterInvite(NewsletterInvite::of_admin(invite)?)
    } else if let Some(invite) = &m.newsletter_follower_invite_message_v2 {
        Content::NewsletterInvite(NewsletterInvite::of_follower(invite)?)
    } else {
        Content::Text(Text::read(m)?)
    })
}

/// What belongs to another message, or to the chat.
fn addition(m: &e2e::Message, bytes: &[u8], context: Option<&e2e::MessageContextInfo>) -> Option<Content> {
    if let Some(reaction) = &m.reaction_message {
        return Reaction::read(reaction).map(Content::Reaction);
    }
    if let Some(comment) = &m.comment_message {
        return Comment::read(comment, bytes).map(Content::Comment);
    }
    if let Some(pin) = &m.pin_in_chat_message {
        return Pin::read(pin, m.message_context_info.as_deref().or(context)).map(Content::Pin);
    }
    if let Some(keep) = &m.keep_in_chat_message {
        return Keep::read(keep).map(Content::Keep);
    }
    if let Some(sealed) = Sealed::read(m) {
        return Some(Content::Sealed(sealed));
    }
    let protocol = m.protocol_message.as_deref()?;
    // The type of a protocol message that is missing, or that this version does not know, is not that of its default.
    let number = protocol.r#type?;
    match Type::try_from(number) {
        Ok(Type::Revoke) => Revoke::read(protocol).map(Content::Revoke),
        Ok(Type::MessageEdit) => Edit::read(protocol, bytes).map(Content::Edit),
        Ok(Type::EphemeralSetting) => Some(Content::Disappearing(Disappearing::read(protocol))),
        Ok(Type::LimitSharing) => SharingLimit::read(protocol).map(Content::SharingLimit),
        Ok(Type::GroupMemberLabelChange) => MemberLabel::read(protocol).map(Content::MemberLabel),
        Ok(Type::SharePhoneNumber) => Some(Content::PhoneNumberShared),
        _ => Some(Content::Protocol(number)),
    }
}

/// What businesses send, and what is answered to it.
fn business_content(m: &e2e::Message) -> Option<Content> {
    Some(if let Some(buttons) = &m.buttons_message {
        Content::Interactive(Interactive::of_buttons(buttons))
    } else if let Some(template) = &m.template_message {
        Content::Interactive(Interactive::of_template(template)?)
    } else if let Some(interactive) = &m.interactive_message {
        Content::Interactive(Interactive::of_interactive(interactive))
    } else if let Some(list) = &m.list_message {
        Content::List(List::read(list))
    } else if let Some(choice) = &m.buttons_response_message {
        Content::Choice(Choice::of_buttons(choice))
    } else if let Some(choice) = &m.list_response_message {
        Content::Choice(Choice::of_list(choice))
    } else if let Some(choice) = &m.template_button_reply_message {
        Content::Choice(Choice::of_template(choice))
    } else if let Some(choice) = &m.interactive_response_message {
        Content::Choice(Choice::of_interactive(choice))
    } else if let Some(product) = &m.product_message {
        Content::Product(Product::read(product))
    } else {
        Content::Order(Order::read(m.order_message.as_deref()?))
    })
}

fn other_content(m: &e2e::Message, bytes: &[u8]) -> Option<Content> {
    if let Some(log) = &m.call_log_messsage {
        return Some(Content::CallLog(CallLog::read(log)));
    }
    if let Some(call) = &m.scheduled_call_creation_message {
        return Some(Content::ScheduledCall(ScheduledCall::read(call)));
    }
    if m.request_phone_number_message.is_some() {
        return Some(Content::PhoneNumberRequest);
    }
    Payment::read(m, bytes).map(Content::Payment)
}

/// The poll that a message creates, whatever its version.
fn poll(m: &e2e::Message) -> Option<&e2e::PollCreationMessage> {
    [
        &m.poll_creation_message,
        &m.poll_creation_message_v2,
        &m.poll_creation_message_v3,
        &m.poll_creation_message_v5,
        &m.poll_creation_message_v6,
    ]
    .into_iter()
    .find_map(|poll| poll.as_deref())
}
