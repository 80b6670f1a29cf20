//! The catalogue of actions: each is read and written as the tables of the reference say, and loses nothing.

use std::collections::HashMap;

use prost::Message as _;
use wa_core::app_state::action::{Action, write_index};
use wa_core::app_state::{Collection, Operation};
use wa_proto::sync_action::SyncActionValue;
use wa_types::UnixMillis;

/// Every action of the catalogue: where it belongs, its version, further elements of its index, its field.
const CATALOGUE: &[(&str, &str, i32, &[&str], u8)] = &[
    ("setting_pushName", "critical_block", 1, &[], 7),
    ("setting_locale", "critical_block", 3, &[], 16),
    ("generated_wui", "critical_block", 7, &[], 52),
    ("contact", "critical_unblock_low", 2, &[PN], 3),
    ("lid_contact", "critical_unblock_low", 1, &[LID], 61),
    ("star", "regular_high", 2, &[GROUP, "ID", "0", PN], 2),
    ("mute", "regular_high", 2, &[PN], 4),
    ("deleteMessageForMe", "regular_high", 3, &[PN, "ID", "1", "0"], 18),
    ("clearChat", "regular_high", 6, &[PN, "1", "0"], 21),
    ("deleteChat", "regular_high", 6, &[PN, "1"], 22),
    ("userStatusMute", "regular_high", 7, &[PN], 29),
    ("status_privacy", "regular_high", 7, &[], 44),
    ("favorites", "regular_high", 1, &[], 56),
    ("waffle_account_link_state", "regular_high", 1, &[], 58),
    ("ctwaPerCustomerDataSharing", "regular_high", 1, &[LID], 62),
    ("nct_salt_sync", "regular_high", 1, &[], 80),
    ("biz_ai_settings_nudge", "regular_high", 1, &[], 87),
    ("ai_thread_delete", "regular_high", 7, &[PN, "thread"], 0),
    ("wasa_root_secret", "regular_high", 1, &[PN], 89),
    ("ugc_bot", "regular_high", 7, &[], 43),
    ("maiba_ai_features_control", "regular_high", 7, &[], 68),
    ("status_post_opt_in_notification_preferences_action", "regular_high", 7, &[], 71),
    ("private_processing_setting", "regular_high", 7, &[], 74),
    ("shared_device_allowlist", "regular_high", 7, &["x"], 94),
    ("quick_reply", "regular", 2, &["1700000000"], 8),
    ("label_edit", "regular", 3, &["7"], 14),
    ("label_jid", "regular", 3, &["7", PN], 15),
    ("label_message", "regular", 3, &["7", PN, "ID", "0", "0"], 15),
    ("label_reordering", "regular", 3, &[], 47),
    ("label_sublist", "regular", 7, &["x"], 91),
    ("primary_feature", "regular", 7, &[], 24),
    ("deviceAgent", "regular", 7, &["a"], 27),
    ("subscription", "regular", 7, &[], 28),
    ("subscriptions_sync_v2", "regular", 1, &[], 84),
    ("agentChatAssignment", "regular", 7, &[PN], 35),
    ("agentChatAssignmentOpenedStatus", "regular", 7, &[PN, "a"], 36),
    ("pnForLidChat", "regular", 8, &[LID], 37),
    ("marketingMessage", "regular", 7, &["m"], 38),
    ("marketingMessageBroadcast", "regular", 7, &["m", "n"], 39),
    ("external_web_beta", "regular", 3, &[], 40),
    ("setting_relayAllCalls", "regular", 1, &[], 41),
    ("call_log", "regular", 1, &["x"], 42),
    ("delete_individual_call_log", "regular", 7, &["x"], 46),
    ("setting_disableLinkPreviews", "regular", 8, &[], 53),
    ("usernameChatStartMode", "regular", 7, &[], 59),
    ("notificationActivitySetting", "regular", 7, &[], 60),
    ("setting_channels_personalised_recommendation_optout", "regular", 7, &[], 64),
    ("detected_outcomes_status_action", "regular", 1, &[], 66),
    ("business_broadcast_list", "regular", 1, &["l"], 69),
    ("business_broadcast_campaign", "regular", 1, &["c"], 81),
    ("business_broadcast_insights_sync", "regular", 1, &["c"], 82),
    ("music_user_id", "regular", 7, &[], 70),
    ("avatar_updated_action", "regular", 7, &[], 72),
    ("newsletter_saved_interests", "regular", 7, &[], 75),
    ("ctwa_message_received", "regular", 7, &["x"], 93),
    ("pin_v1", "regular_low", 5, &[PN], 5),
    ("archive", "regular_low", 3, &[PN], 17),
    ("markChatAsRead", "regular_low", 3, &[PN], 20),
    ("setting_unarchiveChats", "regular_low", 4, &[], 23),
    ("sentinel", "regular_low", 3, &[], 19),
    ("recent_emoji_weights_action", "regular_low", 7, &[], 11),
    ("android_unsupported_actions", "regular_low", 4, &[], 26),
    ("time_format", "regular_low", 7, &[], 30),
    ("nux", "regular_low", 7, &["hint"], 31),
    ("primary_version", "regular_low", 7, &["key"], 32),
    ("favoriteSticker", "regular_low", 7, &["hash"], 33),
    ("removeRecentSticker", "regular_low", 7, &["hash"], 34),
    ("bot_welcome_request", "regular_low", 2, &[PN], 45),
    ("payment_info", "regular_low", 7, &[], 48),
    ("custom_payment_methods", "regular_low", 7, &[], 49),
    ("merchant_payment_partner", "regular_low", 7, &[], 57),
    ("payment_tos", "regular_low", 7, &[], 63),
    ("lock", "regular_low", 7, &[PN], 50),
    ("setting_chatLock", "regular_low", 7, &[], 51),
    ("lock_message", "regular_low", 7, &["x"], 90),
    ("device_capabilities", "regular_low", 7, &[], 54),
    ("device_capabilities_v2", "regular_low", 7, &["x"], 92),
    ("note_edit", "regular_low", 7, &["n"], 55),
    ("ai_thread_rename", "regular_low", 7, &[PN, "thread"], 76),
    ("thread_pin", "regular_low", 7, &[PN, "thread"], 85),
    ("interactive_message_action", "regular_low", 1, &[PN, "ID", "1", "0"], 77),
    ("settings_sync", "regular_low", 1, &["p", "k", "c"], 78),
    ("out_contact", "regular_low", 1, &["o"], 79),
    ("customer_data", "regular_low", 1, &[PN], 83),
    ("setting_autoOrganizeBusinessChat", "regular_low", 7, &[], 86),
    ("coexV2Version", "regular_low", 7, &[], 88),
    ("contact_manager_metadata", "regular_low", 7, &["x"], 95),
    ("business_folder_activation", "regular_low", 7, &["x"], 96),
];

