//! Times in serialized form: milliseconds since 1970, as a number.

use serde::{Deserialize as _, Deserializer, Serializer};
use wa_types::UnixMillis;

pub(crate) fn serialize<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.0)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMillis, D::Error> {
    u64::deserialize(deserializer).map(UnixMillis)
}
