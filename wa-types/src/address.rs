//! Where a Signal session leads. Protocol: signal, "Identity model"; wire, "Derived forms".

use std::fmt;

use smol_str::SmolStr;

use crate::jid::{Jid, Server};

/// A device as the Signal layer knows it: user, domain, device number. Sessions and identities are kept under it.
///
/// The four domains are different name spaces: the same device reached by phone number and by LID has two addresses.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalAddress {
    user: SmolStr,
    domain: Domain,
    device: u16,
}

impl SignalAddress {
    /// An address from its parts.
    pub fn new(user: impl AsRef<str>, domain: Domain, device: u16) -> Self {
        Self { user: SmolStr::new(user), domain, device }
    }

    /// The address of a device JID; `None` for what holds no session: groups, services, channels.
    #[must_use]
    pub fn from_jid(jid: &Jid) -> Option<Self> {
        if jid.user().is_empty() {
            return None;
        }
        let domain = match jid.server() {
            Server::Pn | Server::LegacyPn => Domain::Pn,
            Server::Lid => Domain::Lid,
            Server::Hosted => Domain::Hosted,
            Server::HostedLid => Domain::HostedLid,
            Server::Bot => Domain::Bot,
            _ => return None,
        };
        Some(Self::new(jid.user(), domain, jid.device()))
    }

    /// Another device of the same user.
    #[must_use]
    pub fn with_device(&self, device: u16) -> Self {
        Self { device, ..self.clone() }
    }

    /// The device's JID.
    #[must_use]
    pub fn to_jid(&self) -> Jid {
        Jid::new(&self.user, self.domain.server()).with_device(self.device)
    }

    /// The user part.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The name space of the user part.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        self.domain
    }

    /// The device number.
    #[must_use]
    pub const fn device(&self) -> u16 {
        self.device
    }
}

impl fmt::Display for SignalAddress {
    /// `user[_domain].device`, the spelling that our stores use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Domain::Pn => write!(f, "{}.{}", self.user, self.device),
            domain => write!(f, "{}_{}.{}", self.user, domain.number(), self.device),
        }
    }
}

impl fmt::Debug for SignalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_jid(), f)
    }
}

/// The name space of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Domain {
    /// `s.whatsapp.net`.
    Pn,
    /// `lid`.
    Lid,
    /// `hosted`.
    Hosted,
    /// `hosted.lid`.
    HostedLid,
    /// `bot`.
    Bot,
}

impl Domain {
    /// The number that the wire uses in AD_JID; bots, which have none there, get 2.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Pn => 0,
            Self::Lid => 1,
            Self::Bot => 2,
            Self::Hosted => 128,
            Self::HostedLid => 129,
        }
    }

    /// The domain of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Pn,
            1 => Self::Lid,
            2 => Self::Bot,
            128 => Self::Hosted,
            129 => Self::HostedLid,
            _ => return None,
        })
    }

    /// The JID server of this domain.
    #[must_use]
    pub const fn server(self) -> Server {
        match self {
            Self::Pn => Server::Pn,
            Self::Lid => Server::Lid,
            Self::Bot => Server::Bot,
            Self::Hosted => Server::Hosted,
            Self::HostedLid => Server::HostedLid,
        }
    }
}
