//! Status posts: to the viewers that the stanza names. Protocol: messages, "Status".

use std::collections::BTreeSet;

use wa_core::wire::Node;
use wa_types::Jid;

use super::group::{Fanout, parts};
use super::message::Refusal;
use crate::account::DeviceKey;
use crate::state::State;

impl State {
    pub(super) fn check_status<'a>(&self, node: &'a Node) -> Result<Fanout<'a>, Refusal> {
        if node.get("addressing_mode").is_some() {
            return Err(Refusal(479));
        }
        let parts = parts(node)?;
        let only = self.check_target(node)?;
        let first = parts.named.first().map(|(jid, _)| jid).cloned();
        let participant = node.get("participant").and_then(|jid| jid.to_jid().ok());
        let like = first.or(participant).ok_or(Refusal(400))?.to_user();
        let mut copies = self.check_named(&like, &parts)?;
        if let Some(only) = only {
            copies.extend(parts.direct.map(|enc| (only, enc)));
        }
        let receivers: BTreeSet<DeviceKey> = match (only, parts.shared) {
            (Some(only), _) => [only].into(),
            (None, None) => copies.keys().copied().collect(),
            (None, Some(_)) => {
                let viewers: BTreeSet<usize> =
                    parts.named.iter().filter_map(|(jid, _)| self.account_of(jid)).collect();
                viewers.into_iter().flat_map(|viewer| self.devices_of(viewer)).collect()
            }
        };
        Ok(Fanout {
            to: Jid::STATUS,
            like,
            shared: parts.shared,
            copies,
            receivers: receivers.into_iter().collect(),
            only,
            mode: None,
            phash: None,
        })
    }
}
