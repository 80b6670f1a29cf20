//! The first bytes of a connection: which protocol, and which data centre. Protocol: transport, "Connection header
//! and frames".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::wire::frame::MAX_FRAME_SIZE;

/// The four bytes that open every connection: "WA", protocol 6, token dictionary 3. They enter the handshake.
pub const PROLOGUE: [u8; 4] = [b'W', b'A', 6, 3];

/// Opaque bytes by which the server wants to be reached next time. Persist them; drop them when connecting with them
/// fails.
#[derive(Clone, PartialEq, Eq)]
pub struct RoutingInfo(Vec<u8>);

impl RoutingInfo {
    /// Routing information as the server sent it.
    ///
    /// # Errors
    /// [`HeaderError::RoutingTooLong`] above 16 777 215 bytes, which the header cannot say.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, HeaderError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_FRAME_SIZE { Err(HeaderError::RoutingTooLong) } else { Ok(Self(bytes)) }
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of the query parameter `ED` of the WebSocket's address.
    #[must_use]
    pub fn to_query(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

impl std::fmt::Debug for RoutingInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoutingInfo({} bytes)", self.0.len())
    }
}

/// What a client sends in front of its first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// "WA", the protocol and the token dictionary; enters the handshake as it came.
    pub prologue: [u8; 4],
    /// Where the client wants to be routed.
    pub routing: Option<RoutingInfo>,
}

impl Header {
    /// Our header.
    #[must_use]
    pub const fn new(routing: Option<RoutingInfo>) -> Self {
        Self { prologue: PROLOGUE, routing }
    }

    /// Whether protocol and dictionary are ours. A server refuses others.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.prologue == PROLOGUE
    }

    /// Appends the header to `out`; the first frame follows in the same message.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(RoutingInfo(routing)) = &self.routing {
            // The length was checked when the value was made.
            let [_, length @ ..] = u32::try_from(routing.len()).unwrap_or_default().to_be_bytes();
            out.extend_from_slice(&ROUTING_MAGIC);
            out.extend_from_slice(&length);
            out.extend_from_slice(routing);
        }
        out.extend_from_slice(&self.prologue);
    }

    /// Reads the header from the first bytes of a connection: the header and its size, or `None` until more bytes
    /// come. For servers.
    ///
    /// # Errors
    /// [`HeaderError::BadMagic`] as soon as the bytes cannot become a header.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let Some(magic) = bytes.first_chunk::<4>() else {
            let possible = ROUTING_MAGIC.starts_with(bytes) || PROLOGUE.starts_with(bytes);
            // The last two bytes of "WA 6 3" may be others: that is for `is_supported` to say.
            let possible = possible || matches!(bytes, [b'W', b'A', _]);
            return if possible { Ok(None) } else { Err(HeaderError::BadMagic) };
        };
        if *magic != ROUTING_MAGIC {
            return Self::read_prologue(magic, None, 4).map(Some);
        }
        let Some(&[.., high, middle, low]) = bytes.first_chunk::<7>() else { return Ok(None) };
        let end = 7 + u32::from_be_bytes([0, high, middle, low]) as usize;
        let Some(routing) = bytes.get(7..end) else { return Ok(None) };
        let Some(prologue) = bytes.get(end..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Ok(None);
        };
        Self::read_prologue(prologue, Some(RoutingInfo::new(routing)?), end + 4).map(Some)
    }

    fn read_prologue(
        prologue: &[u8; 4],
        routing: Option<RoutingInfo>,
        size: usize,
    ) -> Result<(Self, usize), HeaderError> {
        match prologue {
            [b'W', b'A', _, _] => Ok((Self { prologue: *prologue, routing }, size)),
            _ => Err(HeaderError::BadMagic),
        }
    }
}

/// What is wrong with a connection's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Routing information that is longer than the header can say. Connect without.
    #[error("the routing information is too long")]
    RoutingTooLong,
    /// The peer is no client of this protocol.
    #[error("the connection does not begin as this protocol does")]
    BadMagic,
}

/// In front of routing information: "ED", 0, 1.
const ROUTING_MAGIC: [u8; 4] = [b'E', b'D', 0, 1];
