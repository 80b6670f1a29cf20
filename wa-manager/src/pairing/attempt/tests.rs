//! One attempt, on a clock of the test's.

use std::time::Duration;

use proptest::prelude::*;
use wa_core::connection::RequestError;
use wa_core::error::{CodeRefusal, PairCodeError};
use wa_core::event::{CodeVoid, PasskeyFailure};
use wa_core::pairing::PairingCode;
use wa_types::PhoneNumber;

use super::*;
use crate::pairing::error::LimitedBy;
use crate::pairing::update::LimitNote;

const START: UnixMillis = UnixMillis(1_800_000_000_000);
const QR_LIFE: Duration = Duration::from_secs(20);
const CODE_LIFE: Duration = Duration::from_secs(180);

/// An attempt, and the time.
struct Run {
    attempt: Attempt,
    now: UnixMillis,
}

impl Run {
    fn new(request: PairRequest) -> Self {
        Self::with(request, PairingPolicy::default()).0
    }

    fn with(request: PairRequest, policy: PairingPolicy) -> (Self, Vec<Step>) {
        let (attempt, steps) = Attempt::new(TicketId::of([7; 16]), request, policy, START).unwrap();
        (Self { attempt, now: START }, steps)
    }

    /// One whose connection can pair.
    fn ready(request: PairRequest) -> (Self, Vec<Step>) {
        let mut run = Self::new(request);
        let steps = run.qr();
        (run, steps)
    }

    fn hear(&mut self, heard: Heard<'_>) -> Vec<Step> {
        self.attempt.hear(heard, self.now);
        self.attempt.steps()
    }

    fn qr(&mut self) -> Vec<Step> {
        self.hear(Heard::Qr { text: "2@secret,qr", expires_in: QR_LIFE })
    }

    /// The answer to what was asked; a code of this number.
    fn code(&mut self, number: u8) -> Vec<Step> {
        self.code_for(number, CODE_LIFE)
    }

    fn code_for(&mut self, number: u8, expires_in: Duration) -> Vec<Step> {
        self.attempt.on_code(Ok(made(number, expires_in)), self.now)
    }

    fn refused(&mut self, why: CodeRefusal, wait: Option<Duration>) -> Vec<Step> {
        let error = PairCodeError::Refused { why, retry_after: None };
        self.attempt.on_code(Err(CodeFailure::Client { error, wait }), self.now)
    }

    fn void(&mut self, reason: CodeVoid) -> Vec<Step> {
        self.hear(Heard::CodeVoid(&reason))
    }

    fn pass(&mut self, span: Duration) -> Vec<Step> {
        self.now = self.now.after(span);
        self.attempt.on_time(self.now)
    }

    /// To the next deadline.
    fn wait(&mut self) -> Vec<Step> {
        self.now = self.attempt.deadline().unwrap();
        self.attempt.on_time(self.now)
    }

    fn paired(&mut self) -> Vec<Step> {
        self.hear(Heard::Paired(device(7)))
    }
}

fn made(number: u8, expires_in: Duration) -> MadeCode {
    MadeCode { code: PairingCode::from_bits([number; 5]), expires_in }
}

fn device(number: u16) -> LinkedDevice {
    LinkedDevice {
        jid: format!("628123456789:{number}@s.whatsapp.net").parse().unwrap(),
        lid: None,
        platform: Some("android".into()),
        business_name: None,
    }
}

fn phone() -> PhoneNumber {
    "628123456789".parse().unwrap()
}

fn asks_code(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::AskCode { .. }))
}

fn statuses(steps: &[Step]) -> Vec<&'static str> {
    let status = |step: &Step| match step {
        Step::Status(status, _) => Some(status.wire()),
        _ => None,
    };
    steps.iter().filter_map(status).collect()
}

fn told(steps: &[Step]) -> Vec<PairingUpdate> {
    let update = |step: &Step| match step {
        Step::Tell(update) => Some(update.clone()),
        _ => None,
    };
    steps.iter().filter_map(update).collect()
}

fn events(steps: &[Step]) -> Vec<&'static str> {
    let kind = |step: &Step| match step {
        Step::Event(kind, _) => Some(kind.wire()),
        _ => None,
    };
    steps.iter().filter_map(kind).collect()
}

