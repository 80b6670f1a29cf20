//! What users tell of themselves: about text, picture, devices, user name, default timer, business.

use wa_types::{Jid, UnixSeconds};

use super::{ListedDevice, envelope, error_of, read_devices};
use crate::stanza::iq::business::VerifiedName;
use crate::stanza::iq::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks what these users tell of themselves.
#[derive(Debug, Clone)]
pub struct FetchUserInfo {
    /// Any text; the server sends it back.
    pub sid: String,
    /// Users, without devices.
    pub users: Vec<Jid>,
}

/// What one user tells of itself. Each part may be hidden from us on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The user, as the server addresses it.
    pub user: Jid,
    /// Its LID, where the server told it.
    pub lid: Option<Jid>,
    /// Its phone number, where the server told it.
    pub pn: Option<Jid>,
    /// The about text.
    pub about: Part<About>,
    /// The status: a text with an emoji, for some time.
    pub text_status: Part<TextStatus>,
    /// The id of the present picture.
    pub picture_id: Part<String>,
    /// The name under which a business was verified; absent for a person.
    pub business: Part<VerifiedName>,
    /// The devices; their key indexes are not checked here.
    pub devices: Part<Vec<ListedDevice>>,
    /// The user name.
    pub username: Part<String>,
    /// How long messages of new chats with this user stay, seconds; 0 for ever.
    pub default_timer: Part<u32>,
}

/// One part of what is known of a user: there, not there, or refused.
pub type Part<T> = Result<Option<T>, PartRefused>;

/// A part of what is known of a user was refused: 401 and 403 are the user's privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused with code {code}")]
#[non_exhaustive]
pub struct PartRefused {
    /// The server's code; 0 when it gave none.
    pub code: u16,
}

/// An about text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The text; may be empty.
    pub text: String,
    /// When it was set.
    pub set: Option<UnixSeconds>,
}

impl std::fmt::Debug for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("About").field("text", &"..").field("set", &self.set).finish()
    }
}

/// A status: what a user is about, for some time. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TextStatus {
    /// The text.
    pub text: Option<String>,
    /// The emoji before it.
    pub emoji: Option<String>,
    /// How long it stays, seconds; absent for ever.
    pub lasts_s: Option<u64>,
    /// When it was set. Not for our own to be set.
    pub set: Option<UnixSeconds>,
}

impl std::fmt::Debug for TextStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextStatus")
            .field("lasts_s", &self.lasts_s)
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}

impl IqRequest for FetchUserInfo {
    const NAMESPACE: &'static str = "usync";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<UserInfo>;

    fn body(&self) -> Vec<Node> {
        let query = Node::new("query").children([
            Node::new("business").child(Node::new("verified_name")),
            Node::new("status"),
            Node::new("picture"),
            Node::new("devices").attr("version", "2"),
            Node::new("lid"),
            Node::new("disappearing_mode"),
            Node::new("username"),
            Node::new("text_status"),
        ]);
        let users = self.users.iter().map(|jid| Node::new("user").attr("jid", jid));
        vec![envelope(&self.sid, "interactive", query, users)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let usync = reply.child("usync")?;
        let result = usync.child_opt("result");
        let users = usync.child("list")?.children_of("user");
        Ok(users.filter_map(|user| read_user(user, result)).collect())
    }
}

/// `None` for what names nobody.
fn read_user(user: Reader<'_>, result: Option<Reader<'_>>) -> Option<UserInfo> {
    let jid = user.jid("jid").ok().filter(Jid::is_user)?.to_user();
    let lid = user.child_opt("lid").and_then(|lid| lid.jid_opt("val").ok().flatten());
    // A part may be refused for all users, or for one.
    let part = |tag: &'static str| -> Part<Reader<'_>> {
        let for_all = result.and_then(|result| error_of(result.child_opt(tag)?));
        let node = user.child_opt(tag);
        match for_all.or_else(|| error_of(node?)) {
            Some(404) => Ok(None),
            Some(code) => Err(PartRefused { code }),
            None => Ok(node),
        }
    };
    let text = |node: Reader<'_>| Some(node.node().text()?.into_owned()).filter(|text| !text.is_empty());
    Some(UserInfo {
        lid: lid.filter(Jid::is_lid),
        pn: user.jid_opt("pn_jid").ok().flatten().filter(Jid::is_pn),
        about: part("status").and_then(|node| node.map(read_about).transpose()),
        picture_id: part("picture").map(|node| node?.text_opt("id").map(std::borrow::Cow::into_owned)),
        business: part("business").map(|node| VerifiedName::of_business(node?)),
        devices: part("devices").map(|node| Some(read_devices(node?.child_opt("device-list")?))),
        username: part("username").map(|node| text(node?)),
        text_status: part("text_status").map(|node| read_text_status(node?)),
        default_timer: part("disappearing_mode").map(|node| node?.number_opt("duration").ok().flatten()),
        user: jid,
    })
}

/// `None` where there is neither text nor emoji.
fn read_text_status(status: Reader<'_>) -> Option<TextStatus> {
    let text = |name: &'static str| {
        status.text_opt(name).map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
    };
    let status = TextStatus {
        text: text("text"),
        emoji: text("emoji"),
        lasts_s: status.number_opt("ephemeral_duration_sec").ok().flatten().filter(|seconds| *seconds > 0),
        set: status.time_opt("last_update_time"),
    };
    (status.text.is_some() || status.emoji.is_some()).then_some(status)
}

