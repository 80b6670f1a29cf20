//! What the phone's user shows, changes and does beside writing.

use prost::Message as _;
use wa_core::wire::Node;
use wa_proto::vname_cert::{VerifiedNameCertificate, verified_name_certificate::Details};
use wa_types::Jid;

use super::Phone;
use crate::people::Business;

impl Phone {
    /// Takes another picture, or none.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_picture(&self, jpeg: Option<&[u8]>) -> Result<(), u16> {
        let picture = jpeg.map(|jpeg| Node::new("picture").attr("type", "image").bytes(jpeg));
        self.change(self.new_request("set", "w:profile:picture").children(picture))
    }

    /// Takes another about text.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_about(&self, text: &str) -> Result<(), u16> {
        self.change(self.new_request("set", "status").child(Node::new("status").bytes(text)))
    }

    /// Chooses who sees the account's status posts: `contacts`, `whitelist` or `blacklist`, and whom that lists.
    pub fn set_status_audience(&self, kind: &'static str, users: &[&Jid]) {
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.people.status_audience = Some((kind, users.iter().map(|user| (*user).clone()).collect()));
        }
    }

    /// Changes a privacy setting.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_privacy(&self, category: &str, value: &str) -> Result<(), u16> {
        let category = Node::new("category").attr("name", category).attr("value", value);
        self.change(self.new_request("set", "privacy").child(Node::new("privacy").child(category)))
    }

    /// Blocks a user, or hears of it again.
    ///
    /// # Errors
    /// The server's code.
    pub fn set_blocked(&self, user: &Jid, on: bool) -> Result<(), u16> {
        let item = Node::new("item").attr("action", if on { "block" } else { "unblock" }).attr("jid", user);
        let item = if on && user.is_lid() { item.attr("unknown_identifier", true) } else { item };
        self.change(self.new_request("set", "blocklist").child(item))
    }

    /// The code that was last sent to the account's e-mail address.
    #[must_use]
    pub fn email_code(&self) -> Option<String> {
        self.hub.state().account(self.inner.key.account)?.people.email.as_ref()?.code.clone()
    }

    /// Gives a user a token of trust.
    ///
    /// # Errors
    /// The server's code.
    pub fn give_token(&self, user: &Jid, time: u64) -> Result<(), u16> {
        let token = Node::new("token").attr("jid", user).attr("t", time).attr("type", "trusted_contact");
        self.change(self.new_request("set", "privacy").child(Node::new("tokens").child(token)))
    }

    /// Makes the account a business of this name.
    pub fn make_business(&self, name: &str) {
        let details = Details {
            serial: Some(1),
            issuer: Some("smb:wa".to_owned()),
            verified_name: Some(name.to_owned()),
            ..Default::default()
        };
        let certificate =
            VerifiedNameCertificate { details: Some(details.encode_to_vec()), ..Default::default() };
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.people.business =
                Some(Business { certificate: certificate.encode_to_vec(), ..Business::default() });
        }
        state.tell_contacts(self.inner.key, "business", &Node::new("verified_name"));
    }

    /// Calls a user.
    pub fn call(&self, to: &Jid, call_id: &str, is_video: bool) {
        let offer = Node::new("offer").child(Node::new("audio").attr("enc", "opus").attr("rate", "16000"));
        let offer = if is_video { offer.child(Node::new("video")) } else { offer };
        self.signal(to, call_id, offer);
    }

    /// Ends a call.
    pub fn hang_up(&self, to: &Jid, call_id: &str, reason: &str) {
        self.signal(to, call_id, Node::new("terminate").attr("reason", reason));
    }

    /// Says anything else about a call: `accept`, for example.
    pub fn call_step(&self, to: &Jid, call_id: &str, step: &'static str) {
        self.signal(to, call_id, Node::new(step));
    }

    fn signal(&self, to: &Jid, call_id: &str, step: Node) {
        let own = if to.is_lid() { self.lid() } else { self.pn() };
        let step = step.attr("call-id", call_id).attr("call-creator", own);
        let id = self.hub.state().next_id();
        self.transmit(&Node::new("call").attr("id", id).attr("to", to.to_user()).child(step));
    }

    fn change(&self, request: Node) -> Result<(), u16> {
        let Some(answer) = self.answer(&request) else { return Err(0) };
        let error = answer.find("error").and_then(|error| error.get("code")?.to_text().parse().ok());
        match error {
            Some(code) => Err(code),
            None => Ok(()),
        }
    }
}
