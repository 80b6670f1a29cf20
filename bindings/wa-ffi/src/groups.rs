//! Groups.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::client::MemberOutcome as CoreOutcome;
use wa_core::error::MemberRefusal;
use wa_core::event::GroupSetting as CoreSetting;
use wa_core::stanza::iq::groups::GroupInvite;
use wa_store::records::{GroupMember as CoreMember, GroupRole, WhoMay};

use crate::client::Client;
use crate::error::WaError;
use crate::types::{self, Secret};

/// A group, as the service tells it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Group {
    /// Its address.
    pub address: String,
    /// What it is called.
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// Who is in it. Of large groups perhaps not all: see `size`.
    pub members: Vec<GroupMember>,
    /// How many are in it.
    pub size: u32,
    /// Only admins write.
    pub is_announcement: bool,
    /// Only admins change subject, description and picture.
    pub is_locked: bool,
    /// How long its messages stay.
    pub disappearing_after: Option<Duration>,
    /// It is a community: its members are those of its groups.
    pub is_community: bool,
    /// The community that it belongs to.
    pub community: Option<String>,
    /// Who made it.
    pub creator: Option<String>,
    /// When it was made.
    pub created: SystemTime,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct GroupMember {
    /// The address to write to.
    pub address: String,
    /// The phone number's address, if it is shown to us.
    pub phone_number: Option<String>,
    /// The LID, where it is known.
    pub lid: Option<String>,
    /// What they may do.
    pub role: MemberRole,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MemberRole {
    /// Takes part.
    Member,
    /// Looks after it.
    Admin,
    /// Made it, and cannot be removed.
    Owner,
    /// Something that this version does not know.
    Unknown,
}

/// What came of something that was to be done with a member.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MemberOutcome {
    /// The member, as the service addresses it.
    pub member: String,
    /// Why it was not done, for programs; nothing when it was.
    pub refused: Option<String>,
    /// Why, for logs.
    pub detail: Option<String>,
    /// What they can be sent instead, as a message that is a group invitation, where they let nobody add them.
    pub invitation: Option<GroupInvitation>,
}

/// What lets one user into a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct GroupInvitation {
    /// The code. A secret: do not log it.
    pub code: Secret,
    /// When it is worth nothing any more.
    pub expires: SystemTime,
}

/// A group that was made.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CreatedGroup {
    /// The group, with those who are in it.
    pub group: Group,
    /// Who was asked for and is not in it.
    pub refused: Vec<MemberOutcome>,
}

/// What came of joining.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct JoinOutcome {
    /// The group.
    pub group: String,
    /// An admin must let us in first.
    pub is_waiting: bool,
}

/// Who wants to be let in.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct JoinRequest {
    /// Who.
    pub user: String,
    /// Since when.
    pub requested: SystemTime,
}

/// How a group works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum GroupSetting {
    /// Only admins write.
    Announcement {
        /// Whether it is so.
        is_on: bool,
    },
    /// Only admins change subject, description and picture.
    Locked {
        /// Whether it is so.
        is_on: bool,
    },
    /// How long its messages stay.
    Disappearing {
        /// How long; for good without it.
        after: Option<Duration>,
    },
    /// Admins let people in.
    JoinApproval {
        /// Whether it is so.
        is_on: bool,
    },
    /// Only admins add people.
    AdminsAdd {
        /// Whether it is so.
        is_on: bool,
    },
}

