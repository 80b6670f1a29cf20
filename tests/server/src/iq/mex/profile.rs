//! About texts and user names.

use serde_json::{Value, json};
use wa_core::wire::Node;

use super::MexResult;
use crate::account::DeviceKey;
use crate::state::State;

pub(super) fn call(state: &mut State, from: DeviceKey, name: &str, variables: &Value) -> Option<MexResult> {
    let text = |name: &str| variables.get(name).and_then(Value::as_str);
    Some(match name {
        "UpdateTextStatus" => match variables.pointer("/input/text").and_then(Value::as_str) {
            Some(text) => state
                .set_about(from, text)
                .and_then(|()| {
                    state.set_text_status(from, text, variables.get("input").unwrap_or(&Value::Null))
                })
                .map(|()| json!({ "xwa2_update_text_status": { "result": "SUCCESS" } })),
            None => Err(400),
        },
        "GetUsername" => {
            let name = state.account(from.account)?.people.username.clone();
            let state = if name.is_some() { "ACTIVE" } else { "NONE" };
            Ok(json!({ "xwa2_username_get": { "username_info": { "username": name, "state": state } } }))
        }
        "UsernameAvailability" => {
            let asked = text("input")?;
            let result = if state.has_username(asked) { "TAKEN" } else { "AVAILABLE" };
            Ok(json!({ "xwa2_username_check": { "result": result, "suggestions": [format!("{asked}1")] } }))
        }
        "SetUsername" => {
            let asked = text("input")?.to_owned();
            if state.has_username(&asked) {
                return Some(Ok(json!({ "xwa2_username_set": { "result": "TAKEN" } })));
            }
            let account = state.accounts.get_mut(from.account)?;
            account.people.username = Some(asked.clone());
            let lid = account.lid.to_string();
            let contacts = account.contacts.clone();
            let data = json!({ "xwa2_notify_username_on_change": { "lid": lid, "username": asked } });
            for contact in contacts {
                state.tell_mex(contact, "UsernameSetNotification", &data);
            }
            Ok(json!({ "xwa2_username_set": { "result": "SUCCESS" } }))
        }
        "SetUsernameKey" => {
            state.accounts.get_mut(from.account)?.people.username_key = text("pin").map(str::to_owned);
            Ok(json!({ "xwa2_username_pin_set": { "result": "SUCCESS" } }))
        }
        _ => return None,
    })
}

impl State {
    fn has_username(&self, name: &str) -> bool {
        self.accounts.iter().any(|account| account.people.username.as_deref() == Some(name))
    }

    /// Sets what stands beside the about text, and tells contacts, if there is anything.
    fn set_text_status(&mut self, from: DeviceKey, text: &str, input: &Value) -> Result<(), u16> {
        let now = self.now_seconds();
        let account = self.accounts.get_mut(from.account).ok_or(404_u16)?;
        let emoji = input.pointer("/emoji/content").and_then(Value::as_str).unwrap_or_default().to_owned();
        let seconds = input.get("ephemeral_duration_sec").and_then(Value::as_u64).unwrap_or(0);
        let is_one = !emoji.is_empty() || seconds > 0;
        account.people.text_status = is_one.then(|| (emoji.clone(), seconds, now));
        if is_one {
            let (lid, contacts) = (account.lid.to_string(), account.contacts.clone());
            let emoji = json!({ "content": emoji });
            let status =
                json!({ "jid": lid, "text": text, "emoji": emoji, "ephemeral_duration_sec": seconds });
            let data = json!({ "xwa2_notify_text_status_on_update": status });
            for contact in contacts {
                self.tell_mex(contact, "TextStatusUpdateNotification", &data);
            }
        }
        Ok(())
    }

    /// Sets the about text, and tells who is to know.
    pub(crate) fn set_about(&mut self, from: DeviceKey, text: &str) -> Result<(), u16> {
        if text.chars().count() > MAX_ABOUT {
            return Err(406);
        }
        let now = self.now_seconds();
        let account = self.accounts.get_mut(from.account).ok_or(404_u16)?;
        account.about = Some((text.to_owned(), now));
        self.tell_contacts(from, "status", &Node::new("set").attr("t", now).bytes(text));
        Ok(())
    }
}

const MAX_ABOUT: usize = 139;
