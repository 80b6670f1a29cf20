//! What stands around a content. Protocol: messages, "Wrappers".

use wa_proto::e2e;

use super::raw;

/// How many wrappers are looked through; honest messages have one or two.
const LIMIT: usize = 8;

/// Something around a content that says how it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrapper {
    /// The copy of a message of our own account, as its other devices get it.
    DeviceSent,
    /// To disappear; [`Context::expiration`](super::Context::expiration) says when.
    Ephemeral,
    /// To be viewed once.
    ViewOnce,
    /// A document with a caption.
    DocumentWithCaption,
    /// The new content of an earlier message.
    Edited,
    /// Groups of a community are mentioned.
    GroupMentioned,
    /// A bot is asked.
    BotInvoke,
    /// A bot's task.
    BotTask,
    /// A bot's answer, forwarded.
    BotForwarded,
    /// A vector sticker.
    LottieSticker,
    /// The picture of an event.
    EventCover,
    /// The picture of a poll's option.
    PollOptionImage,
    /// Belongs to another message: [`Message::association`](super::Message::association).
    AssociatedChild,
    /// A status that mentions us.
    StatusMention,
    /// A group's status that mentions us.
    GroupStatusMention,
    /// A poll.
    Poll,
    /// A status that invites to add to it.
    StatusAddYours,
    /// A group's status.
    GroupStatus,
    /// May not be shared on.
    LimitSharing,
    /// A question to a channel's followers.
    Question,
    /// An answer to such a question.
    QuestionReply,
    /// The profile of a channel's admin.
    NewsletterAdminProfile,
    /// Hidden until it is touched.
    Spoiler,
}

/// Each wrapper with the number of its field in `Message`, and how to look into it. The message inside is field 1, in
/// `deviceSentMessage` field 2.
type Row = (u32, Wrapper, fn(&e2e::Message) -> Option<&e2e::Message>);

macro_rules! row {
    ($number:literal, $wrapper:ident, $field:ident) => {
        ($number, Wrapper::$wrapper, |message| message.$field.as_ref()?.message.as_deref())
    };
}

const WRAPPERS: [Row; 27] = [
    row!(31, DeviceSent, device_sent_message),
    row!(40, Ephemeral, ephemeral_message),
    row!(37, ViewOnce, view_once_message),
    row!(55, ViewOnce, view_once_message_v2),
    row!(59, ViewOnce, view_once_message_v2_extension),
    row!(53, DocumentWithCaption, document_with_caption_message),
    row!(58, Edited, edited_message),
    row!(62, GroupMentioned, group_mentioned_message),
    row!(67, BotInvoke, bot_invoke_message),
    row!(74, LottieSticker, lottie_sticker_message),
    row!(85, EventCover, event_cover_image),
    row!(87, StatusMention, status_mention_message),
    row!(90, PollOptionImage, poll_creation_option_image_message),
    row!(91, AssociatedChild, associated_child_message),
    row!(92, GroupStatusMention, group_status_mention_message),
    row!(93, Poll, poll_creation_message_v4),
    row!(95, StatusAddYours, status_add_yours),
    row!(96, GroupStatus, group_status_message),
    row!(103, GroupStatus, group_status_message_v2),
    row!(99, LimitSharing, limit_sharing_message),
    row!(100, BotTask, bot_task_message),
    row!(101, Question, question_message),
    row!(104, BotForwarded, bot_forwarded_message),
    row!(106, QuestionReply, question_reply_message),
    row!(116, NewsletterAdminProfile, newsletter_admin_profile_message),
    row!(126, NewsletterAdminProfile, newsletter_admin_profile_status_message),
    row!(118, Spoiler, spoiler_message),
];

/// A message inside its wrappers.
pub(super) struct Unwrapped<'m> {
    pub(super) inner: &'m e2e::Message,
    /// The outermost first.
    pub(super) wrappers: Vec<Wrapper>,
    /// The numbers of the fields that lead to it, from the outermost message.
    path: Vec<u32>,
}

/// The message inside all wrappers.
pub(super) fn unwrap(message: &e2e::Message) -> &e2e::Message {
    look_through(message, |_| {})
}

/// The same, and what was around it.
pub(super) fn unwrapped(message: &e2e::Message) -> Unwrapped<'_> {
    let (mut wrappers, mut path) = (Vec::new(), Vec::new());
    let inner = look_through(message, |&(number, wrapper, _)| {
        wrappers.push(wrapper);
        path.push(number);
        path.push(if wrapper == Wrapper::DeviceSent { 2 } else { 1 });
    });
    Unwrapped { inner, wrappers, path }
}

fn look_through(message: &e2e::Message, mut passed: impl FnMut(&'static Row)) -> &e2e::Message {
    let mut inner = message;
    for _ in 0..LIMIT {
        let found = WRAPPERS.iter().find_map(|row| (row.2)(inner).map(|next| (row, next)));
        let Some((row, next)) = found else { break };
        passed(row);
        inner = next;
    }
    inner
}

impl Unwrapped<'_> {
    /// The bytes of the inner message among those of the outermost.
    pub(super) fn bytes<'b>(&self, outermost: &'b [u8]) -> Option<&'b [u8]> {
        self.path.iter().try_fold(outermost, |bytes, &number| raw::field(bytes, number))
    }

    /// The outermost message with other bytes in the place of the inner one's.
    pub(super) fn with_inner(&self, outermost: &[u8], inner: Vec<u8>) -> Vec<u8> {
        raw::with_at(outermost, &self.path, inner)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn each_wrapper_is_looked_through_and_named() {
        let text = e2e::Message { conversation: Some("in".into()), ..Default::default() }.encode_to_vec();
        for (number, wrapper, _) in WRAPPERS {
            let inside = if wrapper == Wrapper::DeviceSent { 2 } else { 1 };
            let bytes = raw::with_at(&[], &[number, inside], text.clone());
            let message = e2e::Message::decode(bytes.as_slice()).unwrap();
            let unwrapped = unwrapped(&message);
            assert_eq!(unwrapped.wrappers, [wrapper], "{number}");
            assert_eq!(unwrapped.inner.conversation(), "in");
            assert_eq!(unwrapped.bytes(&bytes), Some(text.as_slice()));
        }
    }

    #[test]
    fn endless_wrappers_have_an_end() {
        let mut message = e2e::Message { conversation: Some("in".into()), ..Default::default() };
        for _ in 0..20 {
            let wrapper = e2e::FutureProofMessage { message: Some(Box::new(message)) };
            message = e2e::Message { ephemeral_message: Some(Box::new(wrapper)), ..Default::default() };
        }
        assert_eq!(unwrapped(&message).wrappers.len(), LIMIT);
    }
}