impl GroupSetting {
    fn to_core(self) -> CoreSetting {
        match self {
            Self::Announcement { is_on } => CoreSetting::Announcement(is_on),
            Self::Locked { is_on } => CoreSetting::Locked(is_on),
            Self::Disappearing { after } => {
                let seconds = after.map_or(0, |after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
                CoreSetting::expiration(seconds)
            }
            Self::JoinApproval { is_on } => CoreSetting::JoinApproval(is_on),
            Self::AdminsAdd { is_on } => {
                CoreSetting::Adding(if is_on { WhoMay::Admins } else { WhoMay::Members })
            }
        }
    }
}

impl GroupMember {
    pub(crate) fn of(member: &CoreMember) -> Self {
        let (phone_number, lid) = (types::text(member.pn.as_ref()), types::text(member.lid.as_ref()));
        Self {
            address: lid.clone().or_else(|| phone_number.clone()).unwrap_or_default(),
            phone_number,
            lid,
            role: match member.role {
                GroupRole::Member => MemberRole::Member,
                GroupRole::Admin => MemberRole::Admin,
                GroupRole::SuperAdmin => MemberRole::Owner,
            },
        }
    }
}

impl Group {
    fn of(group: &wa_store::records::Group) -> Self {
        Self {
            address: group.jid.to_string(),
            subject: group.subject.clone(),
            description: group.description.as_ref().map(|description| description.text.clone()),
            members: group.members.iter().map(GroupMember::of).collect(),
            size: group.size,
            is_announcement: group.is_announcement,
            is_locked: group.is_locked,
            disappearing_after: (group.expiration_s > 0)
                .then(|| Duration::from_secs(group.expiration_s.into())),
            is_community: group.is_community,
            community: types::text(group.parent.as_ref()),
            creator: types::text(group.creator.as_ref()),
            created: types::time(group.created),
        }
    }
}

fn outcomes(outcomes: Vec<CoreOutcome>) -> Vec<MemberOutcome> {
    let of = |outcome: CoreOutcome| refusal(&outcome.member, outcome.result.err());
    outcomes.into_iter().map(of).collect()
}

fn refusal(member: &wa_types::Jid, refusal: Option<MemberRefusal>) -> MemberOutcome {
    MemberOutcome {
        member: member.to_string(),
        refused: refusal.as_ref().map(types::word),
        detail: refusal.as_ref().map(ToString::to_string),
        invitation: match refusal {
            Some(MemberRefusal::Privacy { invitation }) => invitation.map(|invitation| GroupInvitation {
                code: Secret(invitation.code),
                expires: types::time(invitation.expires),
            }),
            _ => None,
        },
    }
}

fn joined(joined: wa_core::stanza::iq::groups::Joined) -> Result<JoinOutcome, WaError> {
    use wa_core::stanza::iq::groups::Joined;
    let (group, is_waiting) = match joined {
        Joined::Member(group) => (group, false),
        Joined::Waiting(group) => (group, true),
        _ => return Err(WaError::other("join", "an outcome that this version does not know")),
    };
    Ok(JoinOutcome { group: group.to_string(), is_waiting })
}

#[uniffi::export]
impl Client {
    /// Makes a group of this name with these users.
    pub async fn create_group(&self, subject: String, members: Vec<String>) -> Result<CreatedGroup, WaError> {
        let members = types::jids(&members)?;
        let created = self.call(|core| async move { core.groups().create(&subject, &members).await }).await?;
        Ok(CreatedGroup {
            group: Group::of(&created.group),
            refused: created.refused.into_iter().map(|(user, why)| refusal(&user, Some(why))).collect(),
        })
    }

    /// What is known of a group; asked for once, and kept up to date from then on.
    pub async fn group(&self, group: String) -> Result<Group, WaError> {
        let group = types::jid(&group)?;
        let found = self.call(|core| async move { core.groups().info(&group).await }).await?;
        Ok(Group::of(&found))
    }

    /// All groups that the account is in.
    pub async fn groups(&self) -> Result<Vec<Group>, WaError> {
        let groups: Vec<Arc<_>> =
            self.call(|core| async move { core.groups().participating().await }).await?;
        Ok(groups.iter().map(|group| Group::of(group)).collect())
    }

    /// Adds users to a group.
    pub async fn add_members(
        &self,
        group: String,
        users: Vec<String>,
    ) -> Result<Vec<MemberOutcome>, WaError> {
        let (group, users) = (types::jid(&group)?, types::jids(&users)?);
        Ok(outcomes(self.call(|core| async move { core.groups().add(&group, &users).await }).await?))
    }

    /// Removes members from a group.
    pub async fn remove_members(
        &self,
        group: String,
        users: Vec<String>,
    ) -> Result<Vec<MemberOutcome>, WaError> {
        let (group, users) = (types::jid(&group)?, types::jids(&users)?);
        Ok(outcomes(self.call(|core| async move { core.groups().remove(&group, &users).await }).await?))
    }

