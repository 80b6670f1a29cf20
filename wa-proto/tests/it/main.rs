//! What the generated types promise beyond their fields.

use std::mem::size_of;

use prost::Message as _;
use wa_proto::common::MessageKey;
use wa_proto::e2e::{self, FutureProofMessage, Message, ProtocolMessage};
use wa_proto::{history_sync, sync_action, web};

#[test]
fn a_message_nested_too_deep_is_refused() {
    let mut wrapped = Message { conversation: Some("core".into()), ..Message::default() };
    let mut quoted = wrapped.clone();
    for _ in 0..200 {
        let inner = FutureProofMessage { message: Some(Box::new(wrapped)) };
        wrapped = Message { ephemeral_message: Some(Box::new(inner)), ..Message::default() };
        let context = e2e::ContextInfo { quoted_message: Some(Box::new(quoted)), ..Default::default() };
        let text = e2e::ExtendedTextMessage { context_info: Some(Box::new(context)), ..Default::default() };
        quoted = Message { extended_text_message: Some(Box::new(text)), ..Message::default() };
    }
    for message in [wrapped, quoted] {
        let error = Message::decode(message.encode_to_vec().as_slice()).expect_err("nested 200 deep");
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}

#[test]
fn a_message_nested_as_real_ones_are_is_read() {
    let mut message = Message { conversation: Some("core".into()), ..Message::default() };
    for _ in 0..40 {
        let inner = FutureProofMessage { message: Some(Box::new(message)) };
        message = Message { ephemeral_message: Some(Box::new(inner)), ..Message::default() };
    }
    assert_eq!(Message::decode(message.encode_to_vec().as_slice()).as_ref(), Ok(&message));
}

#[test]
fn an_unknown_enum_value_survives() {
    let bytes = ProtocolMessage { r#type: Some(9999), ..ProtocolMessage::default() }.encode_to_vec();
    let read = ProtocolMessage::decode(bytes.as_slice()).expect("an unknown value is no error");
    assert_eq!(read.r#type, Some(9999));
    assert!(e2e::protocol_message::Type::try_from(9999).is_err());
    assert_eq!(read.encode_to_vec(), bytes);
}

#[test]
fn debug_shows_names_and_never_content() {
    let key = MessageKey { remote_jid: Some("12345".into()), ..MessageKey::default() };
    let header = e2e::buttons_message::Header::Text("secret".into());
    let message = Message {
        conversation: Some("secret".into()),
        buttons_message: Some(Box::new(e2e::ButtonsMessage {
            header: Some(header.clone()),
            ..Default::default()
        })),
        ..Message::default()
    };
    assert_eq!(format!("{message:?}"), "Message { .. }");
    assert_eq!(format!("{:?}", message.buttons_message), "Some(ButtonsMessage { .. })");
    assert_eq!(format!("{header:#?}"), "buttons_message::Header { .. }");
    assert_eq!(format!("{:?}", vec![key]), "[MessageKey { .. }]");
    assert_eq!(format!("{:?}", e2e::KeepType::KeepForAll), "KeepForAll");
}

#[test]
fn big_messages_stay_small_in_memory() {
    let sizes = [
        ("e2e::Message", size_of::<Message>()),
        ("e2e::ContextInfo", size_of::<e2e::ContextInfo>()),
        ("e2e::MessageContextInfo", size_of::<e2e::MessageContextInfo>()),
        ("e2e::ProtocolMessage", size_of::<ProtocolMessage>()),
        ("e2e::ImageMessage", size_of::<e2e::ImageMessage>()),
        ("sync_action::SyncActionValue", size_of::<sync_action::SyncActionValue>()),
        ("web::WebMessageInfo", size_of::<web::WebMessageInfo>()),
        ("history_sync::Conversation", size_of::<history_sync::Conversation>()),
    ];
    for (name, size) in sizes {
        println!("{name}: {size} bytes"); // shown by --nocapture
        assert!(size <= 1024, "{name} takes {size} bytes");
    }
}
