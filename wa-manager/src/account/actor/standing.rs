//! What the connection of an account says, as a status: plain values, times handed in. Requirements: manager.md, 4.2.

use std::time::Duration;

use wa_core::Event;
use wa_core::connection::CloseReason;
use wa_core::stanza::stream::{Refusal, StreamError};
use wa_store::StoreError;
use wa_types::UnixMillis;

use super::flaps::Standing;
use crate::account::{AccountStatus, Reason, ReasonKind, ReconnectPolicy};

/// How patient an account is with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct ConnectionPolicy {
    /// How long the backlog of the time away may keep an account from being ready.
    pub backlog: Duration,
    /// A login that takes longer counts as a lost connection; it goes on trying.
    pub login: Duration,
    /// At most one change is told in such a time while the connection comes and goes.
    pub flap_window: Duration,
    /// How long a stop waits for the connection's orderly end.
    pub stop: Duration,
}

impl Default for ConnectionPolicy {
    fn default() -> Self {
        Self {
            backlog: Duration::from_secs(30),
            login: Duration::from_secs(60),
            flap_window: Duration::from_secs(2),
            stop: Duration::from_secs(2),
        }
    }
}

/// What follows from something that the connection said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Stay,
    /// The account stands so.
    Stand(Standing),
    /// The client is of no use now: it ends, and the account stands so. One with a time to try again is started then.
    End(Standing),
    /// It is not linked any more.
    Unlinked(Reason),
}

/// The connection of a running account.
#[derive(Debug)]
pub(super) struct Connection {
    policy: ConnectionPolicy,
    reconnect: ReconnectPolicy,
    phase: Phase,
    /// Attempts that failed since it was stable last.
    tries: u32,
    /// Since when it was not stable.
    since: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Never logged in; until then it may take.
    Loading { until: Duration },
    /// Logged in; what came meanwhile comes until then at most.
    Backlog { until: Duration },
    /// Since then.
    Ready { since: Duration },
    /// Was logged in, or took too long to.
    Down,
}

impl Connection {
    /// One that begins.
    pub(super) fn new(policy: ConnectionPolicy, reconnect: ReconnectPolicy, now: Duration) -> Self {
        let phase = Phase::Loading { until: now + policy.login };
        Self { policy, reconnect, phase, tries: 0, since: now }
    }

    /// Whether messages can be sent: the backlog of the time away is through.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// What follows from an event.
    pub(super) fn on_event(&mut self, event: &Event, now: Duration, wall: UnixMillis) -> Turn {
        match event {
            Event::Connected => {
                self.phase = Phase::Backlog { until: now + self.policy.backlog };
                Turn::Stand(Standing::new(AccountStatus::Authenticated))
            }
            Event::BacklogDone { .. } if matches!(self.phase, Phase::Backlog { .. }) => self.ready(now),
            Event::Disconnected { reason: CloseReason::RestartRequired, .. } => Turn::Stay,
            Event::Disconnected { reason, retry_in } => self.lost(reason, *retry_in, now, wall),
            Event::Closed { reason: CloseReason::Requested } => Turn::Stay,
            Event::Closed { reason } => Turn::End(Standing::because(AccountStatus::Error, closed(reason))),
            Event::LoggedOut { reason } => match closed(reason) {
                // Locked and banned accounts may come back; the keys stay.
                reason if matches!(reason.kind, ReasonKind::AccountLocked | ReasonKind::AccountBanned) => {
                    Turn::End(Standing::because(AccountStatus::Error, reason))
                }
                reason => Turn::Unlinked(reason),
            },
            _ => Turn::Stay,
        }
    }

    /// What follows from the time alone.
    pub(super) fn on_time(&mut self, now: Duration) -> Turn {
        match self.phase {
            Phase::Backlog { until } if until <= now => self.ready(now),
            Phase::Loading { until } if until <= now => {
                self.phase = Phase::Down;
                let reason = Reason::new(ReasonKind::ConnectTimeout);
                Turn::Stand(Standing::because(AccountStatus::Disconnected, reason))
            }
            _ => Turn::Stay,
        }
    }

