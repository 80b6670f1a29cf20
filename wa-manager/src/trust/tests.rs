//! What must hold whatever is sent, whenever, and however often the process ends in between.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use wa_types::UnixMillis;

use super::state::{Contact, Quota, SentText};
use super::window::millis;
use super::*;

static UTC: Zone = Zone::UTC;
const T: UnixMillis = UnixMillis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn table() -> TrustTable {
    TrustTable::conservative()
}

fn terms(table: &TrustTable) -> Terms<'_> {
    Terms { table, zone: &UTC, tenant_cap: None, ready_since: UnixMillis(0) }
}

fn stranger(id: u64) -> Deed {
    Deed::Message(Person { id, last_inbound: None, unanswered: 0, token_at: None })
}

fn friend(id: u64, last_inbound: UnixMillis) -> Deed {
    Deed::Message(Person {
        id,
        last_inbound: Some(last_inbound),
        unanswered: 0,
        token_at: Some(last_inbound),
    })
}

fn locked(until: UnixMillis) -> Signal {
    Signal::TimeLocked { until: Some(until), enforcement: None }
}

fn fresh() -> TrustState {
    TrustState::new(TrustLevel::NEW, T, &Zone::UTC)
}

fn scope(admission: &Admission) -> Option<Scope> {
    match admission {
        Admission::Allow { .. } => None,
        Admission::Delay(limit) | Admission::Deny(limit) => Some(limit.scope),
    }
}

#[test]
fn lanes_are_by_who_wrote_last() {
    let person = Person { id: 1, last_inbound: None, unanswered: 0, token_at: None };
    let lane = |person: Person| Lane::of(&Deed::Message(person), T);
    assert_eq!(lane(person), Lane::FirstContact);
    assert_eq!(lane(Person { unanswered: 1, ..person }), Lane::Unanswered);
    assert_eq!(lane(Person { token_at: Some(T), ..person }), Lane::Known);
    let wrote = |ago: Duration| Some(UnixMillis(T.0 - millis(ago)));
    assert_eq!(lane(Person { last_inbound: wrote(DAY), ..person }), Lane::Reply);
    // Once silent for longer than any token lives, they are known, and no more.
    for ago in [DAY + MINUTE, DAY * 29, DAY * 400] {
        assert_eq!(lane(Person { last_inbound: wrote(ago), ..person }), Lane::Known);
        assert_eq!(lane(Person { last_inbound: wrote(ago), token_at: Some(T), ..person }), Lane::Known);
    }
}

#[test]
fn a_new_account_writes_to_three_strangers_a_day_with_pauses() {
    let (table, mut state, mut now) = (table(), fresh(), T);
    let terms = terms(&table);
    for id in 0..3 {
        state.reserve(&terms, id.to_string(), &stranger(id), None, now, 7).unwrap();
        let next = state.admit(&terms, &stranger(99), None, now);
        assert!(matches!(next, Admission::Delay(_)), "{next:?}");
        now = now.after(Duration::from_secs(301));
    }
    let limit = state.reserve(&terms, "4", &stranger(4), None, now, 7).unwrap_err();
    assert_eq!((limit.scope, limit.limit, limit.used), (Scope::FirstContactsDay, 3, 3));
    assert_eq!(limit.retry_at, Some(UnixMillis(T.0 + millis(DAY) + 1)));
    // Friends and answers go on.
    assert!(matches!(
        state.admit(&terms, &friend(5, now), None, now),
        Admission::Allow { lane: Lane::Reply }
    ));
}

// What is taken back is what was counted, whatever is set by then.
#[test]
fn what_was_gated_is_so_until_it_is_settled() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    let answer =
        |state: &mut TrustState, id: &str| state.reserve(&terms, id, &friend(1, T), None, T, 0).unwrap();
    let mut ungated = answer(&mut state, "1");
    state.set_strict(true);
    let mut gated = answer(&mut state, "2");
    let used = |state: &TrustState| {
        let usage = state.usage(&table, &Zone::UTC, T);
        (usage.sent_today, usage.gated_today)
    };
    assert_eq!(used(&state), (2, 1));
    state.settle(&mut ungated, ReservationState::Released);
    assert_eq!(used(&state), (1, 1));
    state.set_strict(false);
    state.settle(&mut gated, ReservationState::Released);
    assert_eq!(used(&state), (0, 0));
}

// 3.8: the clock was ahead when the account was made.
#[test]
fn an_account_that_was_made_in_the_future_begins_now_unless_something_was_counted() {
    let (table, year) = (table(), DAY * 365);
    let terms = terms(&table);
    let made = || TrustState::new(TrustLevel::NEW, T.after(year), &Zone::UTC);
    let mut state = made();
    state.begin_earlier(T, &Zone::UTC);
    assert_eq!(state, fresh());
    let mut used = made();
    used.reserve(&terms, "1", &stranger(1), None, T.after(year), 0).unwrap();
    let before = used.clone();
    used.begin_earlier(T, &Zone::UTC);
    assert_eq!(used, before, "what was counted stays counted");
}

// 402, 403, 406: nothing is heard before the server's time, or the table's.
#[test]
fn a_banned_or_locked_account_is_barred_for_a_while_and_longer_each_time() {
    let mut state = fresh();
    assert_eq!(state.barred_until(T), None);
    for minutes in [5, 15, 60, 60] {
        state.heed(Signal::Locked, T, 0);
        let until = T.after(MINUTE * minutes);
        assert_eq!(state.barred_until(T), Some(until));
        assert_eq!(state.barred_until(until), None);
    }
    state.let_in();
    assert_eq!(state.barred_until(T), None);
    state.heed(Signal::Locked, T, 0);
    assert_eq!(state.barred_until(T), Some(T.after(MINUTE * 5)), "from the beginning");
    state.heed(Signal::Banned { code: BanCode(101), until: T.after(HOUR) }, T, 0);
    assert_eq!(state.barred_until(T), Some(T.after(HOUR + MINUTE * 10)));
}

#[test]
fn limits_are_of_the_number_that_shares_an_address() {
    let jid = |text: &str| text.parse::<wa_types::Jid>().unwrap();
    let (old, new, lid) = (jid("1:7@s.whatsapp.net"), jid("2:9@s.whatsapp.net"), jid("77:7@lid"));
    let mut state = fresh();
    assert!(!state.is_of_another(std::slice::from_ref(&old)), "nobody's yet");
    state.set_holder(&[old, lid.clone()]);
    assert!(!state.is_of_another(&[new.clone(), lid.clone()]), "it has another SIM");
    assert!(state.is_of_another(std::slice::from_ref(&new)));
    assert!(!state.is_of_another(&[]));
    state.set_holder(&[new.clone(), lid]);
    assert!(!state.is_of_another(std::slice::from_ref(&new)));
    let another = jid("3:1@s.whatsapp.net");
    state.set_paused(true);
    state.heed(Signal::Capped, T, 0);
    let anew = state.of_another(std::slice::from_ref(&another), T, &Zone::UTC);
    assert!(anew.is_paused() && anew.restrictions(T).is_empty() && !anew.is_of_another(&[another]));
}

