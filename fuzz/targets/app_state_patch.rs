//! Patches, snapshots and recoveries of the shared state from a server that lies: nothing is applied whose MACs do not
//! hold, nothing panics, and what we write ourselves is read as it was written.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use wa_core::app_state::action::{Action, read_index, write_index};
use wa_core::app_state::{
    BlobReference, Collection, CollectionState, Draft, Entries, KeyId, KeyRing, Operation, Patch, Snapshot,
    Upload, read_mutations, read_recovery,
};
use wa_core::crypto::Random;

/// Random enough for one input.
struct Bytes<'i>(&'i [u8], usize);

impl Random for Bytes<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(7);
            self.1 += 1;
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let id = KeyId::new(0, 7);
    let keys = KeyRing::new([(id, &[7; 32])]);
    let state = CollectionState::default();
    let entries = Entries::new();
    if let Ok(mut patch) = Patch::read(input) {
        patch.set_default_version(1);
        if let Ok(mutations) = read_mutations(input) {
            let _ = patch.attach(mutations);
        }
        // Nobody but a holder of the key makes a patch.
        assert!(patch.apply(Collection::Regular, &state, &entries, &keys).is_err());
    }
    if let Ok(snapshot) = Snapshot::read(input) {
        assert!(snapshot.finish(Collection::Regular, &keys).is_err());
    }
    let _ = black_box(BlobReference::read(input));
    for is_compressed in [false, true] {
        let _ = black_box(read_recovery(input, is_compressed, Collection::Regular, &keys));
    }
    // Whatever an entry says, it is read, and what was understood is written so that it reads the same.
    let (index, value) = input.split_at(input.len() / 2);
    let action = Action::read(Collection::Regular, index, value, 1);
    let (collection, draft) = action.to_draft(wa_types::UnixMillis(1));
    let again = Action::read(collection, &draft.index, &draft.value, draft.version);
    let (_, once_more) = again.to_draft(wa_types::UnixMillis(1));
    assert_eq!(draft.index, once_more.index);
    assert_eq!(write_index(&read_index(&draft.index)), draft.index);
    // What we seal, we read.
    let draft = Draft::new(Operation::Set, index.to_vec(), value.to_vec(), 1);
    let upload = Upload::seal(
        Collection::Regular,
        (&state, &entries),
        (&keys, id),
        vec![draft],
        Vec::new(),
        &mut Bytes(input, 0),
    )
    .expect("one entry is sealed");
    let mut patch = Patch::read(&upload.patch).expect("our own patch reads");
    patch.set_default_version(1);
    let applied = patch.apply(Collection::Regular, &state, &entries, &keys).expect("our own patch applies");
    assert_eq!((applied.state, applied.records), (upload.state, upload.records));
});
