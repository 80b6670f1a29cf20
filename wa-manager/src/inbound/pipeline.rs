//! One item from the client to the store.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::time::timeout;
use tracing::{Instrument as _, debug, warn};
use wa_core::event::LostReason;
use wa_types::Jid;

use super::data::{Around, Host, event_of};
use super::error::{InboundError, Stage};
use super::item::{Item, Received, What};
use super::outcome::{self, Outcome, Skip};
use super::provider::{ContactProvisioner, HookError, InboundContext, Provider, ProviderSelector};
use super::provision::{older, person_of};
use crate::account::IgnoreRules;
use crate::contacts::Addresses;
use crate::event::EventKind;
use crate::sending::{Gate, Step};
use crate::store::{Change, Changes, ChatKind, ChatRecord, ManagerStoreError};

/// How long a hook of the host has.
const HOOK_LIMIT: Duration = Duration::from_secs(10);

/// What the host says about one item.
pub(crate) type Answer = Result<Hosted, InboundError>;

/// Who serves an item, and the host's names for contact and chat.
#[derive(Debug)]
pub(crate) struct Hosted {
    provider: Provider,
    host: Host,
}

/// The same, while it is waited for. It needs nothing of the account, which goes on meanwhile.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Takes in what comes to one account. Owned by the account's one task.
#[derive(Debug)]
pub struct Inbound {
    selector: Arc<dyn ProviderSelector>,
    provisioner: Option<Arc<dyn ContactProvisioner>>,
}

impl Inbound {
    /// With the host's word on who serves what.
    #[must_use]
    pub fn new(selector: Arc<dyn ProviderSelector>) -> Self {
        Self { selector, provisioner: None }
    }

    /// With contacts and chats of the host's own.
    #[must_use]
    pub fn with_provisioner(self, provisioner: Option<Arc<dyn ContactProvisioner>>) -> Self {
        Self { provisioner, ..self }
    }

    /// Asks the host about an item, if it is one that the host is asked about. The answer goes to [`Self::take`].
    pub(crate) fn ask(&self, gate: &Gate, item: &Item, ignore: &IgnoreRules) -> Option<Asking> {
        let Item::Received(received) = item else { return None };
        let kind = ChatKind::of(&received.chat);
        if skip(received, kind, ignore).is_some() || lost(received).is_some() {
            return None;
        }
        let Addresses { pn, lid } = person_of(received, kind);
        let context = InboundContext {
            tenant: gate.owner.tenant.clone(),
            account: gate.owner.account.clone(),
            chat: received.chat.clone(),
            kind,
            phone: pn,
            lid,
            name: received.push_name.clone(),
            from_me: received.from_me,
        };
        let (selector, provisioner) = (Arc::clone(&self.selector), self.provisioner.clone());
        Some(Box::pin(async move {
            let provider = hook(Stage::Provider, async { selector.select(&context).await }).await?;
            let host = match provisioner {
                Some(provisioner) => provide(&*provisioner, &context).await?,
                None => Host::default(),
            };
            Ok(Hosted { provider, host })
        }))
    }

    /// Takes one item in, with what [`Self::ask`] led to under the same rules, in one commit with `extra`, which the owner
    /// may add. Then the client's event may be confirmed.
    ///
    /// What fails of contact and chat is left out, and told as `inbound.failed`; the message is told all the same.
    ///
    /// # Errors
    /// [`InboundError::UnknownAccount`], [`InboundError::Store`]: nothing is stored. Do not confirm; it comes again.
    ///
    /// Not cancel safe in its counters: an item whose future was dropped has no outcome until it comes again.
    pub(crate) async fn take(
        &self,
        gate: &mut Gate,
        item: &Item,
        ignore: &IgnoreRules,
        answer: Option<&Answer>,
        extra: Changes,
    ) -> Result<Outcome, InboundError> {
        outcome::count_received();
        let done = match item {
            Item::Received(received) => receive(gate, received, ignore, answer, extra).await,
            Item::Merged { number, kept, gone } => merge(gate, *number, kept, gone, extra).await,
        };
        outcome::count(match &done {
            Ok(outcome) => *outcome,
            Err(error) => Outcome::Failed(error.stage()),
        });
        done
    }
}

