//! The limits of pairing, on a clock of the test's.

use std::collections::HashMap;

use proptest::prelude::*;
use tokio::task::JoinSet;
use wa_core::error::CodeRefusal;
use wa_core::pairing::PairingCode;

use super::*;
use crate::pairing::test_clock::{START, TestClock};
use crate::store::{Changes, EventQuery, MemoryManagerStore, SqliteManagerStore};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

struct Bench {
    clock: Arc<TestClock>,
    store: Arc<dyn ManagerStore>,
    limiter: PairLimiter,
}

impl Bench {
    fn new() -> Self {
        Self::over(Arc::new(MemoryManagerStore::new()))
    }

    fn over(store: Arc<dyn ManagerStore>) -> Self {
        let clock = TestClock::new();
        let limiter = limiter(&store, &clock);
        Self { clock, store, limiter }
    }

    /// Another process over the same store.
    fn restart(&mut self) {
        self.limiter = limiter(&self.store, &self.clock);
    }

    /// A code that is gone at once.
    async fn try_code(&self, subject: &PairSubject) -> Result<(), PairError> {
        let made = self.limiter.counted(subject, async { Ok(made()) }).await;
        match made {
            Ok(_) => self.limiter.note(subject, &LimitNote::CodeGone).await.map(drop),
            Err(CodeFailure::Limited(error)) => Err(error),
            Err(CodeFailure::Client { error, .. }) => panic!("{error}"),
        }
    }

    async fn refused(&self, subject: &PairSubject, why: CodeRefusal) -> Option<Duration> {
        let error = PairCodeError::Refused { why, retry_after: None };
        match self.limiter.counted(subject, async { Err(error) }).await {
            Err(CodeFailure::Client { wait, .. }) => wait,
            other => panic!("{other:?}"),
        }
    }

    async fn begin(&self, request: PairRequest) -> Result<(), PairError> {
        self.limiter.begin(&subject(1, 1), &request).await.map(drop)
    }

    async fn linked(&self, device: u16) {
        self.limiter.note(&subject(1, 1), &LimitNote::Linked { device }).await.unwrap();
    }
}

fn limiter(store: &Arc<dyn ManagerStore>, clock: &Arc<TestClock>) -> PairLimiter {
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(clock);
    PairLimiter::new(Arc::clone(store), clock, PairingPolicy::default())
}

fn made() -> MadeCode {
    MadeCode { code: PairingCode::from_bits([1; 5]), expires_in: Duration::from_secs(180) }
}

fn phone(number: u8) -> PhoneNumber {
    PhoneNumber::new(format!("628123456{number:03}")).unwrap()
}

fn subject(account: u8, number: u8) -> PairSubject {
    PairSubject {
        account: AccountId::of([account; 16]),
        tenant: TenantId::default(),
        phone: Some(phone(number)),
        egress: None,
    }
}

fn limited(wait: Duration, by: LimitedBy) -> Result<(), PairError> {
    Err(PairError::RateLimited { retry_after: wait, by })
}

fn all() -> EventQuery {
    EventQuery { limit: 100, ..EventQuery::default() }
}

/// A span that is over only after its last millisecond.
fn beyond(span: Duration) -> Duration {
    span + Duration::from_millis(1)
}

// R017
#[tokio::test]
async fn a_phone_gets_three_codes_in_half_an_hour_and_six_in_a_day() {
    let mut bench = Bench::new();
    let subject = subject(1, 1);
    let half = beyond(30 * MINUTE);
    for wait in [half, beyond(DAY) - half] {
        for _ in 0..3 {
            assert_eq!(bench.try_code(&subject).await, Ok(()));
        }
        bench.restart();
        assert_eq!(bench.try_code(&subject).await, limited(wait, LimitedBy::Phone));
        bench.clock.pass(half);
    }
    let wait = beyond(DAY) - 2 * half;
    assert_eq!(bench.try_code(&subject).await, limited(wait, LimitedBy::Phone));
    // Another number is not concerned.
    assert_eq!(bench.try_code(&self::subject(1, 2)).await, Ok(()));
    bench.clock.pass(wait);
    assert_eq!(bench.try_code(&subject).await, Ok(()));
}

