//! Events of `wa-core` in the forms of [`super`].

use std::sync::Arc;

use wa_core::app_state::Collection;
use wa_core::app_state::action::read_index;
use wa_core::e2e::DecryptError;
use wa_core::event as core;
use wa_core::stanza::receipt::ReceiptKind as CoreReceipt;
use wa_types::{Jid, UnixMillis};

use super::{
    Call, ChatKind, CloseReason, Event, MessageReceived, NextStep, ReceiptKind, SendState, TypingState,
};
use crate::content::Content;
use crate::error::WaError;
use crate::groups::GroupMember;
use crate::message::{Message, MessageKey};
use crate::types::{self, Secret};

impl CloseReason {
    pub(crate) fn of(reason: &wa_core::connection::CloseReason) -> Self {
        use wa_core::connection::{CloseReason as R, NextStep as N};
        let step = reason.next_step();
        let (next_step, until) = match step {
            N::Now | N::Backoff | N::SlowBackoff | N::Once => (NextStep::Wait, None),
            N::NotBefore(until) => (NextStep::WaitUntil, Some(types::time(until))),
            N::OtherVersion => (NextStep::UpdateLibrary, None),
            N::LoggedOut => (NextStep::PairAgain, None),
            N::Stop => (NextStep::Reconnect, None),
            _ => (NextStep::Unknown, None),
        };
        let code = match reason {
            R::Requested => "requested",
            R::RestartRequired => "restart_required",
            R::LoggedOut => "logged_out",
            R::AccountMoved => "account_moved",
            R::Replaced => "replaced",
            R::Conflict => "conflict",
            R::Refused(_) => "refused",
            R::Banned { .. } => "banned",
            R::VersionRefused { .. } => "version_refused",
            R::Handshake(_) => "handshake",
            R::Network(_) => "network",
            R::ProxyRefused => "proxy_refused",
            R::DeadSocket => "dead_socket",
            R::StreamEnd => "stream_end",
            R::StreamError(_) => "stream_error",
            R::BadFrame => "bad_frame",
            R::PairingTimeout => "pairing_timeout",
            R::Overflow => "overflow",
            R::StoreFailed => "store_failed",
            _ => "other",
        };
        Self { code: code.to_owned(), detail: reason.to_string(), next_step, until }
    }
}

impl SendState {
    pub(crate) fn of(state: &core::SendState) -> Self {
        use core::SendState as S;
        match state {
            S::Queued => Self::Queued,
            S::Held { users } => Self::Held { users: types::texts(users) },
            S::Written => Self::Written,
            S::Acked { timestamp } => Self::Acked { timestamp: types::time(*timestamp) },
            S::Delivered => Self::Delivered,
            S::Read => Self::Read,
            S::Played => Self::Played,
            S::Failed(error) => {
                let error = WaError::from(error.clone());
                Self::Failed { code: error.code().to_owned(), detail: error.to_string() }
            }
            _ => Self::Unknown,
        }
    }
}

impl ChatKind {
    pub(crate) fn of(chat: &Jid) -> Self {
        match core::ChatKind::of(chat) {
            core::ChatKind::Direct => Self::Direct,
            core::ChatKind::Group => Self::Group,
            core::ChatKind::Status => Self::Status,
            core::ChatKind::BroadcastList => Self::BroadcastList,
            core::ChatKind::Channel => Self::Channel,
            _ => Self::Unknown,
        }
    }
}

impl MessageReceived {
    pub(crate) fn of(received: core::MessageReceived) -> Self {
        let content = Content::of(&received.message);
        let text = match &content {
            Content::Text { text, .. } => Some(text.clone()),
            Content::Image { caption, .. }
            | Content::Video { caption, .. }
            | Content::Document { caption, .. } => caption.clone(),
            _ => None,
        };
        let context = received.message.context();
        Self {
            number: received.number.get(),
            key: MessageKey::of(&received.key()),
            chat: received.chat.to_string(),
            chat_kind: ChatKind::of(&received.chat),
            sender: received.sender.to_string(),
            sender_alt: types::text(received.sender_alt.as_ref()),
            from_me: received.from_me,
            id: received.id.to_string(),
            timestamp: types::time(received.timestamp),
            push_name: received.push_name,
            is_backlog: received.is_backlog,
            content,
            text,
            quoted: context.quote.map(|quote| quote.id.to_string()),
            mentions: types::texts(&context.mentions),
            message: Arc::new(Message(received.message)),
        }
    }
}

