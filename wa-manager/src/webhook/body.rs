//! What is delivered: an event, with what its receiver needs to know of the account. Never credentials.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use wa_types::UnixMillis;

use crate::account::AccountRecord;
use crate::event::{EventKind, EventRecord};
use crate::ids::{AccountId, EventId, TenantId};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: &'a EventId,
    seq: u64,
    account_seq: u64,
    #[serde(rename = "type")]
    kind: EventKind,
    tenant: &'a TenantId,
    account: Option<Account<'a>>,
    #[serde(serialize_with = "crate::millis::serialize")]
    timestamp: UnixMillis,
    metadata: Option<&'a BTreeMap<String, String>>,
    data: &'a Value,
}

#[derive(Serialize)]
struct Account<'a> {
    id: &'a AccountId,
    /// Of an account that is gone nobody knows the name any more.
    name: Option<&'a str>,
    phone: Option<String>,
}

/// The body as JSON. `account` is as it is now, if it is still there.
pub(super) fn render(event: &EventRecord, account: Option<&AccountRecord>) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Body {
        id: &event.id,
        seq: event.seq,
        account_seq: event.account_seq,
        kind: event.kind,
        tenant: &event.tenant,
        account: event.account.as_ref().map(|id| Account {
            id,
            name: account.map(|account| account.name.as_str()),
            phone: account.and_then(|account| account.phone.as_ref()).map(ToString::to_string),
        }),
        timestamp: event.at,
        metadata: account.map(|account| &account.metadata),
        data: &event.data,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::tests::{account, id};

    // R169
    #[test]
    fn the_body_says_what_happened_to_which_account_and_nothing_else() {
        let event = EventRecord {
            seq: 7,
            account_seq: 3,
            id: EventId::of([1; 16]),
            tenant: TenantId::new("shop"),
            account: Some(id(1)),
            kind: EventKind::MessageReceived,
            at: UnixMillis(1_700_000_000_123),
            data: json!({ "text": "hello" }),
        };
        let record = account(1, "shop-1");
        let rendered = |account| {
            let bytes = render(&event, account).unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        // All of it: of an account's row neither where its keys are nor its addresses get out.
        let expected = json!({
            "id": "01010101-0101-4101-8101-010101010101",
            "seq": 7,
            "accountSeq": 3,
            "type": "message.received",
            "tenant": "shop",
            "account": { "id": id(1), "name": "shop-1", "phone": "628123456789" },
            "timestamp": 1_700_000_000_123_u64,
            "metadata": { "plan": "gold" },
            "data": { "text": "hello" },
        });
        assert_eq!(rendered(Some(&record)), expected);
        let gone = rendered(None);
        assert_eq!(gone["account"], json!({ "id": id(1), "name": null, "phone": null }));
        assert_eq!(gone["metadata"], Value::Null);
    }
}
