//! What a client says about itself: known answers, our choices, and what a server refuses.

use prost::Message as _;
use serde_json::Value;
use wa_core::crypto::{SystemRandom, curve25519, xeddsa};
use wa_core::noise::ClientPayloadError;
use wa_core::noise::client_payload::{
    ClientPayload, ClientVersion, ConnectReason, DeviceProfile, HistoryRequest, Login, Platform, Purpose,
    Registration,
};
use wa_proto::companion_reg::{DeviceProps, device_props};
use wa_proto::wa6::client_payload as proto;
use wa_types::{Jid, PreKeyId, PublicKey, RegistrationId, Server};

use crate::vectors::{self, bytes, text};

#[test]
fn every_case_of_the_client_payload_vectors_is_read() {
    for case in &vectors::load("client-payload").cases {
        let name = text(case, "name");
        let mut encoded = bytes(case, "bytes");
        let mut fields = case["fields"].clone();
        assert_raw_fields(&encoded, &fields, name);
        if text(case, "kind") == "registration" {
            // The signatures of these vectors are invented: no scalar is that large.
            assert_eq!(ClientPayload::decode(&encoded), Err(ClientPayloadError::Signature), "{name}");
            sign_pre_key(&mut encoded, &mut fields["devicePairingData"]);
        }
        let fields = &fields;

        let payload = ClientPayload::decode(&encoded).unwrap_or_else(|error| panic!("{name}: {error}"));
        let version = &fields["userAgent"]["appVersion"];
        assert_eq!(u64::from(payload.version.tertiary), version["tertiary"].as_u64().unwrap(), "{name}");
        assert_eq!(payload.version.to_string().parse(), Ok(payload.version));
        assert_eq!(payload.reason, ConnectReason::UserActivated, "{name}");
        assert_eq!(
            (payload.locale.language.as_str(), payload.locale.country.as_str()),
            ("en", "US"),
            "{name}"
        );
        match (text(case, "kind"), &payload.purpose) {
            ("login", Purpose::Login(login)) => {
                assert_eq!(login.username.to_string(), fields["username"].as_str().unwrap(), "{name}");
                assert_eq!(u64::from(login.device), fields["device"].as_u64().unwrap(), "{name}");
                assert_eq!(login.passive, fields["passive"].as_bool().unwrap(), "{name}");
                assert_eq!(login.pull, fields["pull"].as_bool().unwrap(), "{name}");
                assert_eq!(login.lid_migrated, fields["lidDbMigrated"].as_bool().unwrap(), "{name}");
                assert_eq!(login.login_counter.map(u64::from), fields["lc"].as_u64(), "{name}");
                assert_eq!(login.attempt.map(u64::from), fields["connectAttemptCount"].as_u64(), "{name}");
            }
            ("registration", Purpose::Registration(registration)) => {
                assert_registration(registration, payload.version, &fields["devicePairingData"], name);
            }
            other => panic!("{name}: unknown kind {other:?}"),
        }
        assert_eq!(
            ClientPayload::decode(&payload.encode()).as_ref(),
            Ok(&payload),
            "{name}: what we write, we read"
        );
    }
}

/// Gives a registration another identity, and that identity's signature.
fn sign_pre_key(encoded: &mut Vec<u8>, fields: &mut Value) {
    let identity = curve25519::generate(&mut SystemRandom);
    let mut payload = wa_proto::wa6::ClientPayload::decode(encoded.as_slice()).unwrap();
    let data = payload.device_pairing_data.as_mut().unwrap();
    let signed = PublicKey::from_raw(data.e_skey_val()).unwrap().serialize();
    let signature = xeddsa::sign(&identity.private, &[&signed], &mut SystemRandom);
    data.e_ident = Some(identity.public.as_bytes().to_vec());
    data.e_skey_sig = Some(signature.as_bytes().to_vec());
    fields["eIdent"] = hex::encode(data.e_ident()).into();
    fields["eSkeySig"] = hex::encode(data.e_skey_sig()).into();
    *encoded = payload.encode_to_vec();
}

