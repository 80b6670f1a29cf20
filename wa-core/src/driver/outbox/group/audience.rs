//! Who reads what goes to an audience: as if the audience were a group of its own. Protocol: messages, "Status",
//! "Broadcast list".

use std::sync::Arc;

use wa_store::{AddressingMode, Group, GroupMember, StoreError};
use wa_types::Jid;

use crate::driver::Actor;
use crate::driver::delivery::Audience;
use crate::e2e::addressing::OwnAddress;

impl Actor {
    /// The readers, by LID once the account is migrated. First it must be known who they are: with the users to be asked
    /// about it fails.
    pub(super) async fn readers_of(
        &mut self,
        chat: &Jid,
        audience: &Audience,
        own: &OwnAddress,
    ) -> Result<Result<Group, Vec<Jid>>, StoreError> {
        let store = Arc::clone(&self.store);
        let addressing = match own.lid {
            Some(_) if self.account.lid_migrated => AddressingMode::Lid,
            _ => AddressingMode::Pn,
        };
        let named: Vec<Jid> = audience.users.iter().chain(&audience.except).map(Jid::to_chat).collect();
        self.directory.load_addresses(&*store, named.clone()).await?;
        // Who is known by number alone is asked about once: the answer has the LID. Whoever has none is not reached, and
        // was not left out by another name.
        if addressing == AddressingMode::Lid || audience.except.iter().any(Jid::is_lid) {
            let numbers: Vec<Jid> = named
                .iter()
                .filter(|user| user.is_pn() && self.directory.lid_of(user).is_none())
                .cloned()
                .collect();
            self.directory.load_lists(&*store, &numbers).await?;
            let unknown: Vec<Jid> = numbers
                .into_iter()
                .filter(|user| {
                    self.directory.list(user).is_none() && !self.outbox.lookups.knows_no_devices_of(user)
                })
                .collect();
            if !unknown.is_empty() {
                return Ok(Err(unknown));
            }
        }
        let is_user = |user: &Jid| {
            let (user, other) = (user.clone(), self.directory.other_address(user).cloned());
            move |named: &Jid| {
                named.is_same_user(&user) || other.as_ref().is_some_and(|other| named.is_same_user(other))
            }
        };
        let members = audience.users.iter().filter(|user| !audience.except.iter().any(is_user(user)));
        let members: Vec<GroupMember> =
            members.filter_map(|user| GroupMember::of(user, self.directory.other_address(user))).collect();
        Ok(Ok(Group { addressing, members, ..Group::new(chat.clone()) }))
    }
}