fn notes(steps: &[Step]) -> Vec<LimitNote> {
    let note = |step: &Step| match step {
        Step::Note(note) => Some(note.clone()),
        _ => None,
    };
    steps.iter().filter_map(note).collect()
}

fn done(steps: &[Step]) -> Option<Result<(), PairError>> {
    match steps.last() {
        Some(Step::Done(result)) => Some(result.clone()),
        _ => None,
    }
}

const CLOSED_BY_TIME: Heard<'static> =
    Heard::Closed { is_timeout: true, kind: ReasonKind::PairingExpired, code: None };

// R011, R022, R027, R034, R052
#[test]
fn a_scan_links_and_the_link_is_told_with_the_login_and_confirmed_after_its_probation() {
    let (mut run, started) = Run::with(PairRequest::qr(), PairingPolicy::default());
    assert_eq!((events(&started), statuses(&started)), (vec!["pairing.started"], vec!["loading"]));
    let steps = run.qr();
    assert_eq!((events(&steps), statuses(&steps)), (vec!["pairing.qr"], vec!["qr"]));
    assert!(matches!(&told(&steps)[..], [PairingUpdate::Qr(qr)] if qr.text.expose() == "2@secret,qr"));
    assert!(!asks_code(&steps));

    let steps = run.paired();
    assert_eq!((events(&steps), statuses(&steps)), (vec![], vec!["authenticated"]));
    assert_eq!(told(&steps), [PairingUpdate::Accepted]);
    assert!(steps.contains(&Step::Accepted(device(7))));
    assert_eq!(run.hear(Heard::Disconnected), []);

    let steps = run.hear(Heard::Connected);
    assert_eq!(events(&steps), ["account.linked"]);
    assert_eq!(told(&steps), [PairingUpdate::Linked(device(7))]);
    assert_eq!(notes(&steps), [LimitNote::Linked { device: 7 }]);
    assert!(steps.contains(&Step::Linked(device(7))) && run.attempt.view().is_none());

    assert_eq!(run.pass(Duration::from_secs(119)), []);
    let steps = run.pass(Duration::from_secs(1));
    assert_eq!(
        (events(&steps), told(&steps)),
        (vec!["account.link_confirmed"], vec![PairingUpdate::Confirmed])
    );
    assert_eq!((notes(&steps), done(&steps)), (vec![LimitNote::Confirmed], Some(Ok(()))));
    assert!(run.attempt.is_over());
}

// R048, R052
#[test]
fn a_qr_code_and_a_typed_code_are_shown_on_one_connection() {
    let (mut run, steps) = Run::ready(PairRequest::both(phone()));
    assert!(asks_code(&steps) && statuses(&steps) == ["qr"]);
    let steps = run.code(1);
    assert_eq!((statuses(&steps), events(&steps)), (vec!["pairing"], vec!["pairing.code"]));
    let view = run.attempt.view().unwrap();
    assert!(view.qr.is_some() && view.code.is_some() && view.codes_left == 2);
    // The next QR code leaves the code as it is.
    let steps = run.qr();
    assert!(!asks_code(&steps) && statuses(&steps).is_empty());
    assert_eq!(run.attempt.view().unwrap().code, view.code);
    let steps = run.paired();
    assert_eq!(notes(&steps), [LimitNote::CodeGone]);
    let view = run.attempt.view().unwrap();
    assert!(view.qr.is_none() && view.code.is_none());
}

// R043, R047
#[test]
fn a_code_has_eight_characters_and_the_phone_is_not_notified_unless_asked_for() {
    for (request, expected) in
        [(PairRequest::code(phone()), false), (PairRequest::code(phone()).show_push_notification(), true)]
    {
        let (mut run, steps) = Run::ready(request);
        assert!(steps.contains(&Step::AskCode { phone: phone(), notifies: expected }));
        // QR codes that nobody wants are shown to nobody.
        assert!(told(&steps).is_empty() && run.attempt.view().unwrap().qr.is_none());
        let [PairingUpdate::Code(shown)] = &told(&run.code(1))[..] else { panic!() };
        let text = shown.text.expose();
        assert!(text.len() == 9 && text.as_bytes()[4] == b'-', "{text}");
    }
}

