//! Moves an account's session to another manager: the keys are handed out sealed, and are not used here any more. Two
//! owners of one session lose messages. Requirements: manager.md, R164.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;
use wa_store::StoreError;
use wa_types::{Jid, PhoneNumber};
use zeroize::Zeroizing;

use super::client::KEYS;
use super::{Actor, End, Lost};
use crate::account::{AccountStatus, DesiredState, Reason, ReasonKind};
use crate::event::EventKind;
use crate::ids::AccountId;
use crate::manager::{ManagerError, NotClaimed};
use crate::store::{Changes, ManagerStoreError};
use crate::trust::Signal;
use crate::vault::{KeyVault, SecretVault as _, SessionKey, VaultError};

/// For what sessions are sealed.
const PURPOSE: &str = "wa-manager session";

/// Why a session was not exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The manager was built without `allow_session_export`.
    #[error("sessions are not exported by this manager")]
    Off,
    /// The account runs, or is being linked: stop it first.
    #[error("the account is not stopped: {}", status.wire())]
    NotStopped {
        /// Where it stands.
        status: AccountStatus,
    },
    /// There is no session: the account is not linked.
    #[error("the account is not linked to a phone")]
    NotLinked,
    /// The account has a session of its own: log it out first, or import into another one.
    #[error("the account has a session")]
    AlreadyLinked,
    /// The session is of another phone number than the one that was exported from here.
    #[error("the session is of another account")]
    OtherAccount,
    /// Another account of this manager has a session of this phone number.
    #[error("the account {account} has a session of this number")]
    LinkedElsewhere {
        /// That account.
        account: AccountId,
    },
    /// It was handed out once more since then, and its keys were used: only what was handed out last can be imported.
    #[error("the session is older than the one known here")]
    Old {
        /// Which hand-over of the session it is, counted from 1.
        hand_over: u64,
        /// The earliest that is taken here.
        least: u64,
    },
    /// The key is another one, or what it sealed was changed.
    #[error("the session cannot be opened")]
    Sealed(#[from] VaultError),
    /// What was sealed is no session of this version.
    #[error("what was sealed is no session")]
    NotASession,
    /// The account's own store failed, or takes too long, as [`StoreError::Locked`].
    #[error("the account's store failed")]
    KeyStore(#[from] StoreError),
    /// The manager failed.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl SessionError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Off => "export_off",
            Self::NotStopped { .. } => "not_stopped",
            Self::NotLinked => "not_linked",
            Self::AlreadyLinked | Self::LinkedElsewhere { .. } => "already_linked",
            Self::OtherAccount => "other_account",
            Self::Old { .. } => "old_session",
            Self::Sealed(_) => "sealed",
            Self::NotASession => "not_a_session",
            Self::KeyStore(_) => "key_store",
            Self::Manager(error) => error.code(),
        }
    }
}

/// Whose session it is.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    jid: String,
    lid: Option<String>,
    phone: Option<String>,
    /// Which hand-over of the session it is, counted from 1.
    hand_over: u64,
    /// The server refused it as locked or banned, and wants to hear nothing of it for a while.
    locked: bool,
}

/// A session, opened.
struct Session {
    jid: Jid,
    lid: Option<Jid>,
    phone: Option<PhoneNumber>,
    hand_over: u64,
    is_locked: bool,
    keys: Zeroizing<Vec<u8>>,
}

impl Session {
    fn open(sealed: &[u8], key: &SessionKey) -> Result<Self, SessionError> {
        let opened = KeyVault::new(key.clone()).open(PURPOSE, sealed)?;
        let (length, rest) = opened.split_first_chunk::<4>().ok_or(SessionError::NotASession)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (head, keys) = rest.split_at_checked(length).ok_or(SessionError::NotASession)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| SessionError::NotASession)?;
        let jid = |text: String| text.parse::<Jid>().map_err(|_| SessionError::NotASession);
        Ok(Self {
            jid: jid(head.jid)?,
            lid: head.lid.map(jid).transpose()?,
            phone: head.phone.and_then(|phone| phone.parse().ok()),
            hand_over: head.hand_over,
            is_locked: head.locked,
            keys: Zeroizing::new(keys.to_vec()),
        })
    }
}

impl Actor {
    fn is_stopped(&self) -> Result<(), SessionError> {
        let is_stopped = self.running.is_none()
            && self.linking.is_none()
            && self.record.accepted.is_none()
            && self.record.desired == DesiredState::Stopped;
        if is_stopped { Ok(()) } else { Err(SessionError::NotStopped { status: self.record.status }) }
    }

