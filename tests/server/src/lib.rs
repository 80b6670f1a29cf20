//! A WhatsApp server for tests, in this process or as a binary: the other side of the protocol, with a root of trust of
//! its own and simulated phones.
//!
//! ```no_run
//! # async fn example(qr_text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use wa_test_server::TestServer;
//!
//! let server = TestServer::start().await;
//! let (connector, root) = (server.connector(), server.trust_root()); // for the client under test
//!
//! let alice = server.phone("alice");
//! let companion = alice.scan(qr_text).await?;
//! alice.send_text(server.phone("bob").pn(), "hello").await?;
//! println!("{}", server.stanzas_of(&companion).join("\n"));
//! # Ok(())
//! # }
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `server` | [`TestServer`]: what a test can do |
//! | `phone` | [`Phone`]: device 0 of an account |
//! | `faults` | [`Faults`]: what goes wrong on purpose |
//! | `listen`, `socket`, `admin` | real sockets, sockets in memory, the HTTP calls |
//! | `connection`, `login`, `pairing` | from the first byte to a session |
//! | `state`, `account`, `queue`, `dedupe`, `journal` | what the server knows |
//! | `people` | profiles, settings, businesses |
//! | `group`, `newsletter` | groups and their members; channels |
//! | `crowd` | accounts that only have keys |
//! | `media` | media hosts, with files in memory |
//! | `metrics`, `key_reuse` | what it counts; message keys that were used twice |
//! | `routing`, `iq` | where stanzas go; requests, one file per namespace |

mod account;
mod admin;
mod app_state;
mod authority;
mod config;
mod connection;
mod crowd;
mod dedupe;
mod faults;
mod group;
mod hub;
mod iq;
mod journal;
mod key_reuse;
mod listen;
mod login;
mod media;
mod metrics;
mod newsletter;
mod pairing;
mod people;
mod phone;
mod queue;
mod routing;
mod server;
mod session;
mod socket;
mod stanza;
mod state;

pub use app_state::AppStateFaults;
pub use config::Config;
pub use faults::{Act, CertificateFault, Chaos, Fault, FaultPlan, Faults, Filter, StreamEnd, Stroke};
pub use group::GroupMode;
pub use journal::Direction;
pub use key_reuse::KeyReuse;
pub use listen::Endpoint;
pub use media::{MediaEndpoint, MediaFault, MediaHosts};
pub use metrics::Metrics;
pub use newsletter::Post;
pub use pairing::ScanError;
pub use phone::{
    Addressing, BrokenHistory, CodeError, PasskeyLink, PasskeyLinkError, Past, Phone, PhoneMessage,
    PhoneReceipt, Resends, Reuploads, SPOILED, ScanOptions, SendError, Sent,
};
pub use server::{Mark, TestServer};
