//! `status`: who sees status posts. Protocol: IQ catalogue, "Privacy settings".

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks who sees status posts.
#[derive(Debug, Clone, Copy)]
pub struct FetchStatusAudience;

/// One list of who sees status posts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudienceList {
    /// What it says.
    pub kind: AudienceKind,
    /// It is the one that counts.
    pub is_default: bool,
    /// Who is on it.
    pub users: Vec<Jid>,
}

/// What a list of who sees status posts says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudienceKind {
    /// All contacts do.
    Contacts,
    /// Only those on the list do.
    Only,
    /// All contacts but those on the list do.
    Except,
    /// A word that this version does not know.
    Unknown(String),
}

impl IqRequest for FetchStatusAudience {
    const NAMESPACE: &'static str = "status";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<AudienceList>;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("privacy")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let lists = reply.child("privacy")?.children_of("list");
        let read = |list: Reader<'_>| AudienceList {
            kind: match list.text_opt("type").as_deref() {
                Some("contacts") => AudienceKind::Contacts,
                Some("whitelist") => AudienceKind::Only,
                Some("blacklist") => AudienceKind::Except,
                other => AudienceKind::Unknown(other.unwrap_or_default().to_owned()),
            },
            is_default: list.attr_is("default", "true"),
            users: list.children_of("user").filter_map(|user| user.jid("jid").ok()).collect(),
        };
        Ok(lists.map(read).collect())
    }
}
