//! What goes wrong, set from another process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use wa_types::{Jid, MessageId};

use super::{Refused, device, query_value};
use crate::faults::{Act, Fault, FaultPlan, Faults, Filter, Scope, StreamEnd, Stroke};
use crate::hub::Hub;

/// The body of `POST /admin/faults`. In the options of options, `null` ends the fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    device: Option<String>,
    account: Option<String>,
    #[serde(default)]
    scripts: Vec<ScriptSetting>,
    refuse_decrypt: Option<u32>,
    exhaust_pre_keys: Option<u32>,
    refuse_login: Option<Refusal>,
    ban: Option<Ban>,
    stream_error_at_login: Option<u16>,
    dead_socket: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    slow_reader_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present")]
    shift_clock_s: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    delay_acks_ms: Option<Option<u64>>,
    interleave_backlog: Option<bool>,
    swallow_pings: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    swallow_requests: Option<Option<String>>,
    refuse_request: Option<RefusedRequest>,
    compress: Option<bool>,
    split_frames: Option<bool>,
    refuse_resume: Option<bool>,
    refuse_connections: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    reason: u16,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    code: u16,
    expire_s: u64,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedRequest {
    namespace: String,
    code: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptSetting {
    direction: Option<Way>,
    #[serde(default)]
    deliveries: bool,
    tag: Option<String>,
    kind: Option<String>,
    id: Option<String>,
    act: ActSetting,
    #[serde(default = "once")]
    count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    ToClient,
    FromClient,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ActSetting {
    Drop,
    After(u32),
    #[serde(rename = "delay_ms")]
    Delay(u64),
    Duplicate,
    Garble,
    Inflate(usize),
    Cut,
    CutAfter,
    HalfOpen,
    End(EndSetting),
    WrongPhash,
    Nack(u16),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EndSetting {
    Code(u16),
    Conflict(String),
    NotWellFormed,
    Orderly,
}

/// The body of `POST /admin/connection`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionEnd {
    device: String,
    r#do: How,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Disconnect,
    CutMidFrame,
    HalfOpen,
    End(EndSetting),
}

/// The body of `POST /admin/chaos`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChaosSetting {
    seed: u64,
    rates: Option<BTreeMap<Fault, u32>>,
    #[serde(default = "once")]
    times: u32,
    accounts: Option<Vec<String>>,
}

pub(super) fn set(hub: &Arc<Hub>, body: &[u8]) -> Result<Value, Refused> {
    let setting: Setting = serde_json::from_slice(body)?;
    let scope = scope(hub, setting.device.as_deref(), setting.account.as_deref())?;
    let faults = Faults::new(Arc::clone(hub), scope);
    let millis = |given: Option<u64>| given.map(Duration::from_millis);
    for script in setting.scripts {
        let (filter, act, count) = script.read();
        faults.script(filter, act, count);
    }
    given(setting.refuse_decrypt, |count| faults.refuse_decrypt(count));
    given(setting.exhaust_pre_keys, |count| faults.exhaust_pre_keys(count));
    given(setting.refuse_login, |refusal| faults.refuse_login(refusal.reason, refusal.count));
    given(setting.ban, |ban| faults.ban(ban.code, Duration::from_secs(ban.expire_s), ban.count));
    given(setting.stream_error_at_login, |code| faults.stream_error_at_login(code));
    given(setting.dead_socket, |on| faults.dead_socket(on));
    given(setting.slow_reader_ms, |pause| faults.slow_reader(millis(pause)));
    given(setting.shift_clock_s, |seconds| faults.shift_clock(seconds));
    given(setting.delay_acks_ms, |delay| faults.delay_acks(millis(delay)));
    given(setting.interleave_backlog, |on| faults.interleave_backlog(on));
    given(setting.swallow_pings, |on| faults.swallow_pings(on));
    given(setting.swallow_requests, |namespace| faults.swallow_requests(namespace.as_deref()));
    given(setting.refuse_request, |refused| faults.refuse_request(&refused.namespace, refused.code));
    given(setting.compress, |on| faults.compress(on));
    given(setting.split_frames, |on| faults.split_frames(on));
    given(setting.refuse_resume, |on| faults.refuse_resume(on));
    given(setting.refuse_connections, |count| faults.refuse_connections(count));
    Ok(json!({}))
}

pub(super) fn clear(hub: &Arc<Hub>, query: &str) -> Result<Value, Refused> {
    let (device, account) = (query_value(query, "device"), query_value(query, "account"));
    let scope = scope(hub, device.as_deref(), account.as_deref())?;
    Faults::new(Arc::clone(hub), scope).clear();
    Ok(json!({}))
}

pub(super) fn connection(hub: &Hub, body: &[u8]) -> Result<Value, Refused> {
    let asked: ConnectionEnd = serde_json::from_slice(body)?;
    let key = device(hub, &asked.device)?;
    let mut state = hub.state();
    let was_online = state.device(key).is_some_and(|device| device.session.is_some());
    match asked.r#do {
        How::Disconnect => {
            state.break_off(key);
        }
        How::CutMidFrame => {
            state.cut_mid_frame(key);
        }
        How::HalfOpen => {
            state.halt(key);
        }
        How::End(end) => state.close(key, Some(end.read().node())),
    }
    Ok(json!({ "was_online": was_online }))
}

