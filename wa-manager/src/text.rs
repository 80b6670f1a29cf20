//! Addresses and ids in serialized form: as text.

/// A [`Jid`](wa_types::Jid) as text.
pub(crate) mod of_jid {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use wa_types::Jid;

    pub(crate) fn serialize<S: Serializer>(jid: &Jid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(jid)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Jid, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("no address"))
    }
}

/// A [`MessageId`](wa_types::MessageId) as text.
pub(crate) mod of_id {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use wa_types::MessageId;

    pub(crate) fn serialize<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        String::deserialize(deserializer).map(MessageId::new)
    }
}
