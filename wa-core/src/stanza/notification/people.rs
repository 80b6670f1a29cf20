//! What changed about users, and about our own account: pictures, about texts, names, settings, tokens. Protocol:
//! receiving, "Notifications"; IQ catalogue.

use serde_json::Value;
use wa_types::{Jid, UnixSeconds};

use super::addresses::AddressNotification;
use crate::stanza::Reader;
use crate::stanza::iq::blocklist::BlocklistChange;
use crate::stanza::iq::mex::limits::{NewChatQuota, ReachoutTimelock};
use crate::stanza::iq::mex::{MexReply, number};
use crate::stanza::iq::privacy::{PrivacySettings, TrustedToken};

/// How many parts of one stanza we look at; honest ones have one or two.
const NEWS_LIMIT: usize = 64;

/// A notification about users or our own account. `Debug` shows what kind of news it has.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeopleNotification {
    /// Whom it is about: a user, a group, or our own account.
    pub from: Jid,
    /// When, by the server's clock.
    pub timestamp: UnixSeconds,
    /// What it says about addresses beside that.
    pub addresses: Option<AddressNotification>,
    /// What is new.
    pub news: Vec<News>,
}

impl std::fmt::Debug for PeopleNotification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.news.iter().map(std::mem::discriminant).collect();
        f.debug_struct("PeopleNotification").field("from", &self.from).field("news", &kinds).finish()
    }
}

/// One thing that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A user or a group has another picture, or none any more.
    Picture {
        /// Whose.
        of: Jid,
        /// Who changed it.
        author: Option<Jid>,
        /// The id of the new one.
        id: Option<String>,
    },
    /// A user has another about text; where it is not told, it can be asked for.
    About(Option<String>),
    /// What is known of a contact is out of date.
    Contact {
        /// The user; absent when the server tells only that somebody changed.
        user: Option<Jid>,
    },
    /// A user has a business, or another one, or none any more: what is known of it is out of date.
    Business {
        /// Its name was verified anew.
        is_verified_name: bool,
        /// It is a business no longer.
        is_removed: bool,
    },
    /// New chats with the user have another timer, seconds.
    DefaultTimer(u32),
    /// The user gave us tokens of trust.
    Tokens(Vec<TrustedToken>),
    /// A user took another user name, or gave it up.
    Username {
        /// The user, where it is told.
        user: Option<Jid>,
        /// The new one.
        name: Option<String>,
    },
    /// A user has another status text.
    TextStatus {
        /// The user.
        user: Jid,
        /// The text.
        text: Option<String>,
        /// The emoji before it.
        emoji: Option<String>,
        /// How long it stays, seconds.
        ephemeral_s: Option<u64>,
    },
    /// Our own lock.
    Timelock(ReachoutTimelock),
    /// Our own quota of new chats.
    Quota(NewChatQuota),
    /// Settings of ours changed; empty when they are to be asked for.
    Privacy(PrivacySettings),
    /// Our block list changed.
    Blocklist(BlocklistChange),
    /// Another device of ours changed our picture.
    OwnPicture,
    /// Another device of ours changed our about text.
    OwnAbout,
    /// Our name is another one.
    OwnPushName(String),
    /// Our device list changed.
    OwnDevices,
    /// Terms are to be accepted, or were.
    Notices,
}

impl PeopleNotification {
    /// Reads a notification of one of these types; `None` when it is of another one, or says nothing new.
    pub(super) fn read(stanza: Reader<'_>, kind: &str) -> Option<Self> {
        let from = stanza.jid_opt("from").ok().flatten()?;
        let mut news = match kind {
            "picture" => read_pictures(stanza, &from),
            "status" => read_about(stanza),
            "contacts" => read_contacts(stanza),
            "business" => read_business(stanza),
            "disappearing_mode" => read_timer(stanza),
            "privacy_token" => stanza
                .children_of("tokens")
                .take(1)
                .map(|tokens| News::Tokens(TrustedToken::read_all(tokens)))
                .collect(),
            "mex" => stanza.children_of("update").take(NEWS_LIMIT).filter_map(read_mex).collect(),
            "account_sync" => read_account_sync(stanza),
            _ => return None,
        };
        news.truncate(NEWS_LIMIT);
        (!news.is_empty()).then(|| Self {
            from: from.to_chat(),
            timestamp: stanza.time_opt("t").unwrap_or_default(),
            addresses: AddressNotification::read(stanza, kind),
            news,
        })
    }
}

