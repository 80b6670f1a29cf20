//! A channel as JSON, and a post as a node. Protocol: IQ catalogue, "Channels", "Mex".

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wa_core::wire::Node;

use super::Newsletter;
use super::posts::StoredPost;

impl Newsletter {
    /// All that an account is told of it.
    pub(crate) fn to_json(&self, account: usize) -> Value {
        let text = |(text, time): &(String, u64)| json!({ "id": time.to_string(), "text": text, "update_time": (time * 1_000_000).to_string() });
        let picture = self.picture.as_ref().map(|(number, _)| {
            json!({ "id": number.to_string(), "type": "IMAGE", "direct_path": format!("/v/t61/{number}") })
        });
        let viewer = self.followers.get(&account);
        let mutes = ["MUTE_ADMIN_ACTIVITY", "MUTE_FOLLOWER_ACTIVITY"].map(|kind| {
            let is_muted = viewer.is_some_and(|viewer| viewer.muted.contains(kind));
            json!({ "type": kind, "value": if is_muted { "ON" } else { "OFF" } })
        });
        json!({
            "id": self.jid.to_string(),
            "state": { "type": "ACTIVE" },
            "thread_metadata": {
                "creation_time": self.creation.to_string(),
                "name": text(&self.name),
                "description": text(&self.description),
                "handle": null,
                "invite": self.invite,
                "picture": picture,
                "preview": picture,
                "subscribers_count": self.followers.len().to_string(),
                "verification": "UNVERIFIED",
                "settings": { "reaction_codes": { "value": self.reactions } },
            },
            "viewer_metadata": {
                "role": viewer.map_or("GUEST", |viewer| viewer.role.as_str()),
                "settings": mutes,
            },
        })
    }
}

impl StoredPost {
    /// The whole post.
    pub(crate) fn to_node(&self, number: u64, account: usize) -> Node {
        let content = self.content.iter().filter(|child| child.tag != "meta").cloned();
        self.counts_node(number)
            .attr("id", &self.id)
            .attr("type", self.kind.as_str())
            .attr_opt("is_sender", (self.author == Some(account)).then_some("true"))
            .children(content)
    }

    /// What became of it.
    pub(crate) fn counts_node(&self, number: u64) -> Node {
        let mut reactions: BTreeMap<&str, usize> = BTreeMap::new();
        for code in self.reactions.values() {
            *reactions.entry(code).or_default() += 1;
        }
        let mut votes: BTreeMap<&[u8], usize> = BTreeMap::new();
        for hash in self.votes.values().flatten() {
            *votes.entry(hash).or_default() += 1;
        }
        let reactions = reactions
            .into_iter()
            .map(|(code, count)| Node::new("reaction").attr("code", code).attr("count", count));
        let mut node = Node::new("message")
            .attr("server_id", number)
            .attr("t", self.time)
            .child(Node::new("reactions").children(reactions))
            .child(Node::new("views_count").attr("count", self.viewers.len()))
            .child(Node::new("forwards_count").attr("count", 0_u32));
        if !votes.is_empty() {
            let votes =
                votes.into_iter().map(|(hash, count)| Node::new("vote").attr("count", count).bytes(hash));
            node = node.child(Node::new("votes").children(votes));
        }
        node.children(self.edit_node())
    }

    /// When it was changed; the web client counts that in milliseconds.
    pub(crate) fn edit_node(&self) -> Option<Node> {
        Some(Node::new("meta").attr("msg_edit_t", self.edited?).attr("original_msg_t", self.time))
    }
}
