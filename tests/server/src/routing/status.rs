//! Status posts and messages to broadcast lists: to the users that the stanza names. Protocol: messages, "Status",
//! "Broadcast list".

use std::collections::BTreeSet;
use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use super::group::{Fanout, parts};
use super::message::Refusal;
use crate::account::{DeviceKey, phash};
use crate::stanza::Read;
use crate::state::State;

impl State {
    pub(super) fn check_audience<'a>(
        &self,
        from: DeviceKey,
        to: &Jid,
        node: &'a Node,
    ) -> Result<Fanout<'a>, Refusal> {
        if node.get("addressing_mode").is_some() {
            return Err(Refusal(479));
        }
        let tells_setting = node.find("meta").is_some_and(|meta| meta.get("status_setting").is_some());
        let is_post = node.attr_text("type").as_deref() != Some("reaction") && node.get("edit").is_none();
        if tells_setting && !(is_post && to.is_status()) {
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
        // Lists have a hash as groups do, of all devices of all who are named, the sender's included.
        let phash = (to.is_broadcast_list() && only.is_none()).then(|| {
            let devices = receivers.iter().chain([&from]).collect::<BTreeSet<_>>();
            Arc::from(phash(devices.into_iter().map(|device| self.jid_of(*device, &like))))
        });
        Ok(Fanout {
            to: to.clone(),
            like,
            shared: parts.shared,
            copies,
            receivers: receivers.into_iter().collect(),
            only,
            mode: None,
            phash,
        })
    }
}
