//! What a test asks of a server in another process, over HTTP on the port of the WebSocket. Bodies and answers are
//! JSON; a refusal is `{"error": …}`.
//!
//! | Call | What it does |
//! |---|---|
//! | `GET /admin/health` | answers `ok` |
//! | `POST /admin/mock-phone/scan-qr` | a phone scans a QR code: the body is its text, or `{"qr": …, "phone": …}` |
//! | `POST /admin/mock-phone` | makes a phone: `{"phone": NAME}` is answered with its `number` |
//! | `POST /admin/mock-phone/enter-code` | its user types a code: `{"phone" or "number": …, "code": …}` |
//! | `POST /admin/mock-phone/refresh-code` | it takes a code back: `{"phone" or "number": …, "by_user": true}` |
//! | `POST /admin/mock-phone/passkey` | it wants a passkey: `{"phone" or "number": …, "qr": …, "inline": true}` |
//! | `POST /admin/mock-phone/sign` | signs with its account's passkey: `{"phone" or "number": …, "options": JSON}` |
//! | `POST /admin/mock-phone/reinstall` | the phone of `{"phone": name}` is set up anew: another identity |
//! | `POST /admin/mock-phone/app-state` | it shares the account's state: `{"phone": name, "pin": {"chat", "value"}, "contact": {"number", "name"}}` |
//! | `POST /admin/mock-phone/write` | it writes a text: `{"phone": name, "to": number, "text"}` |
//! | `POST /admin/mock-phone/past` | it gives new companions its past: `{"phone": name, "chat", "name", "texts": [oldest, …]}` |
//! | `POST /admin/groups` | `{"addressing": "pn"}` or `"lid"`: of new groups, or of the one that `"group": …` names |
//! | `POST /admin/faults` | sets what goes wrong, see below |
//! | `DELETE /admin/faults` | ends what goes wrong: of `?device=…`, of `?account=…`, or everything |
//! | `POST /admin/connection` | `{"device": …, "do": …}`: see below; answers `{"was_online": …}` |
//! | `POST /admin/chaos` | random faults from a seed, in place of those that were |
//! | `GET /admin/chaos` | `{"seed", "log", "counts"}` of the random faults |
//! | `DELETE /admin/chaos` | ends them; answers as `GET` |
//! | `GET /admin/metrics` | what the server counted |
//!
//! **Faults** are for one device (`"device": "15550000001:1@s.whatsapp.net"`), for one account (`"account": "…"`), or,
//! with neither, for everyone. Any number of these may be set at once; each is the method of
//! [`Faults`](crate::Faults) of the same name:
//!
//! ```json
//! { "device": "15550000001:1@s.whatsapp.net",
//!   "scripts": [
//!     { "direction": "to-client", "tag": "ack", "kind": "message", "act": "drop" },
//!     { "deliveries": true, "act": { "after": 2 }, "count": 3 },
//!     { "direction": "from-client", "tag": "message", "id": "3EB0…", "act": { "nack": 463 } } ],
//!   "refuse_decrypt": 1, "exhaust_pre_keys": 1,
//!   "refuse_login": { "reason": 503, "count": 2 }, "ban": { "code": 104, "expire_s": 90 },
//!   "stream_error_at_login": 515, "dead_socket": true, "slow_reader_ms": 200, "shift_clock_s": -7200,
//!   "delay_acks_ms": 500, "interleave_backlog": true, "swallow_pings": true, "swallow_requests": "usync",
//!   "refuse_request": { "namespace": "encrypt", "code": 503 }, "compress": true, "split_frames": true,
//!   "refuse_resume": true, "refuse_connections": 1 }
//! ```
//!
//! A script's act is one of `"drop"`, `{"after": n}`, `{"delay_ms": n}`, `"duplicate"`, `"garble"`, `{"inflate": size}`,
//! `"cut"`, `"cut-after"`, `"half-open"`, `{"end": …}`, `"wrong-phash"`, `{"nack": code}`; its count is 1 unless it says
//! another. A stream ends with `{"code": 503}`, `{"conflict": "replaced"}`, `"not-well-formed"` or `"orderly"`.
//!
//! **Connections** are ended by `"disconnect"`, `"cut-mid-frame"`, `"half-open"` or `{"end": …}`.
//!
//! **Chaos** is `{"seed": 7}` for all that a client recovers from; `"rates": {"drop-ack": 50, …}` (of ten thousand) for
//! those alone, `"times": 5` for more of all, `"accounts": ["…"]` for only these. The names of the rates are those of
//! [`Fault`](crate::Fault), in small letters with dashes.

mod faults;
mod groups;
mod pairing;
mod scan;
mod state;

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::hub::Hub;
use crate::listen::AdminFuture;