// R013, R044
#[test]
fn a_code_needs_a_number_of_digits_only() {
    let request = PairRequest { phone: None, ..PairRequest::code(phone()) };
    let attempt = Attempt::new(TicketId::of([7; 16]), request, PairingPolicy::default(), START);
    assert_eq!(attempt.err(), Some(PairError::PhoneMissing));
    assert!("628123456789".parse::<PhoneNumber>().is_ok());
    for bad in ["+628123456789", "62 812 3456 789", "62-812-3456-789", "../628123456789", "08123456789", ""] {
        assert!(bad.parse::<PhoneNumber>().is_err(), "{bad}");
    }
}

#[test]
fn the_first_qr_code_comes_in_time_or_not_at_all() {
    let mut run = Run::new(PairRequest::qr());
    assert_eq!(run.attempt.deadline(), Some(START.after(Duration::from_secs(30))));
    assert_eq!(run.pass(Duration::from_millis(29_999)), []);
    let steps = run.pass(Duration::from_millis(1));
    assert_eq!(done(&steps), Some(Err(PairError::ConnectTimeout)));
    assert_eq!((statuses(&steps), events(&steps)), (vec!["error"], vec!["pairing.failed"]));
}

// R040
#[test]
fn a_ticket_ends_after_ten_minutes() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    assert_eq!(run.attempt.ends_at(), START.after(Duration::from_secs(600)));
    let steps = run.wait();
    assert_eq!(run.now, run.attempt.ends_at());
    assert_eq!(done(&steps), Some(Err(PairError::Expired)));
    assert!(run.attempt.view().is_none() && run.attempt.deadline().is_none());
}

// R041
#[test]
fn a_code_that_lives_as_long_as_the_ticket_is_refreshed_after_eight_minutes() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    run.code_for(1, Duration::from_secs(600));
    let steps = run.wait();
    assert_eq!(run.now, START.after(Duration::from_secs(480)));
    assert_eq!(told(&steps), [PairingUpdate::CodeExpired { needs_refresh: false }]);
    assert!(steps.contains(&Step::Reconnect { shows_qr: false }) && !asks_code(&steps));
    // The old connection says that its code is gone; that is no news.
    assert_eq!(run.void(CodeVoid::ConnectionLost), []);
    assert!(asks_code(&run.qr()));
    let steps = run.code_for(2, Duration::from_secs(600));
    let [PairingUpdate::Code(shown)] = &told(&steps)[..] else { panic!() };
    assert_eq!(shown.expires_at, run.attempt.ends_at());
    assert_eq!(done(&run.wait()), Some(Err(PairError::Expired)));
    assert_eq!(run.now, START.after(Duration::from_secs(600)));
}

// R041, R055
#[test]
fn a_code_that_lives_shorter_is_replaced_when_it_has_expired_and_three_fill_the_ticket() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    for number in 1..=3 {
        run.code(number);
        assert_eq!(run.attempt.deadline(), Some(run.attempt.ends_at()));
        run.now = run.now.after(CODE_LIFE);
        assert!(run.attempt.view().unwrap().at(run.now).unwrap().code.is_none());
        let steps = run.void(CodeVoid::Expired);
        assert_eq!(events(&steps)[0], "pairing.code_expired");
        if number < 3 {
            assert!(asks_code(&steps));
        } else {
            assert_eq!(done(&steps), Some(Err(PairError::Exhausted)));
        }
    }
    assert_eq!(run.now, START.after(Duration::from_secs(540)));
}

#[test]
fn without_codes_left_the_qr_codes_go_on() {
    let (mut run, _) = Run::ready(PairRequest::both(phone()));
    for number in 1..=3 {
        run.code(number);
        let steps = run.void(CodeVoid::Expired);
        assert_eq!(asks_code(&steps), number < 3);
        assert_eq!(done(&steps), None);
    }
    assert_eq!(statuses(&run.qr()), Vec::<&str>::new());
    assert_eq!(run.attempt.view().unwrap().status, AccountStatus::Qr);
    assert_eq!(run.attempt.refresh(run.now), Err(PairError::Exhausted));
}

