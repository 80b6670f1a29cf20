//! Linking by QR code: shows the references one after the other, and checks the phone's answer.
//! Protocol: pairing, "QR", "pair-success".

use std::time::{Duration, Instant};

use prost::Message as _;
use wa_proto::companion_reg::ClientPairingProps;
use wa_types::{Jid, SignalAddress};

use super::{Actor, Status, Step, clock};
use crate::connection::CloseReason;
use crate::e2e::addressing::AddressPair;
use crate::event::{Event, Paired, PairingQr};
use crate::pairing::qr::QrForm;
use crate::pairing::{ClientType, QrCode, adv};
use crate::stanza::iq;
use crate::stanza::pairing::{PairSuccess, PairingRequest, pair_device_sign};

/// How long the first code of a list is shown.
const FIRST: Duration = Duration::from_secs(60);

/// How far the server's clock for the codes and ours may be apart.
const SLACK: Duration = Duration::from_secs(2);

/// How long each of the others is shown.
const FOLLOWING: Duration = Duration::from_secs(20);

/// The references that are still to be shown, and when the current one ends.
#[derive(Debug)]
pub(super) struct QrRotation {
    rest: std::vec::IntoIter<String>,
    next_at: Instant,
}

impl QrRotation {
    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Whether the codes are through, or so nearly that a server which ends the connection now does so for that.
    pub(super) fn is_through(&self, now: Instant) -> bool {
        self.rest.len() == 0 && now + SLACK >= self.next_at
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
                let mut rest = refs.into_iter();
                if let Some(reference) = rest.next() {
                    step.events.push(self.qr_event(reference, FIRST));
                }
                self.qr = Some(QrRotation { rest, next_at: clock::now() + FIRST });
            }
            PairingRequest::PairSuccess(success) => {
                if !self.account.is_paired() {
                    self.accept_link(iq_id, &success, step).await;
                }
            }
        }
    }

    fn qr_event(&self, reference: String, expires_in: Duration) -> Event {
        let code = QrCode::new(
            reference,
            self.account.noise.public,
            self.account.identity.public,
            self.account.adv_secret.clone(),
            ClientType::from(self.config.profile.platform),
        );
        Event::PairingQr(PairingQr { text: code.to_text(QrForm::Link), expires_in })
    }

    pub(super) async fn rotate_qr(&mut self, now: Instant) {
        let Some(rotation) = self.qr.as_mut().filter(|rotation| now >= rotation.next_at) else { return };
        match rotation.rest.next() {
            Some(reference) => {
                rotation.next_at += FOLLOWING;
                let event = self.qr_event(reference, FOLLOWING);
                self.undelivered.push_back(event);
            }
            None => self.disconnect(&CloseReason::PairingTimeout).await,
        }
    }

    /// Checks and signs the phone's answer. What it says is stored before the server hears that we accept.
    async fn accept_link(&mut self, iq_id: &str, success: &PairSuccess, step: &mut Step) {
        let (secret, identity) = (&self.account.adv_secret, &self.account.identity);
        let linked = match adv::accept_link(&success.device_identity, secret, identity, &mut self.random) {
            Ok(linked) => linked,
            Err(error) => {
                tracing::warn!(%error, "the pairing was refused");
                let (code, text) = error.refusal();
                step.reply(iq::error(iq_id, code, text));
                step.events.push(Event::PairingFailed { error });
                return;
            }
        };
        self.qr = None;
        let props = success.client_props.as_deref().and_then(|props| ClientPairingProps::decode(props).ok());
        let account = &mut self.account;
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
        step.events.push(Event::Paired(Paired {
            jid: success.jid.clone(),
            lid: success.lid.clone(),
            platform: success.platform.clone(),
            business_name: success.business_name.clone(),
        }));
    }
}
