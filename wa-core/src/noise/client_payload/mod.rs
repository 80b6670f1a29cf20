//! What a client says about itself inside the handshake: which device it is, or that it wants to become one.
//! Protocol: transport, "`ClientPayload`".
//!
//! Clients [`encode`](ClientPayload::encode), servers [`decode`](ClientPayload::decode), which checks what came.

mod device_profile;
mod version;

use prost::Message as _;
use wa_proto::wa6::ClientPayload as Proto;
use wa_proto::wa6::client_payload::user_agent::{self, AppVersion, ReleaseChannel};
use wa_proto::wa6::client_payload::web_info::WebSubPlatform;
use wa_proto::wa6::client_payload::{ConnectType, DevicePairingRegistrationData, UserAgent, WebInfo};
use wa_types::keys::KEY_TYPE;
use wa_types::{Jid, PreKeyId, PublicKey, RegistrationId, Signature};

pub use device_profile::{DeviceProfile, HistoryRequest, Platform};
pub use version::{ClientVersion, ClientVersionError};

use crate::crypto::xeddsa;

/// What a client says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientPayload {
    /// The release that it says it is.
    pub version: ClientVersion,
    /// The language and country of its texts.
    pub locale: Locale,
    /// Why it connects.
    pub reason: ConnectReason,
    /// What for.
    pub purpose: Purpose,
    /// The account's own name. The live service does not ask for it; test servers tell phones apart by it.
    pub push_name: Option<String>,
}

impl ClientPayload {
    /// The payload of a client that wants `purpose`, because its user does.
    #[must_use]
    pub fn new(version: ClientVersion, purpose: impl Into<Purpose>) -> Self {
        Self {
            version,
            locale: Locale::default(),
            reason: ConnectReason::UserActivated,
            purpose: purpose.into(),
            push_name: None,
        }
    }

    /// The same payload with a name.
    #[must_use]
    pub fn with_push_name(self, push_name: Option<String>) -> Self {
        Self { push_name, ..self }
    }

    /// The bytes that go into the handshake.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let common = Proto {
            user_agent: Some(self.user_agent()),
            web_info: Some(WebInfo {
                web_sub_platform: Some(WebSubPlatform::WebBrowser.into()),
                ..WebInfo::default()
            }),
            connect_type: Some(ConnectType::WifiUnknown.into()),
            connect_reason: Some(self.reason.number()),
            push_name: self.push_name.clone(),
            ..Proto::default()
        };
        match &self.purpose {
            Purpose::Login(login) => login.fill(common),
            Purpose::Registration(registration) => registration.fill(common, self.version),
        }
        .encode_to_vec()
    }

    /// Reads and checks a client's payload. For servers.
    ///
    /// # Errors
    /// [`ClientPayloadError`]: refuse the client.
    pub fn decode(bytes: &[u8]) -> Result<Self, ClientPayloadError> {
        let payload = Proto::decode(bytes).map_err(|_| ClientPayloadError::Malformed)?;
        let agent = payload.user_agent.as_ref().ok_or(ClientPayloadError::Missing { field: "userAgent" })?;
        let version = agent.app_version.ok_or(ClientPayloadError::Missing { field: "appVersion" })?;
        let purpose = match &payload.device_pairing_data {
            Some(data) => Purpose::Registration(Box::new(Registration::read(data)?)),
            None => Purpose::Login(Login::read(&payload)?),
        };
        Ok(Self {
            version: ClientVersion {
                primary: version.primary(),
                secondary: version.secondary(),
                tertiary: version.tertiary(),
            },
            locale: Locale::new(agent.locale_language_iso6391(), agent.locale_country_iso31661_alpha2()),
            reason: ConnectReason::from_number(payload.connect_reason.unwrap_or_default()),
            push_name: payload.push_name.filter(|name| !name.is_empty()),
            purpose,
        })
    }

    /// As the official web client describes itself. There is no phone id: one that changes costs the session.
    fn user_agent(&self) -> UserAgent {
        let text = |text: &str| Some(text.to_owned());
        UserAgent {
            platform: Some(user_agent::Platform::Web.into()),
            app_version: Some(AppVersion {
                primary: Some(self.version.primary),
                secondary: Some(self.version.secondary),
                tertiary: Some(self.version.tertiary),
                ..AppVersion::default()
            }),
            mcc: text("000"),
            mnc: text("000"),
            os_version: text("0.1"),
            manufacturer: text(""),
            device: text("Desktop"),
            os_build_number: text("0.1"),
            release_channel: Some(ReleaseChannel::Release.into()),
            locale_language_iso6391: text(&self.locale.language),
            locale_country_iso31661_alpha2: text(&self.locale.country),
            ..UserAgent::default()
        }
    }
}