// R042
#[test]
fn somebody_may_ask_for_a_new_code_but_not_while_one_is_live() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    run.code(1);
    run.now = run.now.after(Duration::from_secs(100));
    let outstanding = PairError::CodeOutstanding { remaining: Duration::from_secs(80) };
    assert_eq!(run.attempt.refresh(run.now), Err(outstanding));
    // The wrong code was typed: the next one is made when somebody wants it.
    let steps = run.void(CodeVoid::NotConfirmed);
    assert_eq!(told(&steps), [PairingUpdate::CodeExpired { needs_refresh: true }]);
    assert!(!asks_code(&steps) && run.attempt.view().unwrap().status == AccountStatus::Pairing);
    assert!(asks_code(&run.attempt.refresh(run.now).unwrap()));
    assert_eq!(run.attempt.refresh(run.now), Ok(vec![]));
    run.code(2);
    // The connection ended meanwhile: the next code wants another one.
    run.void(CodeVoid::TooManyAnswers);
    assert_eq!(run.hear(CLOSED_BY_TIME), [Step::Show]);
    let steps = run.attempt.refresh(run.now).unwrap();
    assert!(steps.contains(&Step::Reconnect { shows_qr: false }) && !asks_code(&steps));
    assert!(asks_code(&run.qr()));
}

#[test]
fn when_the_qr_codes_of_a_connection_run_out_the_next_one_brings_more() {
    let (mut run, _) = Run::ready(PairRequest::both(phone()));
    run.code(1);
    run.now = run.now.after(Duration::from_secs(160));
    // Whichever of the two is told first.
    let mut steps = run.hear(CLOSED_BY_TIME);
    steps.extend(run.void(CodeVoid::ConnectionLost));
    assert_eq!(notes(&steps), [LimitNote::CodeGone]);
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Reconnect { shows_qr: true })).count(), 1);
    assert!(!asks_code(&steps) && statuses(&steps) == ["loading"]);
    assert!(asks_code(&run.qr()));
    let limited = PairError::RateLimited { retry_after: Duration::from_secs(9), by: LimitedBy::Account };
    run.hear(CLOSED_BY_TIME);
    let steps = run.attempt.on_limited(limited.clone(), run.now);
    assert_eq!(done(&steps), Some(Err(limited)));
}

#[test]
fn a_connection_that_is_lost_takes_its_codes_along_and_the_next_one_brings_others() {
    let (mut run, _) = Run::ready(PairRequest::both(phone()));
    run.code(1);
    let steps = run.hear(Heard::Disconnected);
    assert_eq!((notes(&steps), statuses(&steps)), (vec![LimitNote::CodeGone], vec!["loading"]));
    let view = run.attempt.view().unwrap();
    assert!(view.qr.is_none() && view.code.is_none() && !asks_code(&steps));
    assert!(asks_code(&run.qr()));
}

#[test]
fn a_code_that_is_told_twice_is_one_code() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    let first = run.hear(Heard::Code(made(1, CODE_LIFE)));
    assert_eq!((events(&first), notes(&first)), (vec!["pairing.code"], vec![]));
    assert_eq!(run.code(1), []);
    // An answer that comes when the code is over brings it back neither then nor for the next one.
    run.void(CodeVoid::RefreshByUser);
    assert_eq!(run.code(1), []);
    assert!(asks_code(&run.attempt.refresh(run.now).unwrap()));
    assert_eq!(run.code(1), []);
    assert!(run.attempt.view().unwrap().code.is_none());
    run.code(2);
    // One that the server wanted counts, and takes the place of the one before.
    let steps = run.void(CodeVoid::Refreshed);
    assert_eq!((notes(&steps), asks_code(&steps)), (vec![LimitNote::CodeGone], false));
    let steps = run.hear(Heard::Code(made(3, CODE_LIFE)));
    assert_eq!(notes(&steps), [LimitNote::CodeMade { expires_in: CODE_LIFE }]);
    assert_eq!(run.attempt.view().unwrap().codes_left, 0);
}

