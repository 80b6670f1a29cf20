//! Payments, as messages tell of them.

use wa_proto::e2e;
use wa_types::{Jid, UnixSeconds};

use crate::message::read::{self, opaque_debug};
use crate::message::{Message, MessageKey};

/// Something about a payment. Only received: payments need the phone.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Payment {
    /// Money was sent.
    Sent {
        /// What was said with it.
        note: Option<Message>,
        /// The request that it answers.
        request: Option<MessageKey>,
    },
    /// Money is asked for.
    Requested {
        /// In thousandths of the currency's unit.
        amount_1000: u64,
        /// Which currency, by ISO 4217.
        currency: String,
        /// Of whom.
        from: Option<Jid>,
        /// Until when.
        expires: Option<UnixSeconds>,
        /// What was said with it.
        note: Option<Message>,
    },
    /// A request is turned down.
    Declined(MessageKey),
    /// A request is taken back.
    Cancelled(MessageKey),
    /// The user is invited to use payments.
    Invited,
    /// An invoice.
    Invoice {
        /// What it says.
        note: String,
    },
}

opaque_debug!(Payment);

impl Payment {
    /// `bytes` are those of `message`.
    pub(super) fn read(message: &e2e::Message, bytes: &[u8]) -> Option<Self> {
        let note = |note: &e2e::Message, path: [u32; 2]| Message::nested(note, bytes, &path);
        if let Some(sent) = message.send_payment_message.as_deref() {
            return Some(Self::Sent {
                note: sent.note_message.as_deref().map(|message| note(message, [16, 2])),
                request: read::key(sent.request_message_key.as_ref()),
            });
        }
        if let Some(request) = message.request_payment_message.as_deref() {
            return Some(Self::Requested {
                amount_1000: request.amount1000(),
                currency: request.currency_code_iso4217.clone().unwrap_or_default(),
                from: read::user(request.request_from.as_deref()),
                expires: read::seconds(request.expiry_timestamp),
                note: request.note_message.as_deref().map(|message| note(message, [22, 4])),
            });
        }
        if let Some(declined) = message.decline_payment_request_message.as_deref() {
            return read::key(declined.key.as_ref()).map(Self::Declined);
        }
        if let Some(cancelled) = message.cancel_payment_request_message.as_deref() {
            return read::key(cancelled.key.as_ref()).map(Self::Cancelled);
        }
        if let Some(invoice) = message.invoice_message.as_deref() {
            return Some(Self::Invoice { note: invoice.note.clone().unwrap_or_default() });
        }
        message.payment_invite_message.is_some().then_some(Self::Invited)
    }
}