#[tokio::test]
async fn tenants_ways_out_and_the_process_have_limits_of_their_own() {
    let bench = Bench::new();
    let mut done = 0;
    let tenant = |number: u8| TenantId::new(format!("tenant {number}"));
    for number in 0..80 {
        let subject = PairSubject { tenant: tenant(number / 20), ..subject(number, number) };
        match bench.try_code(&subject).await {
            Ok(()) => done += 1,
            error => assert_eq!(error, limited(beyond(HOUR), LimitedBy::Process)),
        }
    }
    assert_eq!(done, 60);
    bench.clock.pass(beyond(HOUR));
    for number in 0..20 {
        assert_eq!(bench.try_code(&subject(number, number)).await, Ok(()));
    }
    assert_eq!(bench.try_code(&subject(90, 90)).await, limited(beyond(HOUR), LimitedBy::Tenant));

    let mut policy = PairingPolicy::default();
    policy.caps.egress = vec![Cap { count: 1, span: HOUR }];
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&bench.clock);
    let limiter = PairLimiter::new(Arc::new(MemoryManagerStore::new()), clock, policy);
    for (number, way, expected) in [(1, "a", true), (2, "a", false), (3, "b", true)] {
        let subject = PairSubject { egress: Some(way.to_owned()), ..subject(number, number) };
        assert_eq!(limiter.counted(&subject, async { Ok(made()) }).await.is_ok(), expected);
    }
}

// R003
#[tokio::test]
async fn fifty_attempts_at_once_do_not_pass_a_limit_together() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteManagerStore::open(directory.path().join("manager")).unwrap();
    let bench = Arc::new(Bench::over(Arc::new(store)));
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move { bench.try_code(&subject(number, number)).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 20);
}

#[tokio::test]
async fn a_code_that_lives_keeps_the_phone_from_another_one_also_after_a_crash() {
    let mut bench = Bench::new();
    let subject = subject(1, 1);
    bench.limiter.counted(&subject, async { Ok(made()) }).await.unwrap();
    bench.restart();
    bench.clock.pass(Duration::from_secs(100));
    let outstanding = PairError::CodeOutstanding { remaining: Duration::from_secs(80) };
    assert_eq!(bench.try_code(&self::subject(2, 1)).await, Err(outstanding.clone()));
    assert_eq!(bench.begin(PairRequest::code(phone(1))).await, Err(outstanding));
    assert_eq!(bench.begin(PairRequest::both(phone(1))).await, Ok(()));
    bench.clock.pass(Duration::from_secs(80));
    assert_eq!(bench.try_code(&subject).await, Ok(()));
    // One whose making was given up halfway counts as live for its usual life.
    let ask = bench.limiter.counted(&subject, std::future::pending());
    assert!(tokio::time::timeout(Duration::ZERO, ask).await.is_err());
    assert!(matches!(bench.try_code(&subject).await, Err(PairError::CodeOutstanding { .. })));
}

#[tokio::test]
async fn a_code_that_is_gone_before_its_maker_says_so_does_not_live_again() {
    let bench = Bench::new();
    let subject = subject(1, 1);
    let made = bench.limiter.counted(&subject, async {
        bench.limiter.note(&subject, &LimitNote::CodeGone).await.unwrap();
        bench.clock.pass(MINUTE);
        Ok(made())
    });
    made.await.unwrap();
    assert_eq!(bench.try_code(&subject).await, Ok(()));
}

#[tokio::test]
async fn what_the_server_heard_nothing_of_does_not_count() {
    let bench = Bench::new();
    let subject = subject(1, 1);
    for _ in 0..50 {
        let failed = bench.limiter.counted(&subject, async { Err(PairCodeError::Timeout) }).await;
        assert!(matches!(failed, Err(CodeFailure::Client { .. })));
    }
    for _ in 0..3 {
        assert_eq!(bench.try_code(&subject).await, Ok(()));
    }
    assert!(bench.try_code(&subject).await.is_err());
}

