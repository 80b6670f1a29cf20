//! Linking by a typed code, and what an application adds to pairing.

use tokio::sync::oneshot;
use wa_types::PhoneNumber;

pub use crate::driver::pairing::code::PairCodeOptions;
pub use crate::driver::pairing::hooks::{
    AuthenticatorError, HookFuture, LinkGuard, PairingLimits, PasskeyAssertion, PasskeyAuthenticator,
};

use super::Client;
use crate::driver::command::Job;
use crate::driver::pairing::code::PairCodeJob;
use crate::error::PairCodeError;
use crate::event::PairingCodeShown;

impl Client {
    /// Makes a code that the user types on the phone with this number, instead of scanning a QR code: on the phone under
    /// linked devices, "link with phone number instead". QR codes go on beside it, and either links.
    ///
    /// May be called before the connection is up: it waits for it, and connects if there is none and none comes. The
    /// code is good for three minutes and is told as [`crate::Event::PairingCode`] as well; its end without a link is
    /// [`crate::Event::PairingCodeVoid`], after which this makes a new one. A wrong code on the phone may be typed again,
    /// three times in all.
    ///
    /// # Errors
    /// [`PairCodeError`]; while a code is live it is given back in [`PairCodeError::Live`], and never replaced.
    ///
    /// Not cancel safe: a dropped future's code is made all the same, and told as event.
    pub async fn pair_with_code(
        &self,
        phone: &PhoneNumber,
        options: PairCodeOptions,
    ) -> Result<PairingCodeShown, PairCodeError> {
        let (reply, answer) = oneshot::channel();
        let job = PairCodeJob { phone: phone.clone(), options, reply };
        self.inner.jobs.send(Job::PairWithCode(Box::new(job))).await.map_err(|_| PairCodeError::Shutdown)?;
        answer.await.unwrap_or(Err(PairCodeError::Shutdown))
    }
}
