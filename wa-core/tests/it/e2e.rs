//! Known answers: participant hashes and contact hashes.

mod opening;

use wa_core::e2e::phash::{contact_hash, participant_hash};
use wa_types::Jid;

use crate::vectors::{load, text};

#[test]
fn every_participant_hash_vector_holds() {
    for case in &load("phash").cases {
        let name = text(case, "name");
        match text(case, "kind") {
            "phash" => {
                let jids = case["jids"].as_array().unwrap().iter();
                let mut jids: Vec<Jid> = jids.map(|jid| jid.as_str().unwrap().parse().unwrap()).collect();
                let mut forms: Vec<String> = jids.iter().map(Jid::phash_form).collect();
                forms.sort_unstable();
                assert_eq!(serde_json::json!(forms), case["sorted_forms"], "{name}");
                assert_eq!(participant_hash(&jids), text(case, "expected"), "{name}");
                jids.reverse();
                assert_eq!(
                    participant_hash(&jids),
                    text(case, "expected"),
                    "{name}: the order does not matter"
                );
            }
            "contact_hash" => assert_eq!(contact_hash(text(case, "user")), text(case, "expected"), "{name}"),
            other => panic!("unknown case kind {other}"),
        }
    }
}