#[test]
fn who_does_not_answer_is_left_alone() {
    let (table, state) = (table(), fresh());
    let deed = Deed::Message(Person { id: 1, last_inbound: None, unanswered: 1, token_at: None });
    let Admission::Deny(limit) = state.admit(&terms(&table), &deed, None, T) else { panic!() };
    assert_eq!((limit.scope, limit.retry_at), (Scope::Person, None));
}

#[test]
fn the_longest_wait_is_named() {
    let (table, mut state) = (table(), fresh());
    state.heed(locked(T.after(DAY)), T, 0);
    let limit = state.reserve(&terms(&table), "1", &stranger(1), None, T, 0).unwrap_err();
    assert_eq!(limit.scope, Scope::Restriction(RestrictionKind::TimeLock));
    assert_eq!(limit.source, LimitSource::Server { code: Some(463) });
    assert!(limit.retry_at.unwrap() >= T.after(DAY + MINUTE * 10));
    // Told again it is the same lock.
    assert!(!state.heed(locked(T.after(DAY)), T.after(MINUTE), 99_999));
    // Chats that exist go on, and groups.
    for deed in [friend(2, T), Deed::Group] {
        assert!(matches!(state.admit(&terms(&table), &deed, None, T), Admission::Allow { .. }));
    }
    state.heed(Signal::TimeLockOver, T, 0);
    assert!(matches!(state.admit(&terms(&table), &stranger(1), None, T), Admission::Allow { .. }));
}

// R170
#[test]
fn few_numbers_are_looked_up_at_once_and_not_one_after_another() {
    let (table, mut state) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC));
    let terms = terms(&table);
    let many = state.admit(&terms, &Deed::Lookup { numbers: 21 }, None, T);
    assert!(matches!(many, Admission::Deny(limit) if limit.limit == 20), "at once");
    let twenty = Deed::Lookup { numbers: 20 };
    state.reserve(&terms, "1", &twenty, None, T, 0).unwrap();
    let limit = state.reserve(&terms, "2", &twenty, None, T, 0).unwrap_err();
    assert_eq!((limit.scope, limit.retry_at), (Scope::Gap, Some(T.after(Duration::from_secs(5)))));
    state.reserve(&terms, "2", &twenty, None, T.after(Duration::from_secs(5)), 0).unwrap();
}

#[test]
fn the_same_text_goes_to_few() {
    let (table, mut state, mut now) = (table(), fresh(), T);
    let terms = terms(&table);
    let known = |id| friend(id, UnixMillis(T.0 - millis(DAY * 2)));
    for id in 0..5 {
        state.reserve(&terms, id.to_string(), &known(id), Some(9), now, 0).unwrap();
        now = now.after(MINUTE);
    }
    assert_eq!(scope(&state.admit(&terms, &known(6), Some(9), now)), Some(Scope::SameText));
    // Another text, and the same one once more to somebody who has it.
    for (id, text) in [(6, 8), (3, 9)] {
        assert_eq!(scope(&state.admit(&terms, &known(id), Some(text), now)), None);
    }
    assert_eq!(scope(&state.admit(&terms, &known(6), Some(9), T.after(DAY + MINUTE))), None);
}

#[test]
fn what_never_left_is_counted_no_more_and_what_nobody_knows_is() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    let before = state.usage(&table, &Zone::UTC, T);
    let mut reservation = state.reserve(&terms, "1", &stranger(1), None, T, 0).unwrap();
    let used = state.usage(&table, &Zone::UTC, T);
    assert_eq!((used.sent_today, used.gated_today, used.first_contacts_day), (1, 1, 1));
    state.settle(&mut reservation, ReservationState::Released);
    assert_eq!(state.usage(&table, &Zone::UTC, T), before);
    // Once.
    state.settle(&mut reservation, ReservationState::Sent);
    assert_eq!(reservation.state, ReservationState::Released);
}

#[test]
fn an_answer_that_never_left_gives_no_first_contact_back() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    state.reserve(&terms, "1", &stranger(1), Some(9), T, 0).unwrap();
    // They write, and are answered, within the same millisecond.
    let mut answer = state.reserve(&terms, "2", &friend(1, T), Some(9), T, 0).unwrap();
    let before = state.clone();
    state.settle(&mut answer, ReservationState::Released);
    let used = state.usage(&table, &Zone::UTC, T);
    assert_eq!((used.sent_today, used.gated_today, used.first_contacts_day), (1, 1, 1));
    assert_eq!((&state.hour, &state.texts), (&before.hour, &before.texts));
}

#[test]
fn bans_close_what_they_name_and_two_of_them_hold_the_account() {
    let (table, mut state) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC));
    state.heed(Signal::Banned { code: BanCode(101), until: T.after(HOUR) }, T, 0);
    assert_eq!(state.level(), TrustLevel::NEW);
    let closed = Scope::Restriction(RestrictionKind::LaneClosed(ClosedLane::FirstContact));
    assert_eq!(scope(&state.admit(&terms(&table), &stranger(1), None, T.after(DAY * 29))), Some(closed));
    // The same ban, told again.
    state.heed(Signal::Banned { code: BanCode(101), until: T.after(HOUR) }, T.after(MINUTE), 0);
    assert_eq!(state.level(), TrustLevel::NEW);
    state.heed(Signal::Banned { code: BanCode(104), until: T.after(DAY * 31) }, T.after(DAY * 30), 0);
    assert_eq!(state.level(), TrustLevel::HELD);
    // It still answers.
    let now = T.after(DAY * 31);
    assert_eq!(scope(&state.admit(&terms(&table), &friend(2, now), None, now)), None);
    assert_eq!(scope(&state.admit(&terms(&table), &Deed::Group, None, now)), Some(Scope::Day));
    state.acknowledge();
    assert_eq!(state.level(), TrustLevel::NEW);
}

#[test]
fn a_restriction_has_one_name_wherever_it_is_told() {
    for kind in RestrictionKind::ALL {
        let restriction = Restriction { kind, until: Some(7), code: Some(463), enforcement: None };
        let told = serde_json::to_value(&restriction).unwrap();
        assert_eq!(
            told,
            serde_json::json!({ "kind": kind.as_str(), "until": 7, "serverCode": 463, "enforcement": null })
        );
        assert_eq!(serde_json::from_value::<Restriction>(told).unwrap(), restriction);
    }
    assert!(serde_json::from_str::<RestrictionKind>("\"TimeLock\"").is_err());
}

