//! Events to URLs: signed, at least once, in order for each account. Requirements: manager.md, 4.8; R030, R036, R063.
//!
//! | File | Subject |
//! |---|---|
//! | `record` | one webhook: the row in the store, and what others see of it |
//! | `secret` | what deliveries are signed with |
//! | `sign` | the headers of a delivery, and [`verify`] for those who receive it |
//! | `body` | what is delivered |
//! | `reach` | which hosts may be reached |
//! | `post` | one delivery |
//! | `registry` | [`Webhooks`]: all of them, set up, changed, run |
//!
//! How often and when a delivery is tried is the business of [`sink`](crate::sink).

mod body;
mod post;
mod reach;
mod record;
mod registry;
mod secret;
mod sign;

pub use reach::Reach;
pub use record::{SigningMode, Webhook, WebhookId, WebhookRecord, WebhookState};
pub use registry::{
    DEAD_LETTERS_AT_ONCE, Replayed, WebhookError, WebhookPatch, WebhookSpec, Webhooks, WebhooksBuilder,
    WebhooksTask,
};
pub use secret::{SecretError, WebhookSecret};
pub use sign::{VerifyError, verify};
