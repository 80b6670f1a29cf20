//! What became of a message that was counted. What nobody knows stays counted. Requirements: manager.md, 3.1, 3.9.

use metrics::counter;
use serde_json::json;
use wa_core::{SendState, Sent};
use wa_types::{Jid, MessageId, UnixMillis};

use super::error::SendError;
use super::gate::{Gate, Step};
use super::request::SendReceipt;
use crate::event::EventKind;
use crate::store::{Change, ManagerStoreError};
use crate::trust::{Lane, Reservation, ReservationState, Signal};

/// What the client says became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// The server has it.
    Sent {
        /// When the server took it; now, where that is not told.
        at: Option<UnixMillis>,
        /// The chat, as events name it.
        chat: Option<Jid>,
    },
    /// Nothing of it left.
    NeverLeft(wa_core::SendError),
    /// The server refused it.
    Refused(u16),
    /// Nobody has this address. What was counted for a stranger stays counted: otherwise numbers could be tried for free.
    Nobody,
    /// It may have arrived.
    Unknown,
    /// It is stored, and will be sent: nothing is known yet.
    Pending,
}

impl Fate {
    /// What a send of the client came to.
    #[must_use]
    pub fn of(sent: &Result<Sent, wa_core::SendError>) -> Self {
        match sent {
            Ok(sent) => Self::Sent { at: Some(sent.timestamp.to_millis()), chat: Some(sent.chat.clone()) },
            Err(error) => Self::of_error(error),
        }
    }

    /// What the client tells of a message as an event; `None` while it is on its way.
    #[must_use]
    pub fn of_state(state: &SendState) -> Option<Self> {
        match state {
            SendState::Acked { timestamp } => {
                Some(Self::Sent { at: Some(timestamp.to_millis()), chat: None })
            }
            SendState::Delivered | SendState::Read | SendState::Played => {
                Some(Self::Sent { at: None, chat: None })
            }
            SendState::Failed(error) => Some(Self::of_error(error)),
            _ => None,
        }
    }

    fn of_error(error: &wa_core::SendError) -> Self {
        use wa_core::SendError as Error;
        match error {
            Error::UnknownRecipient(_) => Self::Nobody,
            Error::PrivacyTokenMissing => Self::Refused(463),
            Error::NewChatsCapped => Self::Refused(475),
            Error::SchemaRefused => Self::Refused(479),
            Error::StaleAddressing => Self::Refused(421),
            Error::Refused { code } => Self::Refused(*code),
            Error::Shutdown => Self::Pending,
            Error::Unsupported(_)
            | Error::NotPaired
            | Error::NoDevices(_)
            | Error::Lookup
            | Error::Expired
            | Error::Cancelled
            | Error::NoAudience(_)
            | Error::UnknownSecret(_)
            | Error::TooLarge
            | Error::Store(_) => Self::NeverLeft(error.clone()),
            Error::AdminsOnly(_) => Self::Refused(403),
            Error::NotMember(_) => Self::Refused(404),
            // The unlinked, the damaged: something of it may have left.
            _ => Self::Unknown,
        }
    }
}

/// What a message came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Settled {
    /// For the caller.
    pub result: Result<SendReceipt, SendError>,
    /// The server wanted a token of trust from this person (463), which means one of two things: ask it for its time
    /// lock, and hand the answer with this number to [`Gate::heed_time_lock`].
    pub refused: Option<u64>,
}