// 3.5
#[test]
fn each_signal_lowers_the_level_and_freezes_it_as_long_as_it_says() {
    let banned = |code| Signal::Banned { code: BanCode(code), until: T.after(HOUR) };
    let locked = locked(T.after(DAY * 6));
    let cases: [(&[Signal], u8, u32); 8] = [
        (&[locked], 2, 14),
        (&[banned(101)], 1, 30),
        (&[banned(999)], 1, 30),
        (&[Signal::Locked], 0, 0),
        (&[Signal::StreamOverlimit], 5, 0),
        (&[Signal::StreamOverlimit, Signal::StreamOverlimit], 4, 7),
        (&[Signal::NoToken, Signal::NoToken], 5, 0),
        (&[Signal::NoToken, Signal::NoToken, Signal::NoToken], 4, 0),
    ];
    for (signals, level, frozen_days) in cases {
        let mut state = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
        for signal in signals {
            state.heed(signal.clone(), T, 0);
        }
        assert_eq!(state.level().number(), level, "{signals:?}");
        let frozen = state.record.frozen_until.saturating_sub(T.0);
        assert_eq!(frozen, millis(DAY * frozen_days), "{signals:?}");
    }
}

// 3.4
#[test]
fn the_daily_limit_follows_the_level_until_somebody_sets_another() {
    let (table, mut state) = (table(), fresh());
    assert_eq!(state.daily_limit(&table), 50);
    assert!(state.set_daily_limit(&table, 50));
    state.set_level(TrustLevel::NEW.up(), T);
    assert_eq!(state.daily_limit(&table), 120);
    assert!(state.set_daily_limit(&table, 30));
    state.set_level(TrustLevel::NEW.up().up(), T);
    assert_eq!(state.daily_limit(&table), 30);
    state.set_level(TrustLevel::HELD, T);
    assert_eq!(state.daily_limit(&table), 0);
}

#[test]
fn warnings_of_the_quota_leave_less() {
    let (table, mut state) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC));
    let ends = T.after(DAY * 20);
    state.heed(Signal::Quota { total: 100, used: 50, ends, leaves: 50 }, T, 0);
    let (terms, mut now) = (terms(&table), T);
    let mut sent = 0;
    while state.reserve(&terms, "x", &stranger(sent), None, now, 0).is_ok() {
        (sent, now) = (sent + 1, now.after(Duration::from_secs(600)));
    }
    assert_eq!(sent, 13);
    // The second warning leaves a quarter, and the first one no more.
    state.heed(Signal::Quota { total: 100, used: 75, ends, leaves: 25 }, now, 0);
    let Admission::Delay(limit) = state.admit(&terms, &stranger(sent), None, now) else { panic!() };
    assert_eq!((limit.scope, limit.limit, limit.used), (Scope::FirstContactsDay, 7, 13));
    let over = state.admit(&terms, &stranger(sent), None, ends);
    assert_eq!(scope(&over), None, "until the cycle ends");
    // What it says next holds, also of a cycle whose end it does not tell.
    let mut eased = state.clone();
    eased.heed(Signal::Quota { total: 100, used: 75, ends: ends.after(HOUR), leaves: 100 }, now, 0);
    assert_eq!(scope(&eased.admit(&terms, &stranger(sent), None, now)), None);
    state.heed(Signal::Quota { total: 100, used: 100, ends, leaves: 0 }, now, 0);
    let Admission::Delay(limit) = state.admit(&terms, &stranger(500), None, now.after(DAY)) else { panic!() };
    assert_eq!(limit.retry_at, Some(ends));
}

// 3.3: whoever did not answer counts towards the server's quota, too.
#[test]
fn a_quota_that_is_used_up_closes_all_chats_without_an_answer() {
    let (table, mut state) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC));
    let terms = terms(&table);
    let unanswered = Deed::Message(Person { id: 1, last_inbound: None, unanswered: 1, token_at: None });
    let ends = T.after(DAY * 20);
    state.heed(Signal::Quota { total: 10, used: 8, ends, leaves: 100 }, T, 0);
    state.reserve(&terms, "1", &stranger(1), None, T, 0).unwrap();
    let mut now = T.after(HOUR);
    state.reserve(&terms, "2", &unanswered, None, now, 0).unwrap();
    now = now.after(HOUR);
    for deed in [stranger(2), unanswered] {
        let Admission::Delay(limit) = state.admit(&terms, &deed, None, now) else { panic!() };
        assert_eq!((limit.scope, limit.retry_at), (Scope::Quota, Some(ends)));
        assert_eq!(limit.source, LimitSource::Server { code: None });
    }
    for deed in [friend(3, now), friend(4, T), Deed::Group] {
        assert_eq!(scope(&state.admit(&terms, &deed, None, now)), None);
    }
    assert_eq!(scope(&state.admit(&terms, &stranger(2), None, ends)), None);
}

// 3.1: stream error 429.
#[test]
fn after_too_much_of_something_only_answers_leave_and_longer_each_time() {
    let (table, mut state, mut now) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC), T);
    let terms = terms(&table);
    for (minutes, level) in [(5, 5), (10, 4), (20, 3), (40, 2), (80, 1), (160, 1), (320, 1), (360, 1)] {
        state.heed(Signal::StreamOverlimit, now, 0);
        let paused = Some(Scope::Restriction(RestrictionKind::Pause));
        let end = now.after(MINUTE * minutes);
        for deed in [
            stranger(1),
            friend(2, UnixMillis(T.0 - millis(DAY * 3))),
            Deed::Group,
            Deed::Light,
            Deed::Status,
        ] {
            assert_eq!(scope(&state.admit(&terms, &deed, None, UnixMillis(end.0 - 1))), paused);
            assert_ne!(scope(&state.admit(&terms, &deed, None, end)), paused);
        }
        assert_eq!(scope(&state.admit(&terms, &friend(3, now), None, now)), None);
        assert_eq!(state.level().number(), level);
        now = end;
    }
    let seven_days = DAY * 7;
    assert!(state.record.frozen_until >= T.after(seven_days).0);
}