// R017, R020
#[tokio::test]
async fn after_each_429_the_phone_waits_longer() {
    let mut bench = Bench::new();
    let subject = subject(1, 1);
    for wait in [HOUR, 6 * HOUR, DAY, 2 * DAY, 2 * DAY] {
        assert_eq!(bench.refused(&subject, CodeRefusal::RateLimited).await, Some(wait));
        bench.restart();
        for request in [PairRequest::qr(), PairRequest::code(phone(1)), PairRequest::both(phone(1))] {
            assert_eq!(bench.begin(request).await, limited(wait, LimitedBy::Server));
        }
        assert_eq!(bench.try_code(&subject).await, limited(wait, LimitedBy::Server));
        bench.clock.pass(wait);
    }
    // Quiet for as long as the longest wait, and it begins anew.
    bench.clock.pass(2 * DAY);
    assert_eq!(bench.refused(&subject, CodeRefusal::RateLimited).await, Some(HOUR));
}

// R017, R048
#[tokio::test]
async fn after_each_400_codes_wait_longer_and_qr_codes_do_not() {
    let bench = Bench::new();
    let subject = subject(1, 1);
    for wait in [10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY] {
        assert_eq!(bench.refused(&subject, CodeRefusal::BadRequest).await, Some(wait));
        assert_eq!(bench.begin(PairRequest::code(phone(1))).await, limited(wait, LimitedBy::Server));
        assert_eq!(bench.begin(PairRequest::qr()).await, Ok(()));
        bench.clock.pass(wait.max(30 * MINUTE));
    }
    bench.limiter.note(&subject, &LimitNote::Confirmed).await.unwrap();
    bench.clock.pass(DAY);
    assert_eq!(bench.refused(&subject, CodeRefusal::BadRequest).await, Some(10 * MINUTE));
}

#[tokio::test]
async fn the_server_may_ask_for_a_longer_wait_but_not_for_ever() {
    let bench = Bench::new();
    let wait = async |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        let error = PairCodeError::Refused { why: CodeRefusal::RateLimited, retry_after };
        match bench.limiter.counted(&subject(1, 1), async { Err(error) }).await {
            Err(CodeFailure::Client { wait, .. }) => wait,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(7200).await, Some(2 * HOUR));
    bench.clock.pass(2 * HOUR);
    assert_eq!(wait(u64::MAX).await, Some(7 * DAY));
}

// R018, R020
#[tokio::test]
async fn two_unstable_links_in_a_day_mean_a_day_of_rest_and_then_two() {
    let mut bench = Bench::new();
    let subject = subject(1, 1);
    assert_eq!(bench.limiter.unstable(&subject).await, None);
    assert_eq!(bench.begin(PairRequest::qr()).await, Ok(()));
    bench.clock.pass(HOUR);
    assert_eq!(bench.limiter.unstable(&subject).await, Some(DAY));
    bench.restart();
    let error = PairError::UnstableLink { retry_after: Some(DAY) };
    assert_eq!(bench.begin(PairRequest::qr()).await, Err(error.clone()));
    assert_eq!(bench.try_code(&subject).await, Err(error));
    bench.clock.pass(DAY);
    assert_eq!(bench.begin(PairRequest::qr()).await, Ok(()));
    // Once more is enough now.
    assert_eq!(bench.limiter.unstable(&subject).await, Some(2 * DAY));
    bench.clock.pass(10 * DAY);
    assert_eq!(bench.limiter.unstable(&subject).await, None);
}

// R019
#[tokio::test]
async fn device_numbers_that_rise_fast_tell_of_a_storm_of_tries() {
    let bench = Bench::new();
    bench.linked(73).await;
    bench.linked(74).await;
    assert_eq!(bench.begin(PairRequest::qr()).await, Ok(()));
    bench.linked(76).await;
    let error = PairError::UnstableLink { retry_after: Some(DAY) };
    assert_eq!(bench.begin(PairRequest::qr()).await, Err(error));
    // Over weeks they may rise.
    let bench = Bench::new();
    for device in [73, 74, 76, 78, 79] {
        bench.linked(device).await;
        bench.clock.pass(beyond(DAY));
    }
    assert_eq!(bench.begin(PairRequest::qr()).await, Ok(()));
}

