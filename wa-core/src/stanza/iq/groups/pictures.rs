//! The pictures of many groups, and of a community. Protocol: IQ catalogue, "Profile picture".

use wa_types::Jid;

use super::{GROUPS, NAMESPACE, read_error};
use crate::stanza::group::group_jid;
use crate::stanza::iq::picture::{PictureSize, PictureState, read_picture};
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// How many groups may stand in one question.
pub const PICTURES_LIMIT: usize = 1000;

/// Asks where the pictures of these groups are.
#[derive(Debug, Clone)]
pub struct FetchGroupPictures {
    /// The groups, [`PICTURES_LIMIT`] at most.
    pub groups: Vec<Jid>,
    /// How large.
    pub size: PictureSize,
}

impl IqRequest for FetchGroupPictures {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    /// What the server says of each group that it names, or the code of a refusal.
    type Reply = Vec<(Jid, Result<PictureState, u16>)>;

    fn to(&self) -> Jid {
        GROUPS
    }

    fn body(&self) -> Vec<Node> {
        let picture = |group: &Jid| {
            Node::new("picture").attr("jid", group).attr("type", self.size.as_str()).attr("query", "url")
        };
        vec![Node::new("pictures").children(self.groups.iter().map(picture))]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let pictures = reply.child("pictures")?.children_of("picture");
        let read = |picture: Reader<'_>| {
            let state = match read_error(picture) {
                Some(404) => Ok(PictureState::NotSet),
                Some(code) => Err(code),
                // Without an address there is none.
                None => Ok(read_picture(picture).unwrap_or(PictureState::NotSet)),
            };
            // Its `id` is the picture's.
            Some((group_jid(picture, "jid").ok()?, state))
        };
        Ok(pictures.filter_map(read).collect())
    }
}

/// Asks where the picture of a community is, as a member of one of its groups.
#[derive(Debug, Clone)]
pub struct FetchCommunityPicture {
    /// The community.
    pub community: Jid,
    /// How large.
    pub size: PictureSize,
}

impl IqRequest for FetchCommunityPicture {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = PictureState;

    fn to(&self) -> Jid {
        self.community.clone()
    }

    fn body(&self) -> Vec<Node> {
        let picture = Node::new("picture")
            .attr("parent_group_jid", &self.community)
            .attr("type", self.size.as_str())
            .attr("query", "url");
        vec![Node::new("pictures").child(picture)]
    }

    fn read(reply: Reader<'_>) -> Result<PictureState, StanzaError> {
        let picture = reply.child_opt("pictures").and_then(|pictures| pictures.child_opt("picture"));
        match picture {
            Some(picture) if read_error(picture).is_none() => read_picture(picture),
            _ => Ok(PictureState::NotSet),
        }
    }
}
