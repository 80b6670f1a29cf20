//! One account's client: what an application holds.

mod account;
mod app_state;
mod blocklist;
mod builder;
mod business;
mod calls;
mod chats;
mod communities;
mod contacts;
mod events;
mod explain;
mod groups;
mod history;
mod identity;
mod labels;
#[cfg(feature = "link-preview")]
mod link_preview;
mod media;
#[cfg(any(feature = "http", feature = "websocket"))]
mod network;
mod newsletters;
mod pairing;
mod peers;
mod presence;
mod privacy;
mod profile;
mod raw;
mod send;
mod settings;
mod status_audience;
mod sticker_packs;
mod users;
#[cfg(feature = "http")]
pub mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wa_types::{Jid, MessageId, UnixSeconds};

pub use account::{AccountHandle, Email, NewChatQuota, ReachoutTimelock};
pub use app_state::AppState;
pub use blocklist::{BlocklistHandle, SpamFlow, SpamMessage};
pub use builder::ClientBuilder;
pub use business::{
    Business, BusinessEdit, BusinessHours, BusinessProfile, Collection, DayHours, LinkTarget, OpenHours,
    Order, OrderedProduct, Product, ProductDraft, ProductPage, Weekday,
};
pub use calls::Calls;
pub use chats::{ChatSettings, Chats, MessageRef, Mute};
pub use communities::{Communities, LinkOutcome, NewCommunity};
pub use contacts::{Contact, Contacts};
pub use events::Events;
pub use groups::{CreatedGroup, GroupLookup, Groups, MemberOutcome, NewGroup};
pub use history::{History, HistoryPart, HistoryReader, InitialHistory};
pub use labels::{Label, Labels, QuickReply};
#[cfg(feature = "link-preview")]
pub use link_preview::{FetchedPreview, LinkPreviewError, LinkPreviews, Route};
pub use media::{Downloader, Media, MediaSource, Progress};
pub use newsletters::{
    NewsletterAdminInvite, NewsletterFollower, NewsletterMute, NewsletterPage, NewsletterTerms, Newsletters,
    Page,
};
pub use pairing::{
    AuthenticatorError, HookFuture, LinkGuard, PairCodeOptions, PairingLimits, PasskeyAssertion,
    PasskeyAuthenticator,
};
pub use presence::Presence;
pub use privacy::{DefaultTimer, Privacy, PrivacyList};
pub use profile::{Profile, Username, UsernameCheck};
pub use raw::{Raw, RawCallError};
pub use send::SendOptions;
pub use settings::Settings;
pub use status_audience::{Audience, AudienceKind, AudienceList};
pub use sticker_packs::{NewStickerPack, StickerPackError, StickerPackFiles};
pub use users::{
    About, Bot, FoundUser, NumberLookup, Part, PartRefused, Picture, PictureError, PictureQuery, PictureSize,
    PictureState, TextStatus, UserAnswer, UserInfo, UserRefusal, Users, VerifiedName,
};

pub use crate::driver::history::{Anchor, HistoryPage, HistoryProgress, HistoryState, HistoryUse};
pub use crate::driver::identity::IdentityPolicy;
pub use crate::driver::repair::RepairTimes;
pub use crate::driver::{Liveness, ReconnectPolicy, Status};

use crate::connection::CloseReason;
use crate::driver::Pulse;
use crate::driver::command::Job;
use crate::driver::media::Fetcher;
use crate::driver::requester::Asker;
use crate::driver::sync::view::Said;
use crate::error::{CallError, ReconnectError};
use crate::event::MessageReceived;
use crate::message::MessageKey;
use crate::noise::client_payload::ClientVersion;
use crate::stanza::iq::IqRequest;
use crate::wire::Node;

/// A handle to one account. Cheap to clone; all clones are the same account, and the account's tasks end when the last
/// one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// The other ends of [`crate::driver::Shown`].
type Watched =
    (watch::Receiver<Status>, watch::Receiver<Option<CloseReason>>, watch::Receiver<Option<UnixSeconds>>);