impl Event {
    /// None for what another event of ours tells.
    pub(crate) fn of(event: core::Event) -> Option<Self> {
        use core::Event as E;
        Some(match event {
            E::PairingQr(qr) => Self::PairingQr { text: Secret(qr.text), expires_in: qr.expires_in },
            E::PairingCode(shown) => {
                Self::PairingCode { code: Secret(shown.code.to_string()), expires_in: shown.expires_in }
            }
            E::PairingCodeVoid { reason } => {
                Self::PairingCodeVoid { code: types::word(&reason), reason: reason.to_string() }
            }
            E::Paired(paired) => Self::Paired {
                jid: paired.jid.to_string(),
                lid: types::text(paired.lid.as_ref()),
                business_name: paired.business_name,
            },
            E::PairingFailed { error } => {
                Self::PairingFailed { code: types::word(&error), reason: error.to_string() }
            }
            E::Connected => Self::Connected,
            E::Disconnected { reason, retry_in } => {
                Self::Disconnected { reason: CloseReason::of(&reason), retry_in }
            }
            E::Closed { reason } => Self::Closed { reason: CloseReason::of(&reason) },
            E::LoggedOut { reason } => Self::LoggedOut { reason: CloseReason::of(&reason) },
            E::Backlog(progress) => Self::Backlog { total: progress.total, done: progress.done },
            E::BacklogDone { count, .. } => Self::BacklogDone { count },
            E::Message(received) => Self::Message { message: MessageReceived::of(*received) },
            E::Opened(received) => Self::Opened { message: MessageReceived::of(*received) },
            E::OwnDevice(received) => Self::OwnDevice { message: MessageReceived::of(*received) },
            E::ChatsMerged(merged) => Self::ChatsMerged {
                number: merged.number.get(),
                kept: merged.kept.to_string(),
                gone: merged.gone.to_string(),
            },
            E::Send(update) => Self::Send {
                chat: update.chat.to_string(),
                id: update.id.to_string(),
                state: SendState::of(&update.state),
            },
            E::Receipt(receipt) => Self::Receipt {
                chat: receipt.chat.to_string(),
                ids: receipt.ids.iter().map(ToString::to_string).collect(),
                sender: receipt.from.to_string(),
                kind: receipt_kind(&receipt.kind),
                timestamp: receipt.timestamp.map(types::time),
            },
            E::IdentityChanged { device } => Self::IdentityChanged { device: device.to_string() },
            E::StoreFailed { error } => {
                let detail = error.to_string();
                Self::StoreFailed { code: WaError::from(error).code().to_owned(), detail }
            }
            E::Passkey(progress) => return passkey(progress),
            event => of_others(event),
        })
    }
}

fn receipt_kind(kind: &CoreReceipt) -> ReceiptKind {
    match kind {
        CoreReceipt::Delivered => ReceiptKind::Delivered,
        CoreReceipt::Sender => ReceiptKind::OwnDevice,
        CoreReceipt::Read => ReceiptKind::Read,
        CoreReceipt::ReadSelf => ReceiptKind::ReadSelf,
        CoreReceipt::Played => ReceiptKind::Played,
        CoreReceipt::PlayedSelf => ReceiptKind::PlayedSelf,
        CoreReceipt::Retry => ReceiptKind::Retry,
        CoreReceipt::Other(word) => ReceiptKind::Unknown { kind: word.to_string() },
        other => ReceiptKind::Unknown { kind: format!("{other:?}") },
    }
}

/// All that is rare, in words.
fn of_others(event: core::Event) -> Event {
    use core::Event as E;
    match event {
        E::PairingVetoed(_) => Event::PairingFailed {
            code: "vetoed".to_owned(),
            reason: "this account is not wanted here".to_owned(),
        },
        E::LinkUnconfirmed => Event::PairingFailed {
            code: "unconfirmed".to_owned(),
            reason: "an earlier link never came about".to_owned(),
        },
        E::Undecryptable(unread) => Event::Undecryptable {
            key: key(&unread.chat, &unread.sender, false, &unread.id),
            timestamp: types::time(unread.timestamp),
            code: why_unread(&unread.error).to_owned(),
            reason: unread.error.to_string(),
        },
        E::MessageLost(lost) => Event::MessageLost {
            number: lost.number.get(),
            key: key(&lost.chat, &lost.sender, lost.from_me, &lost.id),
            timestamp: types::time(lost.timestamp),
            reason: types::snake(&format!("{:?}", lost.why)),
        },
        E::Undecodable(unread) => Event::Undecodable {
            number: unread.number.get(),
            key: key(&unread.chat, &unread.sender, unread.from_me, &unread.id),
            bytes: unread.bytes,
        },
        E::Presence(changed) => Event::Presence {
            chat: changed.chat.to_string(),
            user: changed.from.to_string(),
            available: !matches!(changed.state, core::PresenceState::Unavailable(_)),
            last_seen: match changed.state {
                core::PresenceState::Unavailable(core::LastSeen::At(at)) => Some(types::time(at)),
                _ => None,
            },
        },
        E::ChatState(changed) => Event::Typing {
            chat: changed.chat.to_string(),
            user: changed.user.to_string(),
            state: match changed.state {
                core::Typing::Composing => TypingState::Composing,
                core::Typing::Recording => TypingState::Recording,
                core::Typing::Paused => TypingState::Paused,
                _ => TypingState::Unknown,
            },
        },
        E::Profile(changed) => {
            Event::Profile { user: types::text(changed.of.as_ref()), what: types::word(&changed.change) }
        }
        E::Account(change) => Event::Account { what: types::word(&change) },
        E::Call(call) => step_of_call(*call),
        E::GroupChanged(changed) => group(*changed),
        E::AppState(change) => state(*change),
        E::Newsletter(change) => newsletter(*change),
        E::History(update) => history(*update),
        E::Media(core::MediaEvent::Reuploaded { chat, id, direct_path }) => {
            Event::Reuploaded { chat: chat.to_string(), id: id.to_string(), place: Secret(direct_path) }
        }
        other => Event::Unknown {
            number: other.inbox_number().map(core::InboxNumber::get),
            kind: types::word(&other),
            debug: format!("{other:?}"),
        },
    }
}

