//! Linking this device: by QR code, by a typed code ([`code`]) and with a passkey's word ([`passkey`]), all at once on
//! one connection. Protocol: pairing.
//!
//! ```text
//! pair-device ──> QR codes, one after the other ─┐
//!             └─> typed code, if asked for ──────┼─> pair-success ──> checked ──> guard ──> stored ──> signed
//!             └─> passkey, if the phone wants ───┘                                  └─> refused: keys made anew
//! ```
//!
//! Each way has its own secret, and the pair-success says by its HMAC which one it came by. So a wrong code does not
//! spoil the QR code beside it. Only the secret that linked is stored.

pub(crate) mod code;
pub(crate) mod hooks;
pub(super) mod passkey;
mod qr;

use std::time::Instant;

use prost::Message as _;
use tokio::task::JoinSet;
use wa_proto::companion_reg::ClientPairingProps;
use wa_store::{AdvSecret, Changes, StoreError};
use wa_types::{Jid, SignalAddress};

use self::code::{CodeAnswer, CodeFlow};
use self::passkey::{PasskeyAnswer, PasskeyFlow};
use self::qr::QrRotation;
use super::groups::Groups;
use super::outbox::Outbox;
use super::peer_messages::PhoneLine;
use super::repair::Repairs;
use super::upkeep::Fetched;
use super::{Actor, Outgoing, Status, Step, clock, credentials};
use crate::connection::CloseReason;
use crate::e2e::addressing::AddressPair;
use crate::error::SendError;
use crate::event::{Event, Paired};
use crate::pairing::{LinkError, Linked, adv};
use crate::stanza::iq;
use crate::stanza::pairing::{PairSuccess, PairingNotice, PairingRequest, pair_device_sign};
use crate::stanza::stream::Refusal;

/// All that goes on while this device is not linked.
#[derive(Debug, Default)]
pub(super) struct Linking {
    /// The server said that this connection may be used for pairing.
    is_open: bool,
    qr: Option<QrRotation>,
    code: CodeFlow,
    passkey: PasskeyFlow,
    /// A checked link that the guard thinks about.
    pending: Option<PendingLink>,
    /// The secret of the link before this one, and when it was replaced.
    handoff: Option<(AdvSecret, Instant)>,
}

/// A link that was checked, and is not stored yet.
#[derive(Debug)]
struct PendingLink {
    iq_id: String,
    success: PairSuccess,
    linked: Linked,
    secret: AdvSecret,
}

/// Answers to what pairing asked.
pub(super) enum PairingAnswer {
    Code(CodeAnswer),
    Passkey(PasskeyAnswer),
    /// The guard's word.
    Verdict(bool),
}

impl Linking {
    /// When something of it is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let qr = self.qr.as_ref().and_then(QrRotation::next_at);
        [qr, self.code.next_at(), self.passkey.next_at()].into_iter().flatten().min()
    }

    /// Whether the QR codes are through, or so nearly that a server which ends the connection now does so for that.
    pub(super) fn is_through(&self, now: Instant) -> bool {
        self.qr.as_ref().is_some_and(|codes| codes.is_through(now))
    }

    /// A way of linking beside the QR codes is under way: they may run out meanwhile.
    const fn is_beside_qr(&self) -> bool {
        self.code.is_under_way() || self.passkey.is_under_way() || self.pending.is_some()
    }

    /// The connection is gone, and with it all that was on it. `comes_back` by itself.
    pub(super) fn set_down(&mut self, comes_back: bool, events: &mut impl Extend<Event>) {
        self.is_open = false;
        self.qr = None;
        self.pending = None;
        events.extend(self.code.set_down(comes_back));
        events.extend(self.passkey.set_down());
    }

    /// This device is linked: the other ways end without a word.
    fn finish(&mut self) {
        *self = Self::default();
    }
}

