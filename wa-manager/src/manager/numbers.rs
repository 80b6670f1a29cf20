//! Which account is linked to which number.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::AccountId;

/// The numbers that accounts of this manager are linked to. Several may be linked to one, where that was allowed.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    linked: Mutex<HashMap<AccountId, String>>,
}

impl Numbers {
    /// The account is linked to this number now, or to none.
    pub(crate) fn set(&self, account: &AccountId, number: Option<&str>) {
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        match number {
            Some(number) => linked.insert(account.clone(), number.to_owned()),
            None => linked.remove(account),
        };
    }

    /// Another account that is linked to this number.
    pub(crate) fn other(&self, number: &str, account: &AccountId) -> Option<AccountId> {
        let linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked
            .iter()
            .find(|(other, linked)| *other != account && *linked == number)
            .map(|(other, _)| other.clone())
    }
}