fn text(node: Reader<'_>, name: &str) -> Option<String> {
    node.text_opt(name).map(std::borrow::Cow::into_owned)
}

fn jid(node: Reader<'_>, name: &'static str) -> Option<Jid> {
    node.jid_opt(name).ok().flatten()
}

fn read_pictures(stanza: Reader<'_>, from: &Jid) -> Vec<News> {
    let read = |child: Reader<'_>| {
        let id = match &*child.node().tag().as_str() {
            "set" => Some(text(child, "id")?),
            "delete" => None,
            _ => return None,
        };
        let of = jid(child, "jid").unwrap_or_else(|| from.clone()).to_chat();
        Some(News::Picture { of, author: jid(child, "author").map(|author| author.to_user()), id })
    };
    stanza.children().filter_map(read).collect()
}

fn read_about(stanza: Reader<'_>) -> Vec<News> {
    let set = stanza.children_of("set").take(1);
    set.map(|set| News::About(set.node().text().map(std::borrow::Cow::into_owned))).collect()
}

/// Changes of numbers are about addresses, and no news here.
fn read_contacts(stanza: Reader<'_>) -> Vec<News> {
    let read = |child: Reader<'_>| match &*child.node().tag().as_str() {
        "update" | "add" | "remove" | "sync" => {
            Some(News::Contact { user: jid(child, "jid").filter(Jid::is_user).map(|user| user.to_user()) })
        }
        _ => None,
    };
    stanza.children().filter_map(read).collect()
}

fn read_business(stanza: Reader<'_>) -> Vec<News> {
    stanza.children().next().map_or_else(Vec::new, |child| {
        vec![News::Business { is_verified_name: child.is("verified_name"), is_removed: child.is("remove") }]
    })
}

fn read_timer(stanza: Reader<'_>) -> Vec<News> {
    let timer = stanza.child_opt("disappearing_mode");
    let seconds = timer.and_then(|timer| timer.number_opt("duration").ok().flatten());
    seconds.map(News::DefaultTimer).into_iter().collect()
}

fn read_account_sync(stanza: Reader<'_>) -> Vec<News> {
    let mut news: Vec<News> = stanza
        .children()
        .filter_map(|child| match &*child.node().tag().as_str() {
            "privacy" => Some(News::Privacy(PrivacySettings::read(child))),
            "blocklist" => Some(News::Blocklist(BlocklistChange::read(child))),
            "picture" => Some(News::OwnPicture),
            "status" => Some(News::OwnAbout),
            "devices" => Some(News::OwnDevices),
            "disappearing_mode" => child.number_opt("duration").ok().flatten().map(News::DefaultTimer),
            "pushname" => Some(News::OwnPushName(
                text(child, "name").or_else(|| child.node().text().map(std::borrow::Cow::into_owned))?,
            )),
            "tos" | "notice" => Some(News::Notices),
            _ => None,
        })
        .collect();
    news.extend(text(stanza, "pushname").filter(|name| !name.is_empty()).map(News::OwnPushName));
    news
}

