//! Notifications that tell which addresses are one user, or that a user has another address now. Protocol: receiving,
//! "Notifications"; requests, "mex"; prekeys and devices, "LID ↔ PN mapping".

use serde_json::Value;
use wa_types::Jid;

use super::super::Reader;

/// How many changes of one stanza we look at; honest ones have one.
const CHANGES_LIMIT: usize = 64;

/// What a notification says about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AddressNotification {
    /// Users whose address changed: the old one, and the new one of the same kind.
    pub changed: Vec<(Jid, Jid)>,
    /// Addresses of one user, told as such.
    pub told: Vec<(Jid, Jid)>,
    /// Addresses that stood beside each other: a hint.
    pub seen: Vec<(Jid, Jid)>,
}

impl AddressNotification {
    /// Reads what a notification of any type says about addresses; `None` when it says nothing.
    pub(super) fn read(stanza: Reader<'_>, kind: &str) -> Option<Self> {
        let mut said = Self::default();
        match kind {
            "contacts" => said.read_contacts(stanza),
            "mex" => said.read_mex(stanza),
            "picture" | "status" | "privacy_token" => {}
            _ => return None,
        }
        let from = jid(stanza, "from");
        let beside = jid(stanza, "lid").or_else(|| jid(stanza, "sender_lid"));
        said.seen.extend(from.zip(beside).filter(|(from, lid)| from.is_pn() && lid.is_lid()));
        (said != Self::default()).then_some(said)
    }

    /// `<modify old new [old_lid new_lid]/>`: a number was changed.
    fn read_contacts(&mut self, stanza: Reader<'_>) {
        for modify in stanza.children_of("modify").take(CHANGES_LIMIT) {
            let (old, new) = (jid(modify, "old"), jid(modify, "new"));
            let (old_lid, new_lid) = (jid(modify, "old_lid"), jid(modify, "new_lid"));
            self.changed.extend(old.zip(new.clone()).filter(is_change));
            self.changed.extend(old_lid.zip(new_lid.clone()).filter(is_change));
            self.told.extend(new.zip(new_lid));
        }
    }

    /// `LidChangeNotification`.
    fn read_mex(&mut self, stanza: Reader<'_>) {
        let updates = stanza.children_of("update").take(CHANGES_LIMIT);
        for update in updates.filter(|update| update.attr_is("op_name", "LidChangeNotification")) {
            let Ok(json) = serde_json::from_slice::<Value>(&update.content()) else { continue };
            let change = json.get("data").and_then(|data| data.get("xwa2_notify_lid_change"));
            let lid = |name| change?.get(name)?.as_str()?.parse::<Jid>().ok().filter(Jid::is_lid);
            self.changed.extend(lid("old").zip(lid("new")).filter(is_change));
        }
    }
}

fn jid(stanza: Reader<'_>, name: &'static str) -> Option<Jid> {
    stanza.jid_opt(name).ok().flatten().filter(Jid::is_user)
}

fn is_change((old, new): &(Jid, Jid)) -> bool {
    old.is_lid() == new.is_lid() && !old.is_same_user(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Node};

    fn read(node: &Node) -> Option<AddressNotification> {
        let encoded = wire::encode(node).unwrap();
        let body = wire::unpack(&encoded).unwrap();
        let document = wire::decode(&body).unwrap();
        let kind = node.get("type").unwrap().to_text().into_owned();
        AddressNotification::read(Reader::new(document.root()), &kind)
    }

    fn notification(kind: &'static str) -> Node {
        Node::new("notification").attr("type", kind).attr("from", Jid::pn("15551234567")).attr("id", "1")
    }

    #[test]
    fn changed_numbers_and_lids_are_read() {
        let [a, b] = ["15551234567", "15557654321"].map(Jid::pn);
        let [l, m] = ["100", "200"].map(Jid::lid);
        let modify = |old_lid: &Jid, new_lid: &Jid| {
            let modify = Node::new("modify").attr("old", &a).attr("new", &b);
            notification("contacts").child(modify.attr("old_lid", old_lid).attr("new_lid", new_lid))
        };
        let told = vec![(b.clone(), l.clone())];
        let changed = vec![(a.clone(), b.clone())];
        let expected = AddressNotification { changed: changed.clone(), told, seen: vec![] };
        assert_eq!(read(&modify(&l, &l)), Some(expected));
        let both = vec![(a.clone(), b.clone()), (l.clone(), m.clone())];
        assert_eq!(read(&modify(&l, &m)).unwrap().changed, both);

        let json = br#"{"data":{"xwa2_notify_lid_change":{"old":"100@lid","new":"200@lid"}}}"#;
        let update = Node::new("update").attr("op_name", "LidChangeNotification").bytes(json.to_vec());
        assert_eq!(read(&notification("mex").child(update)).unwrap().changed, [(l.clone(), m)]);

        let beside = AddressNotification { seen: vec![(a, l.clone())], ..AddressNotification::default() };
        assert_eq!(read(&notification("picture").attr("lid", &l)), Some(beside));
    }

    #[test]
    fn what_says_nothing_of_addresses_is_nothing() {
        let update = |op: &'static str, json: &[u8]| {
            let update = Node::new("update").attr("op_name", op).bytes(json.to_vec());
            notification("mex").child(update)
        };
        let nodes = [
            notification("contacts"),
            notification("contacts").child(Node::new("modify").attr("old", "x").attr("new", "y")),
            notification("picture"),
            notification("devices").attr("lid", Jid::lid("100")),
            update("LidChangeNotification", b"{"),
            update(
                "LidChangeNotification",
                br#"{"data":{"xwa2_notify_lid_change":{"old":1,"new":"2@lid"}}}"#,
            ),
            update(
                "OtherNotification",
                br#"{"data":{"xwa2_notify_lid_change":{"old":"1@lid","new":"2@lid"}}}"#,
            ),
        ];
        for node in nodes {
            assert_eq!(read(&node), None, "{node:?}");
        }
    }
}