const PN: &str = "15550001111@s.whatsapp.net";
const LID: &str = "98765000001@lid";
const GROUP: &str = "120363000000000001@g.us";

#[test]
fn every_action_of_the_catalogue_reads_as_it_was_written() {
    for (name, place, version, parts, field) in CATALOGUE {
        let index: Vec<String> = [*name].iter().chain(*parts).map(|part| (*part).to_owned()).collect();
        let index = write_index(&index);
        // The timestamp, and the field with nothing in it.
        let mut value = vec![0x08, 0x01];
        match field {
            0 => {}
            field @ 1..16 => value.extend([field << 3 | 2, 0]),
            field => value.extend([(field << 3 | 2) | 0x80, field >> 4, 0]),
        }
        let action = Action::read(Collection::Regular, &index, &value, *version);
        assert!(!matches!(action, Action::Unknown(_)), "{name} is not known");
        let (collection, draft) = action.to_draft(UnixMillis(1));
        assert_eq!(collection.name(), *place, "{name}");
        assert_eq!(draft.version, *version, "{name}");
        assert_eq!(String::from_utf8_lossy(&draft.index), String::from_utf8_lossy(&index), "{name}");
        let again = Action::read(collection, &draft.index, &draft.value, draft.version);
        assert_eq!(again.to_draft(UnixMillis(1)), (collection, draft.clone()), "{name}");
        let (_, removal) = action.to_removal(UnixMillis(1));
        assert_eq!((removal.operation, removal.index), (Operation::Remove, draft.index), "{name}");
        assert_eq!(removal.value, [0x08, 0x01], "{name}");
    }
}

