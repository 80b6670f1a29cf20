//! Which account is linked to which number, and which of the sessions that were handed out are old.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wa_types::Jid;

use crate::account::AccountRecord;
use crate::ids::AccountId;

/// The numbers that accounts of this manager are linked to. Several may be linked to one, where that was allowed.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    linked: HashMap<AccountId, String>,
    /// The least hand-over of a device's session that is not old. What is known stays when its account is deleted.
    least: HashMap<String, u64>,
}

/// Why an account does not get a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotClaimed {
    /// This account is linked to its number.
    Linked(AccountId),
    /// It was handed out once more since then; this is the least hand-over that is not old.
    Old(u64),
}

impl Known {
    fn other(&self, number: &str, account: &AccountId) -> Option<AccountId> {
        let mut linked = self.linked.iter();
        linked.find(|(other, linked)| *other != account && *linked == number).map(|(other, _)| other.clone())
    }
}

impl Numbers {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account is linked as its row says, or not at all.
    pub(crate) fn note(&self, row: &AccountRecord) {
        let mut known = self.known();
        let accepted = row.accepted.as_ref().map(|accepted| &accepted.jid);
        match row.jid.as_ref().or(accepted).filter(|_| !row.exported) {
            Some(jid) => known.linked.insert(row.id.clone(), jid.user().to_owned()),
            None => known.linked.remove(&row.id),
        };
        if let Some(jid) = &row.jid {
            let least = known.least.entry(jid.to_string()).or_default();
            // What was handed out may come back as it is; what was taken over may not be taken over again.
            *least = (*least).max(row.hand_overs + u64::from(!row.exported));
        }
    }

    /// A phone linked this device just now: what was known of an earlier one with its name is not about it.
    pub(crate) fn is_new(&self, device: &Jid) {
        self.known().least.remove(&device.to_string());
    }

    /// The account is gone.
    pub(crate) fn forget(&self, account: &AccountId) {
        self.known().linked.remove(account);
    }

    /// Another account that is linked to this number.
    pub(crate) fn other(&self, number: &str, account: &AccountId) -> Option<AccountId> {
        self.known().other(number, account)
    }

    /// The number is the account's from now on, unless another one has it. It is until [`Self::note`] says something else.
    pub(crate) fn claim(&self, number: &str, account: &AccountId) -> Result<(), NotClaimed> {
        let mut known = self.known();
        if let Some(other) = known.other(number, account) {
            return Err(NotClaimed::Linked(other));
        }
        known.linked.insert(account.clone(), number.to_owned());
        Ok(())
    }

    /// The same for a session that was handed out: not if it is old.
    pub(crate) fn claim_session(
        &self,
        device: &Jid,
        hand_over: u64,
        account: &AccountId,
    ) -> Result<(), NotClaimed> {
        let least = self.known().least.get(&device.to_string()).copied();
        match least {
            Some(least) if hand_over < least => Err(NotClaimed::Old(least)),
            _ => self.claim(device.user(), account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::account;

    fn row(id: &str, jid: &str, hand_overs: u64, exported: bool) -> AccountRecord {
        let (id, jid) = (AccountId::stored(id.to_owned()), Some(jid.parse().unwrap()));
        AccountRecord { id, jid, accepted: None, hand_overs, exported, ..account(1, "one") }
    }

    #[test]
    fn a_number_is_one_accounts_until_its_row_says_otherwise() {
        let numbers = Numbers::default();
        let (one, two) = (
            row("one", "628111:1@s.whatsapp.net", 0, false),
            row("two", "628111:2@s.whatsapp.net", 0, false),
        );
        numbers.claim("628111", &one.id).unwrap();
        assert_eq!(numbers.claim("628111", &two.id), Err(NotClaimed::Linked(one.id.clone())));
        numbers.claim("628111", &one.id).unwrap();
        numbers.note(&AccountRecord { jid: None, ..one });
        numbers.claim("628111", &two.id).unwrap();
        numbers.forget(&two.id);
        assert_eq!(numbers.other("628111", &AccountId::stored("three".to_owned())), None);
    }

    #[test]
    fn a_session_is_old_once_it_was_taken_or_handed_out_again() {
        let numbers = Numbers::default();
        let device: Jid = "628111:7@s.whatsapp.net".parse().unwrap();
        let linked = |hand_overs, exported| row("one", "628111:7@s.whatsapp.net", hand_overs, exported);
        let other = AccountId::stored("two".to_owned());
        let claim = |hand_over| numbers.claim_session(&device, hand_over, &other);
        numbers.note(&linked(1, true));
        claim(1).unwrap();
        numbers.note(&AccountRecord { id: other.clone(), ..linked(1, false) });
        assert_eq!(claim(1), Err(NotClaimed::Old(2)));
        numbers.note(&AccountRecord { id: other.clone(), ..linked(2, true) });
        claim(2).unwrap();
        // What is known stays, whatever an older row says.
        numbers.note(&linked(1, true));
        assert_eq!(claim(1), Err(NotClaimed::Old(2)));
        numbers.is_new(&device);
        claim(1).unwrap();
    }
}
