//! `usync`: what the server knows about users. Protocol: prekeys and devices, "usync".

use wa_types::{Jid, UnixSeconds};

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// Asks for the device lists of users, and for their LIDs.
#[derive(Debug, Clone)]
pub struct FetchDevices {
    /// Any text; the server sends it back.
    pub sid: String,
    /// Users, without devices.
    pub users: Vec<Jid>,
}

/// One user's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserDevices {
    /// The user, as the server addresses it.
    pub user: Jid,
    /// The user's LID, where the server told it.
    pub lid: Option<Jid>,
    /// The devices; `None` when the server has no list for the user.
    pub devices: Option<Vec<ListedDevice>>,
    /// The signed list of valid key indexes.
    pub key_index_list: Option<Vec<u8>>,
    /// When that list was signed.
    pub timestamp: UnixSeconds,
    /// The server's hash of the list.
    pub hash: Option<String>,
}

/// One entry of a device list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedDevice {
    /// The device number.
    pub id: u16,
    /// Its key index; companions without one are not to be trusted.
    pub key_index: Option<u32>,
    /// Meta runs it for a business.
    pub is_hosted: bool,
}

impl IqRequest for FetchDevices {
    const NAMESPACE: &'static str = "usync";
    const KIND: IqKind = IqKind::Get;
    type Reply = Vec<UserDevices>;

    fn body(&self) -> Vec<Node> {
        let users = self.users.iter().map(|jid| Node::new("user").attr("jid", jid));
        let query =
            Node::new("query").child(Node::new("devices").attr("version", "2")).child(Node::new("lid"));
        let usync = Node::new("usync")
            .attr("sid", self.sid.as_str())
            .attr("mode", "query")
            .attr("last", "true")
            .attr("index", "0")
            .attr("context", "message")
            .child(query)
            .child(Node::new("list").children(users));
        vec![usync]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let list = reply.child("usync")?.child("list")?;
        list.children_of("user").map(read_user).collect()
    }
}

fn read_user(user: Reader<'_>) -> Result<UserDevices, StanzaError> {
    let jid = user.jid("jid")?.to_user();
    let lid = user.child_opt("lid").map(|lid| lid.jid_opt("val")).transpose()?.flatten();
    let devices = user.child_opt("devices").filter(|devices| devices.child_opt("error").is_none());
    let list = devices.and_then(|devices| devices.child_opt("device-list"));
    let signed = devices.and_then(|devices| devices.child_opt("key-index-list"));
    Ok(UserDevices {
        lid: lid.filter(Jid::is_lid),
        devices: list.map(|list| list.children_of("device").map(read_device).collect()).transpose()?,
        key_index_list: signed.map(|list| list.content().into_owned()).filter(|bytes| !bytes.is_empty()),
        timestamp: signed.and_then(|list| list.time_opt("ts")).unwrap_or_default(),
        hash: list.and_then(|list| list.text_opt("hash")).map(std::borrow::Cow::into_owned),
        user: jid,
    })
}

fn read_device(device: Reader<'_>) -> Result<ListedDevice, StanzaError> {
    Ok(ListedDevice {
        id: device.number("id")?,
        key_index: device.number_opt("key-index")?,
        is_hosted: device.attr_is("is_hosted", "true"),
    })
}