// 3.3: the buckets of each lane.
#[test]
fn posts_keep_the_accounts_pace_and_groups_their_own() {
    let table = table();
    let terms = terms(&table);
    let level = TrustLevel::HIGHEST;
    let paced = |first: &Deed, second: &Deed| {
        let mut state = TrustState::new(level, T, &Zone::UTC);
        for _ in 0..table.level(level).burst {
            state.reserve(&terms, "x", first, None, T, 0).unwrap();
        }
        scope(&state.admit(&terms, second, None, T)) == Some(Scope::Minute)
    };
    let known = friend(1, UnixMillis(T.0 - millis(DAY * 3)));
    let add = Deed::AddToGroup { strangers: 0 };
    for (first, second, expected) in [
        (known, known, true),
        (known, Deed::Light, true),
        (known, Deed::Group, true),
        (known, Deed::Status, true),
        (Deed::Status, known, true),
        (known, friend(2, T), false),
        (known, add, false),
        (add, add, true),
        (add, Deed::Group, true),
        (Deed::Group, add, true),
        (Deed::Light, Deed::Status, true),
    ] {
        assert_eq!(paced(&first, &second), expected, "{first:?}, {second:?}");
    }
}

#[test]
fn a_level_is_earned_by_time_and_answers_and_never_by_sending() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    let mut levels = Vec::new();
    for day in 0..120 {
        let now = T.after(DAY * day);
        state.note_inbound(1, now);
        if let Some(moved) = state.roll(&terms, now) {
            levels.push((day, moved.to.number()));
        }
        state.note_connected(now);
    }
    assert_eq!(levels, [(7, 2), (21, 3), (45, 4), (90, 5)]);
}

#[test]
fn who_is_not_connected_or_was_restricted_does_not_rise_and_who_is_idle_sinks() {
    let table = table();
    let terms = terms(&table);
    let mut absent = fresh();
    for day in 0..60 {
        absent.note_inbound(1, T.after(DAY * day));
        assert_eq!(absent.roll(&terms, T.after(DAY * day)), None);
    }
    let mut restricted = fresh();
    for day in 0..20 {
        let now = T.after(DAY * day);
        restricted.note_connected(now);
        restricted.heed(Signal::TimeLocked { until: None, enforcement: None }, now, 0);
        restricted.note_inbound(1, now);
        assert_eq!(restricted.roll(&terms, now), None);
    }
    let mut idle = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
    idle.note_connected(T);
    assert_eq!(idle.roll(&terms, T.after(DAY * 31)).unwrap().to.number(), 4);
}

/// The days on which an account rises that is connected on each day from `first` on, and to which level.
fn rises(state: &mut TrustState, days: std::ops::Range<u32>) -> Vec<(u32, u8)> {
    let table = table();
    let mut rises = Vec::new();
    for day in days {
        let now = T.after(DAY * day);
        state.note_inbound(1, now);
        rises.extend(state.roll(&terms(&table), now).map(|moved| (day, moved.to.number())));
        state.note_connected(now);
    }
    rises
}

// 3.5: the days are those of the calendar, and not those on which something ran.
#[test]
fn an_account_that_was_stopped_in_its_first_week_does_not_rise_after_it() {
    let (table, mut state) = (table(), fresh());
    state.note_connected(T);
    assert_eq!(state.roll(&terms(&table), T.after(DAY * 7)), None);
    assert_eq!(state.evidence(T.after(DAY * 7)).connected_percent, 14);
    // 24 days of 30 are four of five.
    assert_eq!(rises(&mut state, 7..31), [(30, 2)]);
    // A day in five may be missing.
    let mut state = fresh();
    state.note_connected(T);
    assert_eq!(rises(&mut state, 2..8), [(7, 2)]);
    let mut state = fresh();
    state.note_connected(T);
    assert_eq!(rises(&mut state, 3..9), [], "neither 5 of 7 nor 6 of 8 are enough");
}

// 3.5: neither the days nor the age of an account that nobody linked.
#[test]
fn an_account_is_managed_since_it_was_connected_first() {
    let (table, mut state) = (table(), fresh());
    assert_eq!(state.roll(&terms(&table), T.after(DAY * 100)), None);
    state.note_connected(T.after(DAY * 100));
    assert_eq!(rises(&mut state, 101..125), [(107, 2), (121, 3)]);
}

// 3.8: a day that another zone has begun is another day, and is counted once.
#[test]
fn a_day_is_connected_once_however_often_it_is_noted() {
    let mut state = fresh();
    for hour in 0..24 * 7 {
        let now = T.after(HOUR * hour);
        state.roll(&terms(&table()), now);
        state.note_connected(now);
        let percent = state.evidence(now).connected_percent;
        assert!(percent == if state.day == Zone::UTC.day(T) { 0 } else { 100 }, "{percent}");
    }
}

// 3.5: whatever is reached meanwhile, one level in seven days.
#[test]
fn a_level_is_followed_by_the_next_one_after_a_week_at_the_earliest() {
    let mut state = fresh();
    state.freeze(T, DAY * 95);
    assert_eq!(rises(&mut state, 0..130), [(95, 2), (102, 3), (109, 4), (116, 5)]);
    // One that somebody gave counts as well.
    let mut state = fresh();
    state.freeze(T, DAY * 50);
    assert_eq!(rises(&mut state, 0..48), []);
    assert!(state.set_level(TrustLevel::NEW.up(), T.after(DAY * 48)));
    assert_eq!(rises(&mut state, 48..60), [(55, 3)]);
}

// 3.5: 14 days without a restriction.
#[test]
fn a_restriction_is_two_weeks_ago_before_a_level_rises() {
    let ends = T.after(DAY * 6);
    let quota = |leaves| Signal::Quota { total: 100, used: 10, ends, leaves };
    for (signals, rise) in [
        (vec![], 7),
        (vec![quota(100)], 7),
        (vec![quota(50)], 20),
        (vec![quota(25)], 20),
        (vec![quota(0)], 20),
        (vec![Signal::Capped], 20),
        (vec![Signal::NoToken; 2], 7),
        (vec![Signal::NoToken; 3], 20),
        (vec![locked(ends)], 20),
        (vec![Signal::StreamOverlimit; 2], 12),
    ] {
        let mut state = fresh();
        rises(&mut state, 0..6);
        for signal in &signals {
            state.heed(signal.clone(), T.after(DAY * 5), 0);
        }
        assert_eq!(rises(&mut state, 6..21), [(rise, 2)], "{signals:?}");
    }
}

// 3.5: of ten first contacts in 30 days, three answered.
#[test]
fn an_account_rises_when_three_of_ten_strangers_answer() {
    let (ten, nine) = (10, 9);
    for (contacts, answers, days_ago, is_risen) in [
        (ten, 3, 1, true),
        (ten, 2, 1, false),
        (nine, 0, 1, true),
        (19, 5, 1, false),
        (19, 6, 1, true),
        // Longer ago than 30 days they say nothing.
        (ten, 0, 31, true),
        (ten, 0, 29, false),
    ] {
        let mut state = fresh();
        state.freeze(T, DAY * 40);
        rises(&mut state, 0..40);
        let at = T.after(DAY * (40 - days_ago));
        for person in 100..100 + contacts {
            state.contacts.push_back(Contact { person, at: at.0, is_answered: false });
        }
        for person in 100..100 + answers {
            state.note_inbound(person, at.after(HOUR));
        }
        let expected: &[(u32, u8)] = if is_risen { &[(40, 2)] } else { &[] };
        assert_eq!(rises(&mut state, 40..41), expected, "{answers} of {contacts}, {days_ago} days ago");
    }
}