#[tokio::test]
async fn an_account_shows_qr_codes_on_five_connections_an_hour_and_fifteen_a_day() {
    let mut bench = Bench::new();
    let subject = PairSubject { phone: None, ..subject(1, 1) };
    let mut done = 0;
    for _ in 0..24 * 6 {
        if bench.limiter.round(&subject).await.is_ok() {
            done += 1;
        }
        bench.restart();
        bench.clock.pass(9 * MINUTE);
    }
    assert_eq!(done, 15);
    let wait = bench.limiter.begin(&subject, &PairRequest::qr()).await.map(drop).unwrap_err();
    assert!(matches!(wait, PairError::RateLimited { by: LimitedBy::Account, .. }));
    assert!(bench.limiter.round(&self::subject(2, 1)).await.is_ok());
}

// R015
#[tokio::test]
async fn an_account_and_a_phone_are_linked_by_one_attempt_at_a_time() {
    let bench = Bench::new();
    let request = PairRequest::qr();
    let slot = bench.limiter.begin(&subject(1, 1), &request).await.unwrap();
    for other in [subject(1, 2), subject(2, 1)] {
        let answer = bench.limiter.begin(&other, &request).await;
        assert_eq!(answer.map(drop), Err(PairError::AlreadyPairing));
    }
    let other = bench.limiter.begin(&subject(2, 2), &request).await.unwrap();
    drop(slot);
    assert!(bench.limiter.begin(&subject(1, 1), &request).await.is_ok());
    drop(other);
}

#[tokio::test]
async fn when_most_pairings_fail_alike_none_begins_for_a_while() {
    let mut bench = Bench::new();
    let rejected = LimitNote::Failed(PairError::Rejected { code: 499, retry_after: None });
    // What people do not do says nothing about the service.
    for _ in 0..100 {
        let note = LimitNote::Failed(PairError::Expired);
        assert_eq!(bench.limiter.note(&subject(1, 1), &note).await, Ok(false));
    }
    for number in 0..9 {
        bench.linked(number).await;
    }
    for _ in 0..10 {
        assert_eq!(bench.limiter.note(&subject(2, 2), &rejected).await, Ok(false));
    }
    let told = async |bench: &Bench| bench.store.events(all()).await.unwrap();
    assert_eq!(told(&bench).await, []);
    // 10 of 19 are not 20 tries, and the eleventh makes it more than half.
    assert_eq!(bench.limiter.note(&subject(2, 2), &rejected).await, Ok(true));
    // The host hears of it, with the pause.
    let [alert] = &*told(&bench).await else { panic!() };
    assert_eq!(
        (alert.kind, &alert.tenant, &alert.account),
        (EventKind::PairingPaused, &TenantId::default(), &None)
    );
    let until = bench.clock.wall().after(15 * MINUTE).0;
    assert_eq!(alert.data, json!({ "failure": "rejected 499", "until": until }));
    bench.restart();
    let begin = async |bench: &Bench| bench.limiter.begin(&subject(3, 3), &PairRequest::qr()).await.map(drop);
    assert_eq!(begin(&bench).await, limited(15 * MINUTE, LimitedBy::Circuit));
    bench.clock.pass(15 * MINUTE);
    assert_eq!(begin(&bench).await, Ok(()));
    assert_eq!(bench.limiter.note(&subject(2, 2), &rejected).await, Ok(false));
    assert_eq!(told(&bench).await.len(), 1);
}

// Links that do not hold count as well.
#[tokio::test]
async fn when_most_links_do_not_hold_that_is_told() {
    let bench = Bench::new();
    for number in 0..20 {
        bench.limiter.unstable(&subject(number, number)).await;
    }
    let told = bench.store.events(all()).await.unwrap();
    let told: Vec<_> = told.iter().map(|event| (event.kind, event.data["failure"].as_str())).collect();
    assert_eq!(told, [(EventKind::PairingPaused, Some("unstable"))]);
}

#[tokio::test]
async fn failures_of_different_kinds_do_not_add_up() {
    let bench = Bench::new();
    for number in 0..100 {
        let note = LimitNote::Failed(PairError::Rejected { code: 400 + number % 3, retry_after: None });
        assert_eq!(bench.limiter.note(&subject(1, 1), &note).await, Ok(false));
    }
}

