//! `newsletter` and `mex`: what happened to channels. Protocol: receiving, "Notifications"; IQ catalogue, "Mex".

use serde_json::Value;
use wa_types::{Jid, UnixSeconds};

use crate::stanza::Reader;
use crate::stanza::newsletter::metadata::{self, Newsletter};
use crate::stanza::newsletter::{PostStanza, channel};

/// What happened to channels, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterNotification {
    /// When.
    pub timestamp: UnixSeconds,
    /// What.
    pub changes: Vec<NewsletterChange>,
}

/// One thing that happened to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewsletterChange {
    /// What became of posts: reactions, views. Told for a while to who asked for it.
    Posts {
        /// The channel.
        newsletter: Jid,
        /// The posts, with their counts.
        posts: Vec<PostStanza>,
    },
    /// Our account follows it now, as another device or this one wanted.
    Joined(Box<Newsletter>),
    /// Our account does not follow it any more.
    Left {
        /// The channel.
        newsletter: Jid,
    },
    /// Our account wants to be told of other things.
    Muted(Box<Newsletter>),
    /// Something else about it changed: ask for it again.
    Changed {
        /// The channel, where the server says which.
        newsletter: Option<Jid>,
        /// The server's word for what, such as `NotificationNewsletterUpdate`.
        operation: String,
    },
}

impl NewsletterNotification {
    /// Reads what a notification says about channels; `None` when it says nothing.
    pub(super) fn read(stanza: Reader<'_>, kind: &str) -> Option<Self> {
        let changes: Vec<NewsletterChange> = match kind {
            "newsletter" => {
                let newsletter = channel(stanza, "from").ok()?;
                stanza
                    .children()
                    .take(CHANGES_LIMIT)
                    .filter_map(|child| read_child(child, &newsletter))
                    .collect()
            }
            "mex" => stanza.children_of("update").take(CHANGES_LIMIT).filter_map(read_update).collect(),
            _ => return None,
        };
        let timestamp = stanza.time_opt("t").unwrap_or_default();
        (!changes.is_empty()).then_some(Self { timestamp, changes })
    }
}

fn read_child(child: Reader<'_>, newsletter: &Jid) -> Option<NewsletterChange> {
    let newsletter = newsletter.clone();
    Some(match &*child.node().tag().as_str() {
        "live_updates" => {
            let posts = child.children_of("messages").flat_map(PostStanza::read_all).collect();
            NewsletterChange::Posts { newsletter, posts }
        }
        "leave" => NewsletterChange::Left { newsletter },
        tag => NewsletterChange::Changed { newsletter: Some(newsletter), operation: tag.to_owned() },
    })
}

fn read_update(update: Reader<'_>) -> Option<NewsletterChange> {
    let operation = update.text_opt("op_name").filter(|name| name.starts_with(PREFIX))?;
    let json: Value = serde_json::from_slice(&update.content()).unwrap_or_default();
    let root = json.get("data").and_then(Value::as_object).and_then(|data| data.values().next());
    let told = root.and_then(Newsletter::read).map(Box::new);
    let newsletter = root.and_then(metadata::jid);
    let known = match &*operation {
        "NotificationNewsletterJoin" => told.map(NewsletterChange::Joined),
        "NotificationNewsletterUserSettingChange" => told.map(NewsletterChange::Muted),
        "NotificationNewsletterLeave" => {
            newsletter.clone().map(|newsletter| NewsletterChange::Left { newsletter })
        }
        _ => None,
    };
    let changed = || NewsletterChange::Changed { newsletter, operation: operation.into_owned() };
    Some(known.unwrap_or_else(changed))
}

/// What all operations about channels begin with.
const PREFIX: &str = "NotificationNewsletter";
/// How many changes of one notification we look at.
const CHANGES_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Node};

    fn read(kind: &'static str, child: Node) -> Option<NewsletterNotification> {
        let from: Jid = if kind == "mex" { Jid::SERVER } else { jid() };
        let node =
            Node::new("notification").attr("type", kind).attr("from", from).attr("t", "5").child(child);
        let encoded = wire::encode(&node).expect("it has a form");
        let body = wire::unpack(&encoded).expect("it unpacks").into_owned();
        let document = wire::decode(&body).expect("it reads");
        NewsletterNotification::read(Reader::new(document.root()), kind)
    }

    fn jid() -> Jid {
        "123@newsletter".parse().expect("a channel")
    }

    fn update(operation: &'static str, json: &str) -> Node {
        Node::new("update").attr("op_name", operation).bytes(json)
    }

    #[test]
    fn posts_and_graphql_updates_are_read() {
        let message = Node::new("message").attr("server_id", "100");
        let live = Node::new("live_updates").child(Node::new("messages").attr("t", "5").child(message));
        let told = read("newsletter", live).expect("a change");
        assert_eq!(told.timestamp, UnixSeconds(5));
        assert!(
            matches!(&told.changes[..], [NewsletterChange::Posts { newsletter, posts }] if *newsletter == jid() && posts[0].number == 100)
        );
        let one = |operation, json| read("mex", update(operation, json)).map(|told| told.changes);
        let data = r#"{"data":{"root":{"id":"123@newsletter","viewer_metadata":{"role":"SUBSCRIBER"}}}}"#;
        assert!(
            matches!(&one("NotificationNewsletterJoin", data).expect("a change")[..], [NewsletterChange::Joined(joined)] if joined.jid == jid())
        );
        assert!(matches!(
            &one("NotificationNewsletterUserSettingChange", data).expect("a change")[..],
            [NewsletterChange::Muted(_)]
        ));
        assert_eq!(
            one("NotificationNewsletterLeave", data),
            Some(vec![NewsletterChange::Left { newsletter: jid() }])
        );
        let changed = |newsletter, operation: &str| {
            Some(vec![NewsletterChange::Changed { newsletter, operation: operation.to_owned() }])
        };
        assert_eq!(
            one("NotificationNewsletterUpdate", data),
            changed(Some(jid()), "NotificationNewsletterUpdate")
        );
        assert_eq!(one("NotificationNewsletterJoin", "no json"), changed(None, "NotificationNewsletterJoin"));
        assert_eq!(one("LidChangeNotification", data), None);
        assert_eq!(read("picture", Node::new("set")), None);
    }
}