/// What a client connects for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum Purpose {
    /// To go on as the device that it is.
    Login(Login),
    /// To become a device of an account.
    Registration(Box<Registration>),
}

impl From<Login> for Purpose {
    fn from(login: Login) -> Self {
        Self::Login(login)
    }
}

impl From<Registration> for Purpose {
    fn from(registration: Registration) -> Self {
        Self::Registration(Box::new(registration))
    }
}

/// A paired device's login. [`Login::new`] has the recommended choices.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The account's phone number, as a number.
    pub username: u64,
    /// The device's number, 1 or more.
    pub device: u16,
    /// Whether the server holds traffic back until the client says that it is active.
    pub passive: bool,
    /// Whether the client asks for its waiting stanzas in batches.
    pub pull: bool,
    /// How many logins succeeded since pairing, when the client counts them.
    pub login_counter: Option<u32>,
    /// Whether the client's chats are keyed by LID.
    pub lid_migrated: bool,
    /// Which attempt to connect this is, when the client counts them.
    pub attempt: Option<u32>,
}

impl Login {
    /// The login of the device with this phone number address; `login_counter` is 0 after pairing and grows with
    /// each success.
    ///
    /// # Errors
    /// [`ClientPayloadError::Address`] when it is no companion's phone number address.
    pub fn new(own: &Jid, login_counter: u32) -> Result<Self, ClientPayloadError> {
        let username = own.user().parse().map_err(|_| ClientPayloadError::Address)?;
        if !own.is_pn() || own.device() == 0 {
            return Err(ClientPayloadError::Address);
        }
        Ok(Self {
            username,
            device: own.device(),
            passive: false,
            pull: true,
            login_counter: Some(login_counter),
            lid_migrated: false,
            attempt: None,
        })
    }

    fn fill(&self, common: Proto) -> Proto {
        Proto {
            username: Some(self.username),
            device: Some(u32::from(self.device)),
            passive: Some(self.passive),
            pull: Some(self.pull),
            lc: self.login_counter.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            lid_db_migrated: Some(self.lid_migrated),
            connect_attempt_count: self.attempt,
            ..common
        }
    }

    fn read(payload: &Proto) -> Result<Self, ClientPayloadError> {
        let device = payload.device.ok_or(ClientPayloadError::Missing { field: "device" })?;
        Ok(Self {
            username: payload.username.ok_or(ClientPayloadError::Missing { field: "username" })?,
            device: u16::try_from(device).map_err(|_| ClientPayloadError::Size { field: "device" })?,
            passive: payload.passive(),
            pull: payload.pull(),
            login_counter: payload.lc.and_then(|count| u32::try_from(count).ok()),
            lid_migrated: payload.lid_db_migrated(),
            attempt: payload.connect_attempt_count,
        })
    }
}

/// Shows the last four digits of the number, as [`Jid`] does.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("username", &format_args!("…{:04}", self.username % 10_000))
            .field("device", &self.device)
            .field("login_counter", &self.login_counter)
            .finish_non_exhaustive()
    }
}

/// The keys and the description of a device that wants to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The id that peers see with its keys.
    pub registration_id: RegistrationId,
    /// Its identity.
    pub identity_key: PublicKey,
    /// The id of its signed pre-key.
    pub signed_pre_key_id: PreKeyId,
    /// Its signed pre-key.
    pub signed_pre_key: PublicKey,
    /// By the identity key, over the type byte and the signed pre-key.
    pub signed_pre_key_signature: Signature,
    /// What the phone is told about it.
    pub profile: DeviceProfile,
    /// The hash of the version's text, as the client computed it; `None` when we are the client.
    pub build_hash: Option<[u8; 16]>,
}

impl Registration {
    /// The registration of a device with these keys.
    #[must_use]
    pub const fn new(
        registration_id: RegistrationId,
        identity_key: PublicKey,
        (signed_pre_key_id, signed_pre_key, signed_pre_key_signature): (PreKeyId, PublicKey, Signature),
        profile: DeviceProfile,
    ) -> Self {
        Self {
            registration_id,
            identity_key,
            signed_pre_key_id,
            signed_pre_key,
            signed_pre_key_signature,
            profile,
            build_hash: None,
        }
    }

