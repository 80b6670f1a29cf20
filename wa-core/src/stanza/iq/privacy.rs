//! `privacy`: who sees what of us, who may reach us, and the tokens that we give. Protocol: IQ catalogue, "Privacy
//! settings", "Privacy tokens".

use wa_types::{Jid, UnixSeconds};

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// What a setting is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PrivacyCategory {
    /// Who sees when we were last there.
    LastSeen,
    /// Who sees that we are there.
    Online,
    /// Who sees our picture.
    Picture,
    /// Who reads our about text.
    About,
    /// Whether others learn that we read.
    ReadReceipts,
    /// Who may add us to groups.
    GroupAdd,
    /// Who may call us.
    Calls,
    /// Who may write to us.
    Messages,
    /// Strict protection from attacks.
    Defense,
    /// Who sees links to our other profiles.
    LinkedProfiles,
    /// Who sees our payment key.
    Pix,
    /// Who may use our stickers.
    Stickers,
    /// Of a later version, by the server's name for it.
    Other(String),
}

/// What a setting is set to. Not every value goes with every category: the server refuses what does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PrivacyValue {
    /// Everyone; for receipts: yes.
    Everyone,
    /// Our contacts.
    Contacts,
    /// Our contacts but some; the list goes with it.
    ContactsExcept,
    /// Some of our contacts; the list goes with it.
    OnlyThese,
    /// Nobody; for receipts: no.
    Nobody,
    /// As the last seen is.
    AsLastSeen,
    /// Whom we know.
    Known,
    /// Off.
    Off,
    /// On.
    On,
    /// Of a later version, by the server's name for it.
    Other(String),
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrivacySetting {
    /// What it is about.
    pub category: PrivacyCategory,
    /// What it is set to; `None` when the server could not read it.
    pub value: Option<PrivacyValue>,
    /// The hash of the list that goes with it.
    pub list_hash: Option<String>,
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PrivacySettings {
    /// In the server's order.
    pub list: Vec<PrivacySetting>,
}

impl PrivacySettings {
    /// The value of a setting; `None` when the server did not tell it.
    #[must_use]
    pub fn value(&self, category: &PrivacyCategory) -> Option<&PrivacyValue> {
        self.list.iter().find(|setting| setting.category == *category)?.value.as_ref()
    }

    /// Reads the `<category>` children of a node.
    #[must_use]
    pub fn read(node: Reader<'_>) -> Self {
        Self { list: node.children_of("category").take(CATEGORIES_LIMIT).filter_map(read_setting).collect() }
    }
}

/// More settings than this are not looked at.
const CATEGORIES_LIMIT: usize = 64;

fn read_setting(node: Reader<'_>) -> Option<PrivacySetting> {
    Some(PrivacySetting {
        category: PrivacyCategory::of_name(&node.text_opt("name")?),
        value: node
            .text_opt("value")
            .filter(|value| value != "error")
            .map(|name| PrivacyValue::of_name(&name)),
        list_hash: node.text_opt("dhash").map(std::borrow::Cow::into_owned),
    })
}

macro_rules! names {
    ($name:ident { $($variant:ident = $wire:literal,)* }) => {
        impl $name {
            /// The server's name for it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $wire,)*
                    Self::Other(name) => name,
                }
            }

            /// What the server calls so.
            #[must_use]
            pub fn of_name(name: &str) -> Self {
                match name {
                    $($wire => Self::$variant,)*
                    name => Self::Other(name.to_owned()),
                }
            }
        }
    };
}

names! { PrivacyCategory {
    LastSeen = "last",
    Online = "online",
    Picture = "profile",
    About = "status",
    ReadReceipts = "readreceipts",
    GroupAdd = "groupadd",
    Calls = "calladd",
    Messages = "messages",
    Defense = "defense",
    LinkedProfiles = "linked_profiles",
    Pix = "pix",
    Stickers = "stickers",
} }

names! { PrivacyValue {
    Everyone = "all",
    Contacts = "contacts",
    ContactsExcept = "contact_blacklist",
    OnlyThese = "contact_allowlist",
    Nobody = "none",
    AsLastSeen = "match_last_seen",
    Known = "known",
    Off = "off",
    On = "on_standard",
} }

/// Asks for all settings.
#[derive(Debug, Clone, Copy)]
pub struct FetchPrivacy;

impl IqRequest for FetchPrivacy {
    const NAMESPACE: &'static str = "privacy";
    const KIND: IqKind = IqKind::Get;
    type Reply = PrivacySettings;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("privacy")]
    }

    fn read(reply: Reader<'_>) -> Result<PrivacySettings, StanzaError> {
        Ok(PrivacySettings::read(reply.child("privacy")?))
    }
}

