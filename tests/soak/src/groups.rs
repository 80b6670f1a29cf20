//! The groups of all accounts, one for each kind of address. A guest comes and goes, so that lists of members change and
//! sender keys with them. What it reads counts for nothing: it depends on when it came.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wa_test_server::{GroupMode, Phone, TestServer};
use wa_types::Jid;

use crate::Fallible;
use crate::account::Account;
use crate::tally::Tally;

pub(crate) struct Groups {
    jids: Vec<Jid>,
    owner: Phone,
    guest: Phone,
}

impl Groups {
    /// Of all these accounts; the first is the owner.
    pub(crate) fn create(server: &TestServer, accounts: &[Account]) -> Fallible<Self> {
        let mut phones = accounts.iter().map(|account| &account.phone);
        let owner = phones.next().ok_or("there are no accounts")?;
        let members: Vec<&Jid> = phones.map(Phone::pn).collect();
        let modes = [("by LID", GroupMode::Lid), ("by phone number", GroupMode::Pn)];
        let jids = modes.map(|(subject, mode)| owner.create_group(subject, &members, mode)).into();
        Ok(Self { jids, owner: owner.clone(), guest: server.phone("guest") })
    }

    pub(crate) fn jids(&self) -> impl Iterator<Item = &Jid> {
        self.jids.iter()
    }

    /// The guest comes to each group and goes again, until told to stop.
    pub(crate) fn live(
        self,
        tally: &Arc<Tally>,
        pause: Duration,
        stop: &CancellationToken,
    ) -> JoinHandle<()> {
        let (tally, stop) = (Arc::clone(tally), stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(self.host(&tally, pause)).await;
        })
    }

    async fn host(self, tally: &Tally, pause: Duration) {
        for group in self.jids.iter().cycle() {
            for change in [Phone::add_member, Phone::remove_member] {
                sleep(pause).await;
                if let Err(code) = change(&self.owner, group, self.guest.pn()) {
                    tally.fail(format!("the members of {group} cannot be changed: {code}"));
                }
            }
            while self.guest.try_next_message().is_some() {}
        }
    }
}