#[test]
fn what_is_not_known_is_kept_whole() {
    let (index, value) = (br#"["tomorrow","x"]"#, [0x08, 0x01, 0xC2, 0xB8, 0x02, 1, 7]);
    let action = Action::read(Collection::RegularLow, index, &value, 9);
    let (collection, draft) = action.to_draft(UnixMillis(1));
    assert_eq!((collection, draft.version), (Collection::RegularLow, 9));
    assert_eq!((draft.index.as_slice(), draft.value.as_slice()), (index.as_slice(), value.as_slice()));
}

/// The fields of all messages: schema and message to number, name, type, kind.
type Fields<'t> = HashMap<(&'t str, &'t str), Vec<[&'t str; 4]>>;

fn fields(table: &str) -> Fields<'_> {
    let mut fields = Fields::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [schema, message, number, name, _, kind, sort, ..] = columns[..] else { panic!("{line}") };
        fields.entry((schema, message)).or_default().push([number, name, kind, sort]);
    }
    fields
}

/// A message with something in each of its fields.
fn filled(fields: &Fields<'_>, schema: &str, message: &str, flag: bool) -> Vec<u8> {
    let own = fields.get_key_value(&(schema, message));
    let found = own.or_else(|| fields.iter().find(|((_, name), _)| *name == message));
    let ((schema, _), found) = found.unwrap_or_else(|| panic!("no message {message}"));
    let mut bytes = Vec::new();
    for [number, name, kind, sort] in found {
        // Who wrote a message of ours is known.
        if flag && message == "MessageKey" && *name == "participant" {
            continue;
        }
        let number: u32 = number.parse().unwrap();
        let key = |wire: u32| u64::from(number << 3 | wire);
        let (key, content) = match (*sort, *kind) {
            ("message", inner) => (key(2), framed(&filled(fields, schema, inner, flag))),
            ("enum", _) => (key(0), vec![1]),
            (_, "string") => (key(2), framed(PN.as_bytes())),
            (_, "bytes") => (key(2), framed(&[7; 32])),
            (_, "bool") => (key(0), vec![u8::from(flag)]),
            (_, "double") => (key(1), 1.0_f64.to_le_bytes().to_vec()),
            (_, "float") => (key(5), 1.0_f32.to_le_bytes().to_vec()),
            (_, "int32" | "int64" | "uint32" | "uint64") => (key(0), vec![1]),
            other => panic!("{message}.{name} is {other:?}"),
        };
        prost::encoding::encode_varint(key, &mut bytes);
        bytes.extend(content);
    }
    bytes
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    prost::encoding::encode_varint(bytes.len() as u64, &mut framed);
    framed.extend(bytes);
    framed
}

#[test]
fn no_field_of_any_action_is_lost() {
    let table = include_str!("../../../docs/protocol/proto-fields.tsv");
    let fields = fields(table);
    let schema = "WAWebProtobufSyncAction";
    let values = &fields[&(schema, "SyncActionValue")];
    let (mut known, mut lost) = (0, Vec::new());
    for (name, _, version, parts, field) in CATALOGUE {
        let index: Vec<String> = [*name].iter().chain(*parts).map(|part| (*part).to_owned()).collect();
        let Some([_, _, message, _]) = values.iter().find(|[number, ..]| *number == field.to_string()) else {
            assert_eq!(*field, 0, "{name} has a field that is not in the table");
            continue;
        };
        for flag in [true, false] {
            let mut value = vec![0x08, 0x01];
            prost::encoding::encode_varint(u64::from(*field) << 3 | 2, &mut value);
            value.extend(framed(&filled(&fields, schema, message, flag)));
            let action = Action::read(Collection::Regular, &write_index(&index), &value, *version);
            let (_, draft) = action.to_draft(UnixMillis(1));
            let expected = SyncActionValue::decode(value.as_slice()).unwrap();
            let written = SyncActionValue::decode(draft.value.as_slice()).unwrap();
            if written != expected {
                lost.push(format!("{name}: {} is {}", hex::encode(&value), hex::encode(&draft.value)));
            }
        }
        known += 1;
    }
    assert!(lost.is_empty(), "{lost:#?}");
    assert_eq!(known, CATALOGUE.len() - 1);
}