    /// Makes members admins.
    pub async fn promote(&self, group: String, users: Vec<String>) -> Result<Vec<MemberOutcome>, WaError> {
        let (group, users) = (types::jid(&group)?, types::jids(&users)?);
        Ok(outcomes(self.call(|core| async move { core.groups().promote(&group, &users).await }).await?))
    }

    /// Makes admins plain members.
    pub async fn demote(&self, group: String, users: Vec<String>) -> Result<Vec<MemberOutcome>, WaError> {
        let (group, users) = (types::jid(&group)?, types::jids(&users)?);
        Ok(outcomes(self.call(|core| async move { core.groups().demote(&group, &users).await }).await?))
    }

    /// Leaves a group.
    pub async fn leave_group(&self, group: String) -> Result<(), WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move { core.groups().leave(&group).await }).await
    }

    /// Renames a group.
    pub async fn set_group_subject(&self, group: String, subject: String) -> Result<(), WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move { core.groups().set_subject(&group, &subject).await }).await
    }

    /// Says what a group is about; nothing without a text.
    #[uniffi::method(default(text = None))]
    pub async fn set_group_description(&self, group: String, text: Option<String>) -> Result<(), WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move { core.groups().set_description(&group, text.as_deref()).await }).await
    }

    /// Changes how a group works.
    pub async fn set_group(&self, group: String, setting: GroupSetting) -> Result<(), WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move { core.groups().set(&group, setting.to_core()).await }).await
    }

    /// Sets the picture of a group, a JPEG; removes it without one.
    #[uniffi::method(default(jpeg = None))]
    pub async fn set_group_picture(&self, group: String, jpeg: Option<Vec<u8>>) -> Result<(), WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move {
            match jpeg {
                Some(jpeg) => core.groups().set_picture(&group, jpeg).await.map(drop),
                None => core.groups().remove_picture(&group).await,
            }
        })
        .await
    }

    /// The link that lets people in; a new one, and the old one is worth nothing, if it is to be reset.
    #[uniffi::method(default(reset = false))]
    pub async fn group_invite_link(&self, group: String, reset: bool) -> Result<String, WaError> {
        let group = types::jid(&group)?;
        self.call(|core| async move {
            match reset {
                true => core.groups().reset_invite_link(&group).await,
                false => core.groups().invite_link(&group).await,
            }
        })
        .await
    }

    /// The group that a link leads to.
    pub async fn group_of_link(&self, link: String) -> Result<Group, WaError> {
        let group = self.call(|core| async move { core.groups().look_behind_link(&link).await }).await?;
        Ok(Group::of(&group))
    }

    /// Joins the group that a link leads to.
    pub async fn join_group(&self, link: String) -> Result<JoinOutcome, WaError> {
        joined(self.call(|core| async move { core.groups().join_by_link(&link).await }).await?)
    }

    /// Joins the group of an invitation: what a message with one says in its content, and the admin who sent it.
    pub async fn accept_group_invite(
        &self,
        group: String,
        code: String,
        expires: SystemTime,
        admin: String,
    ) -> Result<JoinOutcome, WaError> {
        let (group, admin) = (types::jid(&group)?, types::jid(&admin)?.to_chat());
        let invite = GroupInvite { group, admin, code, expires: types::seconds(expires) };
        joined(self.call(|core| async move { core.groups().accept_invite(&invite).await }).await?)
    }

    /// Who wants to be let in.
    pub async fn join_requests(&self, group: String) -> Result<Vec<JoinRequest>, WaError> {
        let group = types::jid(&group)?;
        let requests = self.call(|core| async move { core.groups().join_requests(&group).await }).await?;
        let of = |request: wa_core::stanza::iq::groups::JoinRequest| JoinRequest {
            user: request.user.to_string(),
            requested: types::time(request.requested),
        };
        Ok(requests.into_iter().map(of).collect())
    }

    /// Lets users in, or does not.
    pub async fn answer_join_requests(
        &self,
        group: String,
        users: Vec<String>,
        let_in: bool,
    ) -> Result<Vec<MemberOutcome>, WaError> {
        let (group, users) = (types::jid(&group)?, types::jids(&users)?);
        let answered = self
            .call(|core| async move {
                match let_in {
                    true => core.groups().approve(&group, &users).await,
                    false => core.groups().reject(&group, &users).await,
                }
            })
            .await?;
        Ok(outcomes(answered))
    }
}