// R017, R020, R048, R051
#[test]
fn what_the_server_refuses_is_not_asked_again_by_itself() {
    let hour = Some(Duration::from_secs(3600));
    let limited = PairError::RateLimited { retry_after: Duration::from_secs(3600), by: LimitedBy::Server };
    let rejected = |code| PairError::Rejected { code, retry_after: None };
    for (why, wait, error) in [
        (CodeRefusal::BadRequest, None, rejected(400)),
        (CodeRefusal::Forbidden, None, rejected(403)),
        (CodeRefusal::RateLimited, hour, limited),
        (CodeRefusal::Other(499), None, rejected(499)),
    ] {
        let (mut run, _) = Run::ready(PairRequest::code(phone()));
        let steps = run.refused(why, wait);
        assert_eq!((done(&steps), asks_code(&steps)), (Some(Err(error.clone())), false), "{why}");

        let (mut run, _) = Run::ready(PairRequest::both(phone()));
        let steps = run.refused(why, wait);
        assert_eq!(told(&steps), [PairingUpdate::CodeRefused(error.clone())], "{why}");
        assert!(done(&steps).is_none() && !asks_code(&run.qr()));
        assert_eq!(run.attempt.refresh(run.now), Err(error), "{why}");
    }
}

// R048
#[test]
fn an_account_that_cannot_be_linked_by_code_is_offered_a_qr_code() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    let steps = run.refused(CodeRefusal::NotAvailable, None);
    assert!(matches!(&told(&steps)[..], [PairingUpdate::CodeRefused(_), PairingUpdate::Qr(_)]), "{steps:?}");
    assert_eq!((done(&steps), statuses(&steps)), (None, vec!["qr"]));
    assert!(run.hear(CLOSED_BY_TIME).contains(&Step::Reconnect { shows_qr: true }));
}

#[test]
fn a_code_that_the_server_heard_nothing_of_is_not_used_up() {
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    let error = PairCodeError::NotConnected;
    run.attempt.on_code(Err(CodeFailure::Client { error, wait: None }), run.now);
    assert_eq!(run.attempt.view().unwrap().codes_left, 3);
    assert!(asks_code(&run.qr()));
    let error = PairCodeError::Refused { why: CodeRefusal::Server, retry_after: None };
    let steps = run.attempt.on_code(Err(CodeFailure::Client { error, wait: None }), run.now);
    assert!(!asks_code(&steps) && run.attempt.view().unwrap().codes_left == 2);
    assert!(!asks_code(&run.qr()) && asks_code(&run.attempt.refresh(run.now).unwrap()));
}

#[test]
fn the_limits_may_forbid_the_code_and_leave_the_qr_code() {
    let limited = PairError::RateLimited { retry_after: Duration::from_secs(9), by: LimitedBy::Phone };
    let (mut run, _) = Run::ready(PairRequest::both(phone()));
    let steps = run.attempt.on_code(Err(CodeFailure::Limited(limited.clone())), run.now);
    assert_eq!((told(&steps), done(&steps)), (vec![PairingUpdate::CodeRefused(limited.clone())], None));
    let (mut run, _) = Run::ready(PairRequest::code(phone()));
    let steps = run.attempt.on_code(Err(CodeFailure::Limited(limited.clone())), run.now);
    assert_eq!(done(&steps), Some(Err(limited)));
}

// R018, R034
#[test]
fn a_link_that_is_gone_within_its_probation_is_unstable() {
    for is_connected in [false, true] {
        let (mut run, _) = Run::ready(PairRequest::qr());
        run.paired();
        if is_connected {
            run.hear(Heard::Connected);
            run.pass(Duration::from_secs(60));
        }
        assert_eq!(run.hear(Heard::LoggedOut), [Step::AskUnstable]);
        let wait = Some(Duration::from_secs(86_400));
        let steps = run.attempt.on_unstable(wait, run.now);
        assert_eq!(done(&steps), Some(Err(PairError::UnstableLink { retry_after: wait })));
        let reason = steps.iter().find_map(|step| match step {
            Step::Status(AccountStatus::Error, reason) => reason.clone(),
            _ => None,
        });
        assert_eq!(reason.unwrap().kind, ReasonKind::UnstableLink);
    }
}