// 3.7: an answer within 72 hours speaks for an account; a later one is an answer all the same for the lane.
#[test]
fn an_answer_after_three_days_does_not_speak_for_the_account() {
    let three_days = HOUR * 72;
    for (late, percent) in [(three_days, 100), (three_days + Duration::from_millis(1), 0)] {
        let mut state = fresh();
        for person in 0..10 {
            state.contacts.push_back(Contact { person, at: T.0, is_answered: false });
            state.note_inbound(person, T.after(late));
        }
        // Nor does a second message of the same person.
        state.note_inbound(0, T.after(DAY * 10));
        assert_eq!(state.evidence(T.after(DAY * 10)).answered_percent, Some(percent));
        assert_eq!(Lane::of(&friend(0, T.after(late)), T.after(late)), Lane::Reply);
    }
}

// 3.5: fewer than one in twenty is refused.
#[test]
fn an_account_that_is_refused_often_does_not_rise() {
    for (refused, expected) in [(5, None), (4, Some(2))] {
        let (table, mut state) = (table(), fresh());
        rises(&mut state, 0..7);
        for number in 0..100 {
            let (id, at) = (number.to_string(), T.after(DAY * 6 + MINUTE * number));
            let mut sent = state.reserve(&terms(&table), id, &friend(1, at), None, at, 0).unwrap();
            let fate = if number < refused { ReservationState::Refused } else { ReservationState::Sent };
            state.settle(&mut sent, fate);
        }
        let moved = state.roll(&terms(&table), T.after(DAY * 7));
        assert_eq!(moved.map(|moved| moved.to.number()), expected, "{refused} of 100");
    }
}

// 3.1: the lane that the code names, for 30 days, and no other.
#[test]
fn each_code_of_a_ban_closes_its_lane_for_thirty_days() {
    let table = table();
    let terms = terms(&table);
    let known = |id| friend(id, UnixMillis(T.0 - millis(DAY * 3)));
    let deeds = [
        ("first contact", stranger(1)),
        ("known", known(2)),
        ("group", Deed::Group),
        ("group admin", Deed::AddToGroup { strangers: 0 }),
        ("status", Deed::Status),
        ("lookup", Deed::Lookup { numbers: 1 }),
        ("light", Deed::Light),
    ];
    for (code, lane, kind) in [
        (101, Some("first contact"), Some(ClosedLane::FirstContact)),
        (102, Some("first contact"), Some(ClosedLane::FirstContact)),
        (103, Some("group admin"), Some(ClosedLane::GroupAdmin)),
        (104, None, Some(ClosedLane::SameText)),
        (105, None, None),
        (106, Some("status"), Some(ClosedLane::Status)),
    ] {
        let mut state = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
        state.heed(Signal::Banned { code: BanCode(code), until: T.after(HOUR) }, T, 0);
        assert_eq!(state.level(), TrustLevel::NEW);
        let told: Vec<_> = state.restrictions(T).iter().map(|told| (told.kind, told.code)).collect();
        let kind = kind.map(|kind| (RestrictionKind::LaneClosed(kind), Some(code)));
        assert_eq!(told, Vec::from_iter(kind), "{code}");
        let closed = |at: UnixMillis| {
            let is_closed = |deed: &Deed| {
                matches!(scope(&state.admit(&terms, deed, None, at)), Some(Scope::Restriction(_)))
            };
            deeds.iter().filter(|(_, deed)| is_closed(deed)).map(|(name, _)| *name).collect::<Vec<_>>()
        };
        let end = T.after(DAY * 30);
        assert_eq!(closed(UnixMillis(end.0 - 1)), Vec::from_iter(lane), "{code}");
        assert_eq!(closed(end), [""; 0], "{code}");
        assert_eq!(state.is_text_limited(UnixMillis(end.0 - 1)), code == 104);
        assert!(!state.is_text_limited(end));
    }
}

// 3.1: 475.
#[test]
fn a_refused_new_chat_closes_them_until_the_cycle_ends() {
    let (table, ends) = (table(), T.after(DAY * 20));
    let quota = Signal::Quota { total: 100, used: 10, ends, leaves: 100 };
    let unanswered = Deed::Message(Person { id: 1, last_inbound: None, unanswered: 1, token_at: None });
    for (cycle, at, end) in [
        (Some(&quota), T, ends),
        // A cycle that nobody knows, or that is over, is one of a day.
        (None, T, T.after(DAY)),
        (Some(&quota), ends, ends.after(DAY)),
    ] {
        let mut state = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
        if let Some(signal) = cycle {
            state.heed(signal.clone(), T, 0);
        }
        state.heed(Signal::Capped, at, 0);
        for deed in [stranger(2), unanswered] {
            let Admission::Delay(limit) = state.admit(&terms(&table), &deed, None, at) else { panic!() };
            assert_eq!(limit.scope, Scope::Restriction(RestrictionKind::NewChats));
            assert_eq!((limit.retry_at, limit.source), (Some(end), LimitSource::Server { code: Some(475) }));
            assert_eq!(scope(&state.admit(&terms(&table), &deed, None, end)), None);
        }
        for deed in [friend(3, at), friend(4, UnixMillis(T.0 - millis(DAY * 3))), Deed::Group] {
            assert_eq!(scope(&state.admit(&terms(&table), &deed, None, at)), None);
        }
    }
}

#[test]
fn few_answers_slow_an_account_down() {
    let (table, mut state) = (table(), TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC));
    let (terms, mut now) = (terms(&table), T);
    for id in 0..20 {
        state.reserve(&terms, "x", &stranger(id), None, now, 0).unwrap();
        now = now.after(MINUTE * 2);
    }
    let moved = state.roll(&terms, T.after(DAY)).unwrap();
    assert_eq!((moved.from.number(), moved.to.number()), (5, 4));
    assert_eq!(moved.evidence.answered_percent, Some(0));
    // Half as many for a week; and not again for the same people.
    let held: Vec<_> = state.holds.iter().map(|hold| (hold.percent, hold.until)).collect();
    assert_eq!(held, [(50, T.after(DAY * 8).0)]);
    for day in 2..20 {
        state.note_inbound(999, T.after(DAY * day));
        assert_eq!(state.roll(&terms, T.after(DAY * day)), None, "day {day}");
    }
    // Once more when somebody else was written to in vain.
    state.reserve(&terms, "x", &stranger(99), None, T.after(DAY * 20), 0).unwrap();
    assert_eq!(state.roll(&terms, T.after(DAY * 21)).unwrap().to.number(), 3);
}

