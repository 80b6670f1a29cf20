//! What our own devices tell us about protocol matters. Protocol: receiving, "Protocol messages received".

use prost::Message as _;
use wa_proto::lid_migration_sync_payload::LidMigrationMappingSyncPayload;
use wa_store::{MessageKey, StoreError};
use wa_types::Jid;

use crate::driver::directory::Evidence;
use crate::driver::{Actor, Step};
use crate::e2e::addressing::{AddressPair, Place};
use crate::message::{Message, OwnDeviceKind};

impl Actor {
    /// Handles a message between our own devices; whether it is done with it. What is not is for the application.
    pub(super) async fn take_own_device(
        &mut self,
        kind: OwnDeviceKind,
        message: &Message,
        key: &MessageKey,
        place: &Place,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let is_from_phone = place.from_me && place.sender.device() == 0;
        match kind {
            // Nobody but the phone has these to give.
            OwnDeviceKind::History | OwnDeviceKind::PhoneAnswer | OwnDeviceKind::Addresses
                if !is_from_phone =>
            {
                tracing::warn!(?kind, "a companion speaks for the phone");
                Ok(true)
            }
            OwnDeviceKind::Addresses => match read_mappings(message) {
                Some(mappings) => self.take_mappings(mappings, step).await.map(|()| true),
                None => Ok(false),
            },
            OwnDeviceKind::PhoneAnswer => Ok(self.take_history_answer(message, step)
                || self.take_phone_answer(message, step)
                || self.take_recovery(message, step).await?),
            // Anybody else could forge what is sealed with a key of theirs.
            OwnDeviceKind::AppStateKeys | OwnDeviceKind::AppStateKeyRequest if !place.from_me => {
                tracing::warn!(?kind, "somebody else speaks as our own device");
                Ok(true)
            }
            OwnDeviceKind::AppStateKeys => self.take_key_share(message, step).await,
            OwnDeviceKind::AppStateKeyRequest => {
                self.take_key_request(place.sender.device(), message, step).await
            }
            OwnDeviceKind::History => Ok(self.take_history(key, message, step)),
            _ => Ok(false),
        }
    }

    /// The phone's list of who is who. Protocol: messages, "PN and LID addressing".
    async fn take_mappings(&mut self, mappings: Mappings, step: &mut Step) -> Result<(), StoreError> {
        tracing::info!(
            pairs = mappings.latest.len() + mappings.assigned.len(),
            is_migrated = mappings.is_migrated,
            "the phone told the addresses of its chats"
        );
        self.learn(mappings.assigned, Evidence::Stale, step).await?;
        self.learn(mappings.latest, Evidence::Told, step).await?;
        if mappings.is_migrated && !self.account.lid_migrated {
            self.account.lid_migrated = true;
            step.changes.put_account(self.account.clone());
        }
        Ok(())
    }
}

/// What a mapping message says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mappings {
    /// Those that the phone knows to be current.
    latest: Vec<AddressPair>,
    /// Those for which it knows no more than what they were in the beginning.
    assigned: Vec<AddressPair>,
    /// The phone's chats are keyed by LID.
    is_migrated: bool,
}

/// `None` when the payload cannot be read.
fn read_mappings(message: &Message) -> Option<Mappings> {
    let protocol = message.proto().protocol_message.as_ref()?;
    let payload = protocol.lid_migration_mapping_sync_message.as_ref()?.encoded_mapping_payload.as_deref()?;
    let payload = LidMigrationMappingSyncPayload::decode(payload).ok()?;
    let mut mappings =
        Mappings { is_migrated: payload.chat_db_migration_timestamp() != 0, ..Mappings::default() };
    for mapping in payload.pn_to_lid_mappings {
        let pair =
            |lid: u64| AddressPair { pn: Jid::pn(mapping.pn.to_string()), lid: Jid::lid(lid.to_string()) };
        match (mapping.pn, mapping.latest_lid(), mapping.assigned_lid) {
            (0, ..) | (_, 0, 0) => {}
            (_, 0, assigned) => mappings.assigned.push(pair(assigned)),
            (_, latest, _) => mappings.latest.push(pair(latest)),
        }
    }
    Some(mappings)
}

#[cfg(test)]
mod tests {
    use wa_proto::e2e;
    use wa_proto::e2e::protocol_message::Type;
    use wa_proto::lid_migration_sync_payload::LidMigrationMapping;

    use super::*;

    fn message(payload: Vec<u8>) -> Message {
        let protocol = e2e::ProtocolMessage {
            r#type: Some(Type::LidMigrationMappingSync as i32),
            lid_migration_mapping_sync_message: Some(Box::new(e2e::LidMigrationMappingSyncMessage {
                encoded_mapping_payload: Some(payload),
            })),
            ..Default::default()
        };
        Message::from_proto(e2e::Message { protocol_message: Some(Box::new(protocol)), ..Default::default() })
    }

    #[test]
    fn the_latest_lid_counts_and_nobody_is_left_out() {
        let mapping = |pn, assigned_lid, latest_lid| LidMigrationMapping { pn, assigned_lid, latest_lid };
        let payload = LidMigrationMappingSyncPayload {
            pn_to_lid_mappings: vec![
                mapping(15_551_234_567, 100, Some(200)),
                mapping(15_551_234_568, 101, Some(0)),
                mapping(15_551_234_569, 102, None),
                mapping(0, 103, Some(203)),
                mapping(15_551_234_570, 0, None),
            ],
            chat_db_migration_timestamp: Some(1),
        };
        let pair = |pn: &str, lid: &str| AddressPair { pn: Jid::pn(pn), lid: Jid::lid(lid) };
        let expected = Mappings {
            latest: vec![pair("15551234567", "200")],
            assigned: vec![pair("15551234568", "101"), pair("15551234569", "102")],
            is_migrated: true,
        };
        assert_eq!(read_mappings(&message(payload.encode_to_vec())), Some(expected));
        assert_eq!(read_mappings(&message(vec![0xFF; 3])), None);
        assert_eq!(read_mappings(&Message::text("x")), None);
    }
}
