//! What a phone knows and shares with its companions.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::app_state::Action;
use wa_core::app_state::action::{ChatAction, ContactAction};
use wa_proto::common::MessageKey;
use wa_proto::history_sync::{Conversation, HistorySyncMsg};
use wa_proto::web::WebMessageInfo;
use wa_types::Jid;

use super::Refused;
use crate::hub::Hub;
use crate::phone::{Past, Phone};

#[derive(Deserialize)]
struct Asked {
    phone: String,
    pin: Option<Pin>,
    contact: Option<Contact>,
}

#[derive(Deserialize)]
struct Pin {
    chat: String,
    value: bool,
}

#[derive(Deserialize)]
struct Contact {
    number: String,
    name: String,
}

/// `POST /admin/mock-phone/app-state`: from now on the phone shares the account's state with new companions; it pins a
/// chat, or gives a contact a name.
pub(super) fn app_state(hub: &Arc<Hub>, body: &[u8]) -> Result<Value, Refused> {
    let asked: Asked = serde_json::from_slice(body)?;
    let phone = Phone::of(hub, &asked.phone);
    phone.start_app_state();
    if let Some(Pin { chat, value }) = asked.pin {
        phone.set_app_state(&[Action::Chat(ChatAction::Pin { chat: jid(&chat)?, pinned: value })]);
    }
    if let Some(Contact { number, name }) = asked.contact {
        let contact = ContactAction::Contact {
            pn: jid(&number)?,
            full_name: Some(name),
            first_name: None,
            lid: None,
            on_phone: None,
            pn_too: None,
            username: None,
        };
        phone.set_app_state(&[Action::Contact(contact)]);
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
struct Remembers {
    phone: String,
    chat: String,
    name: String,
    texts: Vec<String>,
}

/// `POST /admin/mock-phone/past`: companions that are linked from now on get the past of this chat: texts, oldest first,
/// by the other and by the account in turn, a minute apart. Answers their ids.
pub(super) fn past(hub: &Arc<Hub>, body: &[u8]) -> Result<Value, Refused> {
    let asked: Remembers = serde_json::from_slice(body)?;
    let chat = jid(&asked.chat)?;
    let (first, mut ids) = (hub.state().now_seconds().saturating_sub(60 * 60 * 24), Vec::new());
    let mut messages = Vec::new();
    for (number, text) in (0_u64..).zip(asked.texts) {
        let id = format!("3EB0{number:016X}");
        ids.push(id.clone());
        let key = MessageKey {
            remote_jid: Some(chat.to_string()),
            from_me: Some(number % 2 == 1),
            id: Some(id),
            participant: None,
        };
        let message = wa_proto::e2e::Message { conversation: Some(text), ..Default::default() };
        let info = WebMessageInfo {
            key,
            message: Some(Box::new(message)),
            message_timestamp: Some(first + number * 60),
            ..Default::default()
        };
        messages.insert(0, HistorySyncMsg { message: Some(info), msg_order_id: Some(number) });
    }
    let chat = Conversation { id: chat.to_string(), messages, name: Some(asked.name), ..Default::default() };
    Phone::of(hub, &asked.phone).set_past(Past::new(vec![chat]));
    Ok(json!({ "ids": ids }))
}

fn jid(address: &str) -> Result<Jid, Refused> {
    let bad = |_| Refused(hyper::StatusCode::BAD_REQUEST, format!("{address} is no address"));
    address.parse().map_err(bad)
}