impl Gate {
    /// Takes note of what became of a message, once, in one commit with its event. `None` for one that was not counted
    /// here, or whose fate is known.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: it stays counted; say it again.
    pub async fn settle(&mut self, id: &MessageId, fate: Fate) -> Result<Option<Settled>, ManagerStoreError> {
        let known = self.store.reservation(&self.owner.account, id.as_str()).await?;
        let Some(mut reservation) = known.map(|known| known.reservation).filter(Self::is_open) else {
            return Ok(None);
        };
        let unknown = || Err(SendError::Unknown { message_id: id.clone() });
        if fate == Fate::Pending {
            return Ok(Some(Settled { result: unknown(), refused: None }));
        }
        let mut step = self.begin().await?;
        let mut refused = None;
        let (state, result) = match fate {
            Fate::Sent { at, chat } => {
                let timestamp = at.unwrap_or(step.now);
                reservation.settled_at = Some(timestamp.0);
                (Some(ReservationState::Sent), Ok(SendReceipt { id: id.clone(), chat, timestamp }))
            }
            Fate::NeverLeft(error) => (Some(ReservationState::Released), Err(error.into())),
            Fate::Refused(code) => {
                reservation.code = Some(code);
                refused = self.heed_refusal(&mut step, code, &reservation);
                (Some(ReservationState::Refused), Err(SendError::Refused { server_code: code }))
            }
            Fate::Nobody if reservation.lane.is_to_stranger() => {
                (Some(ReservationState::Refused), Err(SendError::InvalidRecipient))
            }
            Fate::Nobody => (Some(ReservationState::Released), Err(SendError::InvalidRecipient)),
            Fate::Unknown | Fate::Pending => (None, unknown()),
        };
        if let Some(state) = state {
            step.state.settle(&mut reservation, state);
            if state == ReservationState::Released {
                self.forgive(&mut step, &reservation).await?;
            }
        }
        self.tell(&mut step, &reservation, &result);
        if is_message(reservation.lane) && self.queue.find(id).is_some() {
            let account = self.owner.account.clone();
            step.changes.push(Change::DeleteSend { account, id: id.clone() });
        }
        self.put_reservation(&mut step, reservation);
        self.commit(step).await?;
        self.queue.remove(id);
        Ok(Some(Settled { result, refused }))
    }

    /// What a refusal means for the account. Who it was, where a token was missing.
    fn heed_refusal(&mut self, step: &mut Step, code: u16, reservation: &Reservation) -> Option<u64> {
        match code {
            463 => {
                let person = reservation.person()?;
                step.state.refuse_person(person, step.now);
                Some(person)
            }
            475 => {
                self.heed_in(step, Signal::Capped);
                None
            }
            // Repairs of the protocol, and troubles of the server: they say nothing of the account.
            _ => None,
        }
    }

    /// It never left: the person was written to once less.
    async fn forgive(&self, step: &mut Step, reservation: &Reservation) -> Result<(), ManagerStoreError> {
        let Some(person) = reservation.person() else { return Ok(()) };
        let found = self.store.contacts(&self.owner.account, person, 1).await?;
        if let Some(mut contact) = found.into_iter().find(|contact| contact.id == person) {
            contact.unanswered = contact.unanswered.saturating_sub(1);
            step.changes.push(Change::PutContact(Box::new(contact)));
        }
        Ok(())
    }

    fn tell(&mut self, step: &mut Step, reservation: &Reservation, result: &Result<SendReceipt, SendError>) {
        let lane = reservation.lane;
        let outcome = result.as_ref().map_or_else(SendError::code, |_| "sent");
        counter!("wa_send_total", "lane" => lane.as_str(), "result" => outcome).increment(1);
        if !is_message(lane) {
            return;
        }
        let id = &reservation.id;
        let (kind, data) = match result {
            Ok(receipt) => {
                let chat = receipt.chat.as_ref().map(Jid::to_string);
                let timestamp = receipt.timestamp.0;
                let data =
                    json!({ "messageId": id, "lane": lane.as_str(), "chat": chat, "timestamp": timestamp });
                (EventKind::MessageSent, data)
            }
            Err(error) => {
                let code = reservation.code;
                let data = json!({
                    "messageId": id,
                    "lane": lane.as_str(),
                    "code": error.code(),
                    "serverCode": code,
                    "mayHaveArrived": matches!(error, SendError::Unknown { .. }),
                });
                (EventKind::MessageFailed, data)
            }
        };
        self.push(step, kind, data);
    }
}

const fn is_message(lane: Lane) -> bool {
    !matches!(lane, Lane::GroupAdmin | Lane::Lookup)
}

impl From<wa_core::SendError> for SendError {
    /// An error after which nothing left.
    fn from(error: wa_core::SendError) -> Self {
        match error {
            wa_core::SendError::Unsupported(_) => Self::InvalidRecipient,
            wa_core::SendError::Expired => Self::Expired,
            wa_core::SendError::Cancelled => Self::Cancelled,
            error => Self::Client(error),
        }
    }
}
