//! `usync`: what the server knows about users. Protocol: prekeys and devices, "usync"; IQ catalogue, "usync".

pub mod info;
pub mod lookup;

use wa_types::{Jid, UnixSeconds};

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// How many devices of one user we write to; honest lists have a handful.
const DEVICES_LIMIT: usize = 128;

/// The device number that only hosted devices have.
const HOSTED_DEVICE: u16 = 99;

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
    /// The user's phone number, where the server told it.
    pub pn: Option<Jid>,
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
        vec![envelope(&self.sid, "message", query, users)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let usync = reply.child("usync")?;
        let failed =
            usync.child_opt("result").and_then(|result| result.child_opt("devices")?.child_opt("error"));
        if let Some(error) = failed {
            let code = error.number_opt("code").ok().flatten().unwrap_or(0);
            return Err(StanzaError::Refused { part: "devices", code });
        }
        Ok(usync.child("list")?.children_of("user").filter_map(read_user).collect())
    }
}

/// One question about users. `sid` is any text that is not used twice.
fn envelope(sid: &str, context: &'static str, query: Node, users: impl Iterator<Item = Node>) -> Node {
    Node::new("usync")
        .attr("sid", sid)
        .attr("mode", "query")
        .attr("last", "true")
        .attr("index", "0")
        .attr("context", context)
        .child(query)
        .child(Node::new("list").children(users))
}

/// The code of the `<error>` of a node, if it has one; 0 when that has none.
fn error_of(node: Reader<'_>) -> Option<u16> {
    node.child_opt("error").map(|error| error.number_opt("code").ok().flatten().unwrap_or(0))
}

/// `None` for what names nobody, such as `jid="undefined"`: one user's fault is not the others'.
fn read_user(user: Reader<'_>) -> Option<UserDevices> {
    let jid = user.jid("jid").ok().filter(Jid::is_user)?.to_user();
    let lid = user.child_opt("lid").and_then(|lid| lid.jid_opt("val").ok().flatten());
    let devices = user.child_opt("devices").filter(|devices| devices.child_opt("error").is_none());
    let list = devices.and_then(|devices| devices.child_opt("device-list"));
    let signed = devices.and_then(|devices| devices.child_opt("key-index-list"));
    Some(UserDevices {
        lid: lid.filter(Jid::is_lid),
        pn: user.jid_opt("pn_jid").ok().flatten().filter(Jid::is_pn),
        devices: list.map(read_devices),
        key_index_list: signed.map(|list| list.content().into_owned()).filter(|bytes| !bytes.is_empty()),
        timestamp: signed.and_then(|list| list.time_opt("ts")).unwrap_or_default(),
        hash: list.and_then(|list| list.text_opt("hash")).map(std::borrow::Cow::into_owned),
        user: jid,
    })
}

/// Each device once: the server refuses a message that names one twice.
fn read_devices(list: Reader<'_>) -> Vec<ListedDevice> {
    let mut devices: Vec<ListedDevice> = Vec::new();
    for device in list.children_of("device").filter_map(read_device) {
        if devices.len() < DEVICES_LIMIT && devices.iter().all(|known| known.id != device.id) {
            devices.push(device);
        }
    }
    devices
}

fn read_device(device: Reader<'_>) -> Option<ListedDevice> {
    let id = device.number("id").ok()?;
    Some(ListedDevice {
        id,
        key_index: device.number_opt("key-index").ok()?,
        is_hosted: id == HOSTED_DEVICE || device.attr_is("is_hosted", "true"),
    })
}
