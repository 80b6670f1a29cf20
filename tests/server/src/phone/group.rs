//! A phone as a member of groups, its status posts and its broadcast lists.

use prost::Message as _;
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_types::{Jid, Server};

use super::send::{SendError, Sent, class_of};
use super::{Phone, PhoneState};
use crate::account::DeviceKey;
use crate::group::GroupMode;
use crate::stanza::Read;

/// Whom a message with a sender key reaches.
struct Audience {
    devices: Vec<DeviceKey>,
    mode: GroupMode,
    phash: Option<String>,
}

impl Phone {
    /// Creates a group with these members; all are told. Members that no account has are left out.
    pub fn create_group(&self, subject: &str, members: &[&Jid], mode: GroupMode) -> Jid {
        let mut state = self.hub.state();
        let accounts: Vec<usize> = members.iter().filter_map(|member| state.account_of(member)).collect();
        let jid = state.create_group(self.inner.key.account, subject, mode, &accounts, None, |_| {});
        state.send_news();
        jid
    }

    /// Adds a member.
    ///
    /// # Errors
    /// The server's code: of the request, or of this one member.
    pub fn add_member(&self, group: &Jid, member: &Jid) -> Result<(), u16> {
        self.change_member(group, "add", member)
    }

    /// Removes a member.
    ///
    /// # Errors
    /// As [`Self::add_member`].
    pub fn remove_member(&self, group: &Jid, member: &Jid) -> Result<(), u16> {
        self.change_member(group, "remove", member)
    }

    /// Makes a member an admin.
    ///
    /// # Errors
    /// As [`Self::add_member`].
    pub fn promote(&self, group: &Jid, member: &Jid) -> Result<(), u16> {
        self.change_member(group, "promote", member)
    }

    /// Takes an admin's rights.
    ///
    /// # Errors
    /// As [`Self::add_member`].
    pub fn demote(&self, group: &Jid, member: &Jid) -> Result<(), u16> {
        self.change_member(group, "demote", member)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// The server's code.
    pub fn leave(&self, group: &Jid) -> Result<(), u16> {
        let leave = Node::new("leave").child(Node::new("group").attr("id", group));
        first_error(&self.ask_groups(&Jid::new("", Server::Group), leave)?)
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_subject(&self, group: &Jid, subject: &str) -> Result<(), u16> {
        self.set_group(group, Node::new("subject").text(subject))
    }

    /// Asks for any change of a group: the child of the request, such as `<announcement/>`.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_group(&self, group: &Jid, change: Node) -> Result<(), u16> {
        self.ask_groups(group, change).map(|_| ())
    }

    /// From the next message on its sender key in this group is a new one, which all members are given.
    pub fn rotate_sender_key(&self, group: &Jid) {
        self.lock().sender_keys.rotate(group);
    }

    /// Forgets the sender keys that others gave it for this group: it will have to ask again.
    pub fn forget_sender_keys(&self, group: &Jid) {
        self.lock().sender_keys.forget(group);
    }

    /// The devices of these users are not given its sender keys with messages (only with resends), until this is
    /// called again with others, or none.
    pub fn withhold_sender_key(&self, users: &[&Jid]) {
        let state = self.hub.state();
        let accounts = users.iter().filter_map(|user| state.account_of(user)).collect();
        drop(state);
        self.lock().withheld = accounts;
    }

    /// Posts a text as status, for these viewers and the own companions.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_status(&self, viewers: &[&Jid], text: &str) -> Result<Sent, SendError> {
        self.send_to_audience(&Jid::STATUS, viewers, text).await
    }

