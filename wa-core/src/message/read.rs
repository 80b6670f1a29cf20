//! Small readers of what protobuf fields hold. What is missing, malformed or negative is not there.

use std::time::Duration;

use wa_proto::common;
use wa_types::{Jid, UnixMillis, UnixSeconds};

use super::MessageKey;

/// `Debug` that names the type only: contents do not go to logs.
macro_rules! opaque_debug {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
pub(super) use opaque_debug;

pub(super) fn jid(text: Option<&str>) -> Option<Jid> {
    text?.parse().ok()
}

/// The user of an address, without a device.
pub(super) fn user(text: Option<&str>) -> Option<Jid> {
    jid(text).map(|jid| jid.to_user())
}

pub(super) fn seconds(time: Option<i64>) -> Option<UnixSeconds> {
    time.and_then(|time| u64::try_from(time).ok()).filter(|&time| time > 0).map(UnixSeconds)
}

pub(super) fn millis(time: Option<i64>) -> Option<UnixMillis> {
    time.and_then(|time| u64::try_from(time).ok()).filter(|&time| time > 0).map(UnixMillis)
}

/// A number of seconds; none for 0.
pub(super) fn span(seconds: Option<u32>) -> Option<Duration> {
    seconds.filter(|&seconds| seconds > 0).map(|seconds| Duration::from_secs(seconds.into()))
}

pub(super) fn key(key: Option<&common::MessageKey>) -> Option<MessageKey> {
    MessageKey::read(key?)
}

/// The number of seconds as protobufs have it; those that do not fit are the most that does.
pub(super) fn span_to_wire(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn seconds_to_wire(time: UnixSeconds) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

pub(super) fn millis_to_wire(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A text that is there.
pub(super) fn text(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}
