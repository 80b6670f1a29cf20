//! What is known of a chat beside its messages. Protocol: history sync, "Conversation".

use prost::Message as _;
use wa_proto::history_sync::Conversation;
use wa_types::{Jid, UnixSeconds};

use super::limits::HistoryError;

/// A chat of the past.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryChat {
    /// Its address, as the phone names it.
    pub jid: Jid,
    /// The subject of a group, or the user's name for a contact.
    pub name: Option<String>,
    /// When something last happened in it.
    pub timestamp: Option<UnixSeconds>,
    /// How many messages are unread.
    pub unread: u32,
    /// The user marked it as unread.
    pub is_marked_unread: bool,
    /// It is in the archive.
    pub is_archived: bool,
    /// It is behind the chat lock.
    pub is_locked: bool,
    /// We can read in it, and not write.
    pub is_read_only: bool,
    /// Since when it is pinned.
    pub pinned: Option<UnixSeconds>,
    /// How long it is mute.
    pub mute: Option<HistoryMute>,
    /// How long messages in it live, seconds.
    pub ephemeral_seconds: Option<u32>,
    /// Since when they do.
    pub ephemeral_since: Option<UnixSeconds>,
    /// Whether the phone has more of it.
    pub end: EndOfHistory,
    /// A group's members.
    pub members: Vec<HistoryMember>,
    /// A group's description.
    pub description: Option<String>,
    /// The community of a group.
    pub parent: Option<Jid>,
    /// The two addresses of the user of a direct chat.
    pub addresses: Option<super::AddressPair>,
    /// The token of trust that the contact gave us, and when.
    pub token: Option<(Vec<u8>, UnixSeconds)>,
    /// When we last gave ours.
    pub token_given: Option<UnixSeconds>,
}

/// How long a chat is mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryMute {
    /// Until then.
    Until(UnixSeconds),
    /// Until the user changes it.
    ForEver,
}

/// Whether the phone has more of a chat than it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndOfHistory {
    /// It did not say.
    Unknown,
    /// More can be asked for.
    More,
    /// This is all.
    Complete,
    /// There is more, that we may not have.
    NoAccess,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryMember {
    /// Who.
    pub user: Jid,
    /// Its rank.
    pub rank: MemberRank,
    /// Its label in the group.
    pub label: Option<String>,
}

/// What a member of a group may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberRank {
    /// Nothing special.
    Member,
    /// An admin.
    Admin,
    /// Made the group.
    Creator,
}

/// Below it, a time can only be seconds.
const LEAST_MILLIS: u64 = 100_000_000_000;

impl HistoryChat {
    /// Reads an encoded `Conversation`.
    pub(super) fn read(settings: &[u8]) -> Result<Self, HistoryError> {
        let proto = Conversation::decode(settings).map_err(|_| HistoryError::Malformed("a chat"))?;
        let jid = proto.id.parse::<Jid>().map_err(|_| HistoryError::Malformed("a chat's address"))?;
        let jid = if jid.is_user() { jid.to_chat() } else { jid };
        let seconds = |value: Option<u64>| value.filter(|seconds| *seconds > 0).map(UnixSeconds);
        let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let others = [&proto.pn_jid, &proto.lid_jid, &proto.account_lid].into_iter().flatten();
        let mut others = others.filter_map(|text| text.parse::<Jid>().ok());
        let addresses =
            if jid.is_user() { others.find_map(|other| super::AddressPair::of(&jid, &other)) } else { None };
        let token = proto.tc_token.clone().filter(|token| !token.is_empty());
        Ok(Self {
            name: text(&proto.name).or_else(|| text(&proto.display_name)),
            timestamp: seconds(proto.conversation_timestamp).or(seconds(proto.last_msg_timestamp)),
            unread: proto.unread_count(),
            is_marked_unread: proto.marked_as_unread(),
            is_archived: proto.archived(),
            is_locked: proto.locked(),
            is_read_only: proto.read_only(),
            pinned: seconds(proto.pinned.map(u64::from)),
            mute: match proto.mute_end_time() {
                0 => None,
                u64::MAX => Some(HistoryMute::ForEver),
                time if time < LEAST_MILLIS => Some(HistoryMute::Until(UnixSeconds(time))),
                time => Some(HistoryMute::Until(UnixSeconds(time / 1000))),
            },
            ephemeral_seconds: proto.ephemeral_expiration.filter(|seconds| *seconds > 0),
            ephemeral_since: seconds(
                proto.ephemeral_setting_timestamp.and_then(|seconds| u64::try_from(seconds).ok()),
            ),
            end: match proto.end_of_history_transfer_type {
                Some(0 | 2) => EndOfHistory::More,
                Some(1) => EndOfHistory::Complete,
                Some(3) => EndOfHistory::NoAccess,
                _ => EndOfHistory::Unknown,
            },
            members: proto
                .participant
                .iter()
                .filter_map(|member| {
                    Some(HistoryMember {
                        user: member.user_jid.parse::<Jid>().ok()?.to_user(),
                        rank: match member.rank {
                            Some(1) => MemberRank::Admin,
                            Some(2) => MemberRank::Creator,
                            _ => MemberRank::Member,
                        },
                        label: text(&member.member_label.as_ref().and_then(|label| label.label.clone())),
                    })
                })
                .collect(),
            description: text(&proto.description),
            parent: proto.parent_group_id.as_ref().and_then(|text| text.parse().ok()),
            token: token.zip(seconds(proto.tc_token_timestamp)),
            token_given: seconds(proto.tc_token_sender_timestamp),
            addresses,
            jid,
        })
    }
}

impl std::fmt::Debug for HistoryChat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryChat")
            .field("jid", &self.jid)
            .field("timestamp", &self.timestamp)
            .field("members", &self.members.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