impl Actor {
    pub(super) async fn handle_pairing(&mut self, iq_id: &str, request: PairingRequest, step: &mut Step) {
        match request {
            PairingRequest::PairDevice { refs } => {
                step.reply(iq::result(iq_id));
                if self.account.is_paired() {
                    return;
                }
                self.status.send_replace(Status::Pairing);
                self.linking.is_open = true;
                self.show_qr_codes(refs, step);
                self.ask_for_waiting_code(step);
            }
            PairingRequest::PairSuccess(success) => {
                // One that is repeated while the guard thinks says nothing new.
                if !self.account.is_paired() && self.linking.pending.is_none() {
                    self.check_link(iq_id, *success, step);
                }
            }
        }
    }

    pub(super) fn handle_pairing_notice(&mut self, notice: PairingNotice, step: &mut Step) {
        if self.account.is_paired() {
            return;
        }
        match notice {
            PairingNotice::RotateQr => self.replace_qr_secret(step),
            PairingNotice::PrimaryHello { reference, wrapped_key, identity } => {
                self.answer_phone(&reference, wrapped_key, identity, step);
            }
            PairingNotice::RefreshCode { reference, by_user } => self.refresh_code(&reference, by_user, step),
            PairingNotice::PasskeyRequest { options } => self.begin_passkey(options, step),
            PairingNotice::PasskeyContinuation { primary } => self.continue_passkey(&primary, step),
        }
    }

    pub(super) async fn handle_pairing_answer(&mut self, answer: PairingAnswer, step: &mut Step) {
        match answer {
            PairingAnswer::Code(answer) => self.handle_code_answer(answer, step),
            PairingAnswer::Passkey(answer) => self.handle_passkey_answer(answer, step),
            PairingAnswer::Verdict(is_admitted) => {
                let Some(pending) = self.linking.pending.take() else { return };
                if is_admitted {
                    self.complete_link(&pending, step);
                } else {
                    self.refuse_link(&pending).await;
                }
            }
        }
    }

    /// What is due by time.
    pub(super) async fn continue_linking(&mut self, now: Instant) {
        let mut step = Step::default();
        self.continue_code(now, &mut step);
        self.continue_passkey_time(now, &mut step);
        self.rotate_qr(now, &mut step);
        let is_over = self.linking.qr.as_ref().is_some_and(QrRotation::has_ended);
        let closes = is_over && !self.linking.is_beside_qr();
        self.finish(step).await;
        if closes {
            self.disconnect(&CloseReason::PairingTimeout).await;
        }
    }

