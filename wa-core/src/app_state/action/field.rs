//! How the parts of an action are read and written.

use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

/// One element of an index, or several.
pub(super) trait Part: Sized {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self>;
    fn write(&self, index: &mut Vec<String>);
}

impl Part for Jid {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        parts.next()?.parse().ok()
    }

    fn write(&self, index: &mut Vec<String>) {
        index.push(self.to_user().to_string());
    }
}

/// Somebody, or `0` for nobody.
impl Part for Option<Jid> {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        match parts.next()? {
            "0" | "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }

    fn write(&self, index: &mut Vec<String>) {
        index.push(self.as_ref().map_or_else(|| "0".to_owned(), |jid| jid.to_user().to_string()));
    }
}

impl Part for String {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        parts.next().map(str::to_owned)
    }

    fn write(&self, index: &mut Vec<String>) {
        index.push(self.clone());
    }
}

/// An element that may be absent at the end.
impl Part for Option<String> {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        Some(parts.next().map(str::to_owned))
    }

    fn write(&self, index: &mut Vec<String>) {
        index.extend(self.clone());
    }
}

/// All that follows.
impl Part for Vec<String> {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        Some(parts.map(str::to_owned).collect())
    }

    fn write(&self, index: &mut Vec<String>) {
        index.extend(self.iter().cloned());
    }
}

impl Part for MessageId {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        parts.next().map(Self::new)
    }

    fn write(&self, index: &mut Vec<String>) {
        index.push(self.to_string());
    }
}

impl Part for bool {
    fn read<'p>(parts: &mut impl Iterator<Item = &'p str>) -> Option<Self> {
        parts.next().map(|text| text != "0")
    }

    fn write(&self, index: &mut Vec<String>) {
        index.push(if *self { "1" } else { "0" }.to_owned());
    }
}

/// One field of a value.
pub(super) trait Field<P> {
    fn read(proto: &P) -> Self;
    fn write(&self, proto: &mut P);
}

impl<P: Clone> Field<P> for P {
    fn read(proto: &P) -> Self {
        proto.clone()
    }

    fn write(&self, proto: &mut P) {
        *proto = self.clone();
    }
}

impl Field<Option<Self>> for bool {
    fn read(proto: &Option<Self>) -> Self {
        proto.unwrap_or_default()
    }

    fn write(&self, proto: &mut Option<Self>) {
        *proto = Some(*self);
    }
}

impl Field<Option<Self>> for String {
    fn read(proto: &Option<Self>) -> Self {
        proto.clone().unwrap_or_default()
    }

    fn write(&self, proto: &mut Option<Self>) {
        *proto = Some(self.clone());
    }
}

impl Field<Option<String>> for Option<Jid> {
    fn read(proto: &Option<String>) -> Self {
        proto.as_deref().and_then(|text| text.parse().ok())
    }

    fn write(&self, proto: &mut Option<String>) {
        *proto = self.as_ref().map(ToString::to_string);
    }
}

impl Field<Vec<String>> for Vec<Jid> {
    fn read(proto: &Vec<String>) -> Self {
        proto.iter().filter_map(|text| text.parse().ok()).collect()
    }

    fn write(&self, proto: &mut Vec<String>) {
        *proto = self.iter().map(ToString::to_string).collect();
    }
}

/// A time; none where there is none, or one that means none.
impl Field<Option<i64>> for Option<UnixMillis> {
    fn read(proto: &Option<i64>) -> Self {
        proto.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0).map(UnixMillis)
    }

    fn write(&self, proto: &mut Option<i64>) {
        *proto = self.and_then(|time| i64::try_from(time.0).ok());
    }
}

impl Field<Option<i64>> for Option<UnixSeconds> {
    fn read(proto: &Option<i64>) -> Self {
        proto.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0).map(UnixSeconds)
    }

    fn write(&self, proto: &mut Option<i64>) {
        *proto = self.and_then(|time| i64::try_from(time.0).ok());
    }
}

/// Puts an encoded message where it belongs; one that does not decode leaves it empty.
pub(super) fn put_whole<M: prost::Message + Default>(message: &mut Box<M>, encoded: &[u8]) {
    **message = M::decode(encoded).unwrap_or_default();
}

/// Numbers of the wire as an enum, with the unknown ones kept.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// One that this version does not know.
            Unknown(i32),
        }

        impl $name {
            const fn of(code: i32) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    code => Self::Unknown(code),
                }
            }

            const fn code(self) -> i32 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }
        }

        impl super::field::Field<Option<i32>> for Option<$name> {
            fn read(proto: &Option<i32>) -> Self {
                proto.map($name::of)
            }

            fn write(&self, proto: &mut Option<i32>) {
                *proto = self.map($name::code);
            }
        }
    };
}
pub(super) use codes;
