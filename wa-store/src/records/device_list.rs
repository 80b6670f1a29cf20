//! Which devices a user has. Protocol: prekeys and devices, "devices" and "devices notification".

use prost::Message;
use wa_types::{Jid, UnixMillis, UnixSeconds};

use crate::error::StoreError;
use crate::store::StoreFuture;

/// The devices of one user, as last told by the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceList {
    /// The devices, in the server's order.
    pub devices: Vec<Device>,
    /// The `rawId` of the signed key index list: another one means that the user's primary device changed.
    pub raw_id: Option<u32>,
    /// The `ts` of the signed key index list; 0 when there was none.
    pub timestamp: UnixSeconds,
    /// The server's hash of the list, for asking only about changes.
    pub hash: Option<String>,
    /// When we asked.
    pub fetched: UnixMillis,
}

/// One device of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Device {
    /// Its number; 0 is the phone.
    pub id: u16,
    /// Its index in the signed key index list; the phone has none.
    pub key_index: Option<u32>,
    /// Run by Meta for a business: addressed on the hosted server.
    pub hosted: bool,
}

impl DeviceList {
    /// As bytes that [`Self::decode`] reads, in this version of the library and in later ones.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let devices = self.devices.iter().map(|device| RawDevice {
            id: u32::from(device.id),
            key_index: device.key_index,
            hosted: device.hosted,
        });
        let raw = RawDeviceList {
            devices: devices.collect(),
            raw_id: self.raw_id,
            timestamp: self.timestamp.0,
            hash: self.hash.clone(),
            fetched: self.fetched.0,
        };
        raw.encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let raw = RawDeviceList::decode(bytes).map_err(|error| StoreError::corrupt(WHAT, error))?;
        let device = |raw: RawDevice| {
            let id = u16::try_from(raw.id).map_err(|error| StoreError::corrupt(WHAT, error))?;
            Ok(Device { id, key_index: raw.key_index, hosted: raw.hosted })
        };
        Ok(Self {
            devices: raw.devices.into_iter().map(device).collect::<Result<_, StoreError>>()?,
            raw_id: raw.raw_id,
            timestamp: UnixSeconds(raw.timestamp),
            hash: raw.hash,
            fetched: UnixMillis(raw.fetched),
        })
    }
}

/// Reads device lists. Written by [`Changes::put_device_list`](crate::Changes::put_device_list).
pub trait DeviceListReader {
    /// The lists of these users, in the order asked; `None` where none is known.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn device_lists(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<DeviceList>>>;

    /// All users whose list is known, in no order.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn listed_users(&self) -> StoreFuture<'_, Vec<Jid>>;
}

const WHAT: &str = "device list";

#[derive(Clone, PartialEq, Message)]
struct RawDeviceList {
    #[prost(message, repeated, tag = "1")]
    devices: Vec<RawDevice>,
    #[prost(uint32, optional, tag = "2")]
    raw_id: Option<u32>,
    #[prost(uint64, tag = "3")]
    timestamp: u64,
    #[prost(string, optional, tag = "4")]
    hash: Option<String>,
    #[prost(uint64, tag = "5")]
    fetched: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RawDevice {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint32, optional, tag = "2")]
    key_index: Option<u32>,
    #[prost(bool, tag = "3")]
    hosted: bool,
}
