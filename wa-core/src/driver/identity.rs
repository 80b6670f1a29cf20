//! What follows when somebody's identity key is another one than before: a new phone, or somebody else. Told by the
//! server, or seen in a first message or in fetched keys. Protocol: prekeys and devices, "Identity change"; signal,
//! "Trust and identity change".

use std::collections::HashMap;

use tokio::sync::oneshot;
use wa_store::StoreError;
use wa_types::{Jid, SignalAddress};

use super::directory::Evidence;
use super::{Actor, Step};
use crate::e2e::addressing::{AddressPair, OwnAddress};
use crate::error::CallError;
use crate::event::Event;

/// How many users' holds are known in memory.
const KNOWN: usize = 1024;

/// What a new identity key of somebody's phone means for messages to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IdentityPolicy {
    /// Nothing: the new key is taken, as the official apps do. The event tells.
    #[default]
    Trust,
    /// Messages to that user, and to every group with that user in it, wait in the outbox until
    /// [`Client::trust_identity`](crate::Client::trust_identity), their deadline, or
    /// [`Client::cancel_send`](crate::Client::cancel_send); also after a restart.
    /// [`SendState::Held`](crate::event::SendState::Held) says for whom. Copies that the user's devices ask for again
    /// wait, too. What comes from them is delivered as ever.
    ///
    /// A group waits as a whole: a member who was left out could not read the message later. Where a group shall not
    /// wait for one member, trust the member on [`Event::IdentityChanged`](crate::Event::IdentityChanged).
    Hold,
}

/// Whose holds are known, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct Holds(HashMap<Jid, bool>);

impl Holds {
    /// Memory and store may not agree any more.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    fn note(&mut self, user: Jid, is_held: bool) {
        if self.0.len() >= KNOWN {
            self.0.clear();
        }
        self.0.insert(user, is_held);
    }
}

impl Actor {
    /// The server tells that a user's phone has a new identity key: nothing more is sent on the sessions that there
    /// are, with any device of theirs. What is under way can still be read.
    pub(super) async fn handle_identity_notice(
        &mut self,
        user: &Jid,
        lid: Option<&Jid>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        if user.device() != 0 {
            return Ok(());
        }
        self.learn(lid.and_then(|lid| AddressPair::new(user, lid)), Evidence::Seen, step).await?;
        let users = self.addresses_of([Some(user), lid]).await?;
        let devices = self.sessions_of(&users).await?;
        let phones: Vec<SignalAddress> =
            devices.iter().filter(|device| device.device() == 0).cloned().collect();
        let was_known = phones.iter().any(|phone| self.ratchets.identity(phone).is_some());
        for device in &devices {
            self.ratchets.archive(device);
        }
        for phone in &phones {
            // Whatever key comes next is the new one: it is told of here, and not again.
            self.ratchets.forget_identity(phone, &mut step.changes);
        }
        for user in &users {
            self.directory.drop_list(user, &mut step.changes);
        }
        if was_known {
            self.hold(users, step);
            step.events.push(Event::IdentityChanged { device: user.clone() });
        }
        Ok(())
    }

    /// Does what follows from the new identity keys that this step met. Called before anything is sent.
    pub(super) async fn heed_identities(&mut self, step: &mut Step) -> Result<(), StoreError> {
        for device in std::mem::take(&mut step.new_identities) {
            if device.device() == 0 {
                if self.own().is_some_and(|own: OwnAddress| own.is_account(&device)) {
                    self.leave_moved_account(step);
                    continue;
                }
                let users = self.addresses_of([Some(&device), None]).await?;
                // The session that was just begun is the right one; the companions of the old account are gone.
                for companion in self.sessions_of(&users).await? {
                    if companion.device() != 0 {
                        self.ratchets.archive(&companion);
                    }
                }
                for user in &users {
                    self.directory.drop_list(user, &mut step.changes);
                }
                self.hold(users, step);
            }
            step.events.push(Event::IdentityChanged { device });
        }
        Ok(())
    }

    /// To whom of these users nothing is sent for the time being. Looks at both addresses of each: a hold may be older
    /// than our knowledge of the other one.
    pub(super) async fn held_among(&mut self, users: &[Jid]) -> Result<Vec<Jid>, StoreError> {
        if self.config.identity_policy == IdentityPolicy::Trust {
            return Ok(Vec::new());
        }
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_addresses(&*store, users.to_vec()).await?;
        let forms = |user: &Jid| {
            let user = user.to_chat();
            let other = self.directory.other_address(&user).cloned();
            std::iter::once(user).chain(other)
        };
        let mut known = HashMap::new();
        let mut unknown = Vec::new();
        for form in users.iter().flat_map(forms) {
            match self.holds.0.get(&form) {
                Some(is_held) => known.extend([(form, *is_held)]),
                None => unknown.push(form),
            }
        }
        if !unknown.is_empty() {
            let held = store.held(&unknown).await?;
            known.extend(unknown.iter().cloned().zip(held.iter().copied()));
        }
        let is_held = |user: &&Jid| forms(user).any(|form| known.get(&form) == Some(&true));
        let held = users.iter().filter(is_held).map(Jid::to_chat).collect();
        for user in unknown {
            let is_held = known.get(&user) == Some(&true);
            self.holds.note(user, is_held);
        }
        Ok(held)
    }

    /// The application trusts a user's new key: what waited for that leaves.
    pub(super) async fn trust_identity(
        &mut self,
        user: &Jid,
        reply: oneshot::Sender<Result<(), CallError>>,
        step: &mut Step,
    ) {
        let users = match self.addresses_of([Some(user), None]).await {
            Ok(users) => users,
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                return;
            }
        };
        for user in &users {
            step.changes.release(user.clone());
            self.holds.note(user.clone(), false);
        }
        step.replies.push(reply);
        self.outbox.release(&users);
        if let Err(error) = self.answer_released(&users, step).await {
            tracing::warn!(%error, "a message that was held is not sent again");
        }
    }

    fn hold(&mut self, users: Vec<Jid>, step: &mut Step) {
        if self.config.identity_policy == IdentityPolicy::Hold {
            for user in users {
                step.changes.hold(user.clone());
                self.holds.note(user, true);
            }
        }
    }

    /// All addresses of a user of whom these are some.
    async fn addresses_of(&mut self, some: [Option<&Jid>; 2]) -> Result<Vec<Jid>, StoreError> {
        let mut users: Vec<Jid> = some.into_iter().flatten().map(Jid::to_chat).collect();
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_addresses(&*store, users.clone()).await?;
        let others: Vec<Jid> =
            users.iter().filter_map(|user| self.directory.other_address(user).cloned()).collect();
        users.extend(others);
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    /// The devices of these users that we know, with their sessions loaded.
    async fn sessions_of(&mut self, users: &[Jid]) -> Result<Vec<SignalAddress>, StoreError> {
        let phones: Vec<SignalAddress> = users.iter().filter_map(SignalAddress::from_jid).collect();
        let known = self.store.known_devices(&phones).await?;
        let mut devices = phones.clone();
        for (phone, numbers) in phones.iter().zip(known) {
            devices.extend(
                numbers.into_iter().filter(|number| *number != 0).map(|number| phone.with_device(number)),
            );
        }
        self.load_sessions(devices.clone()).await?;
        Ok(devices)
    }
}
