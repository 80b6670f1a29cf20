//! Which phone numbers have an account: asked within the budget of the lane `Lookup`, and remembered for a week.
//! Requirements: manager.md, R170, 3.4.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tokio::sync::oneshot;
use wa_core::CallError;
use wa_core::client::NumberLookup;
use wa_core::connection::RequestError;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

use super::gatekeeping::Allowed;
use super::{Actor, Lost};
use crate::ids::uuid;
use crate::manager::ManagerError;
use crate::sending::{Fate, KEEP_NUMBERS, Question, SendError};
use crate::store::{Change, FoundNumber, ManagerStoreError, NumberRecord};
use crate::trust::{Deed, Lane, LimitInfo, LimitSource, Scope};

/// Where the answer to a check goes.
pub(crate) type CheckReply = oneshot::Sender<Result<Vec<NumberStatus>, CheckError>>;

/// What is known of a phone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NumberStatus {
    /// The number: digits.
    pub number: String,
    /// Whether it has an account; null when the server did not say.
    pub is_registered: Option<bool>,
    /// The account's address.
    pub jid: Option<String>,
    /// Its other address, where the server told it.
    pub lid: Option<String>,
    /// Whether it is a verified business.
    pub is_business: bool,
    /// When the server said so, in milliseconds since 1970; up to a week ago.
    pub checked_at: u64,
}

/// Why numbers were not checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The account is not ready, or a limit stands against it: at most 20 numbers at once that are not known yet, five
    /// seconds apart, and so many a day as the account's level says. Nothing was counted.
    #[error(transparent)]
    Limit(#[from] SendError),
    /// The client could not ask; what it may have asked is counted.
    #[error("the server was not asked, or did not answer")]
    Client(#[from] CallError),
    /// The account is gone, damaged, or another owner's; or the manager ended.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl CheckError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Limit(error) => error.code(),
            Self::Client(_) => "client",
            Self::Manager(error) => error.code(),
        }
    }
}

impl From<ManagerStoreError> for CheckError {
    fn from(error: ManagerStoreError) -> Self {
        Self::Limit(error.into())
    }
}

/// A check that waits for the server.
#[derive(Debug)]
pub(super) struct Checking {
    /// What was counted for it.
    id: MessageId,
    /// All that was asked for, in its order.
    numbers: Vec<PhoneNumber>,
    known: BTreeMap<PhoneNumber, NumberStatus>,
    reply: CheckReply,
}

impl Actor {
    /// Checks numbers. What is not known yet is counted, and stored as such, before the server is asked.
    pub(super) async fn check_numbers(&mut self, numbers: Vec<PhoneNumber>, reply: CheckReply) {
        match self.begin_check(&numbers).await {
            Err(error) => drop(reply.send(Err(error))),
            Ok((known, None)) => drop(reply.send(Ok(in_order(numbers, &known)))),
            Ok((known, Some((id, unknown)))) => {
                let checking = Box::new(Checking { id, numbers, known, reply });
                let Some(client) = self.running.as_ref().map(|running| running.client.clone()) else {
                    return;
                };
                self.waiting.ask(async move {
                    let answer = client.users().lookup(&unknown).await;
                    Allowed::Numbers(checking, answer)
                });
            }
        }
    }

    async fn begin_check(
        &mut self,
        numbers: &[PhoneNumber],
    ) -> Result<(BTreeMap<PhoneNumber, NumberStatus>, Option<(MessageId, Vec<PhoneNumber>)>), CheckError>
    {
        let now = self.gate.now();
        let wanted: BTreeSet<PhoneNumber> = numbers.iter().cloned().collect();
        let kept = self.shared.store.numbers(&self.record.id, wanted.iter().cloned().collect()).await?;
        let fresh = kept.into_iter().filter(|kept| now.since(kept.at) < KEEP_NUMBERS);
        let known: BTreeMap<_, _> = fresh.map(|kept| (kept.number.clone(), status_of(kept))).collect();
        let unknown: Vec<_> = wanted.into_iter().filter(|number| !known.contains_key(number)).collect();
        if unknown.is_empty() {
            return Ok((known, None));
        }
        let boot = self.shared.clock.boot();
        if let Some(until) = self.questions.closed_until(Question::Numbers, boot) {
            let retry_at = now.after(until.saturating_sub(boot));
            return Err(SendError::from(closed(retry_at)).into());
        }
        let id = MessageId::new(uuid(SystemRandom.array()));
        let count = u32::try_from(unknown.len()).unwrap_or(u32::MAX);
        let counted = self.gate.ask_deed(&id, &Deed::Lookup { numbers: count }).await;
        self.after_gate();
        counted?;
        Ok((known, Some((id, unknown))))
    }

