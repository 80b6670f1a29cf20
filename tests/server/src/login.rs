//! From the client's payload to a session: registration or login, or a refusal. Protocol: transport, "ClientPayload",
//! "failure" and "What a test server must do".

use wa_core::wire::Node;
use wa_proto::wa6::ClientPayload;
use wa_proto::wa6::client_payload::DevicePairingRegistrationData;
use wa_types::{Jid, PublicKey, Signature};

use crate::account::{DeviceKey, DeviceKeys, SignedPreKey};
use crate::iq::PROPS_HASH;
use crate::session::{Resume, Session};
use crate::stanza::{conflict, failure, stream_error};
use crate::state::State;

/// Whom a connection speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    Unpaired(u64),
    Device(DeviceKey),
}

impl State {
    /// Opens the session that a payload asks for.
    ///
    /// # Errors
    /// The reason of the `failure` to send.
    pub(crate) fn open_session(
        &mut self,
        payload: ClientPayload,
        noise_key: PublicKey,
        session: Session,
    ) -> Result<Party, u16> {
        let Some(agent) = payload.user_agent.as_ref() else { return Err(409) };
        let revision = agent.app_version.as_ref().and_then(|version| version.tertiary).unwrap_or(0);
        if revision < self.config.minimum_revision {
            return Err(405);
        }
        if let Some(registration) = &payload.device_pairing_data {
            let Some(keys) = registered_keys(registration) else { return Err(400) };
            let connection = session.connection;
            let push_name = payload.push_name.filter(|name| !name.is_empty());
            self.start_pairing(session, noise_key, keys, push_name);
            return Ok(Party::Unpaired(connection));
        }
        let Some(username) = payload.username else { return Err(400) };
        let number = u16::try_from(payload.device.unwrap_or(0)).unwrap_or(u16::MAX);
        let key = self.device_key(&Jid::pn(username.to_string()).with_device(number));
        let Some(key) =
            key.filter(|key| self.device(*key).is_some_and(|device| device.noise_key == Some(noise_key)))
        else {
            return Err(401);
        };
        if let Some(reason) = self.faults.take_refusal(key) {
            return Err(reason);
        }
        self.log_in(key, session, &payload);
        Ok(Party::Device(key))
    }

    fn log_in(&mut self, key: DeviceKey, mut session: Session, payload: &ClientPayload) {
        let is_passive = payload.passive.unwrap_or(false);
        session.pull = payload.pull.unwrap_or(false);
        session.resume = Resume::Passive;
        let was_available = self.is_available(key.account);
        let replaced = self.device_mut(key).and_then(|device| device.session.replace(session));
        if let Some(replaced) = replaced {
            tracing::debug!(?key, "connection replaced");
            replaced.finish(Some(conflict(None, "replaced")));
        }
        self.tell_watchers(key.account, was_available);
        let success = self.success(key);
        self.transmit(key, success);
        if let Some(code) = self.faults.take_login_error(key) {
            self.close(key, Some(stream_error(code)));
        } else if !is_passive {
            self.start_delivery(key);
        }
    }

    fn success(&self, key: DeviceKey) -> Node {
        let node = Node::new("success")
            .attr("t", self.now_seconds())
            .attr("props", 27_u32)
            .attr("abprops", PROPS_HASH)
            .attr("group_abprops", PROPS_HASH)
            .attr("location", "prn")
            .attr("companion_enc_static", "NULL");
        let Some(account) = self.account(key.account) else { return node };
        node.attr("lid", account.lid.clone().with_device(key.number)).attr("display_name", &account.name)
    }

    /// Ends a device's connection in good order.
    pub(crate) fn close(&mut self, key: DeviceKey, last: Option<Node>) {
        let was_available = self.is_available(key.account);
        if let Some(node) = &last {
            self.note_last(key, node);
        }
        if let Some(session) = self.device_mut(key).and_then(|device| device.session.take()) {
            session.finish(last);
        }
        self.tell_watchers(key.account, was_available);
        self.ring();
    }

    /// A connection is gone; its device is offline, unless another connection took over.
    pub(crate) fn connection_ended(&mut self, party: Party, connection: u64) {
        match party {
            Party::Unpaired(connection) => self.end_pairing(connection, None),
            Party::Device(key) => {
                let was_available = self.is_available(key.account);
                if let Some(device) = self.device_mut(key)
                    && device.session.as_ref().is_some_and(|session| session.connection == connection)
                {
                    device.session = None;
                }
                self.tell_watchers(key.account, was_available);
                self.ring();
            }
        }
    }
}

/// The `failure` of a refused login.
pub(crate) fn refusal(reason: u16) -> Node {
    let node = failure(reason);
    match reason {
        402 => node.attr("code", 101_u32).attr("expire", 3600_u32),
        403 => node.attr("logout_message_header", "Account locked"),
        _ => node,
    }
}

/// The keys of a registration, when all lengths are right and the signed pre-key is signed.
fn registered_keys(data: &DevicePairingRegistrationData) -> Option<DeviceKeys> {
    let identity = PublicKey::from_raw(data.e_ident.as_deref()?).ok()?;
    let signed = SignedPreKey {
        id: data.e_skey_id.as_deref()?.try_into().ok()?,
        key: PublicKey::from_raw(data.e_skey_val.as_deref()?).ok()?,
        signature: Signature::from_slice(data.e_skey_sig.as_deref()?)?,
    };
    let is_complete = data.e_keytype.as_deref() == Some(&[5])
        && data.build_hash.as_ref().is_some_and(|hash| hash.len() == 16)
        && data.device_props.is_some()
        && signed.is_signed_by(&identity);
    is_complete.then_some(DeviceKeys {
        registration: data.e_regid.as_deref()?.try_into().ok()?,
        identity,
        signed,
        one_time: std::collections::VecDeque::new(),
        uploaded: false,
        told_low: false,
    })
}
