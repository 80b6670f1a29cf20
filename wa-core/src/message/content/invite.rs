//! Invitations to groups and channels.

use wa_proto::e2e;
use wa_proto::e2e::group_invite_message::GroupType;
use wa_types::{Jid, UnixSeconds};

use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// An invitation to a group, for the user that it is sent to.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInvite {
    /// The group.
    pub group: Jid,
    /// The code that lets the user in.
    pub code: String,
    /// Until when the code is good.
    pub expires: Option<UnixSeconds>,
    /// The group's name.
    pub name: String,
    /// The text under it.
    pub caption: Option<String>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// The group is a community.
    pub is_community: bool,
}

/// An invitation to a channel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterInvite {
    /// The channel.
    pub newsletter: Jid,
    /// Its name.
    pub name: String,
    /// The text under it.
    pub caption: Option<String>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// The user shall be an admin of it, not a follower.
    pub is_admin: bool,
    /// Until when an admin may accept.
    pub expires: Option<UnixSeconds>,
}

opaque_debug!(GroupInvite, NewsletterInvite);

impl GroupInvite {
    /// An invitation to this group with this code.
    #[must_use]
    pub fn new(group: &Jid, code: impl Into<String>, name: impl Into<String>, expires: UnixSeconds) -> Self {
        Self {
            group: group.clone(),
            code: code.into(),
            expires: Some(expires),
            name: name.into(),
            caption: None,
            thumbnail: None,
            is_community: false,
        }
    }

    /// With a text under it.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    pub(super) fn read(invite: &e2e::GroupInviteMessage) -> Option<Self> {
        Some(Self {
            group: read::jid(invite.group_jid.as_deref())?,
            code: invite.invite_code.clone().unwrap_or_default(),
            expires: read::seconds(invite.invite_expiration),
            name: invite.group_name.clone().unwrap_or_default(),
            caption: read::text(invite.caption.as_ref()),
            thumbnail: invite.jpeg_thumbnail.clone(),
            is_community: invite.group_type() == GroupType::Parent,
        })
    }
}

impl From<GroupInvite> for Message {
    fn from(invite: GroupInvite) -> Self {
        let invite = e2e::GroupInviteMessage {
            group_jid: Some(invite.group.to_string()),
            invite_code: Some(invite.code),
            invite_expiration: invite.expires.map(read::seconds_to_wire),
            group_name: Some(invite.name),
            jpeg_thumbnail: invite.thumbnail,
            caption: invite.caption,
            group_type: invite.is_community.then_some(GroupType::Parent as i32),
            ..Default::default()
        };
        Self::from_proto(e2e::Message { group_invite_message: Some(Box::new(invite)), ..Default::default() })
    }
}

impl NewsletterInvite {
    pub(super) fn of_admin(invite: &e2e::NewsletterAdminInviteMessage) -> Option<Self> {
        Some(Self {
            newsletter: read::jid(invite.newsletter_jid.as_deref())?,
            name: invite.newsletter_name.clone().unwrap_or_default(),
            caption: read::text(invite.caption.as_ref()),
            thumbnail: invite.jpeg_thumbnail.clone(),
            is_admin: true,
            expires: read::seconds(invite.invite_expiration),
        })
    }

    pub(super) fn of_follower(invite: &e2e::NewsletterFollowerInviteMessage) -> Option<Self> {
        Some(Self {
            newsletter: read::jid(invite.newsletter_jid.as_deref())?,
            name: invite.newsletter_name.clone().unwrap_or_default(),
            caption: read::text(invite.caption.as_ref()),
            thumbnail: invite.jpeg_thumbnail.clone(),
            is_admin: false,
            expires: None,
        })
    }
}
