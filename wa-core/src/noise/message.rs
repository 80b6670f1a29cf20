//! The messages of a handshake, read into values that hold what their step needs.
//! Protocol: transport, "`HandshakeMessage`".

use prost::Message as _;
use wa_proto::wa6::HandshakeMessage;
use wa_proto::wa6::handshake_message as proto;
use wa_types::PublicKey;

use super::{HandshakeError, Part};

/// The client's first message. An IK client encrypts its key and payload into it.
pub(super) struct ClientHello {
    pub(super) ephemeral: PublicKey,
    pub(super) sealed: Option<SealedClient>,
}

/// A client's static key and payload, both encrypted.
pub(super) struct SealedClient {
    pub(super) static_key: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// The server's answer; without a static key when it accepts a resumption.
pub(super) struct ServerHello {
    pub(super) ephemeral: PublicKey,
    pub(super) static_key: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
}

impl ClientHello {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let hello = decode(bytes)?.client_hello.ok_or(HandshakeError::UnexpectedMessage)?;
        let sealed = match (hello.r#static, hello.payload) {
            (Some(static_key), Some(payload)) => Some(SealedClient { static_key, payload }),
            (None, None) => None,
            (Some(_), None) => return Err(HandshakeError::Missing { part: Part::Payload }),
            (None, Some(_)) => return Err(HandshakeError::Missing { part: Part::Static }),
        };
        Ok(Self { ephemeral: ephemeral(hello.ephemeral)?, sealed })
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let (r#static, payload) = self.sealed.map(|sealed| (sealed.static_key, sealed.payload)).unzip();
        let ephemeral = Some(self.ephemeral.as_bytes().to_vec());
        let hello = proto::ClientHello { ephemeral, r#static, payload, ..Default::default() };
        HandshakeMessage { client_hello: Some(hello), ..Default::default() }.encode_to_vec()
    }
}

impl ServerHello {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let hello = decode(bytes)?.server_hello.ok_or(HandshakeError::UnexpectedMessage)?;
        Ok(Self {
            ephemeral: ephemeral(hello.ephemeral)?,
            static_key: hello.r#static,
            payload: hello.payload.ok_or(HandshakeError::Missing { part: Part::Payload })?,
        })
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let hello = proto::ServerHello {
            ephemeral: Some(self.ephemeral.as_bytes().to_vec()),
            r#static: self.static_key,
            payload: Some(self.payload),
            ..Default::default()
        };
        HandshakeMessage { server_hello: Some(hello), ..Default::default() }.encode_to_vec()
    }
}

impl SealedClient {
    /// Reads a client's finish.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let finish = decode(bytes)?.client_finish.ok_or(HandshakeError::UnexpectedMessage)?;
        Ok(Self {
            static_key: finish.r#static.ok_or(HandshakeError::Missing { part: Part::Static })?,
            payload: finish.payload.ok_or(HandshakeError::Missing { part: Part::Payload })?,
        })
    }

    /// Writes a client's finish.
    pub(super) fn encode(self) -> Vec<u8> {
        let finish = proto::ClientFinish {
            r#static: Some(self.static_key),
            payload: Some(self.payload),
            ..Default::default()
        };
        HandshakeMessage { client_finish: Some(finish), ..Default::default() }.encode_to_vec()
    }
}

fn decode(bytes: &[u8]) -> Result<HandshakeMessage, HandshakeError> {
    HandshakeMessage::decode(bytes).map_err(|_| HandshakeError::Malformed)
}

fn ephemeral(bytes: Option<Vec<u8>>) -> Result<PublicKey, HandshakeError> {
    let bytes = bytes.ok_or(HandshakeError::Missing { part: Part::Ephemeral })?;
    PublicKey::from_raw(&bytes).map_err(|_| HandshakeError::KeySize { part: Part::Ephemeral })
}
