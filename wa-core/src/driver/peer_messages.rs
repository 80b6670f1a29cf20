//! Messages to our own phone about protocol matters. Protocol: messages, "Peer messages".

use std::time::{Duration, Instant};

use wa_proto::e2e;
use wa_store::StoreError;
use wa_types::{Jid, MessageId, SignalAddress};

use super::session::Outgoing;
use super::upkeep::Fetched;
use super::{Actor, Step, clock};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::e2e::encrypt;
use crate::message::Message;
use crate::stanza::iq::encrypt::{BundleAnswer, FetchBundles};
use crate::stanza::message::PeerMessage;

/// After the server had no keys of the phone, it is asked again this much later.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Whether the phone can be written to.
#[derive(Debug, Default)]
pub(super) struct PhoneLine {
    is_fetching: bool,
    again_at: Option<Instant>,
}

impl PhoneLine {
    /// When writing may be tried again; `None` for at once.
    pub(super) fn free_at(&self) -> Option<Instant> {
        // The answer to the question, or its time limit, comes before.
        self.again_at.or_else(|| self.is_fetching.then(|| clock::now() + REQUEST_LIMIT))
    }
}

impl Actor {
    /// Seals a message for our phone; it leaves with `step`. `false` when the phone's keys are still to be fetched,
    /// which is begun: [`Self::mend`] is called when they are there.
    pub(super) async fn send_to_phone(
        &mut self,
        id: &MessageId,
        message: e2e::ProtocolMessage,
        priority: &'static str,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        self.send_to_own_device(0, id, message, priority, step).await
    }

    /// The same for any device of ours.
    pub(super) async fn send_to_own_device(
        &mut self,
        device: u16,
        id: &MessageId,
        message: e2e::ProtocolMessage,
        priority: &'static str,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let Some(own) = self.own() else { return Ok(false) };
        let jid = own.lid.as_ref().unwrap_or(&own.pn).to_user().with_device(device);
        let Some(address) = SignalAddress::from_jid(&jid) else { return Ok(false) };
        self.load_sessions(vec![address.clone()]).await?;
        if !self.ratchets.can_send_to(&address) {
            self.fetch_phone(address);
            return Ok(false);
        }
        let message = Message::from_proto(e2e::Message {
            protocol_message: Some(Box::new(message)),
            ..Default::default()
        });
        let Ok(enc) = encrypt::seal(&message, &address, &mut self.ratchets, &mut self.random) else {
            self.ratchets.archive(&address);
            return Ok(false);
        };
        let device_identity = self.account.signed_device_identity.as_deref();
        let node =
            PeerMessage { to: &own.pn.to_user().with_device(device), id, enc, priority, device_identity }
                .into_node();
        step.outgoing.push(Outgoing::Message { node, id: id.clone(), limit: self.config.ack_limit });
        Ok(true)
    }

    fn fetch_phone(&mut self, address: SignalAddress) {
        let is_early = self.phone_line.again_at.is_some_and(|at| clock::now() < at);
        let Some(requester) = self.requester().cloned().filter(|_| !self.phone_line.is_fetching && !is_early)
        else {
            return;
        };
        self.phone_line = PhoneLine { is_fetching: true, again_at: None };
        self.fetch(async move {
            let request = FetchBundles { devices: vec![address.to_jid()], is_renewal: false };
            Fetched::PhoneKeys { address, result: requester.ask(request, REQUEST_LIMIT).await }
        });
    }

    pub(super) async fn handle_phone_keys(
        &mut self,
        address: SignalAddress,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.load_sessions(vec![address.clone()]).await?;
        let is_there = match result.map(|answers| answers.into_iter().next()) {
            Ok(Some((_, BundleAnswer::Bundle(bundle)))) => self.begin_session(&address, &bundle, step),
            _ => false,
        };
        let again_at = (!is_there).then(|| clock::now() + ASK_AGAIN);
        self.phone_line = PhoneLine { is_fetching: false, again_at };
        Ok(())
    }
}
