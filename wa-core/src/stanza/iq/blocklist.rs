//! `blocklist`: whom we want to hear nothing of. Protocol: IQ catalogue, "Blocklist".

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Who is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Blocklist {
    /// The users.
    pub users: Vec<Blocked>,
    /// The hash of this state of the list.
    pub hash: Option<String>,
}

/// Somebody who is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocked {
    /// The user, as the server addresses it.
    pub user: Jid,
    /// Its phone number, where the server told it beside a LID.
    pub pn: Option<Jid>,
}

impl Blocklist {
    /// Whether this user is on it, by either of the addresses that the list has.
    #[must_use]
    pub fn contains(&self, user: &Jid) -> bool {
        self.users.iter().any(|blocked| blocked.is(user))
    }

    fn read(list: Reader<'_>) -> Self {
        let users = list.children_of("item").filter_map(Blocked::read);
        Self { users: users.collect(), hash: list.text_opt("dhash").map(std::borrow::Cow::into_owned) }
    }
}

impl Blocked {
    /// Somebody, by one address or both.
    #[must_use]
    pub const fn new(user: Jid, pn: Option<Jid>) -> Self {
        Self { user, pn }
    }

    /// Whether this is that user.
    #[must_use]
    pub fn is(&self, user: &Jid) -> bool {
        self.user.is_same_user(user) || self.pn.as_ref().is_some_and(|pn| pn.is_same_user(user))
    }

    fn read(item: Reader<'_>) -> Option<Self> {
        let pn = item.jid_opt("pn_jid").ok().flatten().filter(Jid::is_pn);
        Some(Self { user: item.jid("jid").ok().filter(Jid::is_user)?.to_user(), pn })
    }
}

/// What a notification says about the list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlocklistChange {
    /// Who came onto it (`true`) or off it; empty when the whole list is to be asked for.
    pub items: Vec<(Blocked, bool)>,
    /// The hash of the list before.
    pub before: Option<String>,
    /// The hash of the list now.
    pub hash: Option<String>,
}

impl BlocklistChange {
    /// Reads a `<blocklist>` of a notification.
    #[must_use]
    pub fn read(node: Reader<'_>) -> Self {
        let item = |item: Reader<'_>| {
            let is_blocked = match item.text_opt("action").as_deref() {
                Some("block") => true,
                Some("unblock") => false,
                _ => return None,
            };
            Some((Blocked::read(item)?, is_blocked))
        };
        Self {
            items: node.children_of("item").filter_map(item).collect(),
            before: node.text_opt("prev_dhash").map(std::borrow::Cow::into_owned),
            hash: node.text_opt("dhash").map(std::borrow::Cow::into_owned),
        }
    }

    /// Changes the list that is known; `false` when it is not the one that was changed, and must be asked for.
    pub fn apply(&self, list: &mut Blocklist) -> bool {
        if self.items.is_empty() || self.before != list.hash {
            return false;
        }
        for (user, is_blocked) in &self.items {
            list.users.retain(|known| !known.is(&user.user));
            if *is_blocked {
                list.users.push(user.clone());
            }
        }
        list.hash.clone_from(&self.hash);
        true
    }
}

/// Asks for the list.
#[derive(Debug, Clone, Copy)]
pub struct FetchBlocklist;

impl IqRequest for FetchBlocklist {
    const NAMESPACE: &'static str = "blocklist";
    const KIND: IqKind = IqKind::Get;
    type Reply = Blocklist;

    fn body(&self) -> Vec<Node> {
        Vec::new()
    }

    fn read(reply: Reader<'_>) -> Result<Blocklist, StanzaError> {
        Ok(Blocklist::read(reply.child("list")?))
    }

    fn to_node(&self, id: &str) -> Node {
        // Without content, not with an empty list of children.
        Node::new("iq")
            .attr("id", id)
            .attr("to", self.to())
            .attr("type", Self::KIND.as_str())
            .attr("xmlns", Self::NAMESPACE)
    }
}

/// Blocks or unblocks a user.
#[derive(Debug, Clone)]
pub struct ChangeBlocklist {
    /// Block, or unblock.
    pub is_blocked: bool,
    /// The user: by LID once the account is migrated.
    pub user: Jid,
    /// The phone number beside a LID, as far as it is known. Only blocking names it.
    pub pn: Option<Jid>,
}

impl IqRequest for ChangeBlocklist {
    const NAMESPACE: &'static str = "blocklist";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    /// The list, when the server sends it along.
    type Reply = Option<Blocklist>;

    fn body(&self) -> Vec<Node> {
        let item = Node::new("item")
            .attr("action", if self.is_blocked { "block" } else { "unblock" })
            .attr("jid", &self.user);
        // A LID that is blocked is named by exactly one thing more.
        vec![match &self.pn {
            Some(pn) if self.is_blocked => item.attr("pn_jid", pn),
            None if self.is_blocked && self.user.is_lid() => item.attr("unknown_identifier", true),
            _ => item,
        }]
    }

    fn read(reply: Reader<'_>) -> Result<Option<Blocklist>, StanzaError> {
        Ok(reply.child_opt("list").map(Blocklist::read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    fn list(hash: &str, users: &[&Jid]) -> Blocklist {
        let users = users.iter().map(|user| Blocked { user: (*user).clone(), pn: None });
        Blocklist { users: users.collect(), hash: Some(hash.to_owned()) }
    }

    #[test]
    fn a_change_counts_for_the_list_that_it_was_made_to() {
        let [a, b] = ["100", "200"].map(Jid::lid);
        let node = Node::new("blocklist")
            .attr("dhash", "2")
            .attr("prev_dhash", "1")
            .child(Node::new("item").attr("jid", &b).attr("action", "block"))
            .child(Node::new("item").attr("jid", &a).attr("action", "unblock"))
            .child(Node::new("item").attr("jid", &a).attr("action", "whatever"));
        let change = read_node(&node, BlocklistChange::read);
        let mut known = list("1", &[&a]);
        assert!(change.apply(&mut known));
        assert_eq!(known, list("2", &[&b]));
        let mut stale = list("0", &[&a]);
        assert!(!change.apply(&mut stale));
        let whole = read_node(&Node::new("blocklist").attr("dhash", "2"), BlocklistChange::read);
        assert!(!whole.apply(&mut known));
    }

    #[test]
    fn a_lid_is_named_by_one_thing_more() {
        let ask = |is_blocked, user: &Jid, pn: Option<&Jid>| {
            ChangeBlocklist { is_blocked, user: user.clone(), pn: pn.cloned() }.to_node("1").to_xml()
        };
        let (lid, pn) = (Jid::lid("100"), Jid::pn("15550001111"));
        assert!(ask(true, &lid, Some(&pn)).contains("pn_jid="));
        assert!(ask(true, &lid, None).contains("unknown_identifier="));
        for plain in [ask(false, &lid, Some(&pn)), ask(true, &pn, None)] {
            assert!(!plain.contains("pn_jid=") && !plain.contains("unknown_identifier="), "{plain}");
        }
    }
}
