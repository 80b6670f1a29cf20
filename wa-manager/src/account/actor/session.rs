//! Moves an account's session to another manager: the keys are handed out sealed, and are not used here any more. Two
//! owners of one session lose messages. Requirements: manager.md, R164.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wa_store::StoreError;
use wa_types::{Jid, PhoneNumber};
use zeroize::Zeroizing;

use super::{Actor, Lost};
use crate::account::{AccountStatus, DesiredState};
use crate::event::EventKind;
use crate::ids::AccountId;
use crate::manager::ManagerError;
use crate::store::Changes;
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
    /// The key is another one, or what it sealed was changed.
    #[error("the session cannot be opened")]
    Sealed(#[from] VaultError),
    /// What was sealed is no session of this version.
    #[error("what was sealed is no session")]
    NotASession,
    /// The account's own store failed.
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
}

/// A session, opened.
struct Session {
    jid: Jid,
    lid: Option<Jid>,
    phone: Option<PhoneNumber>,
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
        let head = Head {
            jid: jid.to_string(),
            lid: self.record.lid.as_ref().map(Jid::to_string),
            phone: self.record.phone.as_ref().map(ToString::to_string),
        };
        while self.closing.join_next().await.is_some() {}
        let path = match self.path() {
            Ok(path) => path,
            Err(error) => return Ok(Err(error.into())),
        };
        let keys = match self.shared.keys.read(&path).await {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.into())),
        };
        if !self.record.exported {
            let mut row = self.record.clone();
            row.exported = true;
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
        let mut row = self.record.clone();
        row.phone = session.phone.clone().or(row.phone);
        if let Err(error) = self.shared.settle_location(&mut row) {
            return Ok(Err(error.into()));
        }
        self.record.location.clone_from(&row.location);
        while self.closing.join_next().await.is_some() {}
        let written = match self.path() {
            Ok(path) => self.shared.keys.write(&path, session.keys).await.map_err(SessionError::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            return Ok(Err(error));
        }
        let own: Vec<Jid> =
            [Some(&session.jid), session.lid.as_ref()].into_iter().flatten().cloned().collect();
        (row.jid, row.lid, row.exported) = (Some(session.jid), session.lid, false);
        (row.status, row.reason, row.probation) = (AccountStatus::Idle, None, None);
        let mut put_away = Changes::new();
        let is_another = loop {
            match self.gate.link(&own, &mut put_away).await {
                Ok(is_another) => break is_another,
                Err(error) => self.wait_for_store(error).await?,
            }
        };
        let mut changes = self.changes(row);
        changes.push_event(self.event(EventKind::AccountImported, json!({ "isAnotherNumber": is_another })));
        for change in put_away {
            changes.push(change);
        }
        self.write(changes).await?;
        self.note_number();
        if is_another {
            self.remove_media().await;
        }
        persist!(self, self.gate.reread());
        Ok(Ok(()))
    }

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
        let other =
            session.phone.as_ref().and_then(|phone| self.shared.numbers.other(phone.as_str(), self.id()));
        match other {
            Some(account) => Err(SessionError::LinkedElsewhere { account }),
            None => Ok(session),
        }
    }
}