async fn receive(
    gate: &mut Gate,
    received: &Received,
    ignore: &IgnoreRules,
    answer: Option<&Answer>,
    extra: Changes,
) -> Result<Outcome, InboundError> {
    let kind = ChatKind::of(&received.chat);
    if let Some(skip) = skip(received, kind, ignore) {
        let step = begin(gate).await?;
        store(gate, step, extra).await?;
        return Ok(Outcome::Skipped(skip));
    }
    if let Some(error) = lost(received) {
        let mut step = begin(gate).await?;
        let stage = error.stage();
        stage.span().in_scope(|| {
            debug!(%error, "that it came is told");
            tell(gate, &mut step, received, &Around::new(kind));
        });
        store(gate, step, extra).await?;
        return Ok(Outcome::Failed(stage));
    }
    let ours;
    let failed = match answer {
        Some(Err(error)) => error,
        None => &InboundError::NotAsked,
        Some(Ok(hosted)) => match whole(gate, received, kind, hosted, &extra).await {
            Ok(()) => return Ok(Outcome::Processed),
            Err(error) if !is_of_one_item(&error) => return Err(error),
            Err(error) => {
                ours = error;
                &ours
            }
        },
    };
    warn!(stage = failed.stage().as_str(), "a message is told without contact and chat");
    let mut step = begin(gate).await?;
    tell(gate, &mut step, received, &Around::new(kind));
    let data = json!({
        "messageId": received.id.as_str(),
        "chat": received.chat.to_string(),
        "stage": failed.stage().as_str(),
        "error": why(failed),
    });
    gate.push_inbound(&mut step, EventKind::InboundFailed, received.number, &[received.id.as_str()], data);
    store(gate, step, extra).await?;
    Ok(Outcome::Failed(failed.stage()))
}

/// The host's names for contact and chat.
async fn provide(
    provisioner: &dyn ContactProvisioner,
    context: &InboundContext,
) -> Result<Host, InboundError> {
    let contact = hook(Stage::Contact, async { provisioner.get_or_create_contact(context).await }).await?;
    let chat = hook(Stage::Chat, async { provisioner.get_or_create_chat(context).await }).await?;
    Ok(Host { contact, chat })
}

/// Asks a hook of the host's. Whatever it does, it costs this item its contact and chat, and no more.
async fn hook<T>(stage: Stage, call: impl Future<Output = Result<T, HookError>>) -> Result<T, InboundError> {
    match timeout(HOOK_LIMIT, AssertUnwindSafe(call.instrument(stage.span())).catch_unwind()).await {
        Err(_) => Err(InboundError::HookTimeout(stage)),
        Ok(Err(_)) => Err(InboundError::HookPanic(stage)),
        Ok(Ok(answer)) => answer.map_err(|error| match stage {
            Stage::Contact => InboundError::HostContact(error),
            Stage::Chat => InboundError::HostChat(error),
            _ => InboundError::Provider(error),
        }),
    }
}

/// All of it: contact, chat, event.
async fn whole(
    gate: &mut Gate,
    received: &Received,
    kind: ChatKind,
    Hosted { provider, host }: &Hosted,
    extra: &Changes,
) -> Result<(), InboundError> {
    let mut step = begin(gate).await?;
    let contact = gate.provision(&mut step, received, kind).await?;
    tell(gate, &mut step, received, &Around { kind, contact, provider: Some(provider), host: host.clone() });
    for change in extra.iter() {
        step.changes.push(change.clone());
    }
    gate.commit(step).instrument(Stage::Provision.span()).await.map_err(|error| match error {
        // The store as a whole can do nothing more; all else may be about these rows.
        error @ (ManagerStoreError::Closed
        | ManagerStoreError::Full
        | ManagerStoreError::Locked
        | ManagerStoreError::FenceLost { .. }) => InboundError::of_store(error),
        error => InboundError::Provision(error),
    })
}

