//! Tokens of trust: those that users gave us are kept and attached, and ours are given to those to whom we write.
//! Protocol: messages, "Privacy tokens"; IQ catalogue, "Privacy tokens".

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use wa_store::{NctSalt, PrivacyToken, StoreError};
use wa_types::{Jid, UnixSeconds};

use super::news::PeopleAnswer;
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::driver::upkeep::Fetched;
use crate::driver::{Actor, Step, clock};
use crate::e2e::trust::{Trust, derived, is_due, is_valid};
use crate::stanza::iq::privacy::{IssueTokens, TOKEN_LIMIT, TrustedToken};

/// How many users' tokens stay in memory; the store has all.
const KEPT: usize = 4096;

/// What memory holds of the tokens.
#[derive(Default)]
pub(in crate::driver) struct Tokens {
    known: HashMap<Jid, Option<PrivacyToken>>,
    /// To whom one of ours is due.
    due: BTreeSet<Jid>,
    /// Who is being given one.
    asked: BTreeSet<Jid>,
}

impl Tokens {
    /// After a failure of the store: what memory has may never have been stored.
    pub(in crate::driver) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Lets go of what memory need not hold. Only between steps: within one, the store does not know all of it.
    pub(in crate::driver) fn trim(&mut self) {
        if self.known.len() > KEPT {
            self.known.clear();
        }
    }
}

