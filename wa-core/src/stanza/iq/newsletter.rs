//! `newsletter`: what was posted in a channel, and being told what becomes of it; and `tos`, the terms that the server
//! wants accepted first. Protocol: IQ catalogue, "Channels", "Account and devices".

use std::time::Duration;

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::newsletter::PostStanza;
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

const NAMESPACE: &str = "newsletter";

/// Which posts of a channel are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Page {
    /// The last ones.
    Last,
    /// Those before this number, the last of them.
    Before(u64),
    /// Those after this number, the first of them.
    After(u64),
}

impl Page {
    fn on(self, node: Node) -> Node {
        match self {
            Self::Last => node,
            Self::Before(number) => node.attr("before", number),
            Self::After(number) => node.attr("after", number),
        }
    }
}

/// Asks for posts.
#[derive(Debug, Clone)]
pub struct FetchPosts {
    /// The channel.
    pub newsletter: Jid,
    /// At most so many.
    pub count: u32,
    /// Which.
    pub page: Page,
}

impl IqRequest for FetchPosts {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<PostStanza>;

    fn body(&self) -> Vec<Node> {
        let node =
            Node::new("messages").attr("type", "jid").attr("jid", &self.newsletter).attr("count", self.count);
        vec![self.page.on(node)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        reply.child("messages").map(PostStanza::read_all)
    }
}

/// Asks what became of posts: reactions, views, edits.
#[derive(Debug, Clone)]
pub struct FetchPostUpdates {
    /// The channel.
    pub newsletter: Jid,
    /// At most so many.
    pub count: u32,
    /// Of which posts.
    pub page: Page,
}

impl IqRequest for FetchPostUpdates {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<PostStanza>;

    fn to(&self) -> Jid {
        self.newsletter.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![self.page.on(Node::new("message_updates").attr("count", self.count))]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        reply.child("message_updates")?.child("messages").map(PostStanza::read_all)
    }
}

/// Wants to be told for a while what becomes of posts.
#[derive(Debug, Clone)]
pub struct SubscribeLive {
    /// The channel.
    pub newsletter: Jid,
}

impl IqRequest for SubscribeLive {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    /// For how long.
    type Reply = Duration;

    fn to(&self) -> Jid {
        self.newsletter.clone()
    }

    fn body(&self) -> Vec<Node> {
        vec![Node::new("live_updates")]
    }

    fn read(reply: Reader<'_>) -> Result<Duration, StanzaError> {
        Ok(Duration::from_secs(reply.child("live_updates")?.number_opt("duration")?.unwrap_or(DURATION_S)))
    }
}

/// What a subscription lasts when the server does not say.
const DURATION_S: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn with<T>(node: &Node, read: impl FnOnce(Reader<'_>) -> T) -> T {
        let encoded = wire::encode(node).expect("it has a form");
        let body = wire::unpack(&encoded).expect("it unpacks").into_owned();
        read(Reader::new(wire::decode(&body).expect("it reads").root()))
    }

    fn shape(request: &impl IqRequest) -> String {
        let node = request.to_node("1");
        let to = node.get("to").expect("an address").to_text().into_owned();
        let body: String = node.nodes().iter().map(Node::to_xml).collect();
        format!("{to} {body}")
    }

    #[test]
    fn requests_have_the_catalogues_shapes() {
        let newsletter: Jid = "123@newsletter".parse().expect("a channel");
        let posts = |page| shape(&FetchPosts { newsletter: newsletter.clone(), count: 5, page });
        let head = "s.whatsapp.net <messages type=\"jid\" jid=\"123@newsletter\" count=\"5\"";
        assert_eq!(posts(Page::Last), format!("{head}/>"));
        assert_eq!(posts(Page::Before(7)), format!("{head} before=\"7\"/>"));
        let updates = FetchPostUpdates { newsletter: newsletter.clone(), count: 5, page: Page::After(7) };
        assert_eq!(shape(&updates), "123@newsletter <message_updates count=\"5\" after=\"7\"/>");
        assert_eq!(shape(&SubscribeLive { newsletter }), "123@newsletter <live_updates/>");
    }

    #[test]
    fn posts_are_read_and_one_without_a_number_is_left_out() {
        let reaction = Node::new("reaction").attr("code", "👍").attr("count", "3");
        let post = Node::new("message")
            .attr("server_id", "100")
            .attr("id", "A1")
            .attr("t", "1760000000")
            .attr("is_sender", "true")
            .child(Node::new("plaintext").bytes([1, 2]))
            .child(Node::new("reactions").child(reaction))
            .child(Node::new("views_count").attr("count", "9"))
            .child(Node::new("votes").child(Node::new("vote").attr("count", "2").bytes([7; 32])))
            .child(Node::new("meta").attr("msg_edit_t", "1760000001000"));
        let messages = Node::new("messages").child(post).child(Node::new("message"));
        let answer = Node::new("iq").child(messages.clone());
        let posts = with(&answer, FetchPosts::read).expect("posts");
        assert_eq!(posts.len(), 1);
        let post = &posts[0];
        assert_eq!((post.number, post.views, post.from_me), (100, Some(9), true));
        assert_eq!(post.reactions, [("👍".to_owned(), 3)]);
        assert_eq!((post.plaintext.as_deref(), post.votes.len()), (Some(&[1, 2][..]), 1));
        assert_eq!(post.edited.map(|edited| edited.0), Some(1_760_000_001), "in seconds");
        let updates = Node::new("iq").child(Node::new("message_updates").child(messages));
        assert_eq!(with(&updates, FetchPostUpdates::read).expect("posts"), posts);
        let live = Node::new("iq").child(Node::new("live_updates").attr("duration", "60"));
        assert_eq!(with(&live, SubscribeLive::read), Ok(Duration::from_secs(60)));
        assert!(with(&Node::new("iq"), FetchPosts::read).is_err());
    }
}