pub(super) fn begin_chaos(hub: &Hub, body: &[u8]) -> Result<Value, Refused> {
    let setting: ChaosSetting = serde_json::from_slice(body)?;
    let mut plan = match setting.rates {
        None => FaultPlan::new(setting.seed),
        Some(rates) => {
            let plan = FaultPlan::quiet(setting.seed);
            rates.into_iter().fold(plan, |plan, (fault, rate)| plan.rate(fault, rate))
        }
    };
    plan = plan.times(setting.times);
    if let Some(accounts) = setting.accounts {
        for account in &accounts {
            device(hub, account)?;
        }
        let jids: Vec<Jid> = accounts.iter().filter_map(|account| account.parse().ok()).collect();
        plan = plan.accounts(&jids);
    }
    let unknown = |jid: Jid| Refused(StatusCode::NOT_FOUND, format!("no account has the address {jid}"));
    hub.state().unleash(plan).map_err(unknown)?;
    Ok(json!({ "seed": setting.seed }))
}

pub(super) fn chaos(hub: &Hub, ends: bool) -> Value {
    let mut state = hub.state();
    let Some(chaos) = &state.chaos else { return Value::Null };
    let log: Vec<String> = chaos.log().iter().map(Stroke::to_string).collect();
    let answer = json!({ "seed": chaos.seed, "log": log, "counts": &chaos.counts });
    if ends {
        state.chaos = None;
    }
    answer
}

impl ScriptSetting {
    fn read(self) -> (Filter, Act, u32) {
        let mut filter = match self.direction {
            _ if self.deliveries => Filter::deliveries(),
            Some(Way::ToClient) => Filter::to_client(),
            Some(Way::FromClient) => Filter::from_client(),
            None => Filter::default(),
        };
        if let Some(tag) = self.tag {
            filter = filter.tag(tag);
        }
        if let Some(kind) = self.kind {
            filter = filter.kind(kind);
        }
        if let Some(id) = self.id {
            filter = filter.id(&MessageId::new(id));
        }
        (filter, self.act.read(), self.count)
    }
}

impl ActSetting {
    fn read(self) -> Act {
        match self {
            Self::Drop => Act::Drop,
            Self::After(count) => Act::After(count),
            Self::Delay(millis) => Act::Delay(Duration::from_millis(millis)),
            Self::Duplicate => Act::Duplicate,
            Self::Garble => Act::Garble,
            Self::Inflate(size) => Act::Inflate(size.min(MAX_INFLATED)),
            Self::Cut => Act::Cut,
            Self::CutAfter => Act::CutAfter,
            Self::HalfOpen => Act::HalfOpen,
            Self::End(end) => Act::End(end.read()),
            Self::WrongPhash => Act::WrongPhash,
            Self::Nack(code) => Act::Nack(code),
        }
    }
}

impl EndSetting {
    fn read(self) -> StreamEnd {
        match self {
            Self::Code(code) => StreamEnd::Code(code),
            Self::Conflict(kind) => StreamEnd::Conflict(kind),
            Self::NotWellFormed => StreamEnd::NotWellFormed,
            Self::Orderly => StreamEnd::Orderly,
        }
    }
}

fn scope(hub: &Hub, of_device: Option<&str>, of_account: Option<&str>) -> Result<Scope, Refused> {
    match (of_device, of_account) {
        (None, None) => Ok(Scope::Everyone),
        (Some(address), None) => Ok(Scope::Device(device(hub, address)?)),
        (None, Some(address)) => Ok(Scope::Account(device(hub, address)?.account)),
        (Some(_), Some(_)) => {
            Err(Refused(StatusCode::BAD_REQUEST, "either a device or an account".to_owned()))
        }
    }
}

fn given<T>(setting: Option<T>, set: impl FnOnce(T)) {
    if let Some(value) = setting {
        set(value);
    }
}

/// Tells `null` from nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

const fn once() -> u32 {
    1
}

/// The largest that fits a frame.
const MAX_INFLATED: usize = 15 << 20;
