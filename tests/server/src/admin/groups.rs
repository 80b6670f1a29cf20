//! How groups are addressed, set from another process.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use wa_types::Jid;

use super::Refused;
use crate::group::GroupMode;
use crate::hub::Hub;

/// The body of `POST /admin/groups`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    group: Option<String>,
    addressing: Addressing,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Addressing {
    Pn,
    Lid,
}

/// New groups, or the named one, are addressed so from now on; nobody is told.
pub(super) fn set(hub: &Hub, body: &[u8]) -> Result<Value, Refused> {
    let setting: Setting = serde_json::from_slice(body)?;
    let mode = match setting.addressing {
        Addressing::Pn => GroupMode::Pn,
        Addressing::Lid => GroupMode::Lid,
    };
    let mut state = hub.state();
    match setting.group {
        None => state.config.new_groups = mode,
        Some(group) => {
            let unknown = || Refused(StatusCode::NOT_FOUND, format!("there is no group {group}"));
            let jid = group.parse::<Jid>().ok().ok_or_else(unknown)?;
            state.groups.find_mut(&jid).ok_or_else(unknown)?.mode = mode;
        }
    }
    Ok(json!({}))
}
