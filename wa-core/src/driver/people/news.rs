//! What changed while we look and while we were away: told to the application, and asked for where it is not told.
//! Protocol: receiving, "Notifications"; IQ catalogue, "Dirty bits".

use std::pin::Pin;

use tokio::sync::oneshot;
use wa_store::StoreError;
use wa_types::{Jid, UnixSeconds};

use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::driver::command::GroupJob;
use crate::driver::directory::Evidence;
use crate::driver::upkeep::Fetched;
use crate::driver::{Actor, Step};
use crate::e2e::addressing::AddressPair;
use crate::error::CallError;
use crate::event::{AccountChange, Event, ProfileChange, ProfileChanged};
use crate::stanza::call::InboundCall;
use crate::stanza::iq::blocklist::{Blocklist, BlocklistChange, FetchBlocklist};
use crate::stanza::iq::md::CleanDirty;
use crate::stanza::iq::privacy::{FetchPrivacy, PrivacySettings, TrustedToken};
use crate::stanza::notification::people::{News, PeopleNotification};

/// An answer to a question about people.
pub(in crate::driver) enum PeopleAnswer {
    /// A token of ours was given to a user.
    Issued { user: Jid, timestamp: UnixSeconds, result: Result<Vec<TrustedToken>, RequestError> },
    /// All settings.
    Privacy(Result<PrivacySettings, RequestError>),
    /// The whole block list, at this count of its changes.
    Blocklist { state: u64, result: Result<Blocklist, RequestError> },
    /// What was out of date after the time away, as far as it was asked for; and it was told to be up to date.
    Synced { synced: Synced, state: u64 },
}

impl Actor {
    pub(in crate::driver) async fn handle_people_answer(
        &mut self,
        answer: PeopleAnswer,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        match answer {
            PeopleAnswer::Issued { user, timestamp, result } => {
                self.handle_issued(&user, timestamp, result, step).await?;
            }
            PeopleAnswer::Privacy(Ok(settings)) => tell(AccountChange::Privacy(settings), step),
            PeopleAnswer::Blocklist { state, result: Ok(list) } => self.take_blocklist(list, state, step),
            PeopleAnswer::Synced { synced: Synced { privacy, blocklist }, state } => {
                if let Some(settings) = privacy {
                    tell(AccountChange::Privacy(settings), step);
                }
                if let Some(list) = blocklist {
                    self.take_blocklist(list, state, step);
                }
            }
            // The server says it again at the next login.
            PeopleAnswer::Privacy(Err(error)) | PeopleAnswer::Blocklist { result: Err(error), .. } => {
                tracing::debug!(%error, "what changed could not be asked for");
            }
        }
        Ok(())
    }

    pub(in crate::driver) async fn handle_people_news(
        &mut self,
        notification: PeopleNotification,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let PeopleNotification { from, timestamp, addresses, news } = notification;
        if let Some(said) = addresses {
            self.handle_addresses(said, step).await?;
        }
        let own = self.own();
        let is_own = |user: &Jid| own.as_ref().is_some_and(|own| own.is_account(user));
        for one in news {
            let mut profile = |of: Option<Jid>, change: ProfileChange| {
                let changed = ProfileChanged { of, timestamp, change };
                step.events.push(Event::Profile(Box::new(changed)));
            };
            match one {
                News::Picture { of, author, id } => {
                    let change = ProfileChange::Picture { id, author };
                    if is_own(&of) { tell(AccountChange::Picture, step) } else { profile(Some(of), change) }
                }
                News::About(_) if is_own(&from) => tell(AccountChange::About, step),
                News::About(text) => profile(Some(from.clone()), ProfileChange::About { text }),
                News::Contact { user } => profile(user, ProfileChange::Unknown),
                News::Business { is_verified_name, is_removed } => {
                    profile(Some(from.clone()), ProfileChange::Business { is_verified_name, is_removed });
                }
                News::DefaultTimer(seconds) if is_own(&from) => {
                    tell(AccountChange::DefaultTimer { seconds }, step);
                }
                News::DefaultTimer(seconds) => {
                    profile(Some(from.clone()), ProfileChange::DefaultTimer { seconds });
                }
                News::Tokens(tokens) => {
                    for token in tokens {
                        self.keep_token(&from, &token.bytes, token.timestamp, step).await?;
                    }
                }
                News::Username { user, name } if user.as_ref().is_none_or(is_own) => {
                    tell(AccountChange::Username { name }, step);
                }
                News::Username { user, name } => profile(user, ProfileChange::Username { name }),
                News::TextStatus { user, .. } if is_own(&user) => tell(AccountChange::About, step),
                News::TextStatus { user, text, emoji, ephemeral_s } => {
                    profile(Some(user), ProfileChange::Status { text, emoji, ephemeral_s });
                }
                News::Timelock(lock) => tell(AccountChange::ReachoutTimelock(lock), step),
                News::Quota(quota) => tell(AccountChange::NewChatQuota(quota), step),
                News::Privacy(settings) if settings.list.is_empty() => self.fetch_privacy(),
                News::Privacy(settings) => tell(AccountChange::Privacy(settings), step),
                News::Blocklist(change) => self.change_blocklist(&change, step),
                News::OwnPicture => tell(AccountChange::Picture, step),
                News::OwnAbout => tell(AccountChange::About, step),
                News::OwnPushName(name) => {
                    if self.account.push_name.as_ref() != Some(&name) {
                        self.account.push_name = Some(name.clone());
                        step.changes.put_account(self.account.clone());
                        tell(AccountChange::PushName { name }, step);
                    }
                }
                News::OwnDevices => {
                    self.drop_device_lists(&from, None, step).await?;
                    tell(AccountChange::Devices, step);
                }
                News::Notices => tell(AccountChange::Notices, step),
            }
        }
        Ok(())
    }