// R034
#[test]
fn a_link_is_not_confirmed_while_nobody_knows_whether_it_holds() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    run.hear(Heard::Connected);
    run.hear(Heard::Disconnected);
    assert_eq!(run.attempt.deadline(), None);
    assert_eq!(run.pass(Duration::from_secs(500)), []);
    assert_eq!(done(&run.hear(Heard::Connected)), Some(Ok(())));
}

// R046
#[test]
fn the_login_comes_within_a_minute_after_the_phone_accepted() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    let accepted = run.now;
    run.hear(Heard::Disconnected);
    let steps = run.wait();
    assert_eq!(run.now, accepted.after(Duration::from_secs(60)));
    assert_eq!(done(&steps), Some(Err(PairError::ConnectTimeout)));
}

/// 4.2: 515 within 10 s.
#[test]
fn a_server_that_does_not_end_the_connection_after_a_link_is_left() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    let accepted = run.now;
    assert_eq!(run.wait(), [Step::Reconnect { shows_qr: false }]);
    assert_eq!(run.now, accepted.after(Duration::from_secs(10)));
    let steps = run.wait();
    assert_eq!(run.now, accepted.after(Duration::from_secs(60)), "once");
    assert_eq!(done(&steps), Some(Err(PairError::ConnectTimeout)));
    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    run.wait();
    assert_eq!(events(&run.hear(Heard::Connected)), ["account.linked"]);
}

#[test]
fn a_link_that_never_came_about_at_the_server_leaves_the_ticket_as_it_was() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    let steps = run.hear(Heard::Unconfirmed);
    assert!(steps.contains(&Step::Unconfirmed), "what was accepted is forgotten");
    assert_eq!(statuses(&steps), ["loading"]);
    assert_eq!(statuses(&run.qr()), ["qr"]);
    run.paired();
    assert_eq!(events(&run.hear(Heard::Connected)), ["account.linked"]);
}

#[test]
fn a_restart_goes_on_with_a_link_that_was_not_confirmed() {
    let resume = |linked_at| {
        let (id, policy) = (TicketId::of([7; 16]), PairingPolicy::default());
        Run { attempt: Attempt::resume(id, policy, device(7), linked_at, START), now: START }
    };
    let mut run = resume(None);
    assert_eq!(events(&run.hear(Heard::Connected)), ["account.linked"]);
    let mut run = resume(Some(UnixMillis(START.0 - 500_000)));
    let steps = run.hear(Heard::Connected);
    assert_eq!((events(&steps), done(&steps)), (vec!["account.link_confirmed"], Some(Ok(()))));
}

#[test]
fn calling_it_off_ends_it_unless_the_phone_accepted() {
    let (mut run, _) = Run::ready(PairRequest::both(phone()));
    run.code(1);
    let steps = run.attempt.cancel(run.now).unwrap();
    assert_eq!(notes(&steps), [LimitNote::CodeGone, LimitNote::Failed(PairError::Cancelled)]);
    assert_eq!((done(&steps), statuses(&steps)), (Some(Err(PairError::Cancelled)), vec!["idle"]));
    assert_eq!(run.attempt.cancel(run.now), Err(PairError::NotPairing));
    assert_eq!(run.paired(), []);

    let (mut run, _) = Run::ready(PairRequest::qr());
    run.paired();
    assert_eq!(run.attempt.cancel(run.now), Err(PairError::AlreadyLinked { account: None }));
    assert_eq!(run.attempt.refresh(run.now), Err(PairError::AlreadyLinked { account: None }));
}

#[test]
fn a_passkeys_progress_is_told_and_the_other_ways_go_on() {
    let (mut run, _) = Run::ready(PairRequest::qr());
    let steps = run.hear(Heard::Passkey(&PasskeyProgress::Asked));
    assert_eq!((told(&steps), statuses(&steps)), (vec![], vec!["pairing"]));
    let code = PairingCode::from_bits([3; 5]);
    let progress = PasskeyProgress::Code { code: code.clone(), is_handed_off: false };
    assert_eq!(told(&run.hear(Heard::Passkey(&progress))), []);
    let progress = PasskeyProgress::Code { code: code.clone(), is_handed_off: true };
    let [PairingUpdate::PasskeyConfirm { code: shown, is_asked: false }] =
        &told(&run.hear(Heard::Passkey(&progress)))[..]
    else {
        panic!()
    };
    assert_eq!(shown.expose(), code.to_string());
    let progress = PasskeyProgress::Failed(PasskeyFailure::Declined);
    let steps = run.hear(Heard::Passkey(&progress));
    assert_eq!((told(&steps), statuses(&steps)), (vec![PairingUpdate::PasskeyFailed], vec!["qr"]));
    // When no other way led to a link, it was the passkey's fault.
    assert_eq!(done(&run.wait()), Some(Err(PairError::Passkey)));
}

