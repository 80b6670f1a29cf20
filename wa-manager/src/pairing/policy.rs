//! What an attempt to link an account may take and cost, and what a caller asks for. Requirements: manager.md, 3.6.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::PhoneNumber;

/// How a phone is asked to link an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PairingMethod {
    /// It scans a QR code.
    Qr,
    /// Its user types a code.
    Code,
    /// Either, on one connection: whichever comes first.
    Both,
}

impl PairingMethod {
    /// Whether QR codes are shown.
    #[must_use]
    pub const fn shows_qr(self) -> bool {
        matches!(self, Self::Qr | Self::Both)
    }

    /// Whether codes to be typed are made.
    #[must_use]
    pub const fn makes_codes(self) -> bool {
        matches!(self, Self::Code | Self::Both)
    }
}

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairRequest {
    /// How.
    pub method: PairingMethod,
    /// The number of the phone; codes need it. A [`PhoneNumber`] is digits only: what people write is read with
    /// [`PhoneNumber::parse_lenient`], if at all (R013, R044).
    pub phone: Option<PhoneNumber>,
    /// Whether the phone shows a notification for a code. Without, its user opens the list of linked devices (R047).
    pub show_push_notification: bool,
    /// Whether a number may be linked that another account of this manager is linked to.
    pub allow_relink: bool,
}

impl PairRequest {
    /// By QR code.
    #[must_use]
    pub const fn qr() -> Self {
        Self { method: PairingMethod::Qr, phone: None, show_push_notification: false, allow_relink: false }
    }

    /// By a code typed on the phone with this number.
    #[must_use]
    pub fn code(phone: PhoneNumber) -> Self {
        Self { method: PairingMethod::Code, phone: Some(phone), ..Self::qr() }
    }

    /// By either.
    #[must_use]
    pub fn both(phone: PhoneNumber) -> Self {
        Self { method: PairingMethod::Both, phone: Some(phone), ..Self::qr() }
    }

    /// With a notification on the phone.
    #[must_use]
    pub fn show_push_notification(self) -> Self {
        Self { show_push_notification: true, ..self }
    }

    /// Also when another account of this manager is linked to the number.
    #[must_use]
    pub fn allow_relink(self) -> Self {
        Self { allow_relink: true, ..self }
    }
}

/// How long things take, and how often they may be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct PairingPolicy {
    /// How long a ticket lives (R040).
    pub ticket_ttl: Duration,
    /// A code that lives longer than this is replaced by a new one then (R041). The service's own live shorter.
    pub refresh_after: Duration,
    /// How many codes a ticket has.
    pub codes_per_ticket: u8,
    /// A link that is gone before this is unstable; one that is not is confirmed (R034).
    pub probation: Duration,
    /// How long the first QR code may take to come.
    pub first_qr: Duration,
    /// How long the server may take to end the connection on which the phone accepted; then we do.
    pub restart_wait: Duration,
    /// How long the login may take after the phone accepted (R046).
    pub link_wait: Duration,
    /// How long a code lives whose end nobody told: as if a process died while it was live.
    pub code_life: Duration,
    /// How often things may be tried.
    pub caps: PairingCaps,
}

/// So often within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two figures")]
pub struct Cap {
    /// How often.
    pub count: u32,
    /// Within which time.
    pub span: Duration,
}

/// How often something may be tried. Lists of caps hold all of them; lists of waits are ladders: the first time the
/// first wait, and so on, and the last one from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct PairingCaps {
    /// Codes for one phone.
    pub phone: Vec<Cap>,
    /// Codes for one tenant.
    pub tenant: Vec<Cap>,
    /// Codes of this process.
    pub process: Vec<Cap>,
    /// Codes over one way out to the network.
    pub egress: Vec<Cap>,
    /// Connections of one account that show QR codes.
    pub rounds: Vec<Cap>,
    /// Waits after the server said 429, for a phone. Nothing is tried meanwhile.
    pub throttled: Vec<Duration>,
    /// Waits after the server said 400, for a phone. QR codes may be tried meanwhile.
    pub refused: Vec<Duration>,
    /// This many unstable links of a phone lead to a wait.
    pub unstable: Cap,
    /// Waits after too many unstable links of a phone (R020).
    pub unstable_waits: Vec<Duration>,
    /// A phone whose device numbers rise by this much counts as one with too many unstable links (R019).
    pub device_numbers: Cap,
    /// When more than half of so many pairings fail alike, none begins for a while.
    pub circuit: Cap,
    /// For how long.
    pub circuit_pause: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for PairingPolicy {
    fn default() -> Self {
        Self {
            ticket_ttl: Duration::from_secs(600),
            refresh_after: Duration::from_secs(480),
            codes_per_ticket: 3,
            probation: Duration::from_secs(120),
            first_qr: Duration::from_secs(30),
            restart_wait: Duration::from_secs(10),
            link_wait: Duration::from_secs(60),
            code_life: Duration::from_secs(180),
            caps: PairingCaps::default(),
        }
    }
}

impl Default for PairingCaps {
    fn default() -> Self {
        let cap = |count, span| Cap { count, span };
        Self {
            phone: vec![cap(3, 30 * MINUTE), cap(6, DAY)],
            tenant: vec![cap(20, HOUR)],
            process: vec![cap(60, HOUR)],
            egress: vec![cap(60, HOUR)],
            rounds: vec![cap(5, HOUR), cap(15, DAY)],
            throttled: vec![HOUR, 6 * HOUR, DAY, 2 * DAY],
            refused: vec![10 * MINUTE, HOUR, 6 * HOUR, DAY],
            unstable: cap(2, DAY),
            unstable_waits: vec![DAY, 2 * DAY],
            device_numbers: cap(3, DAY),
            circuit: cap(20, DAY),
            circuit_pause: 15 * MINUTE,
        }
    }
}
