//! Which account has its store where.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::AccountId;

/// The places of the accounts' stores: each of one account alone.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    by: HashMap<String, AccountId>,
    /// Of nobody, but not free: something is still to be removed there.
    held: HashSet<String>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, and gives up the one before. `false` when another account has it, or it is held.
    pub(crate) fn take(&self, place: &str, account: &AccountId) -> bool {
        let mut taken = self.taken();
        if taken.held.contains(place) || taken.by.get(place).is_some_and(|other| other != account) {
            return false;
        }
        taken.by.retain(|_, other| other != account);
        taken.by.insert(place.to_owned(), account.clone());
        true
    }

    /// Gives up the place of an account.
    pub(crate) fn give_up(&self, account: &AccountId) {
        self.taken().by.retain(|_, other| other != account);
    }

    /// Whether a place is of this account.
    pub(crate) fn is_of(&self, place: &str, account: &AccountId) -> bool {
        self.taken().by.get(place) == Some(account)
    }

    /// Lets nobody have a place, until it is [released](Self::release). `false` when an account has it.
    pub(crate) fn hold(&self, place: &str) -> bool {
        let mut taken = self.taken();
        let is_free = !taken.by.contains_key(place);
        if is_free {
            taken.held.insert(place.to_owned());
        }
        is_free
    }

    /// The place that an account has is held from now on, and not its any more.
    pub(crate) fn hold_of(&self, account: &AccountId) {
        let mut taken = self.taken();
        let Taken { by, held } = &mut *taken;
        by.retain(|place, other| {
            let is_its = other == account;
            if is_its {
                held.insert(place.clone());
            }
            !is_its
        });
    }

    /// Whoever wants a place that was held may have it.
    pub(crate) fn release(&self, place: &str) {
        self.taken().held.remove(place);
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
        assert!(!places.hold("a") && places.hold("b"));
        assert!(!places.take("b", &one), "something is still to be removed there");
        places.release("b");
        assert!(places.take("b", &one));
        places.hold_of(&one);
        assert!(!places.is_of("b", &one) && !places.take("b", &other));
    }
}