    /// Checks the phone's answer, and asks the guard.
    fn check_link(&mut self, iq_id: &str, success: PairSuccess, step: &mut Step) {
        let (secret, linked) = match self.link_by_any_secret(&success) {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(%error, "the pairing was refused");
                let (code, text) = error.refusal();
                step.reply(iq::error(iq_id, code, text));
                step.events.push(Event::PairingFailed { error });
                return;
            }
        };
        let pending = PendingLink { iq_id: iq_id.to_owned(), success, linked, secret };
        let Some(guard) = self.config.link_guard.clone() else {
            return self.complete_link(&pending, step);
        };
        let account = pending.account();
        let limit = self.config.pairing.guard;
        self.linking.pending = Some(pending);
        step.questions.push(Box::pin(async move {
            let verdict = tokio::time::timeout(limit, guard.admit(&account)).await;
            Fetched::Pairing(PairingAnswer::Verdict(verdict.unwrap_or(false)))
        }));
    }

    /// The link that one of the secrets under way proves.
    fn link_by_any_secret(&mut self, success: &PairSuccess) -> Result<(AdvSecret, Linked), LinkError> {
        let linking = &self.linking;
        let others = linking.code.secrets().iter().chain(linking.passkey.secret());
        let mut refused = LinkError::Hmac;
        for secret in std::iter::once(&self.account.adv_secret).chain(others) {
            let identity = &self.account.identity;
            match adv::accept_link(&success.device_identity, secret, identity, &mut self.random) {
                Ok(linked) => return Ok((secret.clone(), linked)),
                Err(LinkError::Hmac) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// What the phone said is stored before the server hears that we accept.
    fn complete_link(&mut self, pending: &PendingLink, step: &mut Step) {
        let PendingLink { iq_id, success, linked, secret } = pending;
        self.linking.finish();
        let props = success.client_props.as_deref().and_then(|props| ClientPairingProps::decode(props).ok());
        let account = &mut self.account;
        account.adv_secret = secret.clone();
        account.jid = Some(success.jid.clone());
        account.lid.clone_from(&success.lid);
        account.platform.clone_from(&success.platform);
        account.business_name.clone_from(&success.business_name);
        account.signed_device_identity = Some(linked.identity.encode());
        account.key_index = Some(linked.details.key_index);
        account.lid_migrated = props.is_some_and(|props| props.is_chat_db_lid_migrated());
        account.server_has_pre_keys = false;
        account.login_counter = 0;
        step.changes.put_account(account.clone());

        let phone = success.lid.as_ref().unwrap_or(&success.jid).to_user();
        if let Some(address) = SignalAddress::from_jid(&phone) {
            step.changes.put_identity(address, linked.account_key);
        }
        if let Some(pair) = success.lid.as_ref().and_then(|lid: &Jid| AddressPair::new(&success.jid, lid)) {
            self.directory.learn(pair, clock::unix_millis(), &mut step.changes);
        }
        step.reply(pair_device_sign(iq_id, linked.details.key_index, linked.reply()));
        step.events.push(Event::Paired(pending.account()));
    }

    /// The guard does not want this account: the phone hears of a failure, and nothing of the keys that it signed stays.
    async fn refuse_link(&mut self, pending: &PendingLink) {
        let refusal = iq::error(&pending.iq_id, 401, "not-authorized");
        self.transmit(vec![Outgoing::Stanza(refusal)]).await;
        self.undelivered.push_back(Event::PairingVetoed(pending.account()));
        self.disconnect(&CloseReason::Requested).await;
        if let Err(error) = self.make_anew().await {
            tracing::error!(%error, "the store failed; the keys are the old ones");
            self.undelivered.push_back(Event::StoreFailed { error: error.into() });
        }
    }

    /// Whether the stored link never came about: no login ever succeeded, and the server does not know this device.
    pub(super) fn was_never_confirmed(&self, reason: &CloseReason) -> bool {
        let is_unknown = match reason {
            CloseReason::LoggedOut => true,
            CloseReason::Refused(failure) => failure.reason == Refusal::LoggedOut,
            _ => false,
        };
        is_unknown && self.account.login_counter == 0
    }

    /// The link that the store knows never came about: no login succeeded, and the server does not know us. Makes new
    /// keys, and pairs again at once.
    pub(super) async fn pair_again(&mut self) {
        tracing::warn!("the link was never confirmed; pairing begins anew");
        let reason = match self.make_anew().await {
            Ok(()) => {
                self.undelivered.push_back(Event::LinkUnconfirmed);
                CloseReason::RestartRequired
            }
            Err(error) => {
                tracing::error!(%error, "the store failed");
                self.undelivered.push_back(Event::StoreFailed { error: error.into() });
                CloseReason::StoreFailed
            }
        };
        self.set_down(&reason);
    }

    /// Wipes the store, and begins as a new device.
    pub(super) async fn make_anew(&mut self) -> Result<(), StoreError> {
        let (account, signed, changes) = credentials::create(&mut self.random, clock::unix_millis());
        let mut all = Changes::new();
        all.wipe().merge(changes);
        self.store.commit(all).await?;
        let before = std::mem::replace(&mut self.account, account);
        if before.is_paired() {
            self.linking.handoff = Some((before.adv_secret, clock::now()));
        }
        self.signed_pre_key = signed;
        // Answers about the former account are nobody's any more.
        self.fetches = JoinSet::new();
        self.ratchets.forget_all();
        self.directory.forget_all();
        self.sync.forget_all();
        self.groups = Groups::default();
        self.repairs = Repairs::default();
        self.phone_line = PhoneLine::default();
        self.confirms.clear();
        self.next_seq = 1;
        self.outbox.refuse_all(&SendError::LoggedOut);
        self.outbox = Outbox::new(0);
        Ok(())
    }
}

impl PendingLink {
    fn account(&self) -> Paired {
        Paired {
            jid: self.success.jid.clone(),
            lid: self.success.lid.clone(),
            platform: self.success.platform.clone(),
            business_name: self.success.business_name.clone(),
        }
    }
}