    fn fill(&self, common: Proto, version: ClientVersion) -> Proto {
        let data = DevicePairingRegistrationData {
            e_regid: Some(self.registration_id.to_bytes().to_vec()),
            e_keytype: Some(vec![KEY_TYPE]),
            e_ident: Some(self.identity_key.as_bytes().to_vec()),
            e_skey_id: Some(self.signed_pre_key_id.to_bytes().to_vec()),
            e_skey_val: Some(self.signed_pre_key.as_bytes().to_vec()),
            e_skey_sig: Some(self.signed_pre_key_signature.as_bytes().to_vec()),
            build_hash: Some(self.build_hash.unwrap_or_else(|| version.build_hash()).to_vec()),
            device_props: Some(self.profile.encode()),
        };
        Proto { passive: Some(false), pull: Some(false), device_pairing_data: Some(data), ..common }
    }

    fn read(data: &DevicePairingRegistrationData) -> Result<Self, ClientPayloadError> {
        if data.e_keytype() != [KEY_TYPE] {
            return Err(ClientPayloadError::Size { field: "eKeytype" });
        }
        let profile =
            DeviceProfile::decode(data.device_props()).map_err(|_| ClientPayloadError::Malformed)?;
        let registration = Self {
            registration_id: RegistrationId(u32::from_be_bytes(sized("eRegid", data.e_regid())?)),
            identity_key: PublicKey::new(sized("eIdent", data.e_ident())?),
            signed_pre_key_id: PreKeyId::from_bytes(sized("eSkeyID", data.e_skey_id())?)
                .ok_or(ClientPayloadError::Size { field: "eSkeyID" })?,
            signed_pre_key: PublicKey::new(sized("eSkeyVal", data.e_skey_val())?),
            signed_pre_key_signature: Signature::new(sized("eSkeySig", data.e_skey_sig())?),
            profile,
            build_hash: Some(sized("buildHash", data.build_hash())?),
        };
        let signed = registration.signed_pre_key.serialize();
        if xeddsa::verify(&registration.identity_key, &[&signed], &registration.signed_pre_key_signature) {
            Ok(registration)
        } else {
            Err(ClientPayloadError::Signature)
        }
    }
}

/// The language and the country of a client's texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locale {
    /// ISO 639-1, such as `en`.
    pub language: String,
    /// ISO 3166-1 alpha-2, such as `US`.
    pub country: String,
}

impl Locale {
    /// This language in this country.
    pub fn new(language: impl Into<String>, country: impl Into<String>) -> Self {
        Self { language: language.into(), country: country.into() }
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self::new("en", "US")
    }
}

/// Why a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectReason {
    /// A push notification woke it.
    Push,
    /// Its user wants it.
    UserActivated,
    /// It was time.
    Scheduled,
    /// The last connection broke.
    ErrorReconnect,
    /// Another network.
    NetworkSwitch,
    /// The server fell silent.
    PingReconnect,
    /// Any other, by its number.
    Other(i32),
}

impl ConnectReason {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Push => 0,
            Self::UserActivated => 1,
            Self::Scheduled => 2,
            Self::ErrorReconnect => 3,
            Self::NetworkSwitch => 4,
            Self::PingReconnect => 5,
            Self::Other(number) => number,
        }
    }

    /// The reason of a number.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Push,
            1 => Self::UserActivated,
            2 => Self::Scheduled,
            3 => Self::ErrorReconnect,
            4 => Self::NetworkSwitch,
            5 => Self::PingReconnect,
            other => Self::Other(other),
        }
    }
}

/// Why a client's payload cannot be made, or is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientPayloadError {
    /// The bytes are no payload.
    #[error("the client payload is malformed")]
    Malformed,
    /// A part is absent that the purpose needs.
    #[error("the client payload has no {field}")]
    Missing {
        /// Which one.
        field: &'static str,
    },
    /// A part has a wrong length or is out of range.
    #[error("{field} of the client payload has a wrong size")]
    Size {
        /// Which one.
        field: &'static str,
    },
    /// The identity key did not sign the signed pre-key.
    #[error("the signature of the signed pre-key does not verify")]
    Signature,
    /// Our own address is no companion's phone number address.
    #[error("not the phone number address of a companion")]
    Address,
}

fn sized<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], ClientPayloadError> {
    bytes.try_into().map_err(|_| ClientPayloadError::Size { field })
}
