//! How long a chat's messages stay, as messages tell it. Protocol: messages, "contextInfo".

use prost::Message as _;
use wa_proto::e2e;
use wa_proto::e2e::disappearing_mode::{Initiator, Trigger};
use wa_proto::e2e::protocol_message::Type;
use wa_types::UnixSeconds;

use super::{Message, raw, read};

/// `ContextInfo.expiration` and `ephemeralSettingTimestamp`.
const EXPIRATION: u32 = 25;
const SETTING_TIMESTAMP: u32 = 26;

impl Message {
    /// What it says about how long the messages of its chat stay: the seconds, 0 for ever, and since when. A message
    /// that sets it without a time does so when the server took it, at `received`; one that only has a time to live
    /// for itself says nothing. No time is later than `received`: else it could never be changed again.
    pub(crate) fn told_expiration(&self, received: UnixSeconds) -> Option<(u32, UnixSeconds)> {
        let setting = self.unwrapped().protocol_message.as_deref();
        if let Some(protocol) = setting.filter(|protocol| protocol.r#type() == Type::EphemeralSetting) {
            let since = read::seconds(protocol.ephemeral_setting_timestamp).unwrap_or(received);
            return Some((protocol.ephemeral_expiration(), since.min(received)));
        }
        let context = self.context_slice()?;
        let told = raw::only(context, &[EXPIRATION, SETTING_TIMESTAMP]);
        let told = e2e::ContextInfo::decode(told.as_slice()).ok()?;
        Some((told.expiration?, read::seconds(told.ephemeral_setting_timestamp)?.min(received)))
    }

    /// To disappear as the chat's setting says, unless it says itself when it does. Content that has no place for it
    /// stays as it is.
    pub(crate) fn expiring(self, seconds: u32, since: UnixSeconds) -> Self {
        let own = self.context_slice().map(|own| raw::only(own, &[EXPIRATION]));
        if seconds == 0 || own.is_some_and(|own| !own.is_empty()) {
            return self;
        }
        let mode = e2e::DisappearingMode {
            initiator: Some(Initiator::ChangedInChat as i32),
            trigger: Some(Trigger::ChatSetting as i32),
            ..Default::default()
        };
        self.with_context(&e2e::ContextInfo {
            expiration: Some(seconds),
            ephemeral_setting_timestamp: (since.0 > 0).then(|| read::seconds_to_wire(since)),
            disappearing_mode: Some(Box::new(mode)),
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::content::Disappearing;
    use crate::message::{MessageKey, Quote};

    const DAY: u32 = 86_400;
    const AT: UnixSeconds = UnixSeconds(500);

    #[test]
    fn a_message_tells_the_setting_of_its_chat() {
        let expiring = Message::text("x").expiring(DAY, AT);
        assert_eq!(expiring.told_expiration(UnixSeconds(900)), Some((DAY, AT)));
        assert_eq!(expiring.as_text(), Some("x"));
        assert_eq!(expiring.context().expiration, Some(Duration::from_secs(DAY.into())));
        let off = Message::from(Disappearing { after: None, since: Some(AT) });
        assert_eq!(off.told_expiration(UnixSeconds(900)), Some((0, AT)));
        assert_eq!(
            Message::disappearing(None).told_expiration(UnixSeconds(900)),
            Some((0, UnixSeconds(900)))
        );
        assert_eq!(Message::text("x").told_expiration(AT), None);
        let alone = Message::text("x").expire_after(Duration::from_secs(60));
        assert_eq!(alone.told_expiration(AT), None);
        let of_tomorrow = Message::text("x").expiring(DAY, UnixSeconds(u64::MAX));
        assert_eq!(of_tomorrow.told_expiration(AT), Some((DAY, AT)));
    }

    #[test]
    fn what_says_itself_when_it_disappears_keeps_that() {
        let alone = Message::text("x").expire_after(Duration::from_secs(60));
        assert_eq!(alone.clone().expiring(DAY, AT), alone);
        assert_eq!(Message::text("x").expiring(0, AT), Message::text("x"));
        let jid = wa_types::Jid::pn("2");
        let reaction = Message::reaction(MessageKey::own(&jid, "X".into()), "+");
        assert_eq!(reaction.clone().expiring(DAY, AT), reaction);
        let answer =
            Message::text("x").reply_to(Quote::new("Q".into(), &jid, Message::text("y"))).expiring(DAY, AT);
        assert!(answer.context().quote.is_some());
    }
}
