//! JIDs: the addresses of users, devices, groups and services. Protocol: wire, "JID model".

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// The address of a user, a device, a group, a channel or a service.
///
/// `Display` and [`FromStr`] are the text form, `[user[:device]@]server`; the device is written only when it is
/// not 0. `Debug` shows the last four characters of the user and is safe for logs.
///
/// ```
/// use wa_types::{Jid, Server};
/// let jid: Jid = "15551234567:5@s.whatsapp.net".parse()?;
/// assert_eq!((jid.user(), jid.device(), jid.server()), ("15551234567", 5, &Server::Pn));
/// assert_eq!(jid.to_user().to_string(), "15551234567@s.whatsapp.net");
/// # Ok::<(), wa_types::JidError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid {
    user: SmolStr,
    server: Server,
    device: u16,
    integrator: u16,
}

impl Jid {
    /// The address of a service: an empty user.
    #[must_use]
    pub const fn service(server: Server) -> Self {
        Self { user: SmolStr::new_static(""), server, device: 0, integrator: 0 }
    }

    /// `s.whatsapp.net` with no user: the server itself, `to` and `from` of most requests.
    pub const SERVER: Self = Self::service(Server::Pn);

    /// `status@broadcast`: the status feed.
    pub const STATUS: Self =
        Self { user: SmolStr::new_static("status"), server: Server::Broadcast, device: 0, integrator: 0 };

    /// An address without a device number.
    pub fn new(user: impl AsRef<str>, server: Server) -> Self {
        Self { user: SmolStr::new(user), server, device: 0, integrator: 0 }
    }

    /// A phone number's user address, `digits@s.whatsapp.net`. The digits are not checked here.
    pub fn pn(digits: impl AsRef<str>) -> Self {
        Self::new(digits, Server::Pn)
    }

    /// A LID user address.
    pub fn lid(user: impl AsRef<str>) -> Self {
        Self::new(user, Server::Lid)
    }

    /// The same user's device with this number; 0 is the phone, or "the user".
    #[must_use]
    pub fn with_device(mut self, device: u16) -> Self {
        self.device = device;
        self
    }

    /// The same user on another server.
    #[must_use]
    pub fn with_server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Sets the third-party network of an `interop` address; 0 elsewhere.
    #[must_use]
    pub fn with_integrator(mut self, integrator: u16) -> Self {
        self.integrator = integrator;
        self
    }

    /// The part before `@`, without the device; empty for a service.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The part after `@`.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The device number; 0 is the phone, or "the user".
    #[must_use]
    pub const fn device(&self) -> u16 {
        self.device
    }

    /// The third-party network of an `interop` address; 0 elsewhere.
    #[must_use]
    pub const fn integrator(&self) -> u16 {
        self.integrator
    }

    /// The user's address: device dropped, `c.us` written as `s.whatsapp.net`, hosted servers kept.
    #[must_use]
    pub fn to_user(&self) -> Self {
        let server = if self.server == Server::LegacyPn { Server::Pn } else { self.server.clone() };
        Self { user: self.user.clone(), server, device: 0, integrator: self.integrator }
    }

    /// The chat that this user's messages belong to: [`Self::to_user`] with the hosted servers folded.
    #[must_use]
    pub fn to_chat(&self) -> Self {
        Self { server: self.server.folded(), ..self.to_user() }
    }