    /// Sends a text to a broadcast list, which these users are on.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_to_list(&self, list: &Jid, users: &[&Jid], text: &str) -> Result<Sent, SendError> {
        self.send_to_audience(list, users, text).await
    }

    async fn send_to_audience(&self, to: &Jid, users: &[&Jid], text: &str) -> Result<Sent, SendError> {
        let message = Message { conversation: Some(text.to_owned()), ..Message::default() };
        {
            let state = self.hub.state();
            let mut accounts: Vec<usize> = users.iter().filter_map(|user| state.account_of(user)).collect();
            accounts.push(self.inner.key.account);
            drop(state);
            self.lock().viewers = accounts;
        }
        self.send(to, message).await
    }

    /// The stanza of a message to a group or of a status post.
    pub(super) fn sealed_for_many(
        &self,
        phone: &mut PhoneState,
        chat: &Jid,
        id: &str,
        message: &[u8],
    ) -> Result<Node, SendError> {
        let class = class_of(message);
        let audience = self.audience(phone, chat).ok_or(SendError::UnknownRecipient)?;
        let Audience { devices, mode, .. } = &audience;
        let (like, mode) = (mode.sample(), *mode);
        let mut missing = phone.sender_keys.missing(chat, mode, devices);
        missing.retain(|device| *device != self.inner.key && !phone.withheld.contains(&device.account));
        let distribution = phone.sender_keys.distribution(chat, mode).encode_to_vec();
        let unknown: Vec<DeviceKey> =
            missing.iter().copied().filter(|device| !phone.keys.has_session(*device)).collect();
        self.fetch_sessions(phone, &unknown);

        let mut entries = Vec::new();
        for device in &missing {
            let Ok(ciphertext) = phone.keys.encrypt(*device, &distribution) else { continue };
            let enc = Node::new("enc")
                .attr("v", "2")
                .attr("type", ciphertext.kind.as_str())
                .bytes(ciphertext.bytes);
            entries.push(Node::new("to").attr("jid", self.hub.state().jid_of(*device, &like)).child(enc));
            phone.sender_keys.gave(chat, *device);
        }
        let sealed = phone.sender_keys.encrypt(chat, mode, message);
        let sealed = sealed.map_err(|_| SendError::NoDevice)?;
        let mut stanza = Node::new("message").attr("to", chat).attr("id", id).attr("type", class.kind);
        stanza = stanza.attr_opt("edit", class.edit);
        if chat.is_group() {
            stanza = stanza.children(class.meta_node());
            stanza = stanza.attr("addressing_mode", mode.as_str()).attr_opt("phash", audience.phash);
        } else {
            let named: Vec<usize> = missing.iter().map(|device| device.account).collect();
            let state = self.hub.state();
            let others = phone.viewers.iter().filter(|viewer| !named.contains(viewer));
            entries.extend(others.map(|viewer| {
                let phone = DeviceKey { account: *viewer, number: 0 };
                Node::new("to").attr("jid", state.jid_of(phone, &like))
            }));
            let is_post = chat.is_status() && class.edit.is_none();
            let meta = is_post.then(|| Node::new("meta").attr("status_setting", "contacts"));
            stanza = stanza.children(meta);
        }
        if !entries.is_empty() {
            stanza = stanza.child(Node::new("participants").children(entries));
        }
        let enc = Node::new("enc").attr("v", "2").attr("type", "skmsg").bytes(sealed);
        Ok(stanza.child(class.on_enc(enc)))
    }

    /// A resend to one device, with the present sender key.
    pub(super) fn resealed(
        &self,
        phone: &mut PhoneState,
        chat: &Jid,
        message: &[u8],
        device: DeviceKey,
    ) -> Option<(Vec<u8>, Jid, Option<&'static str>)> {
        let audience = self.audience(phone, chat)?;
        if !audience.devices.contains(&device) {
            phone.sender_keys.rotate(chat);
            return None;
        }
        let distribution = phone.sender_keys.distribution(chat, audience.mode).encode_to_vec();
        phone.sender_keys.gave(chat, device);
        let to = self.hub.state().jid_of(device, &audience.mode.sample());
        Some(([message, &distribution].concat(), to, chat.is_group().then(|| audience.mode.as_str())))
    }

    fn audience(&self, phone: &PhoneState, chat: &Jid) -> Option<Audience> {
        let mut state = self.hub.state();
        if chat.is_broadcast() {
            let devices = phone.viewers.iter().flat_map(|viewer| state.devices_of(*viewer)).collect();
            return Some(Audience { devices, mode: GroupMode::Lid, phash: None });
        }
        let roster = state.roster(chat)?;
        let mode = state.groups.find(chat)?.mode;
        Some(Audience { devices: roster.devices.to_vec(), mode, phash: Some(roster.phash.to_string()) })
    }

    fn change_member(&self, group: &Jid, tag: &'static str, member: &Jid) -> Result<(), u16> {
        let change = Node::new(tag).child(Node::new("participant").attr("jid", member));
        first_error(&self.ask_groups(group, change)?)
    }

    fn ask_groups(&self, to: &Jid, change: Node) -> Result<Node, u16> {
        let iq = self.new_request("set", "w:g2").attr("to", to).child(change);
        let answer = self.answer(&iq).ok_or(408_u16)?;
        match answer.find("error").and_then(|error| error.attr_number("code")) {
            Some(code) => Err(u16::try_from(code).unwrap_or(500)),
            None => Ok(answer),
        }
    }
}

/// The error of the one that a change named.
fn first_error(answer: &Node) -> Result<(), u16> {
    let outcome = answer.nodes().first().and_then(|outcomes| outcomes.nodes().first());
    match outcome.and_then(|outcome| outcome.attr_number("error")) {
        Some(code) => Err(u16::try_from(code).unwrap_or(500)),
        None => Ok(()),
    }
}
