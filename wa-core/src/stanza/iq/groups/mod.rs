//! `w:g2`: asking about groups, and changing them. Protocol: IQ catalogue, "Groups and communities".
//!
//! | File | Subject |
//! |---|---|
//! | `create` | making a group or a community |
//! | `query` | what a group is, and which groups there are |
//! | `members` | adding, removing, roles, leaving |
//! | `settings` | name, description, modes |
//! | `picture` | its picture |
//! | `invite` | links and invitations, and joining by them |
//! | `pictures` | the pictures of many, and of a community |
//! | `approval` | who waits to be let in |
//! | `community` | which groups belong together |

mod approval;
mod community;
mod create;
mod invite;
mod members;
mod pictures;
mod query;
mod settings;

use wa_types::Jid;

pub use approval::{DecideJoinRequests, Decision, FetchJoinRequests, JoinRequest, WithdrawJoinRequest};
pub use community::{
    DeactivateCommunity, FetchCommunityMembers, FetchLinkedGroup, FetchSubgroups, JoinLinkedGroup,
    LinkAnswer, LinkGroups, UnlinkGroups,
};
pub use create::{CreateGroup, GroupPlace};
pub use invite::{
    AcceptInvite, FetchInviteLink, GroupInvite, JoinByLink, Joined, LookBehindInvite, LookBehindLink,
    ResetInviteLink, RevokeInvites,
};
pub use members::{ChangeMembers, Invitation, LeaveGroups, MemberAction, MemberAnswer, NewMember};
pub use pictures::{FetchCommunityPicture, FetchGroupPictures, PICTURES_LIMIT};
pub use query::{FetchGroup, FetchGroups, FetchParticipating, GROUPS_LIMIT, GroupEntry};
pub use settings::{AcknowledgeGroup, SetDescription, SetGroup, SetSubject};

use crate::stanza::group::group_jid;
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

const NAMESPACE: &str = "w:g2";

/// Where requests go that are about no single group.
const GROUPS: Jid = Jid::service(wa_types::Server::Group);

fn participant(jid: &Jid) -> Node {
    Node::new("participant").attr("jid", jid)
}

/// The one group of an answer; in a community's answer it has another tag.
fn one_group(reply: Reader<'_>) -> Result<Reader<'_>, StanzaError> {
    let group = reply.child_opt("group").or_else(|| reply.child_opt("community"));
    let group = group.ok_or_else(|| reply.missing("group"))?;
    group_jid(group, "id").map(|_| group)
}

/// The group that a part of an answer is about.
fn named_group(part: Reader<'_>) -> Option<Jid> {
    group_jid(part, "id").or_else(|_| group_jid(part, "jid")).ok()
}

/// The code with which a part was refused; 0 for one that is no number. Some servers say success in numbers.
fn read_error(part: Reader<'_>) -> Option<u16> {
    let error = part.text_opt("error").map(|code| code.parse().unwrap_or(0));
    error.filter(|code| *code != 200)
}