impl Actor {
    /// Loads what is known of the tokens of these users, under both addresses.
    pub(in crate::driver) async fn load_tokens(&mut self, users: &[Jid]) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        self.directory.load_addresses(&*store, users.iter().map(Jid::to_chat).collect()).await?;
        let keys: BTreeSet<Jid> = users.iter().flat_map(|user| self.token_keys(user)).collect();
        let is_unknown = |key: &Jid| !self.people.tokens.known.contains_key(key);
        let unknown: Vec<Jid> = keys.into_iter().filter(is_unknown).collect();
        if !unknown.is_empty() {
            let records = self.store.privacy_tokens(&unknown).await?;
            self.people.tokens.known.extend(unknown.into_iter().zip(records));
        }
        Ok(())
    }

    /// The addresses under which a user's tokens may be kept, the one to write under first. They must be loaded.
    fn token_keys(&self, user: &Jid) -> Vec<Jid> {
        let user = user.to_chat();
        let other = self.directory.other_address(&user).cloned();
        let mut keys: Vec<Jid> = std::iter::once(user).chain(other).collect();
        keys.sort_by_key(|key| !key.is_lid());
        keys
    }

    /// What is known of a user's tokens: the newest of what both addresses have. They must be loaded.
    fn known_tokens(&self, user: &Jid) -> (Option<(Vec<u8>, UnixSeconds)>, Option<UnixSeconds>) {
        let user = user.to_chat();
        let other = self.directory.other_address(&user).cloned();
        let records = std::iter::once(user).chain(other);
        let records: Vec<&PrivacyToken> =
            records.filter_map(|key| self.people.tokens.known.get(&key)?.as_ref()).collect();
        let received = records.iter().filter_map(|record| record.received.clone()).max_by_key(|(_, at)| *at);
        (received, records.iter().filter_map(|record| record.issued).max())
    }

    /// The token that a user gave us, if it is still good. Never one for ourselves.
    pub(super) async fn token_for(&mut self, user: &Jid) -> Result<Option<Vec<u8>>, StoreError> {
        self.load_tokens(std::slice::from_ref(user)).await?;
        Ok(self.good_token(user))
    }

    /// When a user gave us the token that we would attach, if there is one.
    pub(in crate::driver) async fn token_at(
        &mut self,
        user: &Jid,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        if !self.takes_tokens(user) {
            return Ok(None);
        }
        self.load_tokens(std::slice::from_ref(user)).await?;
        Ok(self.dated_token(user).map(|(_, given)| given))
    }

    /// As [`Self::token_for`], when the tokens are loaded.
    pub(in crate::driver) fn good_token(&self, user: &Jid) -> Option<Vec<u8>> {
        self.dated_token(user).map(|(token, _)| token)
    }

    /// The same, and when it was given.
    fn dated_token(&self, user: &Jid) -> Option<(Vec<u8>, UnixSeconds)> {
        let now = clock::unix_millis().to_seconds();
        let known = self.known_tokens(user).0.filter(|_| self.takes_tokens(user))?;
        is_valid(known.1, now).then_some(known)
    }

    /// What goes with a message to this user. The tokens must be loaded.
    pub(in crate::driver) fn trust_for(&self, user: &Jid) -> Option<Trust> {
        if !self.takes_tokens(user) {
            return None;
        }
        self.good_token(user).map(Trust::Token).or_else(|| {
            let lid = if user.is_lid() { Some(user) } else { self.directory.lid_of(user) };
            Some(derived(self.account.nct_salt.as_ref()?, lid?))
        })
    }

    /// A message leaves for this user: the user gets a token of ours, if one is due. The tokens must be loaded.
    pub(in crate::driver) fn note_written_to(&mut self, user: &Jid) {
        let now = clock::unix_millis().to_seconds();
        if self.takes_tokens(user) && is_due(self.known_tokens(user).1, now) {
            self.people.tokens.due.insert(user.to_chat());
        }
    }

    fn takes_tokens(&self, user: &Jid) -> bool {
        user.is_user() && !user.is_bot() && !self.own().is_some_and(|own| own.is_account(user))
    }

    /// Gives our tokens to those to whom they are due. Called once the messages to them left.
    pub(in crate::driver) fn issue_due_tokens(&mut self) {
        if self.people.tokens.due.is_empty() {
            return;
        }
        let due = std::mem::take(&mut self.people.tokens.due);
        let Some(requester) = self.requester().cloned() else { return };
        let timestamp = clock::unix_millis().to_seconds();
        for user in due {
            if self.people.tokens.asked.insert(user.clone()) {
                // The phone number, as long as the server does not say otherwise.
                let named = self.directory.pn_of(&user).cloned().unwrap_or_else(|| user.clone());
                let request = IssueTokens { users: vec![named], timestamp };
                let requester = requester.clone();
                self.fetch(async move {
                    let result = requester.ask(request, REQUEST_LIMIT).await;
                    Fetched::People(Box::new(PeopleAnswer::Issued { user, timestamp, result }))
                });
            }
        }
    }

    /// The server's word on a token of ours.
    pub(super) async fn handle_issued(
        &mut self,
        user: &Jid,
        timestamp: UnixSeconds,
        result: Result<Vec<TrustedToken>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.people.tokens.asked.remove(user);
        match result {
            Ok(theirs) => {
                self.keep_issued(user, timestamp, step).await?;
                for token in theirs {
                    let giver = token.user.clone().unwrap_or_else(|| user.clone());
                    self.keep_token(&giver, &token.bytes, token.timestamp, step).await?;
                }
            }
            // The next message to the user tries again.
            Err(error) => tracing::debug!(%error, "a token of ours was not given"),
        }
        Ok(())
    }

    /// Keeps when we gave a user a token of ours.
    pub(in crate::driver) async fn keep_issued(
        &mut self,
        user: &Jid,
        issued: UnixSeconds,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.change_tokens(user, step, |record| {
            let is_newer = record.issued.is_none_or(|known| known < issued);
            if is_newer {
                record.issued = Some(issued);
            }
            is_newer
        })
        .await
    }

    /// Keeps a token that a user gave us, unless a newer one is known.
    pub(in crate::driver) async fn keep_token(
        &mut self,
        user: &Jid,
        token: &[u8],
        timestamp: UnixSeconds,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        if !(1..=TOKEN_LIMIT).contains(&token.len()) {
            return Ok(());
        }
        self.change_tokens(user, step, |record| {
            let is_newer = record.received.as_ref().is_none_or(|(_, known)| *known <= timestamp);
            if is_newer {
                record.received = Some((token.to_vec(), timestamp));
            }
            is_newer
        })
        .await
    }

    /// Keeps what another device knows of tokens, of many users: with one read of the store for all of them.
    pub(in crate::driver) async fn keep_tokens(
        &mut self,
        records: Vec<PrivacyToken>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let users: Vec<Jid> = records.iter().map(|record| record.user.clone()).collect();
        self.load_tokens(&users).await?;
        for PrivacyToken { user, received, issued } in records {
            if let Some((token, timestamp)) = received {
                self.keep_token(&user, &token, timestamp, step).await?;
            }
            if let Some(issued) = issued {
                self.keep_issued(&user, issued, step).await?;
            }
        }
        Ok(())
    }

    /// Keeps the secret from which tokens are made for users that gave us none.
    pub(in crate::driver) fn keep_nct_salt(&mut self, salt: NctSalt, step: &mut Step) {
        if salt.as_bytes().is_empty() || self.account.nct_salt.as_ref() == Some(&salt) {
            return;
        }
        self.account.nct_salt = Some(salt);
        step.changes.put_account(self.account.clone());
    }

    async fn change_tokens(
        &mut self,
        user: &Jid,
        step: &mut Step,
        change: impl FnOnce(&mut PrivacyToken) -> bool,
    ) -> Result<(), StoreError> {
        if !self.takes_tokens(user) {
            return Ok(());
        }
        self.load_tokens(std::slice::from_ref(user)).await?;
        let Some(key) = self.token_keys(user).into_iter().next() else { return Ok(()) };
        let (received, issued) = self.known_tokens(user);
        let mut record = PrivacyToken { user: key.clone(), received, issued };
        if change(&mut record) {
            step.changes.put_privacy_token(record.clone());
            self.people.tokens.known.insert(key, Some(record));
        }
        Ok(())
    }
}