/// Why there is nothing to read in it, if there is not.
const fn lost(received: &Received) -> Option<InboundError> {
    match received.what {
        What::Undecodable { .. } => Some(InboundError::Undecodable),
        What::Lost(_) => Some(InboundError::Undecryptable),
        _ => None,
    }
}

/// Why something is told to nobody, if it is not.
fn skip(received: &Received, kind: ChatKind, ignore: &IgnoreRules) -> Option<Skip> {
    match received.what {
        What::OwnDevice => return Some(Skip::OwnDevice),
        What::Lost(LostReason::OnlyKeys) => return Some(Skip::OnlyKeys),
        _ => {}
    }
    let (is_ignored, skip) = match kind {
        ChatKind::Direct => return None,
        ChatKind::Group => (ignore.groups, Skip::Group),
        ChatKind::Status => (ignore.status, Skip::Status),
        ChatKind::Broadcast => (ignore.broadcast, Skip::Broadcast),
        ChatKind::Newsletter => (ignore.newsletters, Skip::Newsletter),
    };
    is_ignored.then_some(skip)
}

/// Whether the rest can go on without what failed.
const fn is_of_one_item(error: &InboundError) -> bool {
    !matches!(error, InboundError::UnknownAccount | InboundError::Store(_))
}

fn tell(gate: &Gate, step: &mut Step, received: &Received, around: &Around<'_>) {
    let (kind, data) = event_of(received, around);
    gate.push_inbound(step, kind, received.number, &[received.id.as_str()], data);
}

/// The account as it is now, if it is still ours.
async fn begin(gate: &mut Gate) -> Result<Step, InboundError> {
    gate.begin().instrument(Stage::Account.span()).await.map_err(InboundError::of_store)
}

async fn store(gate: &mut Gate, mut step: Step, extra: Changes) -> Result<(), InboundError> {
    for change in extra {
        step.changes.push(change);
    }
    gate.commit(step).instrument(Stage::Store.span()).await.map_err(InboundError::of_store)
}

/// The error with what is behind it.
fn why(error: &InboundError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Two chats are with one person: the contacts become one, and so do the chats.
async fn merge(
    gate: &mut Gate,
    number: u64,
    kept: &Jid,
    gone: &Jid,
    extra: Changes,
) -> Result<Outcome, InboundError> {
    let mut step = begin(gate).await?;
    let contact = gate.merge_chats(&mut step, kept, gone).await.map_err(InboundError::of_store)?;
    let data = json!({ "kept": kept.to_string(), "gone": gone.to_string(), "contactId": contact });
    let chats = [kept.to_string(), gone.to_string()];
    gate.push_inbound(&mut step, EventKind::ChatMerged, number, &[&chats[0], &chats[1]], data);
    store(gate, step, extra).await?;
    Ok(Outcome::Processed)
}

impl Gate {
    async fn merge_chats(
        &mut self,
        step: &mut Step,
        kept: &Jid,
        gone: &Jid,
    ) -> Result<Option<u64>, ManagerStoreError> {
        let account = self.owner.account.clone();
        let addresses = Addresses::of([kept, gone]);
        let mut contact = None;
        if !addresses.is_empty() {
            let known = self.person(step, &addresses).await?;
            contact = Some(known.contact.id);
            crate::contacts::write(&*self.store, &known, &mut step.changes).await?;
        }
        let (first, second) =
            (self.store.chat(&account, kept).await?, self.store.chat(&account, gone).await?);
        if let Some(second) = second {
            let first = first.unwrap_or_else(|| ChatRecord { chat: kept.clone(), ..second.clone() });
            step.changes.push(Change::DeleteChat { account, chat: gone.clone() });
            step.changes.push(Change::PutChat(Box::new(ChatRecord {
                contact: contact.or(first.contact),
                created_at: first.created_at.min(second.created_at),
                last_message_at: first.last_message_at.max(second.last_message_at),
                oldest: match second.oldest {
                    Some(second) => older(first.oldest, second),
                    None => first.oldest,
                },
                ..first
            })));
        }
        Ok(contact)
    }
}
