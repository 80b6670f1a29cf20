//! A decrypted frame from the server: no panic, no large allocation, and what was decoded encodes to the same node.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use wa_core::wire;

fuzz_target!(|payload: &[u8]| {
    let Ok(body) = wire::unpack(payload) else { return };
    let Ok(document) = wire::decode(&body) else { return };
    let root = document.root();
    black_box((root.to_xml(), format!("{root:?}")));
    let node = root.to_node();
    // What only other encoders write (an address without a form of ours) is an error here, and no panic.
    let Ok(encoded) = wire::encode(&node) else { return };
    let again = wire::unpack(&encoded).expect("a frame of our own unpacks");
    let again = wire::decode(&again).expect("a frame of our own decodes");
    assert_eq!(again.root().to_node(), node);
});