// 3.5: fewer than one in ten of the last 20.
#[test]
fn two_answers_of_twenty_are_enough_not_to_sink() {
    let table = table();
    for (contacts, answers, level) in [(20, 1, 4), (20, 2, 5), (19, 0, 5), (40, 2, 5)] {
        let mut state = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
        state.note_connected(T);
        for person in 0..contacts {
            // Of 40, the last ones count.
            let is_answered = person >= contacts - answers;
            state.contacts.push_back(Contact { person, at: T.0, is_answered });
        }
        state.roll(&terms(&table), T.after(DAY));
        assert_eq!(state.level().number(), level, "{answers} of {contacts}");
    }
}

// 3.5: two within 60 days.
#[test]
fn a_second_ban_holds_the_account_when_the_first_one_is_not_long_ago() {
    let banned = |at: UnixMillis| Signal::Banned { code: BanCode(101), until: at.after(HOUR) };
    for (days, level) in [(60, TrustLevel::HELD), (61, TrustLevel::NEW)] {
        let mut state = TrustState::new(TrustLevel::HIGHEST, T, &Zone::UTC);
        for at in [T, T.after(DAY * days)] {
            state.heed(banned(at), at, 0);
        }
        assert_eq!(state.level(), level, "after {days} days");
    }
}

#[test]
fn a_reset_by_hand_forgives_one_day_once() {
    let (table, mut state, mut now) = (table(), fresh(), T);
    let terms = terms(&table);
    assert!(state.set_daily_limit(&table, 2));
    assert!(!state.set_daily_limit(&table, 51));
    for _ in 0..2 {
        state.reserve(&terms, "x", &Deed::Group, None, now, 0).unwrap();
        now = now.after(MINUTE);
    }
    assert_eq!(scope(&state.admit(&terms, &Deed::Group, None, now)), Some(Scope::Day));
    assert!(state.reset_usage());
    assert_eq!(scope(&state.admit(&terms, &Deed::Group, None, now)), None);
    assert!(!state.reset_usage());
    assert_eq!(state.usage(&table, &Zone::UTC, now).sent_today, 2);
}

/// What never left needs no forgiving: that would make room that nobody gave.
#[test]
fn what_was_forgiven_and_never_left_makes_no_room() {
    let (table, mut state, mut now) = (table(), fresh(), T);
    let terms = terms(&table);
    let mut count = |state: &mut TrustState| {
        now = now.after(MINUTE);
        state.reserve(&terms, "x", &Deed::Group, None, now, 0).unwrap()
    };
    let mut before = [count(&mut state), count(&mut state), count(&mut state)];
    assert!(state.reset_usage());
    let mut later = count(&mut state);
    let gated = |state: &TrustState| state.usage(&table, &UTC, T.after(HOUR)).gated_today;
    for reservation in &mut before {
        state.settle(reservation, ReservationState::Released);
        assert_eq!(gated(&state), 1);
    }
    state.settle(&mut later, ReservationState::Released);
    assert_eq!(gated(&state), 0);
}

// 3.8, R178: only the day's own count begins anew.
#[test]
fn a_reset_by_hand_lifts_nothing_that_the_server_said_and_nothing_that_rolls() {
    let (table, level) = (table(), TrustLevel::HIGHEST);
    let terms = terms(&table);
    let known = |id| friend(id, UnixMillis(T.0 - millis(DAY * 3)));
    let twenty = Deed::Lookup { numbers: 20 };
    type Fill = fn(&mut TrustState);
    fn heed(state: &mut TrustState, signal: Signal) {
        state.heed(signal, T, 0);
    }
    let cases: [(Scope, Fill, Deed); 12] = [
        (Scope::Restriction(RestrictionKind::TimeLock), |state| heed(state, locked(T)), stranger(1)),
        (Scope::Restriction(RestrictionKind::NewChats), |state| heed(state, Signal::Capped), stranger(1)),
        (
            Scope::Restriction(RestrictionKind::Pause),
            |state| heed(state, Signal::StreamOverlimit),
            Deed::Group,
        ),
        (Scope::Refused, |state| state.refuse_person(1, T), stranger(1)),
        (Scope::Quota, |state| state.quota = Some(Quota { left: 0, ends: T.after(DAY).0 }), stranger(1)),
        (Scope::Gap, |state| state.next_contact = T.after(MINUTE).0, stranger(1)),
        (Scope::Hour, |state| state.hour.add(T, 200, HOUR), Deed::Group),
        (Scope::Lookups, |state| state.lookups.add(T, 200, DAY), twenty),
        (Scope::Groups, |state| state.groups.add(T, 5, DAY), Deed::CreateGroup { strangers: 0 }),
        (Scope::Strangers, |state| state.strangers.add(T, 50, DAY), Deed::AddToGroup { strangers: 1 }),
        (Scope::Posts, |state| state.posts.add(T, 20, DAY), Deed::Status),
        (Scope::Minute, |state| (0..9).for_each(|_| state.pace.take(T, MINUTE)), known(1)),
    ];
    let check = |expected: Scope, mut state: TrustState, deed: &Deed| {
        let before = state.admit(&terms, deed, None, T);
        assert_eq!(scope(&before), Some(expected));
        assert!(state.reset_usage());
        assert_eq!(state.admit(&terms, deed, None, T), before);
    };
    for (expected, fill, deed) in cases {
        let mut state = TrustState::new(level, T, &Zone::UTC);
        fill(&mut state);
        check(expected, state, &deed);
    }
    for (expected, count, ago) in
        [(Scope::FirstContactsDay, 25, HOUR), (Scope::FirstContactsMonth, 400, DAY * 29)]
    {
        let mut state = TrustState::new(level, T, &Zone::UTC);
        for person in 0..count {
            state.contacts.push_back(Contact { person, at: T.0 - millis(ago), is_answered: true });
        }
        check(expected, state, &stranger(1));
    }
    let mut state = TrustState::new(level, T, &Zone::UTC);
    for person in 0..40 {
        state.texts.push_back(SentText { tag: 9, person, at: T.0 });
    }
    assert!(state.reset_usage());
    assert_eq!(scope(&state.admit(&terms, &known(50), Some(9), T)), Some(Scope::SameText));
    let in_vain = Deed::Message(Person { id: 1, last_inbound: None, unanswered: 2, token_at: None });
    assert_eq!(scope(&state.admit(&terms, &in_vain, None, T)), Some(Scope::Person));
}

