//! All that we know of the conversation with one device. Protocol: signal, "Session record".

mod state;

use std::collections::VecDeque;
use std::fmt;

use wa_types::{KeyPair, PreKeyId, PublicKey, RegistrationId};

use self::state::Session;
use super::ciphertext::{Ciphertext, PreKeySignalMessage, SignalMessage};
use super::codec::{Reader, RecordError, Writer};
use super::error::SignalError;
use super::pre_key::{PreKey, PreKeyBundle, SignedPreKey};
use crate::crypto::Random;

/// How many archived sessions are kept; the oldest go first.
const MAX_ARCHIVED: usize = 40;
const KIND: u8 = b'S';
const FORMAT: u8 = 1;

/// The sessions with one device: at most one that we send on, and the archived ones, newest first, on which late
/// messages still arrive. Kept per Signal address; a new record holds none.
///
/// Every method that fails leaves the record as it was.
#[derive(Default)]
pub struct SessionRecord {
    current: Option<Box<Session>>,
    archived: VecDeque<Box<Session>>,
}

/// Who we are to the other device.
#[derive(Debug, Clone, Copy)]
pub struct LocalIdentity<'a> {
    /// Our identity key pair.
    pub key_pair: &'a KeyPair,
    /// Our registration id.
    pub registration_id: RegistrationId,
}

/// Whose device the other one is: how far ahead in a chain a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A device of another account: 2000 messages.
    Contact,
    /// Another device of our own account, which sends us a copy of everything: 25 000 messages.
    OwnDevice,
}

impl Peer {
    const fn forward_limit(self) -> u32 {
        match self {
            Self::Contact => 2000,
            Self::OwnDevice => 25_000,
        }
    }
}

/// The pre-keys of ours that a first message names, as far as we hold them. None are needed when the record
/// [knows](SessionRecord::knows) the message.
#[derive(Debug, Clone, Copy, Default)]
pub struct PreKeys<'a> {
    /// The one of [`PreKeySignalMessage::signed_pre_key_id`].
    pub signed: Option<&'a SignedPreKey>,
    /// The one of [`PreKeySignalMessage::pre_key_id`].
    pub one_time: Option<&'a PreKey>,
}

/// What a first message came to.
#[derive(Clone, PartialEq, Eq)]
pub struct PreKeyDecrypted {
    /// The message, still in its padding.
    pub plaintext: Vec<u8>,
    /// The one-time pre-key that it used up: delete it together with storing the record.
    pub used_pre_key: Option<PreKeyId>,
    /// Whether it began a session; otherwise the session was known by its base key.
    pub is_new_session: bool,
    /// The identity that the current session had before, when the new session has another one: the device was set up
    /// anew, or someone else holds its account.
    pub replaced_identity: Option<PublicKey>,
}

impl fmt::Debug for PreKeyDecrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreKeyDecrypted")
            .field("size", &self.plaintext.len())
            .field("used_pre_key", &self.used_pre_key)
            .field("is_new_session", &self.is_new_session)
            .field("replaced_identity", &self.replaced_identity)
            .finish()
    }
}