/// In the words that `MessageLost` has for it.
fn why_unread(error: &DecryptError) -> &'static str {
    use DecryptError as D;
    match error {
        D::Signal(_) => "unreadable",
        D::DeviceIdentity(_) => "device_identity",
        D::Unavailable(_) => "not_for_this_device",
        D::MissingSecret => "missing_secret",
        D::NoContent => "no_content",
        D::ForeignCopy => "foreign_copy",
        _ => "other",
    }
}

fn key(chat: &wa_types::Jid, sender: &wa_types::Jid, from_me: bool, id: &wa_types::MessageId) -> MessageKey {
    MessageKey {
        chat: chat.to_string(),
        id: id.to_string(),
        from_me,
        sender: (!from_me).then(|| sender.to_user().to_string()),
    }
}

/// The phone's wish, and the code to be compared, are told when there is something to answer: by the client's passkeys.
fn passkey(progress: core::PasskeyProgress) -> Option<Event> {
    use core::PasskeyProgress as P;
    Some(match progress {
        P::Asked | P::Code { is_handed_off: false, .. } => return None,
        P::Code { code, .. } => Event::PasskeyCode { code: Secret(code.to_string()), is_asked: false },
        P::Failed(failure) => {
            Event::PasskeyFailed { code: types::word(&failure), reason: failure.to_string() }
        }
        P::NoAuthenticator => Event::PasskeyFailed {
            code: "no_authenticator".to_owned(),
            reason: "nobody answers for passkeys here".to_owned(),
        },
        other => Event::Unknown { number: None, kind: "passkey".to_owned(), debug: format!("{other:?}") },
    })
}

fn step_of_call(call: core::InboundCall) -> Event {
    let offer = match &call.signal {
        core::CallSignal::Offer(offer) | core::CallSignal::Notice(offer) => Some(offer.clone()),
        _ => None,
    };
    Event::Call {
        id: call.call_id.clone(),
        caller: call.creator.to_string(),
        what: match &call.signal {
            core::CallSignal::Other(word) => word.clone(),
            signal => types::word(signal),
        },
        video: offer.as_ref().is_some_and(|offer| offer.is_video),
        group: types::text(offer.as_ref().and_then(|offer| offer.group.as_ref())),
        call: Arc::new(Call(call)),
    }
}

fn group(changed: core::GroupChanged) -> Event {
    use core::GroupChange as G;
    let what = types::word(&changed.change);
    let mut text = None;
    let members = match changed.change {
        G::Added { members, .. }
        | G::Removed { members, .. }
        | G::Promoted { members }
        | G::Demoted { members } => members,
        G::InvitesRevoked { users } | G::JoinRequested { users, .. } | G::JoinRequestsGone { users } => users,
        G::NumberChanged { member } => vec![*member],
        G::Created(group) => {
            text = Some(group.subject);
            group.members
        }
        G::Subject { subject, .. } => {
            text = Some(subject);
            Vec::new()
        }
        G::Description { description } => {
            text = description.map(|description| description.text);
            Vec::new()
        }
        G::Setting(setting) => {
            text = Some(types::word(&setting));
            Vec::new()
        }
        G::Flag { flag, .. } => {
            text = Some(types::word(&flag));
            Vec::new()
        }
        _ => Vec::new(),
    };
    Event::Group {
        group: changed.group.to_string(),
        actor: types::text(changed.actor.as_ref()),
        timestamp: types::time(changed.timestamp),
        what,
        users: members.iter().map(|member| GroupMember::of(member).address).collect(),
        text,
    }
}

