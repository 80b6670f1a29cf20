//! From the client's payload to a session: registration or login, or a refusal. Protocol: transport, "ClientPayload",
//! "failure" and "What a test server must do".

use std::time::Duration;

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

/// What a client that was let in does.
#[derive(Debug)]
pub(crate) enum Admission {
    Registration { noise_key: PublicKey, keys: Box<DeviceKeys>, push_name: Option<String> },
    Login { key: DeviceKey, passive: bool, pull: bool },
}

impl State {
    /// Decides what a payload may do.
    ///
    /// # Errors
    /// What the `failure` to send says.
    pub(crate) fn admit(
        &mut self,
        payload: ClientPayload,
        noise_key: PublicKey,
    ) -> Result<Admission, Refusal> {
        let agent = payload.user_agent.as_ref().ok_or(Refusal::new(409))?;
        let revision = agent.app_version.as_ref().and_then(|version| version.tertiary).unwrap_or(0);
        if revision < self.config.minimum_revision {
            return Err(Refusal::new(405));
        }
        if let Some(registration) = &payload.device_pairing_data {
            let keys = registered_keys(registration).ok_or(Refusal::new(400))?;
            let push_name = payload.push_name.filter(|name| !name.is_empty());
            return Ok(Admission::Registration { noise_key, keys: Box::new(keys), push_name });
        }
        let username = payload.username.ok_or(Refusal::new(400))?;
        let number = u16::try_from(payload.device.unwrap_or(0)).unwrap_or(u16::MAX);
        let key =
            self.device_key(&Jid::pn(username.to_string()).with_device(number)).ok_or(Refusal::new(401))?;
        if self.device(key).is_none_or(|device| device.noise_key != Some(noise_key)) {
            return Err(Refusal::new(401));
        }
        let at_random = self.chaos_refuses_login(key).then_some(Refusal::new(503));
        match self.faults.take_refusal(key).or(at_random) {
            Some(reason) => Err(reason),
            None => Ok(Admission::Login {
                key,
                passive: payload.passive.unwrap_or(false),
                pull: payload.pull.unwrap_or(false),
            }),
        }
    }

    /// Opens the session of a client that was let in.
    pub(crate) fn open(&mut self, admission: Admission, session: Session) -> Party {
        match admission {
            Admission::Registration { noise_key, keys, push_name } => {
                let connection = session.connection;
                self.start_pairing(session, noise_key, *keys, push_name);
                Party::Unpaired(connection)
            }
            Admission::Login { key, passive, pull } => {
                self.log_in(key, session, passive, pull);
                Party::Device(key)
            }
        }
    }

    fn log_in(&mut self, key: DeviceKey, mut session: Session, is_passive: bool, pull: bool) {
        self.metrics.logins += 1;
        session.pull = pull;
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
        if let Some(node) = &last {
            self.note_last(key, node);
        }
        if let Some(session) = self.take_session(key) {
            session.finish(last);
        }
    }

    /// A device goes offline; its connection is the caller's to end.
    pub(crate) fn take_session(&mut self, key: DeviceKey) -> Option<Session> {
        let was_available = self.is_available(key.account);
        let session = self.device_mut(key)?.session.take();
        self.tell_watchers(key.account, was_available);
        self.ring();
        session
    }

    /// A connection is gone; its device is offline, unless another connection took over.
    pub(crate) fn connection_ended(&mut self, party: Party, connection: u64) {
        match party {
            Party::Unpaired(connection) => self.end_pairing(connection, None),
            Party::Device(key) => {
                let session = self.device(key).and_then(|device| device.session.as_ref());
                if session.is_some_and(|session| session.connection == connection) {
                    self.take_session(key);
                }
            }
        }
    }
}

/// Why a login is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: u16,
    /// The code and the seconds of a temporary ban.
    ban: Option<(u16, u64)>,
}

impl Refusal {
    pub(crate) fn new(reason: u16) -> Self {
        Self { reason, ban: (reason == 402).then_some((101, 3600)) }
    }

    pub(crate) fn ban(code: u16, expire: Duration) -> Self {
        Self { reason: 402, ban: Some((code, expire.as_secs())) }
    }

    /// The `failure` to send.
    pub(crate) fn node(self) -> Node {
        let node = failure(self.reason);
        match self.ban {
            Some((code, expire)) => node.attr("code", code).attr("expire", expire),
            None if self.reason == 403 => node.attr("logout_message_header", "Account locked"),
            None => node,
        }
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
        props: data.device_props.clone().unwrap_or_default(),
    })
}
