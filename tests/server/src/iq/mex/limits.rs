//! The reach-out time lock and the quota of new chats.

use serde_json::{Value, json};

use super::MexResult;
use crate::account::{Account, DeviceKey};
use crate::state::State;

pub(super) fn call(state: &State, from: DeviceKey, name: &str, variables: &Value) -> Option<MexResult> {
    let account = state.account(from.account)?;
    Some(match name {
        "FetchReachoutTimelock" => Ok(json!({ "xwa2_fetch_account_reachout_timelock": timelock(account) })),
        "FetchNewChatMessageCappingInfo" => {
            let is_known =
                variables.pointer("/input/type").and_then(Value::as_str) == Some("INDIVIDUAL_NEW_CHAT_MSG");
            let quota = quota(account, state.now_seconds());
            if is_known { Ok(json!({ "xwa2_message_capping_info": quota })) } else { Err(400) }
        }
        _ => return None,
    })
}

/// The account's lock as stanzas tell it.
pub(crate) fn timelock(account: &Account) -> Value {
    match account.people.timelock {
        Some(until) => json!({
            "is_active": true,
            "time_enforcement_ends": until.to_string(),
            "enforcement_type": "DEFAULT",
        }),
        None => json!({ "is_active": false, "time_enforcement_ends": null, "enforcement_type": null }),
    }
}

/// The account's quota as stanzas tell it.
pub(crate) fn quota(account: &Account, now: u64) -> Value {
    let (total, used) = account.people.new_chats;
    json!({
        "total_quota": total,
        "used_quota": used,
        "cycle_start_timestamp": (now - now % CYCLE).to_string(),
        "cycle_end_timestamp": (now - now % CYCLE + CYCLE).to_string(),
        "server_sent_timestamp": now.to_string(),
        "capping_status": if total > 0 && used >= total { "CAPPED" } else { "NONE" },
        "ote_status": "NOT_ELIGIBLE",
        "mv_status": "NOT_ELIGIBLE",
    })
}

const CYCLE: u64 = 30 * 86_400;

impl State {
    /// Tells the devices of an account about its lock.
    pub(crate) fn tell_timelock(&mut self, account: usize) {
        let Some(said) = self.account(account).map(timelock) else { return };
        let data = json!({ "xwa2_notify_account_reachout_timelock": said });
        self.tell_mex(account, "NotificationUserReachoutTimelockUpdate", &data);
    }

    /// Tells the devices of an account about its quota.
    pub(crate) fn tell_new_chats(&mut self, account: usize) {
        let now = self.now_seconds();
        let Some(said) = self.account(account).map(|account| quota(account, now)) else { return };
        let data = json!({ "xwa2_notify_new_chat_messages_capping_info_update": said });
        self.tell_mex(account, "MessageCappingInfoNotification", &data);
    }
}
