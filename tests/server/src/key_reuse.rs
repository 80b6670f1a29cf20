//! Finds message keys that were used twice, from what everyone can see of a ciphertext: its header. Two different
//! ciphertexts with the same header were made with the same key, which gives both away.
//! Protocol: signal, "Message layouts".

use std::collections::HashMap;

use wa_core::crypto::kdf::sha256;
use wa_core::signal::{PreKeySignalMessage, SenderKeyMessage, SignalMessage};
use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

/// Two different ciphertexts of one message key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyReuse {
    /// The device that used the key twice.
    pub sender: Jid,
    /// For whom: a device, or a group.
    pub receiver: Jid,
    /// The place in the chain.
    pub counter: u32,
    /// The ids of the first and of the second message.
    pub ids: [String; 2],
}

/// What identifies a message key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Header {
    Pairwise { sender: DeviceKey, receiver: DeviceKey, ratchet: [u8; 32], counter: u32 },
    Group { sender: DeviceKey, group: Jid, key_id: u32, iteration: u32 },
}

/// The headers that were seen, with a hash of what was encrypted under each.
#[derive(Debug, Default)]
pub(crate) struct SeenKeys {
    seen: HashMap<Header, ([u8; 16], String)>,
    reused: Vec<KeyReuse>,
}

impl SeenKeys {
    /// How many different headers were seen.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    pub(crate) fn reused(&self) -> &[KeyReuse] {
        &self.reused
    }

    fn note(&mut self, header: Header, bytes: &[u8], id: &str) -> Option<String> {
        if self.seen.len() >= MAX_SEEN {
            return None;
        }
        let hash = sha256(&[bytes]);
        let hash = *hash.first_chunk()?;
        let (first, first_id) = self.seen.entry(header).or_insert_with(|| (hash, id.to_owned()));
        (*first != hash).then(|| first_id.clone())
    }
}

impl State {
    /// Notes the ciphertexts of a message on its way in.
    pub(crate) fn note_ciphertexts(&mut self, from: DeviceKey, node: &Node) {
        if !self.config.detect_key_reuse || node.tag != "message" {
            return;
        }
        let (Some(id), Some(to)) = (node.attr_text("id"), node.attr_jid("to")) else { return };
        self.note_all(from, &to, &id, node);
        for copy in node.find("participants").into_iter().flat_map(|all| all.find_all("to")) {
            if let Some(device) = copy.attr_jid("jid") {
                self.note_all(from, &device, &id, copy);
            }
        }
    }

    fn note_all(&mut self, from: DeviceKey, to: &Jid, id: &str, parent: &Node) {
        for enc in parent.find_all("enc") {
            let (Some(kind), Some(bytes)) = (enc.attr_text("type"), enc.content_bytes()) else { continue };
            let Some((header, counter, sealed)) = self.header(from, to, &kind, bytes) else { continue };
            if let Some(first) = self.seen_keys.note(header, sealed, id) {
                let (sender, receiver) = (self.jid_of(from, to), to.clone());
                tracing::warn!(?sender, ?receiver, counter, "a message key was used twice");
                self.seen_keys.reused.push(KeyReuse {
                    sender,
                    receiver,
                    counter,
                    ids: [first, id.to_owned()],
                });
            }
        }
    }

    /// The header of a ciphertext, its place in the chain, and the bytes that the key made. A `pkmsg` is read for the
    /// message inside, whose key is the same whatever stands around it.
    fn header<'a>(
        &self,
        sender: DeviceKey,
        to: &Jid,
        kind: &str,
        bytes: &'a [u8],
    ) -> Option<(Header, u32, &'a [u8])> {
        if kind == "skmsg" {
            let message = SenderKeyMessage::parse(bytes).ok()?;
            let (key_id, iteration) = (message.key_id(), message.iteration());
            let header = Header::Group { sender, group: to.clone(), key_id, iteration };
            return Some((header, iteration, bytes));
        }
        let receiver = self.device_key(to)?;
        let message = match kind {
            "pkmsg" => *PreKeySignalMessage::parse(bytes).ok()?.message(),
            "msg" => SignalMessage::parse(bytes).ok()?,
            _ => return None,
        };
        let (ratchet, counter) = (*message.ratchet_key().as_bytes(), message.counter());
        Some((Header::Pairwise { sender, receiver, ratchet, counter }, counter, message.ciphertext()))
    }
}

/// A quarter of a gigabyte at most; nothing more is noted then.
const MAX_SEEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_header_with_other_bytes_is_a_reuse() {
        let sender = DeviceKey { account: 0, number: 1 };
        let header = |key_id, iteration| Header::Group { sender, group: Jid::SERVER, key_id, iteration };
        let mut keys = SeenKeys::default();
        assert_eq!(keys.note(header(1, 0), b"one", "A"), None);
        assert_eq!(keys.note(header(1, 0), b"one", "A"), None, "the same bytes sent again");
        assert_eq!(keys.note(header(1, 1), b"two", "B"), None);
        assert_eq!(keys.note(header(2, 0), b"three", "C"), None);
        assert_eq!(keys.note(header(1, 0), b"four", "D"), Some("A".to_owned()));
        assert_eq!(keys.len(), 3);
    }
}