fn assert_registration(registration: &Registration, version: ClientVersion, data: &Value, name: &str) {
    let field = |key: &str| data[key].as_str().unwrap().to_owned();
    assert_eq!(hex::encode(registration.registration_id.to_bytes()), field("eRegid"), "{name}");
    assert_eq!(hex::encode(registration.identity_key.as_bytes()), field("eIdent"), "{name}");
    assert_eq!(hex::encode(registration.signed_pre_key_id.to_bytes()), field("eSkeyId"), "{name}");
    assert_eq!(hex::encode(registration.signed_pre_key.as_bytes()), field("eSkeyVal"), "{name}");
    assert_eq!(hex::encode(registration.signed_pre_key_signature.as_bytes()), field("eSkeySig"), "{name}");
    assert_eq!(hex::encode(registration.build_hash.unwrap()), field("buildHash"), "{name}");
    assert_eq!(hex::encode(version.build_hash()), field("buildHash"), "{name}: MD5 of the version");
    let props = &data["deviceProps_decoded"];
    let profile = &registration.profile;
    assert_eq!(profile.name, props["os"].as_str().unwrap(), "{name}");
    let version: Vec<u64> =
        ["primary", "secondary", "tertiary"].map(|key| props["version"][key].as_u64().unwrap()).into();
    assert_eq!(profile.os_version.iter().map(|n| u64::from(*n)).collect::<Vec<_>>(), version, "{name}");
    let platform = match props["platformType"].as_str().unwrap() {
        "CHROME" => Platform::Chrome,
        "DESKTOP" => Platform::Desktop,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(profile.platform, platform, "{name}");
    assert_eq!(profile.history.full, props["requireFullSync"].as_bool().unwrap(), "{name}");
    let quota = props["historySyncConfig"]["storageQuotaMb"].as_u64();
    assert_eq!(profile.history.storage_quota_mb.map(u64::from), quota, "{name}");
}

/// Every field of the vector, and none besides.
fn assert_raw_fields(encoded: &[u8], fields: &Value, name: &str) {
    let payload = wa_proto::wa6::ClientPayload::decode(encoded).unwrap();
    let agent = payload.user_agent.as_ref().unwrap();
    let version = agent.app_version.unwrap();
    let mut expected = serde_json::json!({
        "passive": payload.passive,
        "userAgent": {
            "platform": agent.platform().as_str_name(),
            "appVersion": {"primary": version.primary, "secondary": version.secondary, "tertiary": version.tertiary},
            "mcc": agent.mcc, "mnc": agent.mnc, "osVersion": agent.os_version, "manufacturer": agent.manufacturer,
            "device": agent.device, "osBuildNumber": agent.os_build_number,
            "releaseChannel": agent.release_channel().as_str_name(),
            "localeLanguageIso6391": agent.locale_language_iso6391,
            "localeCountryIso31661Alpha2": agent.locale_country_iso31661_alpha2,
        },
        "webInfo": {"webSubPlatform": payload.web_info.as_ref().unwrap().web_sub_platform().as_str_name()},
        "connectType": payload.connect_type().as_str_name(),
        "connectReason": payload.connect_reason().as_str_name(),
        "username": payload.username.map(|number| number.to_string()),
        "connectAttemptCount": payload.connect_attempt_count,
        "device": payload.device, "lc": payload.lc, "pull": payload.pull, "lidDbMigrated": payload.lid_db_migrated,
        "devicePairingData": payload.device_pairing_data.as_ref().map(raw_pairing_data),
    });
    drop_nulls(&mut expected);
    assert_eq!(&expected, fields, "{name}");
}

fn raw_pairing_data(data: &proto::DevicePairingRegistrationData) -> Value {
    let props = DeviceProps::decode(data.device_props()).unwrap();
    let version = props.version.unwrap();
    let config: device_props::HistorySyncConfig = props.history_sync_config.clone().unwrap();
    serde_json::json!({
        "eRegid": hex::encode(data.e_regid()), "eKeytype": hex::encode(data.e_keytype()),
        "eIdent": hex::encode(data.e_ident()), "eSkeyId": hex::encode(data.e_skey_id()),
        "eSkeyVal": hex::encode(data.e_skey_val()), "eSkeySig": hex::encode(data.e_skey_sig()),
        "buildHash": hex::encode(data.build_hash()), "deviceProps": hex::encode(data.device_props()),
        "deviceProps_decoded": {
            "os": props.os,
            "version": {"primary": version.primary, "secondary": version.secondary, "tertiary": version.tertiary},
            "platformType": props.platform_type().as_str_name(),
            "requireFullSync": props.require_full_sync,
            "historySyncConfig": {
                "storageQuotaMb": config.storage_quota_mb,
                "inlineInitialPayloadInE2EeMsg": config.inline_initial_payload_in_e2_ee_msg,
                "supportCallLogHistory": config.support_call_log_history,
                "supportBotUserAgentChatHistory": config.support_bot_user_agent_chat_history,
                "supportCagReactionsAndPolls": config.support_cag_reactions_and_polls,
                "supportBizHostedMsg": config.support_biz_hosted_msg,
                "supportRecentSyncChunkMessageCountTuning": config.support_recent_sync_chunk_message_count_tuning,
                "supportHostedGroupMsg": config.support_hosted_group_msg,
                "supportFbidBotChatHistory": config.support_fbid_bot_chat_history,
                "supportMessageAssociation": config.support_message_association,
                "supportGroupHistory": config.support_group_history,
                "thumbnailSyncDaysLimit": config.thumbnail_sync_days_limit,
            },
        },
    })
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

fn registration() -> Registration {
    let random = &mut SystemRandom;
    let (identity, pre_key) = (curve25519::generate(random), curve25519::generate(random));
    let signature = xeddsa::sign(&identity.private, &[&pre_key.public.serialize()], random);
    Registration::new(
        RegistrationId(0x0102_0304),
        identity.public,
        (PreKeyId::FIRST, pre_key.public, signature),
        DeviceProfile::new("Front desk", Platform::Desktop).with_history(HistoryRequest::FULL),
    )
}

#[test]
fn our_payloads_have_the_recommended_choices() {
    let own = Jid::pn("15551234567").with_device(7);
    let login = ClientPayload::new(ClientVersion::BUILT_IN, Login::new(&own, 3).unwrap());
    let raw = wa_proto::wa6::ClientPayload::decode(login.encode().as_slice()).unwrap();
    assert_eq!((raw.username, raw.device), (Some(15_551_234_567), Some(7)));
    assert_eq!(
        (raw.passive, raw.pull, raw.lc, raw.lid_db_migrated),
        (Some(false), Some(true), Some(3), Some(false))
    );
    let agent = raw.user_agent.unwrap();
    assert_eq!((agent.phone_id, agent.device_board, agent.mcc.as_deref()), (None, None, Some("000")));
    assert!(raw.device_pairing_data.is_none());
    assert!(!format!("{login:?}").contains("1555123"), "{login:?}");

    let payload = ClientPayload::new(ClientVersion::web(5), registration());
    let raw = wa_proto::wa6::ClientPayload::decode(payload.encode().as_slice()).unwrap();
    assert_eq!((raw.passive, raw.pull, raw.username, raw.lc), (Some(false), Some(false), None, None));
    let data = raw.device_pairing_data.unwrap();
    assert_eq!(data.build_hash(), ClientVersion::web(5).build_hash());
    let props = DeviceProps::decode(data.device_props()).unwrap();
    assert_eq!((props.require_full_sync, props.platform_type), (Some(true), Some(7)));
    assert_eq!(props.history_sync_config.unwrap().support_message_association, Some(true));
}

#[test]
fn only_a_companions_phone_number_address_can_log_in() {
    for own in [
        Jid::pn("15551234567"),
        Jid::lid("15551234567").with_device(7),
        Jid::pn("abc").with_device(7),
        Jid::service(Server::Pn).with_device(7),
    ] {
        assert_eq!(Login::new(&own, 0), Err(ClientPayloadError::Address), "{own}");
    }
}

#[test]
fn a_registration_with_a_wrong_length_or_signature_is_refused() {
    let good = ClientPayload::new(ClientVersion::BUILT_IN, registration());
    let raw = wa_proto::wa6::ClientPayload::decode(good.encode().as_slice()).unwrap();
    let change = |change: &dyn Fn(&mut proto::DevicePairingRegistrationData)| {
        let mut raw = raw.clone();
        change(raw.device_pairing_data.as_mut().unwrap());
        ClientPayload::decode(&raw.encode_to_vec()).map(|_| ())
    };
    assert_eq!(change(&|_| ()), Ok(()));
    let size = |field| Err(ClientPayloadError::Size { field });
    assert_eq!(change(&|data| data.e_regid = Some(vec![0; 3])), size("eRegid"));
    assert_eq!(change(&|data| data.e_keytype = Some(vec![6])), size("eKeytype"));
    assert_eq!(change(&|data| data.e_ident = Some(vec![5; 33])), size("eIdent"));
    assert_eq!(change(&|data| data.e_skey_id = Some(vec![0, 0, 0, 1])), size("eSkeyID"));
    assert_eq!(change(&|data| data.e_skey_id = Some(vec![0, 0, 0])), size("eSkeyID"));
    assert_eq!(change(&|data| data.e_skey_val = None), size("eSkeyVal"));
    assert_eq!(change(&|data| data.e_skey_sig = Some(vec![0; 63])), size("eSkeySig"));
    assert_eq!(change(&|data| data.build_hash = Some(vec![])), size("buildHash"));
    assert_eq!(change(&|data| data.e_skey_sig.as_mut().unwrap()[0] ^= 1), Err(ClientPayloadError::Signature));
    assert_eq!(change(&|data| data.e_skey_val.as_mut().unwrap()[0] ^= 1), Err(ClientPayloadError::Signature));
    assert_eq!(change(&|data| data.device_props = Some(vec![0xFF])), Err(ClientPayloadError::Malformed));
    assert_eq!(ClientPayload::decode(&[]), Err(ClientPayloadError::Missing { field: "userAgent" }));
}

#[test]
fn numbers_and_texts_of_the_choices_are_read_as_they_were_written() {
    for number in 0..30 {
        assert_eq!(Platform::from_number(number).number(), number);
        assert_eq!(ConnectReason::from_number(number).number(), number);
    }
    assert_eq!(
        (Platform::from_number(7), Platform::from_number(24)),
        (Platform::Desktop, Platform::Other(24))
    );
    assert_eq!("2.3000.7".parse(), Ok(ClientVersion::web(7)));
    for wrong in ["", "2.3000", "2.3000.7.1", "2.x.7", "2.3000.-7"] {
        assert!(wrong.parse::<ClientVersion>().is_err(), "{wrong}");
    }
}