    /// When [`Self::on_time`] is to be called.
    pub(super) const fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Loading { until } | Phase::Backlog { until } => Some(until),
            Phase::Ready { .. } | Phase::Down => None,
        }
    }

    const fn ready(&mut self, now: Duration) -> Turn {
        self.phase = Phase::Ready { since: now };
        Turn::Stand(Standing::new(AccountStatus::Ready))
    }

    fn lost(&mut self, reason: &CloseReason, retry_in: Duration, now: Duration, wall: UnixMillis) -> Turn {
        if let CloseReason::Banned { until, .. } = reason {
            let at = UnixMillis(until.0.saturating_mul(1000)).after(self.reconnect.ban_margin);
            let reason = closed(reason).retry_at(at);
            return Turn::End(Standing::because(AccountStatus::Error, reason));
        }
        if let Phase::Ready { since } = self.phase
            && now.saturating_sub(since) >= self.reconnect.stable
        {
            (self.tries, self.since) = (0, now);
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries > self.reconnect.tries || now.saturating_sub(self.since) > self.reconnect.span {
            let reason = Reason::new(ReasonKind::RetryBudget).detail(reason.to_string());
            return Turn::End(Standing::because(AccountStatus::Error, reason));
        }
        let reason = closed(reason).retry_at(wall.after(retry_in));
        if matches!(self.phase, Phase::Loading { .. }) {
            let reason = Reason { kind: ReasonKind::Connecting, ..reason };
            return Turn::Stand(Standing::because(AccountStatus::Loading, reason));
        }
        self.phase = Phase::Down;
        Turn::Stand(Standing::because(AccountStatus::Disconnected, reason))
    }
}

/// The end of a connection, as a reason.
pub(crate) fn closed(reason: &CloseReason) -> Reason {
    let kind = match reason {
        CloseReason::LoggedOut | CloseReason::AccountMoved => ReasonKind::LoggedOut,
        CloseReason::Conflict | CloseReason::Replaced => ReasonKind::Conflict,
        CloseReason::Banned { .. } => ReasonKind::TemporaryBan,
        CloseReason::VersionRefused { .. } => ReasonKind::ClientOutdated,
        CloseReason::PairingTimeout => ReasonKind::PairingExpired,
        CloseReason::StoreFailed => ReasonKind::StoreFailed,
        CloseReason::ProxyRefused => ReasonKind::ProxyFailed,
        CloseReason::Refused(failure) => return refused(failure.reason),
        CloseReason::StreamError(StreamError::LoggedOut) => ReasonKind::LoggedOut,
        _ => ReasonKind::Network,
    };
    let code = match reason {
        CloseReason::Banned { failure, .. } => failure
            .as_ref()
            .and_then(|failure| failure.details.get("code"))
            .and_then(|code| code.parse().ok())
            .or(Some(402)),
        CloseReason::VersionRefused { .. } => Some(405),
        CloseReason::StreamError(StreamError::RateLimited) => Some(429),
        _ => None,
    };
    Reason { code, ..Reason::new(kind).detail(reason.to_string()) }
}

fn refused(refusal: Refusal) -> Reason {
    let (kind, code) = match refusal {
        Refusal::LoggedOut => (ReasonKind::LoggedOut, 401),
        Refusal::TemporaryBan => (ReasonKind::TemporaryBan, 402),
        Refusal::Locked => (ReasonKind::AccountLocked, 403),
        Refusal::ClientTooOld => (ReasonKind::ClientOutdated, 405),
        Refusal::Banned => (ReasonKind::AccountBanned, 406),
        Refusal::BadUserAgent => (ReasonKind::CredentialsRejected, 409),
        Refusal::TokenExpired => (ReasonKind::CredentialsRejected, 413),
        Refusal::TokenInvalid => (ReasonKind::CredentialsRejected, 414),
        Refusal::NotFound => (ReasonKind::CredentialsRejected, 415),
        Refusal::ClientUnknown => (ReasonKind::ClientOutdated, 418),
        Refusal::RateLimited => (ReasonKind::Network, 429),
        Refusal::ServerTrouble => (ReasonKind::Network, 500),
        Refusal::Unavailable => (ReasonKind::Network, 503),
        Refusal::Other(code) => (ReasonKind::Internal, code),
        _ => (ReasonKind::Internal, 400),
    };
    Reason::new(kind).code(code)
}

