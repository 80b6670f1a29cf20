//! What is posted in a channel, changed and reacted to; and who gets it. Protocol: IQ catalogue, "Channels", "Stanzas".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::{Jid, MessageId};

use super::Post;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

/// A post as the server keeps it.
#[derive(Debug)]
pub(crate) struct StoredPost {
    pub(crate) id: MessageId,
    /// The `type` of its stanza.
    pub(crate) kind: String,
    /// Unix seconds.
    pub(crate) time: u64,
    /// Nobody for the server's own.
    pub(crate) author: Option<usize>,
    /// What stood in its stanza; without anything once it is deleted.
    pub(crate) content: Vec<Node>,
    /// Unix milliseconds, a later one each time.
    pub(crate) edited: Option<u64>,
    pub(crate) reactions: BTreeMap<usize, String>,
    pub(crate) viewers: BTreeSet<usize>,
    /// Hashes of the options that each chose.
    pub(crate) votes: BTreeMap<usize, Vec<Vec<u8>>>,
}

/// The media that show an uploaded file: their posts name it.
const OF_FILES: [&str; 8] = ["image", "video", "gif", "ptv", "audio", "ptt", "document", "sticker"];

impl State {
    /// Posts the bytes of a message as the server itself. `None` when there is no such channel.
    pub(crate) fn post(&mut self, newsletter: &Jid, plaintext: Vec<u8>) -> Option<Post> {
        let id = MessageId::new(format!("3EB0{:018X}", self.next_id()));
        let content = vec![Node::new("plaintext").bytes(plaintext)];
        let server_id = self.add_post(newsletter, None, id.clone(), "text", content)?;
        Some(Post { id, server_id })
    }

    /// Takes a message to a channel; answers its number and time, or the code of a refusal.
    pub(crate) fn handle_channel_message(
        &mut self,
        from: DeviceKey,
        to: &Jid,
        id: &str,
        node: &Node,
    ) -> Result<(u64, u64), u16> {
        let now = self.now_seconds();
        let newsletter = self.newsletters.find(to).ok_or(404_u16)?;
        let kind = node.attr_text("type").unwrap_or_default().into_owned();
        let edit = node.attr_text("edit");
        if kind == "reaction" || (kind == "poll" && node.find("votes").is_some()) {
            let number = node.attr_number("server_id").ok_or(400_u16)?;
            newsletter.role(from.account).ok_or(403_u16)?;
            self.answer_post(from, to, number, node)?;
            return Ok((number, now));
        }
        if !newsletter.is_admin(from.account) {
            return Err(403);
        }
        if matches!(edit.as_deref(), Some("3" | "8")) {
            let (number, is_new) = self.change_post(to, id, node, now).ok_or(404_u16)?;
            if is_new {
                self.hand_out(to, number, Some(from), edit.as_deref());
            }
            return Ok((number, now));
        }
        let plaintext = node.find("plaintext").and_then(Node::content_bytes);
        if plaintext.is_none_or(<[u8]>::is_empty) {
            return Err(400);
        }
        let mediatype = node.find("plaintext").and_then(|plaintext| plaintext.attr_text("mediatype"));
        if mediatype.is_some_and(|kind| OF_FILES.contains(&kind.as_ref()))
            && !node.attr_text("media_id").is_some_and(|handle| self.media.knows_handle(&handle))
        {
            return Err(400);
        }
        if let Some(known) = newsletter.posts.iter().find(|(_, post)| post.id.as_str() == id) {
            return Ok((*known.0, known.1.time));
        }
        let content = node.nodes().to_vec();
        let number = self.add_post(to, Some(from), MessageId::new(id), &kind, content).ok_or(404_u16)?;
        Ok((number, now))
    }

    fn add_post(
        &mut self,
        newsletter: &Jid,
        from: Option<DeviceKey>,
        id: MessageId,
        kind: &str,
        content: Vec<Node>,
    ) -> Option<u64> {
        let time = self.now_seconds();
        let found = self.newsletters.find_mut(newsletter)?;
        found.last += 1;
        let number = found.last;
        let post = StoredPost {
            id,
            kind: kind.to_owned(),
            time,
            author: from.map(|from| from.account),
            content,
            edited: None,
            reactions: BTreeMap::new(),
            viewers: BTreeSet::new(),
            votes: BTreeMap::new(),
        };
        found.posts.insert(number, post);
        self.hand_out(newsletter, number, from, None);
        Some(number)
    }

