//! Reads a session record's bytes, apart from the library's own code: the layout of version 1 must never change.

use wa_core::signal::SessionRecord;
use wa_types::{KeyPair, PrivateKey, PublicKey};

/// The current session.
pub(super) struct State {
    pub(super) root: [u8; 32],
    pub(super) ratchet_pair: KeyPair,
    pub(super) chain_key: [u8; 32],
    pub(super) chain_index: u32,
    pub(super) previous_counter: u32,
    pub(super) pending: Option<(Option<u32>, u32)>,
    pub(super) receiving: Vec<Receiving>,
}

pub(super) struct Receiving {
    pub(super) ratchet_key: PublicKey,
    pub(super) chain_key: [u8; 32],
    pub(super) index: u32,
    pub(super) skipped: Vec<(u32, [u8; 32])>,
}

impl State {
    pub(super) fn current(record: &SessionRecord) -> Self {
        let encoded = record.encode();
        let mut bytes = encoded.as_slice();
        assert_eq!(take::<3>(&mut bytes), [b'S', 1, 1], "kind, version, a current session");
        let [archived] = take(&mut bytes);
        assert_eq!(usize::from(archived), record.archived_len());
        let _local_identity = take::<32>(&mut bytes);
        assert_eq!(&take::<32>(&mut bytes), record.remote_identity().unwrap().as_bytes());
        let _local_registration_id = number(&mut bytes);
        assert_eq!(number(&mut bytes), record.remote_registration_id().unwrap().0);
        assert_eq!(&take::<32>(&mut bytes), record.base_key().unwrap().as_bytes());
        let root = take(&mut bytes);
        let private = PrivateKey::new(take(&mut bytes));
        let ratchet_pair = KeyPair { private, public: PublicKey::new(take(&mut bytes)) };
        let (chain_key, chain_index) = (take(&mut bytes), number(&mut bytes));
        let previous_counter = number(&mut bytes);
        let pending = match take(&mut bytes) {
            [0] => None,
            [1] => Some((None, number(&mut bytes))),
            [2] => Some((Some(number(&mut bytes)), number(&mut bytes))),
            [other] => panic!("pending pre-key {other}"),
        };
        let [chains] = take(&mut bytes);
        let receiving = (0..chains)
            .map(|_| {
                let ratchet_key = PublicKey::new(take(&mut bytes));
                let (chain_key, index) = (take(&mut bytes), number(&mut bytes));
                let count = u16::from_le_bytes(take(&mut bytes));
                let skipped = (0..count).map(|_| (number(&mut bytes), take(&mut bytes))).collect();
                Receiving { ratchet_key, chain_key, index, skipped }
            })
            .collect();
        assert_eq!(bytes.is_empty(), archived == 0);
        Self { root, ratchet_pair, chain_key, chain_index, previous_counter, pending, receiving }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = bytes.split_first_chunk().expect("the record goes on");
    *bytes = rest;
    *taken
}

fn number(bytes: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(bytes))
}
