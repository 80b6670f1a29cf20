//! Which account has its store where.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::AccountId;

/// The places of the accounts' stores: each of one account alone.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<HashMap<String, AccountId>>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<String, AccountId>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, and gives up the one before. `false` when another account has it.
    pub(crate) fn take(&self, place: &str, account: &AccountId) -> bool {
        let mut taken = self.taken();
        if taken.get(place).is_some_and(|other| other != account) {
            return false;
        }
        taken.retain(|_, other| other != account);
        taken.insert(place.to_owned(), account.clone());
        true
    }

    /// Gives up the place of an account.
    pub(crate) fn give_up(&self, account: &AccountId) {
        self.taken().retain(|_, other| other != account);
    }

    /// Whether a place is of this account.
    pub(crate) fn is_of(&self, place: &str, account: &AccountId) -> bool {
        self.taken().get(place) == Some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_one_account_alone() {
        let (places, one, other) = (Places::default(), AccountId::of([1; 16]), AccountId::of([2; 16]));
        assert!(places.take("a", &one) && places.take("a", &one));
        assert!(!places.take("a", &other));
        assert!(places.is_of("a", &one) && !places.is_of("a", &other));
        assert!(places.take("b", &one), "it moves");
        assert!(places.take("a", &other));
        places.give_up(&one);
        assert!(!places.is_of("b", &one));
    }
}