/// Hidden texts say so in an attribute.
fn read_about(status: Reader<'_>) -> Result<About, PartRefused> {
    match status.number_opt("code").ok().flatten() {
        Some(code) => Err(PartRefused { code }),
        None => Ok(About {
            text: status.node().text().unwrap_or_default().into_owned(),
            set: status.time_opt("t"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::reader::read_node;

    #[test]
    fn each_part_is_there_or_hidden_on_its_own() {
        let error =
            |tag: &'static str, code: u16| Node::new(tag).child(Node::new("error").attr("code", code));
        let alice = Node::new("user").attr("jid", Jid::lid("100")).attr("pn_jid", Jid::pn("15550001111"));
        let alice = alice.children([
            Node::new("status").attr("t", 5_u32).text("busy"),
            Node::new("picture").attr("id", "77"),
            Node::new("devices").child(Node::new("device-list").child(Node::new("device").attr("id", 0_u32))),
            Node::new("lid").attr("val", Jid::lid("100")),
            Node::new("disappearing_mode").attr("duration", 86_400_u32).attr("t", 1_u32),
            Node::new("username").text("alice"),
            Node::new("text_status")
                .attr("text", "away")
                .attr("emoji", "🏖")
                .attr("ephemeral_duration_sec", 60_u32),
        ]);
        let bob = Node::new("user").attr("jid", Jid::lid("200")).children([
            Node::new("status").attr("code", 401_u16),
            error("picture", 404),
            error("devices", 403),
            Node::new("username"),
            Node::new("text_status").attr("text", ""),
        ]);
        let result = Node::new("result").child(error("business", 501));
        let usync = Node::new("usync").child(result).child(Node::new("list").children([alice, bob]));
        let read = read_node(&Node::new("iq").child(usync), FetchUserInfo::read).unwrap();
        let about = About { text: "busy".to_owned(), set: Some(UnixSeconds(5)) };
        assert_eq!(read[0].about, Ok(Some(about)));
        assert_eq!(read[0].picture_id, Ok(Some("77".to_owned())));
        assert_eq!(read[0].devices.clone().unwrap().unwrap()[0].id, 0);
        assert_eq!(read[0].pn, Some(Jid::pn("15550001111")));
        assert_eq!(read[0].username, Ok(Some("alice".to_owned())));
        assert_eq!(read[0].default_timer, Ok(Some(86_400)));
        let status = read[0].text_status.clone().unwrap().unwrap();
        assert_eq!((status.text.as_deref(), status.emoji.as_deref()), (Some("away"), Some("🏖")));
        assert_eq!((status.lasts_s, &read[1].text_status), (Some(60), &Ok(None)));
        assert_eq!(read[0].business, Err(PartRefused { code: 501 }));
        assert_eq!(read[1].about, Err(PartRefused { code: 401 }));
        assert_eq!(read[1].picture_id, Ok(None));
        assert_eq!(read[1].devices, Err(PartRefused { code: 403 }));
        assert_eq!((read[1].username.clone(), read[1].default_timer), (Ok(None), Ok(None)));
    }
}