    /// Edits or deletes a post; its number, and whether it says something else now.
    fn change_post(&mut self, newsletter: &Jid, id: &str, node: &Node, now: u64) -> Option<(u64, bool)> {
        let found = self.newsletters.find_mut(newsletter)?;
        let (number, post) = found.posts.iter_mut().find(|(_, post)| post.id.as_str() == id)?;
        if post.content == node.nodes() {
            return Some((*number, false));
        }
        post.edited = Some(post.edited.map_or(now * 1000, |last| (last + 1).max(now * 1000)));
        post.content = node.nodes().to_vec();
        Some((*number, true))
    }

    /// A reaction to a post, or votes in a poll.
    fn answer_post(
        &mut self,
        from: DeviceKey,
        newsletter: &Jid,
        number: u64,
        node: &Node,
    ) -> Result<(), u16> {
        let found = self.newsletters.find_mut(newsletter).ok_or(404_u16)?;
        let allows = found.reactions != "NONE";
        let post = found.posts.get_mut(&number).ok_or(404_u16)?;
        if let Some(votes) = node.find("votes") {
            let hashes = votes.find_all("vote").filter_map(Node::content_bytes).map(<[u8]>::to_vec).collect();
            post.votes.insert(from.account, hashes);
        } else {
            let code = node.find("reaction").and_then(|reaction| reaction.attr_text("code"));
            match code.filter(|code| !code.is_empty()) {
                Some(_) if !allows => return Err(405),
                Some(code) => drop(post.reactions.insert(from.account, code.into_owned())),
                None => drop(post.reactions.remove(&from.account)),
            }
        }
        self.tell_live(newsletter, number);
        Ok(())
    }

    /// Counts the views that a receipt tells of.
    pub(crate) fn view_posts(&mut self, from: DeviceKey, newsletter: &Jid, receipt: &Node) {
        let items = receipt.find("list").into_iter().flat_map(|list| list.find_all("item"));
        let numbers: Vec<u64> = items.filter_map(|item| item.attr_number("server_id")).collect();
        for number in numbers {
            let found = self.newsletters.find_mut(newsletter);
            let Some(post) = found.and_then(|found| found.posts.get_mut(&number)) else { continue };
            if post.viewers.insert(from.account) {
                self.tell_live(newsletter, number);
            }
        }
    }

    /// Sends a post to all devices of all who follow, but not to the one that wrote it.
    fn hand_out(&mut self, newsletter: &Jid, number: u64, except: Option<DeviceKey>, edit: Option<&str>) {
        let Some(found) = self.newsletters.find(newsletter) else { return };
        let Some(post) = found.posts.get(&number) else { return };
        let message = Node::new("message")
            .attr("from", newsletter)
            .attr("id", &post.id)
            .attr("server_id", number)
            .attr("t", post.time)
            .attr("type", post.kind.as_str())
            .attr_opt("edit", edit)
            .children(post.edit_node())
            .children(post.content.iter().cloned());
        let author = post.author;
        let followers: Vec<usize> = found.followers.keys().copied().collect();
        let own = Arc::new(message.clone().attr("is_sender", "true"));
        let message = Arc::new(message);
        for account in followers {
            let copy = if Some(account) == author { &own } else { &message };
            for device in self.devices_of(account) {
                if Some(device) != except {
                    self.deliver(device, Arc::clone(copy));
                }
            }
        }
    }

    /// Tells the devices that asked for it what became of a post.
    fn tell_live(&mut self, newsletter: &Jid, number: u64) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let Some(found) = self.newsletters.find(newsletter) else { return };
        let Some(post) = found.posts.get(&number) else { return };
        let messages = Node::new("messages").attr("t", now).child(post.counts_node(number));
        let notification = Node::new("notification")
            .attr("type", "newsletter")
            .attr("from", newsletter)
            .attr("id", id)
            .attr("t", now)
            .child(Node::new("live_updates").child(messages));
        let notification = Arc::new(notification);
        for device in found.live.clone() {
            self.deliver(device, Arc::clone(&notification));
        }
    }
}