fn state(change: core::AppStateEvent) -> Event {
    use core::AppStateEvent as A;
    let of = |collection: Collection| collection.name().to_owned();
    match change {
        A::Changed(changed) => Event::State {
            removed: changed.action.is_none(),
            full_sync: changed.origin == core::ChangeOrigin::FullSync,
            index: changed.index,
        },
        A::Synced { collection } => Event::StateSynced { collection: of(collection) },
        A::Refused { action, code } => {
            let (_, draft) = action.to_draft(UnixMillis(0));
            Event::StateRefused { index: read_index(&draft.index), code }
        }
        A::Broken { collection, error } => Event::StateBroken {
            collection: of(collection),
            code: types::word(&error),
            reason: error.to_string(),
        },
        A::KeysMissing { collection } => Event::StateKeysMissing { collection: of(collection) },
        other => Event::Unknown { number: None, kind: "app_state".to_owned(), debug: format!("{other:?}") },
    }
}

fn newsletter(change: core::NewsletterEvent) -> Event {
    use core::NewsletterEvent as N;
    let what = types::word(&change);
    let newsletter = match change {
        N::Posts { newsletter, .. } | N::Left { newsletter } => Some(newsletter),
        N::Joined(newsletter) | N::Muted(newsletter) => Some(newsletter.jid),
        N::Changed { newsletter, .. } => newsletter,
        _ => None,
    };
    Event::Newsletter { newsletter: types::text(newsletter.as_ref()), what }
}

fn history(update: core::HistoryUpdate) -> Event {
    use core::HistoryUpdate as H;
    match update {
        H::ChunkDone { progress, messages, .. } => Event::History { progress, messages, refused: false },
        H::ChunkFailed { kind, error, .. } => Event::HistoryFailed {
            kind: types::word(&kind),
            reason: types::word(&error),
            detail: error.to_string(),
        },
        H::Refused => Event::History { progress: None, messages: 0, refused: true },
        other => Event::Unknown { number: None, kind: "history".to_owned(), debug: format!("{other:?}") },
    }
}

#[cfg(test)]
mod tests {
    use wa_core::app_state::action::ChatAction;
    use wa_core::app_state::{Action, AppStateError};
    use wa_core::error::ChunkError;
    use wa_core::history::HistoryKind;
    use wa_types::UnixSeconds;

    use super::*;

    #[test]
    fn what_is_told_seldom_has_a_form_too() {
        let state = |change| Event::of(core::Event::AppState(Box::new(change)));
        let chat = "1@s.whatsapp.net".parse().unwrap();
        let action = Box::new(Action::Chat(ChatAction::Lock { chat, locked: true }));
        let refused = state(core::AppStateEvent::Refused { action, code: 403 });
        let Some(Event::StateRefused { index, code: 403 }) = refused else { panic!("{refused:?}") };
        assert_eq!(index, ["lock", "1@s.whatsapp.net"]);
        let synced = state(core::AppStateEvent::Synced { collection: Collection::Regular });
        assert!(matches!(synced, Some(Event::StateSynced { collection }) if collection == "regular"));
        let collection = Collection::RegularLow;
        let broken = state(core::AppStateEvent::Broken { collection, error: AppStateError::ValueMac });
        let Some(Event::StateBroken { collection, code, reason }) = broken else { panic!("{broken:?}") };
        assert_eq!((collection.as_str(), code.as_str()), ("regular_low", "value_mac"));
        assert!(reason.contains("MAC"));
        let missing = state(core::AppStateEvent::KeysMissing { collection: Collection::CriticalBlock });
        assert!(
            matches!(missing, Some(Event::StateKeysMissing { collection }) if collection == "critical_block")
        );

        let error = ChunkError::Network("no route".to_owned());
        let failed = core::HistoryUpdate::ChunkFailed { kind: HistoryKind::PushNames, chunk_order: 3, error };
        let failed = Event::of(core::Event::History(Box::new(failed)));
        let Some(Event::HistoryFailed { kind, reason, detail }) = failed else { panic!("{failed:?}") };
        assert_eq!((kind.as_str(), reason.as_str()), ("push_names", "network"));
        assert!(detail.contains("no route"));
    }

    #[test]
    fn a_ban_is_told_without_names_of_types() {
        let ban =
            wa_core::connection::CloseReason::Banned { until: UnixSeconds(1_700_000_000), failure: None };
        let told = CloseReason::of(&ban);
        assert_eq!((told.code.as_str(), told.next_step), ("banned", NextStep::WaitUntil));
        assert_eq!(told.detail, "the account is banned until 1700000000 seconds after 1970");
    }

    /// Who hears the answer tells the question: see `Passkeys`.
    #[test]
    fn what_another_event_tells_is_not_told_twice() {
        assert!(Event::of(core::Event::Passkey(core::PasskeyProgress::Asked)).is_none());
    }
}