fn read_mex(update: Reader<'_>) -> Option<News> {
    let operation = update.text_opt("op_name")?;
    let data = MexReply::read(&update.content())?.data;
    let root = |name: &str| data.get(name).filter(|root| root.is_object());
    let text = |node: &Value, name: &str| Some(node.get(name)?.as_str()?.to_owned());
    let user = |node: &Value, name: &str| {
        node.get(name)?.as_str()?.parse::<Jid>().ok().filter(Jid::is_user).map(|user| user.to_user())
    };
    Some(match &*operation {
        "UsernameSetNotification" => {
            let root = root("xwa2_notify_username_on_change")?;
            News::Username { user: user(root, "lid"), name: text(root, "username") }
        }
        "UsernameDeleteNotification" => {
            News::Username { user: user(root("xwa2_notify_username_delete")?, "lid"), name: None }
        }
        "UsernameUpdateNotification" | "TextStatusUpdateNotificationSideSub" => News::Contact { user: None },
        "AccountSyncUsernameNotification" => {
            let root = root("xwa2_notify_wa_user")?;
            let name = root.get("username_info").and_then(|info| text(info, "username"));
            News::Username { user: user(root, "lid_jid"), name }
        }
        "TextStatusUpdateNotification" => {
            let root = root("xwa2_notify_text_status_on_update")?;
            News::TextStatus {
                user: user(root, "jid")?,
                text: text(root, "text"),
                emoji: root.get("emoji").and_then(|emoji| text(emoji, "content")),
                ephemeral_s: root.get("ephemeral_duration_sec").and_then(number),
            }
        }
        "MessageCappingInfoNotification" => {
            News::Quota(NewChatQuota::read(root("xwa2_notify_new_chat_messages_capping_info_update")?)?)
        }
        "NotificationUserReachoutTimelockUpdate" => {
            News::Timelock(ReachoutTimelock::read(root("xwa2_notify_account_reachout_timelock")?)?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;
    use crate::wire::Node;

    fn read(kind: &'static str, children: impl IntoIterator<Item = Node>) -> Vec<News> {
        let node = Node::new("notification")
            .attr("type", kind)
            .attr("from", Jid::lid("100"))
            .attr("id", "1")
            .attr("t", 5_u32)
            .children(children);
        let read = read_node(&node, |stanza| PeopleNotification::read(stanza, kind));
        read.map(|read| read.news).unwrap_or_default()
    }

    #[test]
    fn each_type_is_read_for_what_it_says() {
        let user = Jid::lid("100");
        let of =
            |id: Option<&str>| News::Picture { of: user.clone(), author: None, id: id.map(str::to_owned) };
        let set = Node::new("set").attr("jid", &user).attr("id", "7");
        assert_eq!(
            read("picture", [set, Node::new("delete"), Node::new("request")]),
            [of(Some("7")), of(None)]
        );
        assert_eq!(read("status", [Node::new("set").text("busy")]), [News::About(Some("busy".to_owned()))]);
        assert_eq!(read("status", [Node::new("set").attr("hash", "x")]), [News::About(None)]);
        let contacts = [
            Node::new("update").attr("hash", "x"),
            Node::new("modify").attr("old", &user),
            Node::new("add").attr("jid", &user),
        ];
        let expected = [News::Contact { user: None }, News::Contact { user: Some(user.clone()) }];
        assert_eq!(read("contacts", contacts), expected);
        let verified = News::Business { is_verified_name: true, is_removed: false };
        assert_eq!(read("business", [Node::new("verified_name")]), [verified]);
        let timer = Node::new("disappearing_mode").attr("duration", 86_400_u32);
        assert_eq!(read("disappearing_mode", [timer]), [News::DefaultTimer(86_400)]);
        assert!(read("w:gp2", [Node::new("subject")]).is_empty());
    }

    #[test]
    fn the_parts_of_an_account_sync_are_read_one_by_one() {
        let blocklist = Node::new("blocklist").attr("dhash", "2");
        let category = Node::new("category").attr("name", "last").attr("value", "none");
        let parts = [
            Node::new("devices"),
            Node::new("privacy").child(category),
            blocklist,
            Node::new("picture"),
            Node::new("unheard_of"),
        ];
        let news = read("account_sync", parts);
        assert_eq!(news.len(), 4);
        assert_eq!(news[0], News::OwnDevices);
        assert!(matches!(&news[1], News::Privacy(settings) if settings.list.len() == 1));
        assert!(matches!(&news[2], News::Blocklist(change) if change.items.is_empty()));
        assert_eq!(news[3], News::OwnPicture);
    }

    #[test]
    fn graphql_notifications_are_known_by_their_operation() {
        let update =
            |operation: &'static str, json: &str| Node::new("update").attr("op_name", operation).bytes(json);
        let cases = [
            (
                update(
                    "UsernameSetNotification",
                    r#"{"data":{"xwa2_notify_username_on_change":{"lid":"100@lid","username":"ana"}}}"#,
                ),
                Some(News::Username { user: Some(Jid::lid("100")), name: Some("ana".to_owned()) }),
            ),
            (
                update(
                    "NotificationUserReachoutTimelockUpdate",
                    r#"{"data":{"xwa2_notify_account_reachout_timelock":{"is_active":false}}}"#,
                ),
                Some(News::Timelock(ReachoutTimelock { is_active: false, until: None, kind: None })),
            ),
            (update("NotificationUserReachoutTimelockUpdate", r#"{"data":null}"#), None),
            (update("SomethingNew", r#"{"data":{}}"#), None),
            (update("UsernameSetNotification", "{"), None),
        ];
        for (node, expected) in cases {
            assert_eq!(read("mex", [node]).into_iter().next(), expected);
        }
    }
}