    /// Whether both name the same user once hosted and legacy servers are folded; devices are not compared.
    #[must_use]
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.user == other.user
            && self.integrator == other.integrator
            && self.server.folded() == other.server.folded()
    }

    /// A phone number address, hosted or legacy ones included.
    #[must_use]
    pub fn is_pn(&self) -> bool {
        self.server.folded() == Server::Pn && !self.user.is_empty()
    }

    /// A LID address, hosted ones included.
    #[must_use]
    pub fn is_lid(&self) -> bool {
        self.server.folded() == Server::Lid && !self.user.is_empty()
    }

    /// A user's or a device's address: phone number or LID.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.is_pn() || self.is_lid()
    }

    /// A group or a community.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.server == Server::Group && !self.user.is_empty()
    }

    /// `status@broadcast`.
    #[must_use]
    pub fn is_status(&self) -> bool {
        self.server == Server::Broadcast && self.user == "status"
    }

    /// The status feed, or a broadcast list.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.server == Server::Broadcast
    }

    /// A broadcast list, not the status feed.
    #[must_use]
    pub fn is_broadcast_list(&self) -> bool {
        self.server == Server::Broadcast && !self.is_status()
    }

    /// A channel.
    #[must_use]
    pub fn is_newsletter(&self) -> bool {
        self.server == Server::Newsletter
    }

    /// A device that Meta hosts for a business: a hosted server or device 99.
    #[must_use]
    pub fn is_hosted(&self) -> bool {
        matches!(self.server, Server::Hosted | Server::HostedLid) || (self.is_user() && self.device == 99)
    }

    /// An AI bot: server `bot`, or one of the phone numbers set aside for them.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        let reserved = |prefix: &str, digits: usize| {
            self.user
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.len() == digits && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.server == Server::Bot
            || (self.server == Server::Pn
                && self.device == 0
                && (reserved("1313555", 4) || reserved("131655500", 2)))
    }

    /// The spelling that participant hashes run over: `user.0:device@server`, `c.us` as `s.whatsapp.net`.
    /// Protocol: prekeys and devices, "Participant hash".
    #[must_use]
    pub fn phash_form(&self) -> String {
        let server = if self.server == Server::LegacyPn { Server::Pn.as_str() } else { self.server.as_str() };
        format!("{}.0:{}@{server}", self.user, self.device)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.user.is_empty() {
            return f.write_str(self.server.as_str());
        }
        f.write_str(&self.user)?;
        if self.device != 0 {
            write!(f, ":{}", self.device)?;
        }
        write!(f, "@{}", self.server.as_str())
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.user.is_empty() {
            return fmt::Debug::fmt(&self.server, f);
        }
        let hidden = if self.is_status() { 0 } else { self.user.chars().count().saturating_sub(4) };
        if hidden > 0 {
            f.write_str("…")?;
        }
        // What a hostile server puts there must not forge lines of a log.
        self.user.chars().skip(hidden).try_for_each(|c| write!(f, "{}", c.escape_debug()))?;
        if self.device != 0 {
            write!(f, ":{}", self.device)?;
        }
        write!(f, "@{:?}", self.server)
    }
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        let Some((left, server)) = text.split_once('@') else {
            let server = Server::known(text).ok_or(JidError::NoServer)?;
            return Ok(Self::service(server));
        };
        if server.is_empty() {
            return Err(JidError::NoServer);
        }
        if server.contains('@') {
            return Err(JidError::ManyServers);
        }
        let server = Server::from_name(server);
        if left.is_empty() {
            return if matches!(server, Server::Other(_)) {
                Err(JidError::NoUser)
            } else {
                Ok(Self::service(server))
            };
        }
        let (user, device) = match left.split_once(':') {
            None => (left, 0),
            Some((user, device)) => (user, parse_device(device)?),
        };
        let agentless = match server {
            Server::Pn | Server::LegacyPn | Server::Hosted => user.split_once('.').map(|(user, _)| user),
            _ => None,
        };
        let user = agentless.unwrap_or(user);
        if user.is_empty() {
            return Err(JidError::NoUser);
        }
        Ok(Self { user: SmolStr::new(user), server, device, integrator: 0 })
    }
}

/// Decimal digits only: `u16::from_str` would take a sign.
fn parse_device(text: &str) -> Result<u16, JidError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(JidError::Device);
    }
    text.parse().map_err(|_| JidError::Device)
}

/// The part of a JID after `@`. A server that we do not know is kept as [`Server::Other`], so that stanzas of
/// tomorrow survive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Server {
    /// `s.whatsapp.net`: users by phone number, and the server itself.
    Pn,
    /// `lid`: users by an opaque number that hides their phone number.
    Lid,
    /// `hosted`: a business's device run by Meta, by phone number.
    Hosted,
    /// `hosted.lid`: the same by LID.
    HostedLid,
    /// `c.us`: the legacy spelling of phone number users.
    LegacyPn,
    /// `g.us`: groups and communities.
    Group,
    /// `broadcast`: the status feed and broadcast lists.
    Broadcast,
    /// `newsletter`: channels.
    Newsletter,
    /// `bot`: AI bots.
    Bot,
    /// `call`: addresses of calls.
    Call,
    /// `msgr`: Messenger users.
    Messenger,
    /// `interop`: users of third-party networks.
    Interop,
    /// Any other server, kept as it came.
    Other(SmolStr),
}

impl Server {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pn => "s.whatsapp.net",
            Self::Lid => "lid",
            Self::Hosted => "hosted",
            Self::HostedLid => "hosted.lid",
            Self::LegacyPn => "c.us",
            Self::Group => "g.us",
            Self::Broadcast => "broadcast",
            Self::Newsletter => "newsletter",
            Self::Bot => "bot",
            Self::Call => "call",
            Self::Messenger => "msgr",
            Self::Interop => "interop",
            Self::Other(name) => name,
        }
    }

    /// The server of this name, [`Server::Other`] when it is none of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(SmolStr::new(name)))
    }

    /// The server of this name, if it is one of ours.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        Some(match name {
            "s.whatsapp.net" => Self::Pn,
            "lid" => Self::Lid,
            "hosted" => Self::Hosted,
            "hosted.lid" => Self::HostedLid,
            "c.us" => Self::LegacyPn,
            "g.us" => Self::Group,
            "broadcast" => Self::Broadcast,
            "newsletter" => Self::Newsletter,
            "bot" => Self::Bot,
            "call" => Self::Call,
            "msgr" => Self::Messenger,
            "interop" => Self::Interop,
            _ => return None,
        })
    }

    /// The server under which "the same user" is decided: hosted → `s.whatsapp.net`, hosted.lid → `lid`,
    /// c.us → `s.whatsapp.net`.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Hosted | Self::LegacyPn => Self::Pn,
            Self::HostedLid => Self::Lid,
            other => other.clone(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no JID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JidError {
    /// No `@` and no known server: a bare phone number, for instance, is not a JID.
    #[error("no server part")]
    NoServer,
    /// More than one `@`.
    #[error("more than one server part")]
    ManyServers,
    /// No user where one is needed.
    #[error("no user part")]
    NoUser,
    /// The device number is not decimal, or above 65535.
    #[error("bad device number")]
    Device,
}
