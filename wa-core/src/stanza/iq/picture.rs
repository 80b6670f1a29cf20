//! `w:profile:picture`: pictures of users and groups. Protocol: IQ catalogue, "Profile picture".

use wa_types::Jid;

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PictureSize {
    /// Small, for lists.
    #[default]
    Preview,
    /// As it was uploaded.
    Full,
}

impl PictureSize {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Full => "image",
        }
    }
}

/// Asks where a picture is.
#[derive(Clone)]
pub struct FetchPicture {
    /// Whose: a user, a group, a community.
    pub of: Jid,
    /// How large.
    pub size: PictureSize,
    /// The id of the one that is known; unchanged, nothing else is told.
    pub known: Option<String>,
    /// The code of an invite link, for a group that we are not in.
    pub invite: Option<String>,
    /// A group that we share with the user.
    pub common_group: Option<Jid>,
    /// The user's privacy token. Never for our own picture: the server would not answer.
    pub token: Option<Vec<u8>>,
}

impl std::fmt::Debug for FetchPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchPicture").field("of", &self.of).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What there is of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureState {
    /// There is one.
    Set(Picture),
    /// It is the one that was known.
    Unchanged,
    /// There is none.
    NotSet,
}

/// Where a picture is. It is not encrypted.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Changes with the picture.
    pub id: String,
    /// Where it is to be had, for some hours.
    pub url: String,
    /// Its path on any media host.
    pub direct_path: Option<String>,
    /// The server's hash of it.
    pub hash: Option<String>,
}

impl std::fmt::Debug for Picture {
    /// Without the address, which gives it to anybody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Sets or removes our own picture, or that of a group.
#[derive(Clone)]
pub struct SetPicture {
    /// The group; `None` for our own.
    pub of: Option<Jid>,
    /// A square JPEG, 640 by 640 usually; `None` removes it.
    pub jpeg: Option<Vec<u8>>,
}

impl std::fmt::Debug for SetPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.jpeg.as_ref().map(Vec::len);
        f.debug_struct("SetPicture").field("of", &self.of).field("jpeg", &size).finish()
    }
}

const NAMESPACE: &str = "w:profile:picture";

impl IqRequest for FetchPicture {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Get;
    type Reply = PictureState;

    fn body(&self) -> Vec<Node> {
        let node = Node::new("picture")
            .attr("type", self.size.as_str())
            .attr("query", "url")
            .attr_opt("id", self.known.as_ref())
            .attr_opt("invite", self.invite.as_ref())
            .attr_opt("common_gid", self.common_group.as_ref());
        vec![match &self.token {
            Some(token) => node.child(Node::new("tctoken").bytes(token.clone())),
            None => node,
        }]
    }

    fn read(reply: Reader<'_>) -> Result<PictureState, StanzaError> {
        let Some(picture) = reply.child_opt("picture") else { return Ok(PictureState::Unchanged) };
        read_picture(picture)
    }

    fn to_node(&self, id: &str) -> Node {
        envelope(id, Self::KIND, Some(&self.of)).children(self.body())
    }
}

impl IqRequest for SetPicture {
    const NAMESPACE: &'static str = NAMESPACE;
    const KIND: IqKind = IqKind::Set;
    const IDEMPOTENT: bool = true;
    /// The id of the new picture; `None` where there is none any more.
    type Reply = Option<String>;

    fn body(&self) -> Vec<Node> {
        let picture = |jpeg: &Vec<u8>| Node::new("picture").attr("type", "image").bytes(jpeg.clone());
        self.jpeg.iter().map(picture).collect()
    }

    fn read(reply: Reader<'_>) -> Result<Option<String>, StanzaError> {
        let picture = reply.child_opt("picture");
        Ok(picture.and_then(|picture| picture.text_opt("id")).map(std::borrow::Cow::into_owned))
    }

    fn to_node(&self, id: &str) -> Node {
        let node = envelope(id, Self::KIND, self.of.as_ref());
        // A removal has no content at all.
        if self.jpeg.is_some() { node.children(self.body()) } else { node }
    }
}

/// What a `<picture>` of an answer says.
pub(super) fn read_picture(picture: Reader<'_>) -> Result<PictureState, StanzaError> {
    match picture.text_opt("status").as_deref() {
        Some("204") => return Ok(PictureState::NotSet),
        Some("304") => return Ok(PictureState::Unchanged),
        _ => {}
    }
    Ok(PictureState::Set(Picture {
        id: picture.text("id")?.into_owned(),
        url: picture.text("url")?.into_owned(),
        direct_path: picture.text_opt("direct_path").map(std::borrow::Cow::into_owned),
        hash: picture.text_opt("hash").map(std::borrow::Cow::into_owned),
    }))
}

fn envelope(id: &str, kind: IqKind, of: Option<&Jid>) -> Node {
    Node::new("iq")
        .attr("id", id)
        .attr("to", Jid::SERVER)
        .attr("type", kind.as_str())
        .attr("xmlns", NAMESPACE)
        .attr_opt("target", of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    fn fetch(of: Jid) -> FetchPicture {
        FetchPicture {
            of,
            size: PictureSize::Full,
            known: None,
            invite: None,
            common_group: None,
            token: None,
        }
    }

    #[test]
    fn the_target_is_named_beside_the_server() {
        let mut asked = fetch(Jid::pn("15550001111"));
        asked.token = Some(vec![1]);
        let xml = asked.to_node("1").to_xml();
        assert!(xml.contains(r#"target="15550001111@s.whatsapp.net""#), "{xml}");
        assert!(xml.contains("<tctoken>") && xml.contains(r#"query="url""#), "{xml}");
        let removal = SetPicture { of: None, jpeg: None }.to_node("1");
        assert!(removal.nodes().is_empty() && removal.get("target").is_none());
    }

    #[test]
    fn every_form_of_no_picture_is_understood() {
        let cases = [
            (None, PictureState::Unchanged),
            (Some(Node::new("picture").attr("status", "304")), PictureState::Unchanged),
            (Some(Node::new("picture").attr("status", "204")), PictureState::NotSet),
        ];
        for (child, expected) in cases {
            let reply = Node::new("iq").children(child);
            assert_eq!(read_node(&reply, FetchPicture::read), Ok(expected));
        }
        let whole = Node::new("picture").attr("id", "7").attr("url", "https://x").attr("direct_path", "/v/t");
        let PictureState::Set(read) = read_node(&Node::new("iq").child(whole), FetchPicture::read).unwrap()
        else {
            panic!("it is set")
        };
        assert_eq!((read.id.as_str(), read.direct_path.as_deref()), ("7", Some("/v/t")));
        let broken = Node::new("iq").child(Node::new("picture").attr("id", "7"));
        assert!(read_node(&broken, FetchPicture::read).is_err());
    }
}