    pub(in crate::driver) async fn handle_call(
        &mut self,
        call: InboundCall,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let pair = call.caller_pn.as_ref().and_then(|pn| AddressPair::new(pn, &call.from.to_user()));
        self.learn(pair, Evidence::Seen, step).await?;
        step.events.push(Event::Call(Box::new(call)));
        Ok(())
    }

    /// Our block list changed; where we do not know what it was, it is asked for.
    fn change_blocklist(&mut self, change: &BlocklistChange, step: &mut Step) {
        self.people.blocklist_state += 1;
        if let Some(list) = &mut self.people.blocklist
            && change.apply(list)
        {
            return tell(AccountChange::Blocklist(list.clone()), step);
        }
        self.people.blocklist = None;
        let state = self.people.blocklist_state;
        let Some(requester) = self.requester().cloned() else { return };
        self.fetch(async move {
            let result = requester.ask(FetchBlocklist, REQUEST_LIMIT).await;
            Fetched::People(Box::new(PeopleAnswer::Blocklist { state, result }))
        });
    }

    fn take_blocklist(&mut self, list: Blocklist, state: u64, step: &mut Step) {
        if state == self.people.blocklist_state {
            self.people.blocklist = Some(list.clone());
            tell(AccountChange::Blocklist(list), step);
        }
    }

    fn fetch_privacy(&mut self) {
        let Some(requester) = self.requester().cloned() else { return };
        self.fetch(async move {
            let result = requester.ask(FetchPrivacy, REQUEST_LIMIT).await;
            Fetched::People(Box::new(PeopleAnswer::Privacy(result)))
        });
    }

    /// Something changed while we were away: it is asked for, told, and then reported as up to date. What cannot be
    /// asked for now is said again at the next login.
    pub(in crate::driver) async fn heed_dirty(
        &mut self,
        kind: String,
        timestamp: String,
        parts: &[String],
        step: &mut Step,
    ) {
        let refresh = match kind.as_str() {
            "account_sync" => self.refresh_account(parts, step),
            "groups" => self.refresh_groups().await,
            // Nothing of other kinds is kept that could be out of date.
            _ => None,
        };
        let state = self.people.blocklist_state;
        let Some(requester) = self.requester().cloned() else { return };
        self.fetch(async move {
            let asked = async {
                let synced = match refresh {
                    Some(refresh) => refresh.await?,
                    None => Synced::default(),
                };
                requester.ask(CleanDirty { kind, timestamp }, REQUEST_LIMIT).await?;
                Ok::<_, RequestError>(synced)
            };
            let synced = asked.await.unwrap_or_else(|error| {
                tracing::debug!(%error, "what changed while away could not be synced");
                Synced::default()
            });
            Fetched::People(Box::new(PeopleAnswer::Synced { synced, state }))
        });
    }

    fn refresh_account(&mut self, parts: &[String], step: &mut Step) -> Option<Refresh> {
        let has = |part: &str| parts.is_empty() || parts.iter().any(|dirty| dirty == part);
        if has("devices")
            && let Some(own) = self.own()
        {
            for user in [Some(own.pn), own.lid].into_iter().flatten() {
                self.directory.drop_list(&user.to_user(), &mut step.changes);
            }
        }
        if has("picture") {
            tell(AccountChange::Picture, step);
        }
        if has("notice") {
            tell(AccountChange::Notices, step);
        }
        let (has_privacy, has_blocklist) = (has("privacy"), has("blocklist"));
        if has_blocklist {
            self.people.blocklist = None;
            self.people.blocklist_state += 1;
        }
        let requester = self.requester().cloned()?;
        Some(Box::pin(async move {
            let mut synced = Synced::default();
            if has_privacy {
                synced.privacy = Some(requester.ask(FetchPrivacy, REQUEST_LIMIT).await?);
            }
            if has_blocklist {
                synced.blocklist = Some(requester.ask(FetchBlocklist, REQUEST_LIMIT).await?);
            }
            Ok(synced)
        }))
    }

    /// Asks for all groups, which makes what is known of them true again.
    async fn refresh_groups(&mut self) -> Option<Refresh> {
        let (reply, answer) = oneshot::channel();
        self.handle_group_job(GroupJob::All { reply }).await;
        Some(Box::pin(async move {
            match answer.await {
                Ok(Ok(_)) => Ok(Synced::default()),
                Ok(Err(CallError::Request(error))) => Err(error),
                Ok(Err(_)) | Err(_) => Err(RequestError::ConnectionLost),
            }
        }))
    }
}

/// Asks for what changed while we were away.
type Refresh = Pin<Box<dyn Future<Output = Result<Synced, RequestError>> + Send>>;

/// What was asked for of it.
#[derive(Default)]
pub(in crate::driver) struct Synced {
    privacy: Option<PrivacySettings>,
    blocklist: Option<Blocklist>,
}

/// Tells the application what changed of the account.
fn tell(change: AccountChange, step: &mut Step) {
    step.events.push(Event::Account(Box::new(change)));
}