// R156
#[test]
fn a_day_begins_at_its_boundary_however_late_it_is_noticed() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    assert!(state.set_daily_limit(&table, 1));
    let midnight = Zone::UTC.next_day(T);
    state.reserve(&terms, "1", &Deed::Group, None, midnight.after(HOUR * 20), 0).unwrap();
    let late = midnight.after(HOUR * 23);
    assert_eq!(scope(&state.admit(&terms, &Deed::Group, None, late)), Some(Scope::Day));
    assert_eq!(state.usage(&table, &Zone::UTC, late).sent_today, 1);
    let next = midnight.after(DAY);
    assert_eq!(state.usage(&table, &Zone::UTC, next).sent_today, 0);
    state.reserve(&terms, "2", &Deed::Group, None, next, 0).unwrap();
}

#[test]
fn another_zone_does_not_make_a_day_of_a_few_hours() {
    let (table, mut state) = (table(), fresh());
    assert!(state.set_daily_limit(&table, 1));
    let midnight = Zone::UTC.next_day(T);
    state.reserve(&terms(&table), "1", &Deed::Group, None, midnight, 0).unwrap();
    // In Jakarta the next day begins after 17 hours.
    let jakarta = Zone::named("Asia/Jakarta").unwrap();
    let moved = Terms { zone: &jakarta, ..terms(&table) };
    let at = |hours: u32| midnight.after(HOUR * hours);
    assert_eq!(scope(&state.admit(&moved, &Deed::Group, None, at(18))), Some(Scope::Day));
    assert_eq!(state.usage(&table, &jakarta, at(18)).resets_at, at(20), "as it comes about");
    state.reserve(&moved, "2", &Deed::Group, None, at(20), 0).unwrap();
    assert_eq!(scope(&state.admit(&moved, &Deed::Group, None, at(39))), Some(Scope::Day));
    assert_eq!(state.usage(&table, &jakarta, at(39)).resets_at, at(41));
    // Back again, where it is still the day before: the day that was counted goes on until it is over here, too.
    assert_eq!(state.usage(&table, &Zone::UTC, at(21)).resets_at, at(48));
    assert_eq!(scope(&state.admit(&terms(&table), &Deed::Group, None, at(47))), Some(Scope::Day));
    assert_eq!(scope(&state.admit(&terms(&table), &Deed::Group, None, at(48))), None);
}

#[test]
fn no_stranger_is_written_to_before_the_past_has_come() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    state.await_history();
    assert!(matches!(state.admit(&terms, &stranger(1), None, T), Admission::Deny(_)));
    assert!(state.begin_history(T, MINUTE));
    assert!(!state.begin_history(T.after(HOUR), MINUTE));
    let Admission::Delay(limit) = state.admit(&terms, &stranger(1), None, T) else { panic!() };
    assert_eq!((limit.scope, limit.retry_at), (Scope::History, Some(T.after(MINUTE))));
    assert_eq!(scope(&state.admit(&terms, &friend(1, T), None, T)), None);
    assert_eq!(scope(&state.admit(&terms, &stranger(1), None, T.after(MINUTE))), None);
    assert!(state.end_history());
    assert_eq!(scope(&state.admit(&terms, &stranger(1), None, T)), None);
}

#[test]
fn a_refused_person_is_left_alone_until_they_write() {
    let (table, mut state) = (table(), fresh());
    let terms = terms(&table);
    state.refuse_person(1, T);
    assert_eq!(scope(&state.admit(&terms, &stranger(1), None, T)), Some(Scope::Refused));
    assert_eq!(scope(&state.admit(&terms, &stranger(2), None, T)), None);
    state.merge_persons(1, 2);
    assert_eq!(scope(&state.admit(&terms, &stranger(2), None, T)), Some(Scope::Refused));
    // The token that was refused, and another one.
    let known = |token_at| Deed::Message(Person { id: 2, last_inbound: None, unanswered: 0, token_at });
    assert_eq!(scope(&state.admit(&terms, &known(Some(T)), None, T)), Some(Scope::Refused));
    assert_eq!(scope(&state.admit(&terms, &known(Some(T.after(MINUTE))), None, T)), None);
    state.note_inbound(2, T);
    assert_eq!(scope(&state.admit(&terms, &friend(2, T), None, T)), None);
}

#[test]
fn after_a_login_the_pace_grows() {
    let (table, mut state) = (table(), fresh());
    let slow = Terms { ready_since: T, ..terms(&table) };
    let sent = |state: &mut TrustState, terms: &Terms<'_>| {
        let mut count = 0;
        for second in 0..60 {
            let now = T.after(Duration::from_secs(second));
            count += u32::from(state.reserve(terms, "x", &Deed::Group, None, now, 0).is_ok());
        }
        count
    };
    let whole = sent(&mut state.clone(), &terms(&table));
    assert!(sent(&mut state, &slow) < whole);
    // Of answers that waited a quarter leaves at once, and all of them when the account is ready for long.
    let at_once = |terms: &Terms<'_>| {
        let mut state = fresh();
        (0..100).take_while(|_| state.reserve(terms, "x", &friend(1, T), None, T, 0).is_ok()).count()
    };
    assert_eq!((at_once(&slow), at_once(&terms(&table))), (2, 8));
}

#[test]
fn policies_can_only_be_narrower_or_somebodys_own() {
    let (usual, strict) = (TrustPolicy::Conservative.table(), TrustPolicy::Strict.table());
    for number in 0..=5 {
        let level = TrustLevel::new(number).unwrap();
        let (usual, strict) = (usual.level(level), strict.level(level));
        assert!(strict.daily <= usual.daily && strict.per_hour <= usual.per_hour && strict.gap >= usual.gap);
    }
    assert_eq!(TrustLevel::new(6), None);
}

/// What may happen to an account.
#[derive(Debug, Clone)]
enum Step {
    Send {
        deed: u8,
        person: u64,
        text: Option<u64>,
    },
    Inbound {
        person: u64,
    },
    Wait {
        seconds: u64,
    },
    /// The process ends and begins anew: what was stored is read again.
    Restart,
    /// The wall clock is set.
    Wall {
        hours: i64,
    },
    /// The server tells its time at a login.
    Login,
    Fate {
        state: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..8_u8, 0..30_u64, proptest::option::of(0..3_u64))
            .prop_map(|(deed, person, text)| Step::Send { deed, person, text }),
        1 => (0..30_u64).prop_map(|person| Step::Inbound { person }),
        4 => (0..20_000_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Restart),
        1 => (-900..900_i64).prop_map(|hours| Step::Wall { hours }),
        1 => Just(Step::Login),
        2 => (0..2_u8).prop_map(|state| Step::Fate { state }),
    ]
}

/// Something that left.
struct Sent {
    at: UnixMillis,
    lane: Lane,
    person: u64,
    text: Option<u64>,
    is_new_group: bool,
}