#[derive(Debug)]
struct Inner {
    /// Read only: what writes is the account's task.
    store: Arc<dyn wa_store::Store>,
    jobs: mpsc::Sender<Job>,
    history: history::Shared,
    asker: Asker,
    fetcher: Fetcher,
    status: watch::Receiver<Status>,
    ended: watch::Receiver<Option<CloseReason>>,
    server_time: watch::Receiver<Option<UnixSeconds>>,
    pulse: Arc<Pulse>,
    /// Ends the tasks when the last handle goes.
    stop: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Builds a client on this store. The store is the account: a new one is paired first, a known one logs in.
    pub fn builder(store: Arc<dyn wa_store::Store>) -> ClientBuilder {
        ClientBuilder::new(store)
    }

    /// Tells the authors that these messages were read: a blue tick there, and no badge on our other devices.
    ///
    /// # Errors
    /// [`CallError`]; reading receipts is worth a retry once connected.
    pub async fn mark_read(&self, messages: &[&MessageReceived]) -> Result<(), CallError> {
        let keys: Vec<MessageKey> = messages.iter().map(|message| MessageKey::from(*message)).collect();
        self.mark_keys_read(&keys).await
    }

    /// [`Self::mark_read`] for messages of which no more is kept than who wrote them where.
    ///
    /// # Errors
    /// As [`Self::mark_read`]; [`CallError::AuthorMissing`] when one of a group does not name its author.
    pub async fn mark_keys_read(&self, messages: &[MessageKey]) -> Result<(), CallError> {
        // A receipt is about one chat and one author. Nobody waits for a receipt about our own messages.
        let mut read: BTreeMap<(Jid, Jid), Vec<MessageId>> = BTreeMap::new();
        for message in messages.iter().filter(|message| !message.from_me) {
            let author = match &message.sender {
                Some(sender) => sender.to_user(),
                None if message.chat.is_user() => message.chat.to_user(),
                None => return Err(CallError::AuthorMissing),
            };
            read.entry((message.chat.clone(), author)).or_default().push(message.id.clone());
        }
        for ((chat, sender), ids) in read {
            self.call(|reply| Job::MarkRead { chat, sender, ids, reply }).await??;
        }
        Ok(())
    }

    /// Tells the server whether somebody is looking. While available, delivery receipts count as active, and presences
    /// of others come in. It holds until it is changed, or this client ends: every login says it again. Without a
    /// connection it is said with the next one.
    ///
    /// # Errors
    /// [`CallError::Shutdown`].
    pub async fn set_available(&self, is_available: bool) -> Result<(), CallError> {
        self.call(|reply| Job::SetPresence { is_available, reply }).await
    }

    /// What the account is doing right now.
    #[must_use]
    pub fn status(&self) -> Status {
        // Without its task an account does nothing, whatever it did last.
        let is_over = self.inner.status.has_changed().is_err();
        match *self.inner.status.borrow() {
            Status::LoggedOut => Status::LoggedOut,
            _ if is_over => Status::Closed,
            status => status,
        }
    }