/// Why the store of an account cannot be opened, as a reason.
pub(super) fn of_store(error: &StoreError) -> Reason {
    let kind = match error {
        StoreError::Locked => ReasonKind::StoreLocked,
        StoreError::NotADatabase | StoreError::OtherApplication { .. } | StoreError::Corrupt { .. } => {
            ReasonKind::StoreCorrupt
        }
        _ => ReasonKind::StoreFailed,
    };
    Reason::new(kind).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use wa_types::UnixSeconds;

    use super::*;

    const T: UnixMillis = UnixMillis(1_800_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn begun(now: Duration) -> Connection {
        Connection::new(ConnectionPolicy::default(), ReconnectPolicy::default(), now)
    }

    fn lost(retry_in: Duration) -> Event {
        Event::Disconnected { reason: CloseReason::StreamEnd, retry_in }
    }

    fn stands(turn: Turn) -> AccountStatus {
        let Turn::Stand(standing) = turn else { panic!("{turn:?}") };
        standing.status
    }

    #[test]
    fn a_login_is_authenticated_until_its_backlog_is_through() {
        let mut connection = begun(SECOND);
        assert_eq!(stands(connection.on_event(&Event::Connected, SECOND, T)), AccountStatus::Authenticated);
        let done = Event::BacklogDone { count: 0, is_complete: true };
        assert_eq!(stands(connection.on_event(&done, SECOND, T)), AccountStatus::Ready);
        assert!(connection.is_ready());
        // Without a word on the backlog the time decides.
        connection.on_event(&lost(SECOND), SECOND * 2, T);
        connection.on_event(&Event::Connected, SECOND * 3, T);
        assert_eq!(connection.deadline(), Some(SECOND * 33));
        assert_eq!(connection.on_time(SECOND * 32), Turn::Stay);
        assert_eq!(stands(connection.on_time(SECOND * 33)), AccountStatus::Ready);
    }

    #[test]
    fn what_never_logged_in_is_loading_and_later_disconnected() {
        let mut connection = begun(Duration::ZERO);
        assert_eq!(stands(connection.on_event(&lost(SECOND), SECOND, T)), AccountStatus::Loading);
        assert_eq!(stands(connection.on_time(SECOND * 60)), AccountStatus::Disconnected);
        assert_eq!(stands(connection.on_event(&lost(SECOND), SECOND * 61, T)), AccountStatus::Disconnected);
    }

    #[test]
    fn it_gives_up_after_fifty_tries_unless_it_was_stable_in_between() {
        let mut connection = begun(Duration::ZERO);
        let mut now = SECOND;
        let done = Event::BacklogDone { count: 0, is_complete: true };
        for _ in 0..49 {
            now += SECOND;
            stands(connection.on_event(&lost(SECOND), now, T));
        }
        connection.on_event(&Event::Connected, now, T);
        connection.on_event(&done, now, T);
        now += Duration::from_secs(300);
        for _ in 0..50 {
            stands(connection.on_event(&lost(SECOND), now, T));
        }
        let Turn::End(standing) = connection.on_event(&lost(SECOND), now, T) else { panic!("goes on") };
        assert_eq!(standing.reason.unwrap().kind, ReasonKind::RetryBudget);
    }

    #[test]
    fn it_gives_up_after_a_day_that_was_never_stable() {
        let mut connection = begun(Duration::ZERO);
        let day = ReconnectPolicy::default().span;
        assert_eq!(stands(connection.on_event(&lost(SECOND), day, T)), AccountStatus::Loading);
        // A connection that does not last changes nothing.
        connection.on_event(&Event::Connected, day, T);
        connection.on_event(&Event::BacklogDone { count: 0, is_complete: true }, day, T);
        let Turn::End(standing) = connection.on_event(&lost(SECOND), day + SECOND, T) else {
            panic!("goes on")
        };
        assert_eq!(standing.reason.unwrap().kind, ReasonKind::RetryBudget);
    }

    /// Acceptance: 402/403/406: zero connects before the server-given time.
    #[test]
    fn a_ban_ends_the_client_until_ten_minutes_after_it() {
        let mut connection = begun(Duration::ZERO);
        let until = UnixSeconds(1_800_003_600);
        let banned = CloseReason::Banned { until, failure: None };
        let event = Event::Disconnected { reason: banned, retry_in: SECOND };
        let Turn::End(standing) = connection.on_event(&event, SECOND, T) else { panic!("goes on") };
        let reason = standing.reason.unwrap();
        assert_eq!((reason.kind, reason.code), (ReasonKind::TemporaryBan, Some(402)));
        assert_eq!(reason.retry_at, Some(1_800_004_200_000));
    }

    #[test]
    fn an_unlinked_account_is_told_apart_from_a_locked_one() {
        let mut connection = begun(Duration::ZERO);
        let unlinked = Event::LoggedOut { reason: CloseReason::LoggedOut };
        assert!(matches!(connection.on_event(&unlinked, SECOND, T), Turn::Unlinked(_)));
        assert_eq!(refused(Refusal::Locked).kind, ReasonKind::AccountLocked);
        assert_eq!(refused(Refusal::Banned).code, Some(406));
    }
}
