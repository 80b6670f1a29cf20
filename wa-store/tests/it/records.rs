//! Records as bytes, and as text in logs.

use wa_store::{Account, AdvSecret, Changes, Device, DeviceList, StoreError};
use wa_types::{Jid, KeyPair, PreKeyId, PrivateKey, PublicKey, RegistrationId, UnixMillis, UnixSeconds};

fn account() -> Account {
    let pair =
        |seed| KeyPair { private: PrivateKey::new([seed; 32]), public: PublicKey::new([seed + 1; 32]) };
    let secret = AdvSecret::new([0xad; 32]);
    let mut account = Account::new(RegistrationId(9), pair(0xb0), pair(0xc0), secret, PreKeyId::FIRST);
    account.jid = Some(Jid::pn("15551234567").with_device(4));
    account.signed_device_identity = Some(vec![1, 2, 3]);
    account
}

#[test]
fn decode_undoes_encode() {
    let account = account();
    assert_eq!(Account::decode(&account.encode()).unwrap(), account);
    let list = DeviceList {
        devices: vec![Device { id: 99, key_index: Some(3), hosted: true }],
        raw_id: None,
        timestamp: UnixSeconds(u64::MAX),
        hash: Some("2:x".to_owned()),
        fetched: UnixMillis(1),
    };
    assert_eq!(DeviceList::decode(&list.encode()).unwrap(), list);
    assert_eq!(DeviceList::decode(&DeviceList::default().encode()).unwrap(), DeviceList::default());
}

#[test]
fn an_account_of_a_later_format_says_so() {
    let mut bytes = account().encode();
    bytes[0] += 1;
    assert!(matches!(Account::decode(&bytes), Err(StoreError::NewerVersion { found: 2, supported: 1 })));
}

#[test]
fn damaged_records_are_refused() {
    let bytes = account().encode();
    for end in 0..bytes.len() {
        // Cut between two optional fields at the end, it is still an account.
        if let Err(error) = Account::decode(&bytes[..end]) {
            assert!(matches!(error, StoreError::Corrupt { what: "account", .. }), "{end}: {error:?}");
        } else {
            assert!(end > 150, "{end}");
        }
    }
    assert!(matches!(Account::decode(&[0, 1, 2]), Err(StoreError::Corrupt { .. })));
    assert!(matches!(DeviceList::decode(&[0xff; 9]), Err(StoreError::Corrupt { what: "device list", .. })));
    // A device number that does not fit.
    assert!(matches!(DeviceList::decode(&[10, 4, 8, 0x80, 0x80, 4]), Err(StoreError::Corrupt { .. })));
}

#[test]
fn debug_shows_no_secret() {
    let mut changes = Changes::new();
    changes
        .put_account(account())
        .put_session(wa_types::SignalAddress::new("15551234567", wa_types::Domain::Pn, 1), vec![0xad; 3]);
    let text = format!("{:?} {changes:?}", account());
    for secret in ["173", "ad, ad", "176, 176", "15551234567"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("AdvSecret(..)") && text.contains("3 bytes"), "{text}");
}
