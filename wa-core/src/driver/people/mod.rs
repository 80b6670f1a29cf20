//! What the account knows of others beyond keys, and of its own settings: presence, the block list, tokens of trust.
//!
//! | File | Subject |
//! |---|---|
//! | `news` | notifications, and what the server says is out of date |
//! | `presence` | who is watched, who writes, what we tell |
//! | `tokens` | tokens of trust: kept, attached, given |

mod news;
mod presence;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;
use wa_store::StoreError;
use wa_types::Jid;

pub(super) use self::news::PeopleAnswer;
use self::tokens::Tokens;
use super::directory::Evidence;
use super::{Actor, Step};
use crate::e2e::addressing::AddressPair;
use crate::error::CallError;
use crate::stanza::iq::blocklist::Blocklist;
use crate::stanza::presence::Typing;

/// Who waits for an answer.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CallError>>;

/// What a handle may ask about people.
pub(crate) enum PeopleJob {
    /// These are the two addresses of one user each, by the server's word.
    Learn { pairs: Vec<(Jid, Jid)>, reply: Reply<()> },
    /// Both addresses of these users, and how the account is addressed.
    Addresses { users: Vec<Jid>, reply: Reply<Addresses> },
    /// The token of trust that a user gave us, if it is still good.
    Token { user: Jid, reply: Reply<Option<Vec<u8>>> },
    /// Be told whether a user is there, on every connection; or no longer.
    Watch { user: Jid, is_wanted: bool, reply: Reply<()> },
    /// Tell a chat what we are doing in it.
    Typing { chat: Jid, state: Typing, reply: Reply<()> },
    /// Who is blocked, as far as it is known, and the number of that state.
    Blocklist { reply: Reply<(Option<Blocklist>, u64)> },
    /// Who is blocked, unless the state has another number by now.
    KeepBlocklist { list: Blocklist, state: u64, reply: Reply<()> },
}

/// How users are addressed.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The LID and the phone number of each, as far as they are known.
    pub(crate) users: Vec<(Option<Jid>, Option<Jid>)>,
    /// The account is migrated to LIDs.
    pub(crate) by_lid: bool,
    /// Our own device.
    pub(crate) own: Jid,
    /// Our own device's LID.
    pub(crate) own_lid: Option<Jid>,
}

impl PeopleJob {
    /// Answers a request that came too late, or failed.
    pub(crate) fn refuse(self, error: CallError) {
        match self {
            Self::Addresses { reply, .. } => drop(reply.send(Err(error))),
            Self::Token { reply, .. } => drop(reply.send(Err(error))),
            Self::Blocklist { reply } => drop(reply.send(Err(error))),
            Self::Learn { reply, .. }
            | Self::Watch { reply, .. }
            | Self::Typing { reply, .. }
            | Self::KeepBlocklist { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// What memory holds of people.
#[derive(Default)]
pub(super) struct People {
    /// Whose presence is watched, on every connection.
    watched: BTreeSet<Jid>,
    blocklist: Option<Blocklist>,
    /// Counts the changes of the block list.
    blocklist_state: u64,
    pub(super) tokens: Tokens,
}

impl Actor {
    pub(super) async fn handle_people_job(&mut self, job: PeopleJob, step: &mut Step) {
        match job {
            PeopleJob::Learn { pairs, reply } => {
                let pairs: Vec<AddressPair> =
                    pairs.iter().filter_map(|(one, other)| AddressPair::new(one, other)).collect();
                answer(reply, self.learn(pairs, Evidence::Told, step).await);
            }
            PeopleJob::Addresses { users, reply } => {
                let Some(own) = self.account.jid.clone() else {
                    let _ = reply.send(Err(CallError::NotPaired));
                    return;
                };
                let found = self.addresses_for(&users).await;
                let (by_lid, own_lid) = (self.account.lid_migrated, self.account.lid.clone());
                answer(reply, found.map(|users| Addresses { users, by_lid, own, own_lid }));
            }
            PeopleJob::Token { user, reply } => answer(reply, self.token_for(&user).await),
            PeopleJob::Watch { user, is_wanted, reply } => {
                let done = self.watch(user, is_wanted, step).await;
                answer(reply, done);
            }
            PeopleJob::Typing { chat, state, reply } => {
                let done = self.tell_typing(&chat, state, step).await;
                let _ = reply.send(done);
            }
            PeopleJob::Blocklist { reply } => {
                let _ = reply.send(Ok((self.people.blocklist.clone(), self.people.blocklist_state)));
            }
            PeopleJob::KeepBlocklist { list, state, reply } => {
                if state == self.people.blocklist_state {
                    self.people.blocklist = Some(list);
                }
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// The LID and the phone number of each of these users, as far as they are known.
    async fn addresses_for(&mut self, users: &[Jid]) -> Result<Vec<(Option<Jid>, Option<Jid>)>, StoreError> {
        let store = Arc::clone(&self.store);
        self.directory.load_addresses(&*store, users.iter().map(Jid::to_chat).collect()).await?;
        let of = |user: &Jid| {
            let user = user.to_chat();
            let other = self.directory.other_address(&user).cloned();
            if user.is_lid() { (Some(user), other) } else { (other, Some(user).filter(Jid::is_pn)) }
        };
        Ok(users.iter().map(of).collect())
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    let _ = reply.send(result.map_err(CallError::from));
}
