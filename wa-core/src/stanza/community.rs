//! What stanzas say about the groups of a community. Protocol: groups and communities, "Communities".

use wa_types::{Jid, UnixSeconds};

use super::group::group_jid;
use super::{Reader, StanzaError};

/// What one group is to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// The community that the group belongs to.
    Community,
    /// A group of the community.
    Subgroup,
    /// Another group of the same community.
    Sibling,
    /// Something that this version does not know, in the server's word.
    Unknown(String),
}

impl LinkKind {
    pub(super) fn read(word: &str) -> Self {
        match word {
            "parent_group" => Self::Community,
            "sub_group" => Self::Subgroup,
            "sibling_group" => Self::Sibling,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// What is told of a group that belongs to a community.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkedGroup {
    /// The group.
    pub jid: Jid,
    /// Its name; empty where it is not told.
    pub subject: String,
    /// When it got that name.
    pub subject_at: UnixSeconds,
    /// When it was made.
    pub created: UnixSeconds,
    /// How many members it has, where that is told.
    pub size: Option<u32>,
    /// It is the announcement group.
    pub is_default: bool,
    /// It is the general chat.
    pub is_general_chat: bool,
    /// Only its members see it.
    pub is_hidden: bool,
}

impl LinkedGroup {
    pub(in crate::stanza) fn read(group: Reader<'_>) -> Result<Self, StanzaError> {
        let has = |tag| group.child_opt(tag).is_some();
        Ok(Self {
            jid: group_jid(group, "id").or_else(|_| group_jid(group, "jid"))?,
            subject: group.text_opt("subject").unwrap_or_default().into_owned(),
            subject_at: group.time_opt("s_t").unwrap_or_default(),
            created: group.time_opt("creation").unwrap_or_default(),
            size: group.number_opt("size").ok().flatten(),
            is_default: has("default_sub_group"),
            is_general_chat: has("general_chat"),
            is_hidden: has("hidden_group"),
        })
    }
}

/// A group that a member suggests for a community: one to be made, or one that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSuggestion {
    /// The suggested group; for one to be made, the suggestion's address.
    pub jid: Jid,
    /// Who suggests it.
    pub creator: Option<Jid>,
    /// When.
    pub created: UnixSeconds,
    /// Why it is gone, in the server's word.
    pub reason: Option<String>,
    /// Its name.
    pub subject: String,
    /// What it says about itself.
    pub description: Option<String>,
    /// How many members it has.
    pub size: Option<u32>,
    /// The group exists already.
    pub is_existing: bool,
}

/// The suggestions in a node; one that cannot be read is left out.
pub(super) fn read_suggestions(node: Reader<'_>) -> Vec<GroupSuggestion> {
    let read = |suggestion: Reader<'_>| {
        let text = |tag| suggestion.child_opt(tag).and_then(|child| Some(child.node().text()?.into_owned()));
        let description = suggestion.child_opt("description").and_then(|child| child.child_opt("body"));
        Some(GroupSuggestion {
            jid: group_jid(suggestion, "jid").ok()?,
            creator: suggestion.jid_opt("creator").ok().flatten(),
            created: suggestion.time_opt("creation").unwrap_or_default(),
            reason: suggestion.text_opt("reason").map(std::borrow::Cow::into_owned),
            subject: text("subject").unwrap_or_default(),
            description: description.and_then(|body| Some(body.node().text()?.into_owned())),
            size: text("participant_count").and_then(|count| count.parse().ok()),
            is_existing: suggestion.child_opt("is_existing_group").is_some(),
        })
    };
    node.children_of("sub_group_suggestion").filter_map(read).take(SUGGESTIONS_LIMIT).collect()
}

/// How many suggestions of one notification we look at.
const SUGGESTIONS_LIMIT: usize = 1024;
