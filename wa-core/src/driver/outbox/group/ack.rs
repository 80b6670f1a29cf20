//! What the server says to a group's message, and to questions about a group.

use std::sync::Arc;

use wa_store::StoreError;
use wa_types::{Jid, MessageId};

use super::state::Given;
use super::{FanOut, GroupRoute};
use crate::connection::RequestError;
use crate::driver::outbox::Waits;
use crate::driver::{Actor, Step};
use crate::e2e::group::KeyHolders;
use crate::error::SendError;
use crate::stanza::ack::MessageAck;

/// What the server's answer to a group's message means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver::outbox) enum GroupVerdict {
    /// As for any other message.
    Settled,
    /// What we knew was out of date: the message is sent again under its id, if it was not already.
    SendAgain,
}

/// What a refusal of a group's message, or of the question about the group, means. Protocol: groups and communities,
/// "Errors on group queries".
pub(super) fn refusal_of(group: &Jid, code: u16, is_announcement: bool) -> SendError {
    match code {
        403 if is_announcement => SendError::AdminsOnly(group.clone()),
        403 | 404 => SendError::NotMember(group.clone()),
        code => SendError::from_code(code),
    }
}

impl Actor {
    /// The server answered a group's message, or did not.
    pub(in crate::driver::outbox) async fn judge_group(
        &mut self,
        id: &MessageId,
        route: &GroupRoute,
        ack: &Result<MessageAck, RequestError>,
        step: &mut Step,
    ) -> Result<GroupVerdict, StoreError> {
        let group = &route.to;
        let send = self.outbox.groups.entry(group);
        let given = send.given.take_if(|given| given.id == *id);
        if given.is_some() {
            // The group's next messages waited for this.
            self.outbox.wake();
        }
        let Ok(ack) = ack else {
            // Whether it arrived is not known; so it has to leave again.
            if given.is_some() {
                self.outbox.groups.drop_route(group);
            }
            return Ok(GroupVerdict::Settled);
        };
        if ack.error.is_some() {
            // Our view of the group may be why; and whoever was given our key has not got it.
            self.forget_group(group, step);
            let is_stale = ack.error == Some(421);
            return Ok(if is_stale { GroupVerdict::SendAgain } else { GroupVerdict::Settled });
        }
        if let Some(Given { devices, key_id, .. }) = given {
            self.load_holders(group).await?;
            self.outbox.groups.change_holders(group, |holders| {
                if holders.is_of(key_id, route.mode) {
                    devices.iter().for_each(|device| holders.confirm(device));
                }
            });
        }
        if ack.addressing.is_some_and(|addressing| addressing != route.mode) {
            self.forget_group(group, step);
        }
        match &ack.phash {
            Some(phash) if *phash != route.phash && self.outbox.lookups.is_new_dispute(group, phash) => {
                tracing::info!(?group, "the server knows of other devices");
                self.doubt_group(route, step).await?;
                Ok(GroupVerdict::SendAgain)
            }
            _ => Ok(GroupVerdict::Settled),
        }
    }

    /// Nothing that we know of a group's readers is sure any more.
    async fn doubt_group(&mut self, route: &GroupRoute, step: &mut Step) -> Result<(), StoreError> {
        let (group, store) = (&route.to, Arc::clone(&self.store));
        let known = match &route.audience {
            Some(_) => None,
            None => self.groups.load(&*store, group).await?,
        };
        let info = route.audience.as_ref().map(|read_by| &read_by.info).or(known.as_deref());
        if let (Some(info), Some(own)) = (info, self.own()) {
            for user in FanOut::users(info, &own) {
                self.directory.drop_list(&user, &mut step.changes);
            }
        }
        self.forget_group(group, step);
        self.load_holders(group).await?;
        self.outbox.groups.change_holders(group, KeyHolders::doubt_all);
        Ok(())
    }

    /// The members' group of a chat is known, or cannot be.
    pub(in crate::driver) fn wake_group(
        &mut self,
        group: &Jid,
        error: Option<&RequestError>,
        step: &mut Step,
    ) {
        match error {
            None => self.outbox.wake(),
            Some(RequestError::Refused(refusal)) => {
                let error = refusal_of(group, refusal.code, false);
                self.fail_chat(group, &error, step);
            }
            Some(error) => {
                let waits_for = |chat: &Jid, waits: &Waits| chat == group && matches!(waits, Waits::Group);
                self.look_up_again(error, waits_for, step);
            }
        }
    }

    /// Something about a group changed: the way is found anew before the next message.
    pub(in crate::driver) fn drop_route(&mut self, group: &Jid) {
        self.outbox.groups.drop_route(group);
    }
}