#[test]
fn a_connection_that_ended_for_good_ends_the_attempt_with_its_reason() {
    let refusals = [
        (wa_core::connection::CloseReason::Conflict, ReasonKind::Conflict, None),
        (wa_core::connection::CloseReason::AccountMoved, ReasonKind::LoggedOut, None),
        (
            wa_core::connection::CloseReason::Banned { until: wa_types::UnixSeconds(1), failure: None },
            ReasonKind::TemporaryBan,
            Some(402),
        ),
    ];
    for (reason, kind, code) in refusals {
        let (mut run, _) = Run::ready(PairRequest::qr());
        let steps = run.attempt.on_event(&Event::Closed { reason }, run.now);
        assert_eq!(done(&steps), Some(Err(PairError::Closed { kind, code })));
    }
}

// R053
#[test]
fn neither_logs_nor_events_hold_a_code() {
    let (mut run, mut steps) = Run::ready(PairRequest::both(phone()));
    steps.extend(run.code(1));
    let code = PairingCode::from_bits([1; 5]);
    let mut texts =
        vec![format!("{:?}", run.attempt), format!("{steps:?}"), format!("{:?}", run.attempt.view())];
    steps.extend(run.void(CodeVoid::Expired));
    steps.extend(run.attempt.cancel(run.now).unwrap());
    for step in &steps {
        if let Step::Event(_, data) = step {
            texts.push(data.to_string());
        }
    }
    for text in texts {
        for secret in [&code.to_string(), code.as_str(), "2@secret", "628123456789"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Something that may happen to an attempt.
#[derive(Debug, Clone)]
enum Happens {
    Qr,
    Answer,
    /// An answer that was told before, as an event.
    LateAnswer,
    Failure(u16),
    NotSent,
    Void(u8),
    ClientCode,
    Paired,
    Connected,
    Disconnected,
    Closed(bool),
    LoggedOut,
    Unconfirmed,
    Refresh,
    Cancel,
    Wait(u16),
    Deadline,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Qr),
        4 => Just(Happens::Answer),
        1 => Just(Happens::LateAnswer),
        1 => prop_oneof![Just(400), Just(429), Just(452), Just(500)].prop_map(Happens::Failure),
        1 => Just(Happens::NotSent),
        4 => (0..6_u8).prop_map(Happens::Void),
        1 => Just(Happens::ClientCode),
        1 => Just(Happens::Paired),
        1 => Just(Happens::Connected),
        2 => Just(Happens::Disconnected),
        2 => any::<bool>().prop_map(Happens::Closed),
        1 => Just(Happens::LoggedOut),
        1 => Just(Happens::Unconfirmed),
        2 => Just(Happens::Refresh),
        1 => Just(Happens::Cancel),
        2 => (0..300_u16).prop_map(Happens::Wait),
        1 => Just(Happens::Deadline),
    ]
}

impl Run {
    fn happen(&mut self, what: &Happens, is_asked: bool, number: u8) -> Vec<Step> {
        match what {
            Happens::Qr => self.qr(),
            // Nothing answers what was not asked.
            Happens::Answer if is_asked => self.code(number),
            // Before the first one there is none.
            Happens::LateAnswer if number > 0 => self.code(number - 1),
            Happens::LateAnswer => vec![],
            Happens::Failure(code) if is_asked => self.refused(CodeRefusal::Other(*code), None),
            Happens::NotSent if is_asked => {
                let error = PairCodeError::Request(RequestError::NotConnected);
                self.attempt.on_code(Err(CodeFailure::Client { error, wait: None }), self.now)
            }
            Happens::Answer | Happens::Failure(_) | Happens::NotSent => vec![],
            Happens::Void(kind) => self.void(match kind {
                0 => CodeVoid::Expired,
                1 => CodeVoid::NotConfirmed,
                2 => CodeVoid::Refreshed,
                3 => CodeVoid::RefreshByUser,
                4 => CodeVoid::ConnectionLost,
                _ => CodeVoid::NotRenewed(PairCodeError::NotConnected),
            }),
            Happens::ClientCode => self.hear(Heard::Code(made(number, CODE_LIFE))),
            Happens::Paired => self.paired(),
            Happens::Connected => self.hear(Heard::Connected),
            Happens::Disconnected => self.hear(Heard::Disconnected),
            Happens::Closed(is_timeout) => {
                self.hear(Heard::Closed { is_timeout: *is_timeout, kind: ReasonKind::Network, code: None })
            }
            Happens::LoggedOut => {
                let mut steps = self.hear(Heard::LoggedOut);
                steps.extend(self.attempt.on_unstable(None, self.now));
                steps
            }
            Happens::Unconfirmed => self.hear(Heard::Unconfirmed),
            Happens::Refresh => self.attempt.refresh(self.now).unwrap_or_default(),
            Happens::Cancel => self.attempt.cancel(self.now).unwrap_or_default(),
            Happens::Wait(seconds) => self.pass(Duration::from_secs(u64::from(*seconds))),
            Happens::Deadline => self.attempt.deadline().map_or(vec![], |_| self.wait()),
        }
    }
}

proptest! {
    /// Whatever happens: no code is asked for while one is live or asked for, never more than the ticket has, the end
    /// comes once and last, and a link is told only after the phone accepted and the login.
    #[test]
    fn nothing_that_happens_breaks_an_attempt(
        method in 0..3_u8,
        list in proptest::collection::vec(happens(), 1..60),
    ) {
        let request = match method {
            0 => PairRequest::qr(),
            1 => PairRequest::code(phone()),
            _ => PairRequest::both(phone()),
        };
        let mut run = Run::new(request);
        let mut number = 0;
        let (mut is_asked, mut used, mut is_done, mut is_linked) = (false, 0_u8, false, false);
        for what in &list {
            let was_live = run.attempt.code.shown().is_some();
            let was_asked = is_asked;
            let is_answer = matches!(what, Happens::Answer | Happens::Failure(_) | Happens::NotSent);
            let steps = run.happen(what, was_asked, number);
            let is_late = matches!(what, Happens::LateAnswer) && number > 0;
            prop_assert!(!is_late || steps.is_empty(), "an old code came back: {steps:?}");
            number += u8::from(told(&steps).iter().any(|update| matches!(update, PairingUpdate::Code(_))));
            if is_answer && was_asked {
                is_asked = false;
                used -= u8::from(matches!(what, Happens::NotSent) && run.attempt.is_waiting());
            }
            prop_assert!(!is_done || steps.is_empty(), "{what:?} after the end: {steps:?}");
            for (place, step) in steps.iter().enumerate() {
                match step {
                    Step::AskCode { .. } => {
                        let ends = steps.iter().any(|step| *step == Step::Note(LimitNote::CodeGone));
                        prop_assert!(!was_live || ends, "a live code was replaced");
                        used += 1;
                        is_asked = true;
                    }
                    Step::Done(_) => {
                        is_done = true;
                        prop_assert_eq!(place + 1, steps.len());
                    }
                    Step::Linked(_) => {
                        prop_assert!(!is_linked && matches!(what, Happens::Connected));
                        is_linked = true;
                    }
                    _ => {}
                }
            }
            prop_assert!(used <= 3, "{used} codes");
            let view = run.attempt.view();
            prop_assert!(view.is_none_or(|view| view.codes_left <= 3));
            prop_assert_eq!(run.attempt.is_over(), is_done);
        }
        // What is due is done with it, and with time everything ends.
        for _ in 0..5 {
            let Some(at) = run.attempt.deadline() else { break };
            run.now = run.now.max(at);
            run.attempt.on_time(run.now);
            prop_assert!(run.attempt.deadline().is_none_or(|next| next > run.now));
        }
        prop_assert_eq!(run.attempt.deadline(), None);
    }
}
