//! What an account is made of before it is paired, and what it shows the server when it connects.

use std::io;

use wa_store::{Account, AdvSecret, Changes, SignedPreKeyRecord};
use wa_types::{Jid, PreKeyId, PublicKey, RegistrationId, UnixMillis, UnixSeconds};

use super::config::Config;
use crate::connection::{CloseReason, Credentials};
use crate::crypto::{Random, curve25519};
use crate::noise::certificate::Validity;
use crate::noise::client_payload::{ClientVersion, Login, Registration};
use crate::noise::{ClientPayload, KnownServer, RoutingInfo};
use crate::signal::SignedPreKey;

/// The keys of a new device, and the changes that store them. They must be committed before first contact.
pub(super) fn create(random: &mut impl Random, now: UnixMillis) -> (Account, SignedPreKeyRecord, Changes) {
    let identity = curve25519::generate(random);
    let noise = curve25519::generate(random);
    let signed = SignedPreKey::generate(PreKeyId::FIRST, &identity, random);
    // 14 bits, never 0, as companions choose it. Protocol: prekeys and devices, "Ids and key material".
    let registration_id = RegistrationId(u32::from(u16::from_be_bytes(random.array())) % 16_380 + 1);
    let account = Account::new(registration_id, noise, identity, AdvSecret::new(random.array()), signed.id);
    let record = SignedPreKeyRecord {
        id: signed.id,
        key_pair: signed.key_pair,
        signature: signed.signature,
        created: now.to_seconds(),
    };
    let mut changes = Changes::new();
    changes.put_account(account.clone()).put_signed_pre_key(record.clone());
    (account, record, changes)
}

/// What the next connection shows the server: a login when paired, else a registration.
pub(super) fn for_connection(
    account: &Account,
    signed: &SignedPreKeyRecord,
    version: ClientVersion,
    config: &Config,
) -> Result<Credentials, CloseReason> {
    let payload = match &account.jid {
        Some(jid) => {
            let mut login = Login::new(jid, account.login_counter)
                .map_err(|_| CloseReason::Network(io::ErrorKind::InvalidData))?;
            login.lid_migrated = account.lid_migrated;
            ClientPayload::new(version, login)
        }
        None => {
            let signed = (signed.id, signed.key_pair.public, signed.signature);
            let registration = Registration::new(
                account.registration_id,
                account.identity.public,
                signed,
                config.profile.clone(),
            );
            ClientPayload::new(version, registration)
        }
    };
    let payload = payload.with_push_name(config.push_name.clone());
    let mut credentials = Credentials::new(account.noise.clone(), payload.encode(), config.trust_root);
    credentials.own = account.jid.iter().chain(&account.lid).cloned().collect::<Vec<Jid>>();
    if account.is_paired() {
        credentials.known_server = account.server_certificate.as_deref().and_then(decode_server);
        credentials.routing = account.routing_info.clone().and_then(|bytes| RoutingInfo::new(bytes).ok());
    }
    Ok(credentials)
}

/// The server of a connection, as the store keeps it: its key, and four times.
pub(super) fn encode_server(server: &KnownServer) -> Vec<u8> {
    let mut bytes = server.static_key.as_bytes().to_vec();
    for validity in [server.leaf, server.intermediate] {
        bytes.extend_from_slice(&validity.not_before.0.to_be_bytes());
        bytes.extend_from_slice(&validity.not_after.0.to_be_bytes());
    }
    bytes
}

fn decode_server(bytes: &[u8]) -> Option<KnownServer> {
    let (key, times) = bytes.split_first_chunk::<32>()?;
    let (times, rest) = times.as_chunks::<8>();
    let [a, b, c, d] = <[[u8; 8]; 4]>::try_from(times).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let validity = |from, to| Validity {
        not_before: UnixSeconds(u64::from_be_bytes(from)),
        not_after: UnixSeconds(u64::from_be_bytes(to)),
    };
    Some(KnownServer::new(PublicKey::new(*key), validity(a, b), validity(c, d)))
}
