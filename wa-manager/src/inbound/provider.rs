//! The host's word on who serves what comes in, before contacts and chats are made. Requirements: manager.md, R068, R069.

use std::fmt::Debug;
use std::pin::Pin;

use wa_types::Jid;

use crate::ids::{AccountId, TenantId};
use crate::store::ChatKind;

/// Says who serves a message, by tenant and account. Yours to implement.
///
/// A failure is told as `inbound.failed`; the message is told all the same, without contact and chat.
pub trait ProviderSelector: Send + Sync + Debug {
    /// Who serves this. It has ten seconds; one that is late three times in a row is not asked for a minute, and what
    /// waits half a minute for others is told without being asked about. A panic is a failure.
    ///
    /// # Errors
    /// [`HookError`], with words for whoever looks into it.
    fn select<'a>(&'a self, context: &'a InboundContext) -> ProviderFuture<'a>;
}

/// What [`ProviderSelector::select`] returns; boxed, so that a selector can be an `Arc<dyn ProviderSelector>`.
pub type ProviderFuture<'a> = Pin<Box<dyn Future<Output = Result<Provider, HookError>> + Send + 'a>>;

/// Keeps contacts and chats of the host's own, beside those of the manager. Yours to implement.
///
/// Both are asked for each message that is taken in, before it is told; it is told with what they answer. They may be
/// asked for the same message again, and have ten seconds each, with the same patience as
/// [`ProviderSelector::select`]. A failure is told as `inbound.failed` with its stage;
/// the message is told all the same, without contact and chat.
pub trait ContactProvisioner: Send + Sync + Debug {
    /// The host's name for the contact of who wrote this, made if there is none; none if there shall be none.
    ///
    /// # Errors
    /// [`HookError`], with words for whoever looks into it.
    fn get_or_create_contact<'a>(&'a self, context: &'a InboundContext) -> ProvisionFuture<'a>;

    /// The host's name for the chat of this, made if there is none; none if there shall be none.
    ///
    /// # Errors
    /// As [`Self::get_or_create_contact`].
    fn get_or_create_chat<'a>(&'a self, context: &'a InboundContext) -> ProvisionFuture<'a>;
}

/// What the calls of [`ContactProvisioner`] return.
pub type ProvisionFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, HookError>> + Send + 'a>>;

/// Who serves a message: a name of the host's. Events carry it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provider(String);

impl Provider {
    /// The one of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hook of the host failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookError(String);

impl HookError {
    /// With these words. They go into an event: no keys, no texts of messages.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What a hook is told. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundContext {
    /// Whose account it is.
    pub tenant: TenantId,
    /// The account that received it.
    pub account: AccountId,
    /// The chat.
    pub chat: Jid,
    /// Which sort of chat.
    pub kind: ChatKind,
    /// The phone number of who wrote, where it is known.
    pub phone: Option<Jid>,
    /// The LID of who wrote, where it is known.
    pub lid: Option<Jid>,
    /// How they call themselves.
    pub name: Option<String>,
    /// Whether our own account wrote it, on another device.
    pub from_me: bool,
}

impl Debug for InboundContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundContext")
            .field("tenant", &self.tenant)
            .field("account", &self.account)
            .field("chat", &self.chat)
            .field("kind", &self.kind)
            .field("from_me", &self.from_me)
            .finish_non_exhaustive()
    }
}

/// The same one serves everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedProvider(Provider);

impl FixedProvider {
    /// This one.
    #[must_use]
    pub const fn new(provider: Provider) -> Self {
        Self(provider)
    }
}

impl Default for FixedProvider {
    fn default() -> Self {
        Self(Provider::new("default"))
    }
}

impl ProviderSelector for FixedProvider {
    fn select<'a>(&'a self, _: &'a InboundContext) -> ProviderFuture<'a> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}