    /// The server answered, or did not.
    pub(super) async fn numbers_told(
        &mut self,
        checking: Checking,
        answer: Result<Vec<NumberLookup>, CallError>,
    ) -> Result<(), Lost> {
        let Checking { id, numbers, mut known, reply } = checking;
        self.questions.note(Question::Numbers, &answer, self.shared.clock.boot());
        let fate = match &answer {
            // Surely nothing left.
            Err(CallError::Request(RequestError::NotConnected) | CallError::NotPaired) => {
                Fate::NeverLeft(wa_core::SendError::NotPaired)
            }
            Err(CallError::Request(RequestError::Refused(refusal))) => Fate::Refused(refusal.code),
            _ => Fate::Sent { at: None, chat: None },
        };
        persist!(self, self.gate.settle(&id, fate.clone()));
        let answers = match answer {
            Ok(answers) => answers,
            Err(error) => {
                let _gone = reply.send(Err(error.into()));
                return Ok(());
            }
        };
        let at = self.gate.now();
        let mut changes = self.shared.fenced(&self.record);
        for answer in answers {
            let number = answer.number.clone();
            let status = match of_answer(&self.record.id, answer, at) {
                Some(record) => {
                    changes.push(Change::PutNumber(Box::new(record.clone())));
                    status_of(record)
                }
                None => unknown(&number, at),
            };
            known.insert(number, status);
        }
        self.write(changes).await?;
        let _gone = reply.send(Ok(in_order(numbers, &known)));
        Ok(())
    }
}

fn in_order(numbers: Vec<PhoneNumber>, known: &BTreeMap<PhoneNumber, NumberStatus>) -> Vec<NumberStatus> {
    let of =
        |number: PhoneNumber| known.get(&number).cloned().unwrap_or_else(|| unknown(&number, UnixMillis(0)));
    numbers.into_iter().map(of).collect()
}

/// What the server said of a number; `None` when it did not.
fn of_answer(account: &crate::AccountId, answer: NumberLookup, at: UnixMillis) -> Option<NumberRecord> {
    let found = answer.result.ok()?.map(|user| FoundNumber {
        jid: user.user.to_string(),
        lid: user.lid.as_ref().map(Jid::to_string),
        is_business: user.business.is_some(),
    });
    Some(NumberRecord { account: account.clone(), number: answer.number, found, at })
}

fn status_of(record: NumberRecord) -> NumberStatus {
    let NumberRecord { number, found, at, .. } = record;
    let is_registered = Some(found.is_some());
    let is_business = found.as_ref().is_some_and(|found| found.is_business);
    let (jid, lid) = found.map_or((None, None), |found| (Some(found.jid), found.lid));
    NumberStatus { number: number.to_string(), is_registered, jid, lid, is_business, checked_at: at.0 }
}

fn unknown(number: &PhoneNumber, at: UnixMillis) -> NumberStatus {
    NumberStatus {
        number: number.to_string(),
        is_registered: None,
        jid: None,
        lid: None,
        is_business: false,
        checked_at: at.0,
    }
}

/// The server was asked too often.
const fn closed(retry_at: UnixMillis) -> LimitInfo {
    LimitInfo {
        lane: Lane::Lookup,
        scope: Scope::Lookups,
        limit: 0,
        used: 0,
        retry_at: Some(retry_at),
        source: LimitSource::Server { code: Some(429) },
    }
}
