//! Which chat a stanza belongs to, who wrote it, and which of a user's two addresses is meant.
//! Protocol: receiving, "Deriving chat and sender"; messages, "PN and LID addressing".

use wa_types::{Jid, Server};

use crate::stanza::message::InboundMessage;

/// Our own two addresses, with our device number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// By phone number.
    pub pn: Jid,
    /// By LID, once the server told it.
    pub lid: Option<Jid>,
}

impl OwnAddress {
    /// Whether this is our own account, whatever the device.
    #[must_use]
    pub fn is_account(&self, jid: &Jid) -> bool {
        self.pn.is_same_user(jid) || self.lid.as_ref().is_some_and(|lid| lid.is_same_user(jid))
    }

    /// Whether this is this very device.
    #[must_use]
    pub fn is_this_device(&self, jid: &Jid) -> bool {
        jid.device() == self.pn.device() && self.is_account(jid)
    }

    /// Whether this pair can hold beside our own: both ours, or neither. While our LID is not known, any may be ours.
    #[must_use]
    pub fn may_be(&self, pair: &AddressPair) -> bool {
        self.lid.as_ref().is_none_or(|lid| lid.is_same_user(&pair.lid) == self.pn.is_same_user(&pair.pn))
    }

    /// Our address in the name space of `other`: LID for a LID, if we have one.
    #[must_use]
    pub fn beside(&self, other: &Jid) -> &Jid {
        self.lid.as_ref().filter(|_| other.is_lid()).unwrap_or(&self.pn)
    }
}

/// Where an inbound message belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The chat, without a device.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// Whether our own account wrote it.
    pub from_me: bool,
}

impl Place {
    /// Reads the place off a stanza.
    #[must_use]
    pub fn of(message: &InboundMessage, own: &OwnAddress) -> Self {
        let sender = message.sender().clone();
        let from_me = own.is_account(&sender);
        let chat = match message.from.server() {
            Server::Broadcast if !message.from.is_status() && !from_me => sender.to_chat(),
            Server::Group | Server::Broadcast | Server::Newsletter => message.from.clone(),
            _ if from_me => message.recipient.as_ref().unwrap_or(&message.from).to_chat(),
            _ => message.from.to_chat(),
        };
        Self { chat, sender, from_me }
    }
}

/// A phone number and a LID, of which each is known to stand for the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressPair {
    /// The phone number user.
    pub pn: Jid,
    /// The LID user.
    pub lid: Jid,
}

impl AddressPair {
    /// Pairs two addresses, in either order; `None` unless one is a phone number and the other a LID.
    #[must_use]
    pub fn new(one: &Jid, other: &Jid) -> Option<Self> {
        if one.is_pn() && other.is_lid() {
            Some(Self { pn: one.to_chat(), lid: other.to_chat() })
        } else if one.is_lid() && other.is_pn() {
            Some(Self { pn: other.to_chat(), lid: one.to_chat() })
        } else {
            None
        }
    }
}