/// Sets one setting that has no list.
#[derive(Debug, Clone)]
pub struct SetPrivacy {
    /// Which.
    pub category: PrivacyCategory,
    /// To what.
    pub value: PrivacyValue,
}

impl IqRequest for SetPrivacy {
    const NAMESPACE: &'static str = "privacy";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let category =
            Node::new("category").attr("name", self.category.as_str()).attr("value", self.value.as_str());
        vec![Node::new("privacy").child(category)]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Who is on the list of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PrivacyList {
    /// The users, as the server addresses them.
    pub users: Vec<Jid>,
    /// The hash of this state of the list; goes with a change. `None` for a list that was never there.
    pub hash: Option<String>,
}

/// Asks for the list of a setting.
#[derive(Debug, Clone)]
pub struct FetchPrivacyList {
    /// Which setting.
    pub category: PrivacyCategory,
    /// Which of its lists.
    pub value: PrivacyValue,
    /// The account is migrated to LIDs.
    pub by_lid: bool,
}

impl IqRequest for FetchPrivacyList {
    const NAMESPACE: &'static str = "privacy";
    const KIND: IqKind = IqKind::Get;
    type Reply = PrivacyList;

    fn body(&self) -> Vec<Node> {
        let list = Node::new("list").attr("name", self.category.as_str()).attr("value", self.value.as_str());
        vec![privacy(self.by_lid).child(list)]
    }

    fn read(reply: Reader<'_>) -> Result<PrivacyList, StanzaError> {
        let Some(list) = reply.child("privacy")?.child_opt("list") else { return Ok(PrivacyList::default()) };
        let users = list.children_of("user").filter_map(|user| user.jid("jid").ok());
        Ok(PrivacyList {
            users: users.map(|user| user.to_user()).collect(),
            hash: list.text_opt("dhash").map(std::borrow::Cow::into_owned),
        })
    }
}

/// Sets a setting with a list, and changes who is on it.
#[derive(Debug, Clone)]
pub struct ChangePrivacyList {
    /// Which setting.
    pub category: PrivacyCategory,
    /// Which of its lists.
    pub value: PrivacyValue,
    /// The hash of the list that is changed.
    pub hash: Option<String>,
    /// Who comes onto it, and who goes.
    pub changes: Vec<ListChange>,
    /// The account is migrated to LIDs.
    pub by_lid: bool,
}

/// One user of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChange {
    /// Onto the list, or off it.
    pub is_added: bool,
    /// The user, in the account's name space.
    pub user: Jid,
    /// Its phone number, beside a LID.
    pub pn: Option<Jid>,
}

impl IqRequest for ChangePrivacyList {
    const NAMESPACE: &'static str = "privacy";
    const KIND: IqKind = IqKind::Set;
    /// The list's new hash.
    type Reply = Option<String>;

    fn body(&self) -> Vec<Node> {
        let users = self.changes.iter().map(|change| {
            Node::new("user")
                .attr("action", if change.is_added { "add" } else { "remove" })
                .attr("jid", &change.user)
                .attr_opt("pn_jid", change.pn.as_ref())
        });
        let category = Node::new("category")
            .attr("name", self.category.as_str())
            .attr("value", self.value.as_str())
            .attr("dhash", self.hash.as_deref().unwrap_or("none"))
            .children(users);
        vec![privacy(self.by_lid).child(category)]
    }

    fn read(reply: Reader<'_>) -> Result<Option<String>, StanzaError> {
        let category = reply.child_opt("privacy").and_then(|privacy| privacy.child_opt("category"));
        Ok(category.and_then(|category| category.text_opt("dhash")).map(std::borrow::Cow::into_owned))
    }
}

fn privacy(by_lid: bool) -> Node {
    Node::new("privacy").attr_opt("addressing_mode", by_lid.then_some("lid"))
}

/// How long messages of a new chat stay, unless that is changed in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DefaultTimer {
    /// For ever.
    Off,
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// Ninety days.
    NinetyDays,
}

impl DefaultTimer {
    /// As the server writes it.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::NinetyDays => 7_776_000,
        }
    }
}

/// Sets how long messages of new chats stay.
#[derive(Debug, Clone, Copy)]
pub struct SetDefaultTimer(pub DefaultTimer);

