//! The QR code that a phone scans. Protocol: pairing, "QR text".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wa_types::PublicKey;
use zeroize::Zeroizing;

use super::adv::AdvSecret;
use crate::noise::client_payload::Platform;

/// What stands in front of the code's fields, so that the phone's camera can open it too.
pub const PREFIX: &str = "https://wa.me/settings/linked_devices#";

/// What a QR code says: where to find the companion, and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QrCode {
    /// The server's name for the companion's connection; printable, may hold commas.
    pub reference: String,
    /// The companion's Noise static key.
    pub noise_key: PublicKey,
    /// The companion's identity key.
    pub identity_key: PublicKey,
    /// Proves to the companion that the answer comes from whoever saw the code.
    pub secret: AdvSecret,
    /// The kind of client; goes with the platform of its [`crate::noise::client_payload::DeviceProfile`].
    pub client_type: ClientType,
}

/// With or without [`PREFIX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "with or without")]
pub enum QrForm {
    /// For the phone's camera and for its scanner.
    #[default]
    Link,
    /// For the scanner alone: shorter.
    Plain,
}

impl QrCode {
    /// A code of these fields.
    pub fn new(
        reference: impl Into<String>,
        noise_key: PublicKey,
        identity_key: PublicKey,
        secret: AdvSecret,
        client_type: ClientType,
    ) -> Self {
        Self { reference: reference.into(), noise_key, identity_key, secret, client_type }
    }

    /// The text to show. It holds a secret: show it, do not log it.
    #[must_use]
    pub fn to_text(&self, form: QrForm) -> String {
        let prefix = match form {
            QrForm::Link => PREFIX,
            QrForm::Plain => "",
        };
        let secret = Zeroizing::new(STANDARD.encode(self.secret.as_bytes()));
        format!(
            "{prefix}{},{},{},{},{}",
            self.reference,
            STANDARD.encode(self.noise_key.as_bytes()),
            STANDARD.encode(self.identity_key.as_bytes()),
            secret.as_str(),
            self.client_type.code(),
        )
    }

    /// Reads a code's text, as a phone does. A link in front of the fields is passed over.
    ///
    /// # Errors
    /// [`QrError`]: the text is no such code.
    pub fn parse(text: &str) -> Result<Self, QrError> {
        let fields = text.split_once('#').map_or(text, |(_, fields)| fields);
        let mut fields = fields.rsplitn(5, ',');
        let mut next = || fields.next().ok_or(QrError::Fields);
        let (client_type, secret, identity_key, noise_key, reference) =
            (next()?, next()?, next()?, next()?, next()?);
        if reference.is_empty() {
            return Err(QrError::Fields);
        }
        Ok(Self {
            reference: reference.to_owned(),
            noise_key: PublicKey::new(*key(noise_key)?),
            identity_key: PublicKey::new(*key(identity_key)?),
            secret: AdvSecret::new(*key(secret)?),
            client_type: ClientType::from_code(client_type).ok_or(QrError::ClientType)?,
        })
    }
}

/// The kind of a client, one character: in QR codes and when linking by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientType {
    /// Google Chrome.
    Chrome,
    /// Microsoft Edge.
    Edge,
    /// Mozilla Firefox.
    Firefox,
    /// Microsoft Internet Explorer.
    InternetExplorer,
    /// Opera.
    Opera,
    /// Apple Safari.
    Safari,
    /// A desktop application.
    Electron,
    /// A Windows application from the store.
    Uwp,
    /// Another web client.
    OtherWeb,
    /// The macOS application.
    MacOs,
    /// An Android tablet.
    AndroidTablet,
    /// An Android phone.
    AndroidPhone,
    /// An Android device that may be phone or tablet.
    AndroidAmbiguous,
}

impl ClientType {
    const ALL: [Self; 13] = [
        Self::Chrome,
        Self::Edge,
        Self::Firefox,
        Self::InternetExplorer,
        Self::Opera,
        Self::Safari,
        Self::Electron,
        Self::Uwp,
        Self::OtherWeb,
        Self::MacOs,
        Self::AndroidTablet,
        Self::AndroidPhone,
        Self::AndroidAmbiguous,
    ];

    /// Its character.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Chrome => "1",
            Self::Edge => "2",
            Self::Firefox => "3",
            Self::InternetExplorer => "4",
            Self::Opera => "5",
            Self::Safari => "6",
            Self::Electron => "7",
            Self::Uwp => "8",
            Self::OtherWeb => "9",
            Self::MacOs => "c",
            Self::AndroidTablet => "d",
            Self::AndroidPhone => "e",
            Self::AndroidAmbiguous => "f",
        }
    }

    /// The kind of a character; `None` for the unknown, which phones refuse.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// The kind that goes with a platform of the device profile.
impl From<Platform> for ClientType {
    fn from(platform: Platform) -> Self {
        match platform {
            Platform::Chrome => Self::Chrome,
            Platform::Firefox => Self::Firefox,
            Platform::InternetExplorer => Self::InternetExplorer,
            Platform::Opera => Self::Opera,
            Platform::Safari => Self::Safari,
            Platform::Edge => Self::Edge,
            Platform::Desktop => Self::Electron,
            Platform::Uwp => Self::Uwp,
            Platform::MacOs => Self::MacOs,
            Platform::AndroidTablet => Self::AndroidTablet,
            Platform::AndroidPhone => Self::AndroidPhone,
            Platform::AndroidAmbiguous => Self::AndroidAmbiguous,
            Platform::Ipad | Platform::IosPhone | Platform::Other(_) => Self::OtherWeb,
        }
    }
}

/// Why a text is no QR code of a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QrError {
    /// Fewer than five fields. An older form had four; phones refuse it.
    #[error("a QR code has five fields")]
    Fields,
    /// A key or the secret is not 32 bytes of base64.
    #[error("a key of the QR code is malformed")]
    Key,
    /// The kind of client is none that we know.
    #[error("the QR code is of an unknown kind of client")]
    ClientType,
}

fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, QrError> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| QrError::Key)?);
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| QrError::Key)
}