#[tokio::test]
async fn without_a_store_that_can_be_read_nothing_is_tried() {
    let bench = Bench::new();
    let garbage = PairLimitRecord { key: "process".into(), state: b"?".to_vec(), until: START.after(DAY) };
    let mut changes = Changes::new();
    changes.push(Change::PutPairLimit(Box::new(garbage)));
    bench.store.commit(changes).await.unwrap();
    assert_eq!(bench.try_code(&subject(1, 1)).await, Err(PairError::StoreUnavailable));

    let directory = tempfile::tempdir().unwrap();
    let store = SqliteManagerStore::open(directory.path().join("manager")).unwrap();
    store.close().await.unwrap();
    let bench = Bench::over(Arc::new(store));
    assert_eq!(bench.begin(PairRequest::qr()).await, Err(PairError::StoreUnavailable));
}

// R012, R053
#[tokio::test]
async fn the_store_knows_no_phone_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manager");
    let tried = async |limit: usize| {
        let bench = Bench::over(Arc::new(SqliteManagerStore::open(&path).unwrap()));
        for _ in 0..limit {
            assert_eq!(bench.try_code(&subject(1, 1)).await, Ok(()));
        }
        let last = bench.try_code(&subject(1, 1)).await;
        bench.store.close().await.unwrap();
        last
    };
    assert!(tried(3).await.is_err());
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|part| part == phone(1).as_str().as_bytes()));
    }
    // The same number is found again all the same: the key of the hashes was kept.
    assert!(tried(0).await.is_err());
}

#[tokio::test]
async fn a_clock_that_was_wrong_neither_frees_nor_locks_for_long() {
    let bench = Bench::new();
    let subject = subject(1, 1);
    bench.clock.pass(1000 * DAY);
    for _ in 0..3 {
        assert_eq!(bench.try_code(&subject).await, Ok(()));
    }
    assert_eq!(bench.refused(&self::subject(2, 2), CodeRefusal::RateLimited).await, Some(HOUR));
    bench.clock.set(START);
    assert_eq!(bench.try_code(&subject).await, limited(beyond(30 * MINUTE), LimitedBy::Phone));
    let wait = bench.try_code(&self::subject(2, 2)).await.unwrap_err().retry_after().unwrap();
    assert!(wait <= 7 * DAY);
}

/// What somebody does.
#[derive(Debug, Clone)]
enum Deed {
    Try { number: u8, tenant: u8 },
    Pass(u16),
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => (0..40_u8, 0..4_u8).prop_map(|(number, tenant)| Deed::Try { number: number / 4, tenant }),
        2 => (0..900_u16).prop_map(Deed::Pass),
        1 => Just(Deed::Restart),
    ]
}

/// How many of these times lie within one span, at most.
fn most(times: &[UnixMillis], span: Duration) -> usize {
    let within =
        |start: &UnixMillis| times.iter().filter(|at| **at >= *start && at.since(*start) <= span).count();
    times.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// No order of tries, waits and restarts passes a cap.
    #[test]
    fn nobody_passes_a_cap(deeds in proptest::collection::vec(deed(), 1..250)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new();
            let mut phones: HashMap<u8, Vec<UnixMillis>> = HashMap::new();
            let mut tenants: HashMap<u8, Vec<UnixMillis>> = HashMap::new();
            let mut all = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Try { number, tenant } => {
                        let name = TenantId::new(tenant.to_string());
                        let subject = PairSubject { tenant: name, ..subject(number, number) };
                        let now = bench.clock.wall();
                        match bench.try_code(&subject).await {
                            Ok(()) => {
                                phones.entry(number).or_default().push(now);
                                tenants.entry(tenant).or_default().push(now);
                                all.push(now);
                            }
                            Err(error) => prop_assert!(error.retry_after() > Some(Duration::ZERO)),
                        }
                    }
                    Deed::Pass(seconds) => bench.clock.pass(Duration::from_secs(u64::from(seconds))),
                    Deed::Restart => bench.restart(),
                }
            }
            for times in phones.values() {
                prop_assert!(most(times, 30 * MINUTE) <= 3 && most(times, DAY) <= 6);
            }
            for times in tenants.values() {
                prop_assert!(most(times, HOUR) <= 20);
            }
            prop_assert!(most(&all, HOUR) <= 60);
            Ok(())
        })?;
    }
}
