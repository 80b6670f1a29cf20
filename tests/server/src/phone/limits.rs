//! What the server allows the phone's account.

use super::Phone;

impl Phone {
    /// Locks the account: it may not write to strangers until then (unix seconds). `None` unlocks it. Its devices are
    /// told.
    pub fn set_timelock(&self, until: Option<u64>) {
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.people.timelock = until;
        }
        state.tell_timelock(self.inner.key.account);
    }

    /// How many chats the account may begin in a cycle, and has begun. Its devices are told.
    pub fn set_new_chats(&self, total: u64, used: u64) {
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.people.new_chats = (total, used);
        }
        state.tell_new_chats(self.inner.key.account);
    }
}