impl SessionRecord {
    /// A record without a session.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`Self::encode`] wrote, now or in an earlier version of this library.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are damaged or of another kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, KIND, FORMAT)?;
        let has_current = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(RecordError::Invalid("mark of the current session")),
        };
        let count = usize::from(reader.u8()?);
        if count > MAX_ARCHIVED {
            return Err(RecordError::Invalid("number of archived sessions"));
        }
        let mut session = || Session::read_from(&mut reader).map(Box::new);
        let current = has_current.then(&mut session).transpose()?;
        let archived = (0..count).map(|_| session()).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { current, archived })
    }

    /// The record's bytes: secrets, and the same for the same record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size = self.sessions().map(Session::size).sum::<usize>() + 2;
        let mut writer = Writer::new(KIND, FORMAT, size);
        writer.u8(self.current.is_some().into());
        writer.count(self.archived.len());
        self.sessions().for_each(|session| session.write(&mut writer));
        writer.finish()
    }

    /// Begins a session from the device's bundle; messages are `pkmsg` until the device answers. A current session is
    /// archived. Draws the base key, then the first ratchet key, 32 bytes each.
    ///
    /// # Errors
    /// [`SignalError::InvalidSignature`] for a signed pre-key that its identity did not sign,
    /// [`SignalError::InvalidKey`] for a key of low order, [`SignalError::OwnIdentity`].
    pub fn initiate(
        &mut self,
        ours: LocalIdentity<'_>,
        bundle: &PreKeyBundle,
        random: &mut impl Random,
    ) -> Result<(), SignalError> {
        refuse_own(ours, &bundle.identity)?;
        if !bundle.is_signed() {
            return Err(SignalError::InvalidSignature);
        }
        let session = Session::initiate(ours, bundle, random)?;
        self.replace_current(Box::new(session));
        Ok(())
    }

    /// Encrypts a padded message on the current session. Store the record before the bytes leave the process.
    ///
    /// # Errors
    /// [`SignalError::NoSession`] without a current session, [`SignalError::InvalidSession`] after 2³² messages in
    /// one chain.
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Result<Ciphertext, SignalError> {
        self.current.as_mut().ok_or(SignalError::NoSession)?.encrypt(plaintext)
    }

    /// Decrypts a `msg` on whichever session it belongs to; an archived one becomes current again. Draws 32 bytes when
    /// the message brings a new ratchet key, and only once it has proved genuine.
    ///
    /// An archived session of another identity than the current one's only reads: what we send goes to the identity
    /// that came last.
    ///
    /// # Errors
    /// [`SignalError::NoSession`] for an empty record, else the most telling of the sessions' errors: `Duplicate`,
    /// `TooFarInFuture`, `BadMac`, `InvalidMessage`, others.
    pub fn decrypt(
        &mut self,
        message: &SignalMessage<'_>,
        peer: Peer,
        random: &mut impl Random,
    ) -> Result<Vec<u8>, SignalError> {
        // A ratchet key belongs to one session; the others would only spend an agreement each to find that out.
        let known = self.sessions().any(|session| session.knows(message.ratchet_key()));
        let mut worst = SignalError::NoSession;
        let mut found = None;
        for (place, session) in self.places() {
            if known && !session.knows(message.ratchet_key()) {
                continue;
            }
            match session.open(message, peer.forward_limit()) {
                Ok(opened) => {
                    found = Some((place, opened));
                    break;
                }
                Err(error) if error.weight() > worst.weight() => worst = error,
                Err(_) => {}
            }
        }
        let (place, opened) = found.ok_or(worst)?;
        let plaintext = self.at(place).commit(opened, random)?;
        self.promote(place);
        Ok(plaintext)
    }

    /// Whether a first message belongs to a session that is here already: it then needs no pre-keys.
    #[must_use]
    pub fn knows(&self, message: &PreKeySignalMessage<'_>) -> bool {
        self.place_of(message).is_some()
    }

    /// Decrypts a `pkmsg`: on the session with its base key, which becomes current, else on a new one; then a current
    /// session is archived. Parse the message first, and load the pre-keys that it names unless the record
    /// [knows](Self::knows) it.
    ///
    /// Draws 32 bytes when the message brings a new ratchet key, and only once it has proved genuine. The caller
    /// stores record and identity and deletes the used one-time pre-key in one commit.
    ///
    /// # Errors
    /// [`SignalError::InvalidSignedPreKeyId`] or [`SignalError::InvalidPreKeyId`] when `keys` lacks what the message
    /// names, [`SignalError::OwnIdentity`], [`SignalError::InvalidKey`] for a key of low order, and what
    /// [`Self::decrypt`] gives.
    pub fn decrypt_pre_key(
        &mut self,
        ours: LocalIdentity<'_>,
        message: &PreKeySignalMessage<'_>,
        keys: PreKeys<'_>,
        peer: Peer,
        random: &mut impl Random,
    ) -> Result<PreKeyDecrypted, SignalError> {
        if let Some(place) = self.place_of(message) {
            let session = self.at(place);
            let opened = session.open(message.message(), peer.forward_limit())?;
            let plaintext = session.commit(opened, random)?;
            self.promote(place);
            return Ok(PreKeyDecrypted {
                plaintext,
                used_pre_key: None,
                is_new_session: false,
                replaced_identity: None,
            });
        }
        refuse_own(ours, message.identity_key())?;
        let id = message.signed_pre_key_number;
        let signed =
            keys.signed.filter(|key| key.id.get() == id).ok_or(SignalError::InvalidSignedPreKeyId { id })?;
        let one_time = match message.pre_key_number {
            Some(id) => Some(
                keys.one_time.filter(|key| key.id.get() == id).ok_or(SignalError::InvalidPreKeyId { id })?,
            ),
            None => None,
        };
        let mut session = Box::new(Session::accept(ours, message, signed, one_time)?);
        let opened = session.open(message.message(), peer.forward_limit())?;
        let plaintext = session.commit(opened, random)?;
        let replaced_identity = self.remote_identity().copied().filter(|key| key != message.identity_key());
        self.replace_current(session);
        Ok(PreKeyDecrypted {
            plaintext,
            used_pre_key: one_time.map(|key| key.id),
            is_new_session: true,
            replaced_identity,
        })
    }

    /// Archives the current session, so that nothing more is sent on it, while late messages can still be read.
    pub fn archive_current(&mut self) {
        if let Some(mut session) = self.current.take() {
            session.retire();
            self.archived.truncate(MAX_ARCHIVED - 1);
            self.archived.push_front(session);
        }
    }

    /// Takes in the sessions of another record of the same device: archived, behind nothing but the current one when
    /// there is one here; else the other's current session is the one to send on.
    pub fn absorb(&mut self, other: Self) {
        let Self { current, archived } = other;
        if self.current.is_none() {
            self.current = current;
        } else if let Some(mut session) = current {
            session.retire();
            self.archived.push_front(session);
        }
        self.archived.extend(archived);
        self.archived.truncate(MAX_ARCHIVED);
    }

    /// Whether there is a session to send on.
    #[must_use]
    pub const fn has_current(&self) -> bool {
        self.current.is_some()
    }

    /// Whether there is no session at all: the same as no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.archived.is_empty()
    }

    /// How many archived sessions there are, at most 40.
    #[must_use]
    pub fn archived_len(&self) -> usize {
        self.archived.len()
    }

    /// The identity key of the current session's other side.
    #[must_use]
    pub fn remote_identity(&self) -> Option<&PublicKey> {
        self.current.as_ref().map(|session| &session.remote_identity)
    }

    /// The registration id of the current session's other side, as it told us.
    #[must_use]
    pub fn remote_registration_id(&self) -> Option<RegistrationId> {
        self.current.as_ref().map(|session| session.remote_registration_id)
    }

    /// The current session's base key: whether a session is still the same one. Protocol: receiving, "Inbound retry
    /// receipt".
    #[must_use]
    pub fn base_key(&self) -> Option<&PublicKey> {
        self.current.as_ref().map(|session| &session.base_key)
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.current.iter().chain(&self.archived).map(|session| &**session)
    }

    /// The sessions with their places, the current one first.
    fn places(&self) -> impl Iterator<Item = (Place, &Session)> {
        let current = self.current.iter().map(|session| (Place::Current, &**session));
        let archived = self.archived.iter().enumerate();
        current.chain(archived.map(|(index, session)| (Place::Archived(index), &**session)))
    }

    fn place_of(&self, message: &PreKeySignalMessage<'_>) -> Option<Place> {
        // The identity must agree too: in a message of a known session it is the one key that nothing else proves.
        let belongs = |session: &Session| {
            session.base_key == *message.base_key() && session.remote_identity == *message.identity_key()
        };
        self.places().find(|(_, session)| belongs(session)).map(|(place, _)| place)
    }

    fn at(&mut self, place: Place) -> &mut Session {
        let session = match place {
            Place::Current => self.current.as_mut(),
            Place::Archived(index) => self.archived.get_mut(index),
        };
        session.expect("the record has not changed since the place was found")
    }

    /// Makes the session at `place` current.
    fn promote(&mut self, place: Place) {
        let Place::Archived(index) = place else { return };
        let identity = self.archived.get(index).map(|session| session.remote_identity);
        if self.current.is_none() || self.remote_identity().copied() == identity {
            let session = self.archived.remove(index);
            self.archive_current();
            self.current = session;
        }
    }

    fn replace_current(&mut self, session: Box<Session>) {
        self.archive_current();
        self.current = Some(session);
    }
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("remote_identity", &self.remote_identity())
            .field("archived", &self.archived.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Place {
    Current,
    Archived(usize),
}

/// Refuses our own identity key from another device; the bit of it that nothing reads makes no difference.
fn refuse_own(ours: LocalIdentity<'_>, theirs: &PublicKey) -> Result<(), SignalError> {
    let without_top_bit = |key: &PublicKey| {
        let mut bytes = *key.as_bytes();
        bytes[31] &= 0x7F;
        bytes
    };
    if without_top_bit(&ours.key_pair.public) == without_top_bit(theirs) {
        return Err(SignalError::OwnIdentity);
    }
    Ok(())
}
