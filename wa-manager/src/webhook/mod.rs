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
//! | `spec` | a webhook to be, a change of one, and what is wrong with them |
//! | `registry` | [`Webhooks`]: all of them, as a host sees and changes them |
//! | `builder` | [`WebhooksBuilder`]: how they are delivered |
//! | `task` | [`WebhooksTask`]: what delivers |
//! | `replay` | events that are delivered once more |
//!
//! How often and when a delivery is tried is the business of [`sink`](crate::sink).

mod body;
mod builder;
mod post;
mod reach;
mod record;
mod registry;
mod replay;
mod secret;
mod sign;
mod spec;
mod task;

pub use crate::ids::WebhookId;
pub use builder::WebhooksBuilder;
pub use reach::Reach;
pub use record::{SigningMode, Webhook, WebhookRecord, WebhookRetry, WebhookState};
pub use registry::Webhooks;
pub use replay::{DEAD_LETTERS_AT_ONCE, Replayed};
pub use secret::{SecretError, WebhookSecret};
pub use sign::{VerifyError, verify};
pub use spec::{WebhookError, WebhookPatch, WebhookSpec};
pub use task::WebhooksTask;