    /// Why there is no connection: how the last one ended. `None` while logged in, and before the first attempt ended.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.inner.ended.borrow().clone()
    }

    /// What the server's clock said at the last login; `None` before the first one of this client.
    #[must_use]
    pub fn server_time(&self) -> Option<UnixSeconds> {
        *self.inner.server_time.borrow()
    }

    /// How long the connection stands, and how long ago the server was heard last.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.inner.pulse.liveness()
    }

    /// Waits until the account is logged in. `false` when it will not be by itself: it is closed or logged out.
    ///
    /// Cancel safe.
    pub async fn ready(&self) -> bool {
        let mut status = self.inner.status.clone();
        let reached = status
            .wait_for(|status| matches!(status, Status::Ready | Status::Closed | Status::LoggedOut))
            .await;
        reached.is_ok_and(|status| *status == Status::Ready)
    }

    /// Connects now, if there is no connection: after [`crate::Event::Closed`], or instead of waiting. Returns once the
    /// attempt is under way; [`Self::ready`] waits for its end.
    ///
    /// # Errors
    /// [`ReconnectError`]: the server wants to hear nothing of this account now, or ever.
    pub async fn reconnect(&self) -> Result<(), ReconnectError> {
        self.call(|reply| Job::Reconnect { reply }).await.unwrap_or(Err(ReconnectError::Shutdown))
    }

    /// Presents as this release from the next connection on, until this client ends. When the server does not serve the
    /// present one any more ([`CloseReason::VersionRefused`]), this and [`Self::reconnect`] bring the account back:
    ///
    /// ```no_run
    /// # #[cfg(feature = "http")]
    /// # async fn example(client: wa_core::Client, event: wa_core::Event) -> Result<(), Box<dyn std::error::Error>> {
    /// use wa_core::connection::CloseReason;
    /// if let wa_core::Event::Closed { reason: CloseReason::VersionRefused { .. } } = event {
    ///     client.set_version(wa_core::client::version::fetch_current().await?).await;
    ///     client.reconnect().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Give the same version to the builder at the next start.
    pub async fn set_version(&self, version: ClientVersion) {
        let _ = self.inner.jobs.send(Job::SetVersion { version }).await;
    }

    /// Ends the connection in good order, and stays away until [`Self::reconnect`]. Messages whose ack has not come
    /// are sent again then; those that are sent meanwhile wait with them.
    pub async fn disconnect(&self) {
        let (reply, done) = oneshot::channel();
        if self.inner.jobs.send(Job::Disconnect { reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Unlinks this device from the account: it vanishes from the phone's list. [`crate::Event::LoggedOut`] follows.
    /// A server that does not answer within three seconds, or ends the connection instead, counts as having done it.
    ///
    /// # Errors
    /// [`CallError`]: the server refused or was not reached, and the device is still linked.
    pub async fn logout(&self) -> Result<(), CallError> {
        self.call(|reply| Job::Logout { reply }).await?
    }

    /// Wipes the store, and makes new keys: the next connection pairs a new device. Log out first; a device that is
    /// still linked stays in the phone's list.
    ///
    /// # Errors
    /// [`CallError::Store`]: nothing was wiped.
    pub async fn forget(&self) -> Result<(), CallError> {
        self.call(|reply| Job::Forget { reply }).await?
    }

    /// Ends the connection and all tasks of the account, and closes the store. Other handles fail from now on. Takes no
    /// longer than some seconds, whatever the network does.
    pub async fn shutdown(self) {
        self.inner.stop.cancel();
        if let Some(task) = self.inner.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the account's task failed");
        }
    }

    /// Asks the server what needs nothing of the account's state. Dropping the future gives the answer up; a change may
    /// be carried out all the same.
    pub(crate) async fn ask<R: IqRequest + Send + Sync + 'static>(
        &self,
        request: R,
    ) -> Result<R::Reply, CallError> {
        self.inner.asker.ask(request).await
    }

    /// Writes a stanza that nobody answers, and that needs nothing of the account's state.
    pub(crate) async fn tell(&self, stanza: Node) -> Result<(), CallError> {
        self.inner.asker.tell(stanza).await
    }

    async fn call<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.inner.jobs.send(job(reply)).await.map_err(|_| CallError::Shutdown)?;
        answer.await.map_err(|_| CallError::Shutdown)
    }
}

impl Inner {
    fn new(
        store: Arc<dyn wa_store::Store>,
        jobs: mpsc::Sender<Job>,
        history: history::Shared,
        (asker, fetcher, pulse): (Asker, Fetcher, Arc<Pulse>),
        (status, ended, server_time): Watched,
        stop: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            store,
            jobs,
            history,
            asker,
            fetcher,
            status,
            ended,
            server_time,
            pulse,
            stop,
            task: tokio::sync::Mutex::new(Some(task)),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
