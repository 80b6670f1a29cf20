//! `w:mex`: GraphQL calls, found by the number of their document. Protocol: IQ catalogue, "Mex".

mod groups;
pub(crate) mod limits;
mod newsletters;
mod profile;

use serde_json::{Value, json};
use wa_core::stanza::iq::mex::documents;
use wa_core::wire::Node;
use wa_types::Jid;

use super::Answer;
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

/// What a call comes to: data, or a code.
pub(crate) type MexResult = Result<Value, u16>;

pub(super) fn answer(state: &mut State, from: DeviceKey, iq: &Node) -> Answer {
    let Some(query) = iq.find("query") else { return Answer::Error(400) };
    let (Some(id), Some(content)) = (query.attr_text("query_id"), query.content_bytes()) else {
        return Answer::Error(400);
    };
    let variables = serde_json::from_slice::<Value>(content).ok();
    let Some(variables) = variables.and_then(|content| content.get("variables").cloned()) else {
        return Answer::Error(400);
    };
    let older = OLDER.iter().find(|(older, _)| *older == id).map(|(_, name)| *name);
    let result = match older.or_else(|| documents::by_id(&id).map(|operation| operation.name)) {
        Some(name) => call(state, from, name, &variables).unwrap_or(Err(501)),
        None => {
            tracing::debug!(%id, "unknown document");
            Err(400)
        }
    };
    let reply = match result.map(|data| if older.is_some() { newsletters::older(data) } else { data }) {
        Ok(data) => json!({ "data": data }),
        Err(code) => json!({ "data": null, "errors": [{
            "message": crate::stanza::error_text(code),
            "extensions": { "error_code": code, "is_retryable": false, "severity": "CRITICAL", "is_summary": true },
        }] }),
    };
    Answer::one(Node::new("result").bytes(reply.to_string()))
}

/// Documents under the numbers that other clients still ask by.
const OLDER: [(&str, &str); 2] =
    [("8823471724422422", "CreateNewsletter"), ("6563316087068696", "FetchNewsletter")];

/// `None` when nobody here serves it.
fn call(state: &mut State, from: DeviceKey, name: &str, variables: &Value) -> Option<MexResult> {
    let answer = limits::call(state, from, name, variables)
        .or_else(|| profile::call(state, from, name, variables))
        .or_else(|| groups::call(state, from, name, variables))
        .or_else(|| newsletters::call(state, from, name, variables));
    if answer.is_none() {
        tracing::debug!(name, "an operation that is not served");
    }
    answer
}

impl State {
    /// Tells all devices of an account something in the form of a GraphQL answer.
    pub(crate) fn tell_mex(&mut self, account: usize, operation: &'static str, data: &Value) {
        let (id, now) = (self.next_id(), self.now_seconds());
        let content = json!({ "data": data }).to_string();
        let notification = Node::new("notification")
            .attr("type", "mex")
            .attr("from", Jid::SERVER)
            .attr("id", id)
            .attr("t", now)
            .child(Node::new("update").attr("op_name", operation).bytes(content));
        for device in self.devices_of(account) {
            self.deliver(device, notification.clone());
        }
    }
}