/// How many strangers a group is for.
fn strangers(person: u64) -> u32 {
    u32::try_from(person % 4).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// No sequence of sends, restarts and clock changes exceeds a budget, by the time that passes in the world.
    #[test]
    fn no_budget_is_ever_exceeded(steps in proptest::collection::vec(step(), 1..400), level in 1..=5_u8) {
        let table = table();
        let limits = table.level(TrustLevel::new(level).unwrap()).clone();
        let mut state = TrustState::new(TrustLevel::new(level).unwrap(), T, &Zone::UTC);
        let mut world = T;
        let mut wall_offset = 0_i64;
        let boot = |world: UnixMillis| Duration::from_millis(world.0 - T.0 + 5_000);
        let mut clock = TrustClock::new(state.last());
        clock.set(world, boot(world));
        let mut sent: Vec<Sent> = Vec::new();
        let mut people: HashMap<u64, (Option<UnixMillis>, u32)> = HashMap::new();
        let mut last = None;
        for step in steps {
            let wall = UnixMillis(world.0.saturating_add_signed(wall_offset * 3_600_000));
            let now = clock.now(wall, boot(world));
            prop_assert_eq!(now, world, "the time that counts is the world's");
            match step {
                Step::Send { deed, person, text } => {
                    let (last_inbound, unanswered) = people.get(&person).copied().unwrap_or_default();
                    let deed = match deed {
                        0 => Deed::Group,
                        1 => Deed::Status,
                        2 => Deed::Lookup { numbers: 7 },
                        3 => Deed::CreateGroup { strangers: strangers(person) },
                        4 => Deed::AddToGroup { strangers: strangers(person) },
                        _ => Deed::Message(Person { id: person, last_inbound, unanswered, token_at: None }),
                    };
                    let terms = terms(&table);
                    let promised = state.admit(&terms, &deed, text, now);
                    let reserved = state.reserve(&terms, "id", &deed, text, now, person);
                    prop_assert_eq!(matches!(promised, Admission::Allow { .. }), reserved.is_ok());
                    match reserved {
                        Ok(reservation) => {
                            let is_new_group = matches!(deed, Deed::CreateGroup { .. });
                            sent.push(Sent { at: now, lane: reservation.lane, person, text, is_new_group });
                            if matches!(deed, Deed::Message(_)) {
                                people.entry(person).or_default().1 += 1;
                            }
                            last = Some(reservation);
                        }
                        Err(limit) => prop_assert!(limit.retry_at.is_none_or(|at| at > now), "{limit:?}"),
                    }
                }
                Step::Inbound { person } => {
                    people.insert(person, (Some(now), 0));
                    state.note_inbound(person, now);
                }
                Step::Wait { seconds } => world = world.after(Duration::from_secs(seconds)),
                Step::Restart => {
                    let stored = serde_json::to_vec(&state).unwrap();
                    state = serde_json::from_slice(&stored).unwrap();
                    clock = TrustClock::new(state.last());
                    // Nothing is sent before a login, which tells the time.
                    clock.set(world, boot(world));
                    last = None;
                }
                Step::Wall { hours } => wall_offset = hours,
                Step::Login => prop_assert_eq!(clock.set(world, boot(world)), None),
                Step::Fate { state: fate } => {
                    if let Some(mut reservation) = last.take() {
                        let fate = if fate == 0 { ReservationState::Sent } else { ReservationState::Refused };
                        state.settle(&mut reservation, fate);
                    }
                }
            }
        }
        // Each budget of 3.4, in every span that begins with something that left.
        let within = |at: UnixMillis, span: Duration, count: &dyn Fn(&Sent) -> u32| {
            let inside = sent.iter().filter(|other| other.at >= at && other.at.0 <= at.0 + millis(span));
            inside.map(count).sum::<u32>()
        };
        let of = |lane: Lane| move |sent: &Sent| u32::from(sent.lane == lane);
        let counted = |sent: &Sent| u32::from(sent.lane.is_counted() && sent.lane != Lane::Reply);
        for one in &sent {
            let at = one.at;
            prop_assert!(within(at, DAY, &of(Lane::FirstContact)) <= limits.first_contacts_day);
            prop_assert!(within(at, DAY * 30, &of(Lane::FirstContact)) <= limits.first_contacts_month);
            prop_assert!(within(at, HOUR, &counted) <= limits.per_hour);
            prop_assert!(within(at, MINUTE, &counted) <= limits.burst + limits.per_minute);
            prop_assert!(within(at, Duration::ZERO, &counted) <= limits.burst);
            prop_assert!(within(at, MINUTE, &of(Lane::Reply)) <= limits.reply_per_minute * 2);
            prop_assert!(within(at, DAY, &of(Lane::Status)) <= limits.posts);
            prop_assert!(within(at, DAY, &of(Lane::Lookup)) * 7 <= limits.lookups);
            prop_assert!(within(at, Duration::from_millis(4_999), &of(Lane::Lookup)) <= 1);
            prop_assert!(within(at, DAY, &|sent| u32::from(sent.is_new_group)) <= limits.groups);
            let added = |sent: &Sent| if sent.lane == Lane::GroupAdmin { strangers(sent.person) } else { 0 };
            prop_assert!(within(at, DAY, &added) <= limits.strangers);
            let to_strangers = |sent: &Sent| u32::from(sent.lane.is_to_stranger());
            let shorter = limits.gap.0 - Duration::from_millis(1);
            prop_assert!(within(at, shorter, &to_strangers) <= 1);
            let in_vain = |sent: &Sent| u32::from(sent.lane.is_to_stranger() && sent.person == one.person);
            prop_assert!(within(T, DAY * 400, &in_vain) <= limits.unanswered_each);
            let is_text = |sent: &&Sent| {
                let is_inside = sent.at >= at && sent.at.0 <= at.0 + millis(DAY);
                is_inside && (sent.lane.is_to_stranger() || sent.lane == Lane::Known) && sent.text == one.text
            };
            let readers: HashSet<u64> = sent.iter().filter(is_text).map(|sent| sent.person).collect();
            prop_assert!(one.text.is_none() || readers.len() <= limits.same_text as usize);
        }
        let mut days: HashMap<DayKey, (u32, u32)> = HashMap::new();
        for one in &sent {
            let (gated, replies) = days.entry(Zone::UTC.day(one.at)).or_default();
            *gated += u32::from(one.lane.is_gated());
            *replies += u32::from(one.lane == Lane::Reply);
        }
        let is_within = |(gated, replies): &(u32, u32)| *gated <= limits.daily && *replies <= limits.reply_daily;
        prop_assert!(days.values().all(is_within));
    }
}