/// The answer to an admin call; `None` when there is no such call.
pub(crate) fn answer<'a>(
    hub: &'a Arc<Hub>,
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
) -> AdminFuture<'a> {
    Box::pin(call(hub, method, path, query, body))
}

async fn call(
    hub: &Arc<Hub>,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Option<(StatusCode, Value)> {
    let call = path.strip_prefix("/admin/")?;
    let methods: &[Method] = match call {
        "mock-phone"
        | "mock-phone/scan-qr"
        | "mock-phone/enter-code"
        | "mock-phone/refresh-code"
        | "mock-phone/passkey"
        | "mock-phone/sign"
        | "mock-phone/reinstall"
        | "mock-phone/app-state"
        | "mock-phone/past"
        | "mock-phone/write"
        | "groups"
        | "connection" => &[Method::POST],
        "faults" => &[Method::POST, Method::DELETE],
        "chaos" => &[Method::POST, Method::GET, Method::DELETE],
        "metrics" => &[Method::GET],
        _ => return None,
    };
    if !methods.contains(method) {
        return Some((StatusCode::METHOD_NOT_ALLOWED, json!({ "error": "method not allowed" })));
    }
    let answer = match (call, method) {
        ("mock-phone/scan-qr", _) => return Some(scan::scan_qr(hub, query, body).await),
        ("mock-phone", _) => pairing::phone(hub, body),
        ("mock-phone/enter-code", _) => pairing::enter_code(hub, body).await,
        ("mock-phone/refresh-code", _) => pairing::refresh_code(hub, body),
        ("mock-phone/passkey", _) => pairing::passkey(hub, body).await,
        ("mock-phone/sign", _) => pairing::sign(hub, body),
        ("mock-phone/reinstall", _) => reinstall(hub, body),
        ("mock-phone/app-state", _) => state::app_state(hub, body),
        ("mock-phone/past", _) => state::past(hub, body),
        ("mock-phone/write", _) => pairing::write(hub, body).await,
        ("groups", _) => groups::set(hub, body),
        ("faults", &Method::POST) => faults::set(hub, body),
        ("faults", _) => faults::clear(hub, query),
        ("connection", _) => faults::connection(hub, body),
        ("chaos", &Method::POST) => faults::begin_chaos(hub, body),
        ("chaos", method) => Ok(faults::chaos(hub, method == Method::DELETE)),
        _ => Ok(metrics(hub)),
    };
    Some(match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(Refused(status, error)) => (status, json!({ "error": error })),
    })
}

/// Why a call is refused.
struct Refused(StatusCode, String);

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// The device that an address names.
fn device(hub: &Hub, address: &str) -> Result<DeviceKey, Refused> {
    let bad = |_| Refused(StatusCode::BAD_REQUEST, format!("{address} is no address"));
    let jid = address.parse::<Jid>().map_err(bad)?;
    let key = hub.state().device_key(&jid);
    key.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("no account has the address {address}")))
}

fn reinstall(hub: &Hub, body: &[u8]) -> Result<Value, Refused> {
    let asked: Value = serde_json::from_slice(body)?;
    let name = asked.get("phone").and_then(Value::as_str);
    let name = name.ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "which phone?".to_owned()))?;
    let phone = hub.phones().get(name).cloned();
    let unknown = || Refused(StatusCode::NOT_FOUND, format!("no phone has the name {name}"));
    phone.ok_or_else(unknown)?.reinstall();
    Ok(json!({}))
}

fn metrics(hub: &Hub) -> Value {
    let metrics = hub.state().measure();
    let pre_keys = metrics.pre_keys.iter().map(|(jid, count)| (jid.to_string(), Value::from(*count)));
    json!({
        "received": metrics.received,
        "sent": metrics.sent,
        "routed": metrics.routed,
        "redelivered": metrics.redelivered,
        "deduped": metrics.deduped,
        "logins": metrics.logins,
        "queued": metrics.queued,
        "pre_keys": pre_keys.collect::<serde_json::Map<_, _>>(),
    })
}

/// A value of a query string, percent-decoded.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    pair.map(|(_, value)| percent_decoded(value)).filter(|value| !value.is_empty())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |rest: &mut std::str::Bytes<'_>| {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            u8::try_from(high * 16 + low).ok()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => bytes.extend(hex(&mut rest)),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_named_in_the_query() {
        let cases = [
            ("phone=alice", Some("alice")),
            ("a=b&phone=al%20ice%21", Some("al ice!")),
            ("phone=", None),
            ("phone=%", None),
            ("", None),
        ];
        for (query, expected) in cases {
            assert_eq!(query_value(query, "phone").as_deref(), expected, "{query}");
        }
    }
}
