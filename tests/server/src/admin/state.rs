//! What a phone knows and shares with its companions.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::app_state::Action;
use wa_core::app_state::action::{ChatAction, ContactAction};
use wa_types::{Jid, MessageId};

use super::Refused;
use crate::hub::Hub;
use crate::phone::Phone;

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
/// by the other and by the account in turn. Answers their ids.
pub(super) fn past(hub: &Arc<Hub>, body: &[u8]) -> Result<Value, Refused> {
    let asked: Remembers = serde_json::from_slice(body)?;
    let chat = jid(&asked.chat)?;
    let ids = Phone::of(hub, &asked.phone).remember(&chat, &asked.name, asked.texts);
    let ids: Vec<_> = ids.iter().map(MessageId::as_str).collect();
    Ok(json!({ "ids": ids }))
}

fn jid(address: &str) -> Result<Jid, Refused> {
    let bad = |_| Refused(hyper::StatusCode::BAD_REQUEST, format!("{address} is no address"));
    address.parse().map_err(bad)
}