impl IqRequest for SetDefaultTimer {
    const NAMESPACE: &'static str = "disappearing_mode";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("disappearing_mode").attr("duration", self.0.seconds())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Gives contacts a token of trust.
#[derive(Debug, Clone)]
pub struct IssueTokens {
    /// For whom.
    pub users: Vec<Jid>,
    /// The time that stands in them.
    pub timestamp: UnixSeconds,
}

/// A token of trust that was given to us. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustedToken {
    /// Who gave it, where that is told beside it.
    pub user: Option<Jid>,
    /// When it was issued.
    pub timestamp: UnixSeconds,
    /// The token.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for TrustedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedToken")
            .field("user", &self.user)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

impl TrustedToken {
    /// Reads a `<tokens>`; tokens of other kinds and of impossible sizes are left out.
    #[must_use]
    pub fn read_all(tokens: Reader<'_>) -> Vec<Self> {
        let read = |token: Reader<'_>| {
            let bytes = token.content().into_owned();
            let is_one = token.attr_is("type", "trusted_contact") && (1..=TOKEN_LIMIT).contains(&bytes.len());
            is_one.then_some(())?;
            Some(Self {
                user: token.jid_opt("jid").ok().flatten().filter(Jid::is_user),
                timestamp: token.time_opt("t")?,
                bytes,
            })
        };
        tokens.children_of("token").take(TOKENS_LIMIT).filter_map(read).collect()
    }
}

/// No token is longer.
pub const TOKEN_LIMIT: usize = 1024;
/// More tokens than this in one stanza are not looked at.
const TOKENS_LIMIT: usize = 256;

impl IqRequest for IssueTokens {
    const NAMESPACE: &'static str = "privacy";
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    /// Tokens of theirs that came with the answer.
    type Reply = Vec<TrustedToken>;

    fn body(&self) -> Vec<Node> {
        let token = |user: &Jid| {
            Node::new("token").attr("jid", user).attr("t", self.timestamp).attr("type", "trusted_contact")
        };
        vec![Node::new("tokens").children(self.users.iter().map(token))]
    }

    fn read(reply: Reader<'_>) -> Result<Vec<TrustedToken>, StanzaError> {
        Ok(reply.child_opt("tokens").map(TrustedToken::read_all).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn settings_of_later_versions_are_kept_by_name() {
        let category = |name: &'static str, value: &'static str| {
            Node::new("category").attr("name", name).attr("value", value)
        };
        let privacy = Node::new("privacy").children([
            category("last", "contact_blacklist").attr("dhash", "abc"),
            category("online", "error"),
            category("telepathy", "sometimes"),
            Node::new("category"),
        ]);
        let read = read_node(&Node::new("iq").child(privacy), FetchPrivacy::read).unwrap();
        assert_eq!(read.list.len(), 3);
        assert_eq!(read.list[0].list_hash.as_deref(), Some("abc"));
        assert_eq!(read.value(&PrivacyCategory::LastSeen), Some(&PrivacyValue::ContactsExcept));
        assert_eq!(read.value(&PrivacyCategory::Online), None);
        let other = PrivacyCategory::Other("telepathy".to_owned());
        assert_eq!(read.value(&other), Some(&PrivacyValue::Other("sometimes".to_owned())));
    }

    #[test]
    fn a_change_of_a_list_names_what_it_changes() {
        let change = ChangePrivacyList {
            category: PrivacyCategory::LastSeen,
            value: PrivacyValue::ContactsExcept,
            hash: None,
            changes: vec![ListChange {
                is_added: true,
                user: Jid::lid("100"),
                pn: Some(Jid::pn("15550001111")),
            }],
            by_lid: true,
        };
        let xml = change.to_node("1").to_xml();
        assert!(
            xml.contains(r#"<privacy addressing_mode="lid">"#) && xml.contains(r#"dhash="none""#),
            "{xml}"
        );
        assert!(xml.contains(r#"action="add" jid="100@lid" pn_jid="15550001111@s.whatsapp.net""#), "{xml}");
    }

    #[test]
    fn only_tokens_of_trust_are_read() {
        let token = |kind: &'static str, bytes: Vec<u8>| {
            Node::new("token").attr("type", kind).attr("t", 7_u32).bytes(bytes)
        };
        let tokens = Node::new("tokens").children([
            token("trusted_contact", vec![1]),
            token("other", vec![2]),
            token("trusted_contact", Vec::new()),
            token("trusted_contact", vec![3; TOKEN_LIMIT + 1]),
            Node::new("token").attr("type", "trusted_contact").bytes(vec![4]),
        ]);
        let read = read_node(&tokens, TrustedToken::read_all);
        assert_eq!(read, [TrustedToken { user: None, timestamp: UnixSeconds(7), bytes: vec![1] }]);
        assert!(!format!("{read:?}").contains('1'));
    }
}