    /// Hands the session out, sealed. That it is no longer used here is stored before. It can be handed out again, until
    /// it is imported here.
    pub(super) async fn export(&mut self, key: &SessionKey) -> Result<Result<Vec<u8>, SessionError>, Lost> {
        if !self.shared.exports {
            return Ok(Err(SessionError::Off));
        }
        if let Err(error) = self.is_stopped() {
            return Ok(Err(error));
        }
        let Some(jid) = &self.record.jid else { return Ok(Err(SessionError::NotLinked)) };
        // What nobody used since it was handed out is the same.
        let hand_over = self.record.hand_overs + u64::from(!self.record.exported);
        let head = Head {
            hand_over,
            locked: self.gate.is_locked(),
            jid: jid.to_string(),
            lid: self.record.lid.as_ref().map(Jid::to_string),
            phone: self.record.phone.as_ref().map(ToString::to_string),
        };
        if !self.is_closed().await {
            return Ok(Err(StoreError::Locked.into()));
        }
        let path = match self.path() {
            Ok(path) => path,
            Err(error) => return Ok(Err(error.into())),
        };
        let read = timeout(KEYS, self.shared.keys.read(&path)).await;
        let keys = match read.unwrap_or(Err(StoreError::Locked)) {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.into())),
        };
        if !self.record.exported {
            let mut row = self.record.clone();
            (row.exported, row.hand_overs) = (true, hand_over);
            let mut changes = self.changes(row);
            changes.push_event(self.event(EventKind::AccountExported, json!({})));
            self.write(changes).await?;
            self.note_number();
        }
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut session = Zeroizing::new(Vec::with_capacity(4 + head.len() + keys.len()));
        for part in [length.as_slice(), &head, &keys] {
            session.extend_from_slice(part);
        }
        Ok(Ok(key.seal(PURPOSE, &session)))
    }

    /// Takes a session over.
    pub(super) async fn import(
        &mut self,
        sealed: &[u8],
        key: &SessionKey,
    ) -> Result<Result<(), SessionError>, Lost> {
        let session = match self.may_import(sealed, key) {
            Ok(session) => session,
            Err(error) => return Ok(Err(error)),
        };
        let imported = self.take_session(session).await;
        // What was claimed and not taken is the others'.
        self.note_number();
        imported
    }

    async fn take_session(&mut self, session: Session) -> Result<Result<(), SessionError>, Lost> {
        let phone = session.phone.clone().or_else(|| self.record.phone.clone());
        let mut place = self.record.clone();
        place.phone.clone_from(&phone);
        if let Err(error) = self.shared.settle_location(&mut place) {
            return Ok(Err(error.into()));
        }
        if !self.is_closed().await {
            return Ok(Err(StoreError::Locked.into()));
        }
        // First, so that keys are where the row says, and only whoever owns the account writes them.
        let mut row = self.record.clone();
        row.location = place.location;
        let changes = self.changes(row);
        match self.commit(changes).await {
            Ok(()) => {}
            Err(ManagerStoreError::FenceLost { .. }) => return Err(self.lose(End::FenceLost)),
            Err(error) => return Ok(Err(ManagerError::from(error).into())),
        }
        let written = match self.path() {
            Ok(path) => {
                let written = timeout(KEYS, self.shared.keys.write(&path, session.keys)).await;
                written.unwrap_or(Err(StoreError::Locked)).map_err(SessionError::from)
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            return Ok(Err(error));
        }
        let own: Vec<Jid> =
            [Some(&session.jid), session.lid.as_ref()].into_iter().flatten().cloned().collect();
        let mut row = self.record.clone();
        (row.jid, row.lid, row.phone) = (Some(session.jid), session.lid, phone);
        (row.exported, row.hand_overs, row.probation) = (false, session.hand_over, None);
        // The row says so in the same commit; the limits follow, after a crash, too.
        let locked = session.is_locked.then(|| Reason::new(ReasonKind::AccountLocked));
        row.status = if session.is_locked { AccountStatus::Error } else { AccountStatus::Idle };
        row.reason = locked;
        let mut put_away = Changes::new();
        let is_another = loop {
            match self.gate.link(&own, &mut put_away).await {
                Ok(is_another) => break is_another,
                Err(error) => self.wait_for_store(error).await?,
            }
        };
        let (status, reason) = (row.status, row.reason.clone());
        let mut changes = self.changes(row);
        changes.push_event(self.event(EventKind::AccountImported, json!({ "isAnotherNumber": is_another })));
        if (status, &reason) != (self.record.status, &self.record.reason) {
            changes.push_event(self.status_event(status, reason.as_ref()));
        }
        for change in put_away {
            changes.push(change);
        }
        self.write_with_limits(changes).await?;
        if is_another {
            self.answer_delayed();
            self.remove_media().await;
        }
        self.heed_row().await?;
        Ok(Ok(()))
    }

    /// What the row says of the account's being locked holds, whatever the limits know.
    pub(super) async fn heed_row(&mut self) -> Result<(), Lost> {
        let kind = self.record.reason.as_ref().map(|reason| reason.kind);
        let is_told = matches!(kind, Some(ReasonKind::AccountLocked | ReasonKind::AccountBanned));
        let is_linked = self.record.jid.is_some() || self.record.accepted.is_some();
        if is_told && is_linked && !self.gate.is_locked() {
            persist!(self, self.gate.heed(Signal::Locked));
        }
        Ok(())
    }

    /// Its number is this account's from here on, if it may be imported.
    fn may_import(&self, sealed: &[u8], key: &SessionKey) -> Result<Session, SessionError> {
        self.is_stopped()?;
        let session = Session::open(sealed, key)?;
        if let Some(own) = &self.record.jid {
            if !self.record.exported {
                return Err(SessionError::AlreadyLinked);
            }
            if own.user() != session.jid.user() {
                return Err(SessionError::OtherAccount);
            }
        }
        let (numbers, hand_over) = (&self.shared.numbers, session.hand_over);
        match numbers.claim_session(&session.jid, hand_over, self.id()) {
            Ok(()) => Ok(session),
            Err(NotClaimed::Linked(account)) => Err(SessionError::LinkedElsewhere { account }),
            Err(NotClaimed::Old(least)) => Err(SessionError::Old { hand_over, least }),
        }
    }
}
