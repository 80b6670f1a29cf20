use proptest::prelude::*;
use serde_json::Value;
use wa_types::UnixMillis;

use super::*;
use crate::event::EventKind;
use crate::ids::{EventId, TenantId};

const SECOND: Duration = Duration::from_secs(1);
/// The chance of exactly 100 %.
const EXACT: u64 = 200;
/// The moment at which all events happened.
const WALL: UnixMillis = UnixMillis(0);

fn event(seq: u64, of: u8) -> EventRecord {
    EventRecord {
        seq,
        account_seq: 0,
        id: EventId::of(u128::from(seq).to_be_bytes()),
        tenant: TenantId::default(),
        account: (of > 0).then(|| AccountId::of([of; 16])),
        kind: EventKind::AccountStatus,
        at: UnixMillis(0),
        data: Value::Null,
    }
}

fn lanes(is_parallel: bool) -> Lanes {
    Lanes::new(DeliveryPolicy::default(), is_parallel, Progress { all: 0, further: Vec::new() })
}

fn failed() -> Outcome {
    Outcome::Failed { retry_after: None, reason: "down".into() }
}

fn see(lanes: &mut Lanes, events: &[(u64, u8)]) {
    for (seq, of) in events {
        lanes.see(Arc::new(event(*seq, *of)), Duration::ZERO);
    }
}

/// The key, number and attempt of the next delivery.
fn next(lanes: &mut Lanes, now: Duration) -> (Key, u64, u32) {
    match lanes.poll(now) {
        Poll::Work(Work::Deliver { key, event, attempt }) => (key, event.seq, attempt),
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_of_an_account_leave_one_after_the_other_and_those_of_others_beside_them() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1), (3, 2), (4, 0)]);
    let (ana, first, _) = next(&mut lanes, SECOND);
    let (rui, second, _) = next(&mut lanes, SECOND);
    let (manager, third, _) = next(&mut lanes, SECOND);
    assert_eq!([first, second, third], [1, 3, 4]);
    assert_eq!(lanes.poll(SECOND), Poll::Wait(None));
    assert_eq!(lanes.progress().all, 0);
    lanes.settle(&rui, Outcome::Taken, SECOND, WALL, EXACT);
    lanes.settle(&manager, Outcome::Taken, SECOND, WALL, EXACT);
    // The first account holds all others back; that of the second is written.
    let of_rui = AccountId::of([2; 16]);
    assert_eq!(lanes.progress(), Progress { all: 0, further: vec![(of_rui, 3)] });
    lanes.settle(&ana, Outcome::Taken, SECOND, WALL, EXACT);
    assert_eq!(lanes.progress().all, 1);
    assert_eq!(next(&mut lanes, SECOND), (ana.clone(), 2, 1));
    lanes.settle(&ana, Outcome::Taken, SECOND, WALL, EXACT);
    assert_eq!(lanes.progress(), Progress { all: 4, further: vec![] });
}

#[test]
fn what_fails_is_tried_again_before_what_comes_after_it() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1), (3, 1)]);
    let (key, ..) = next(&mut lanes, SECOND);
    let settled = lanes.settle(&key, failed(), SECOND, WALL, EXACT).unwrap();
    assert_eq!(settled.fate, Fate::Waits);
    assert_eq!(lanes.poll(SECOND), Poll::Wait(Some(SECOND * 6)));
    assert_eq!(next(&mut lanes, SECOND * 6), (key.clone(), 1, 2));
    lanes.settle(&key, Outcome::Taken, SECOND * 6, WALL, EXACT);
    // The others were let go, and are read again.
    let read = Work::Read { key: key.clone(), after: 1, up_to: 3 };
    assert_eq!(lanes.poll(SECOND * 6), Poll::Work(read));
    lanes.fill(&key, None, SECOND * 6);
    assert_eq!(lanes.poll(SECOND * 6), Poll::Wait(Some(SECOND * 7)));
    lanes.poll(SECOND * 7);
    // Meanwhile another came.
    see(&mut lanes, &[(4, 1)]);
    lanes.fill(&key, Some((vec![event(2, 1), event(3, 1)], 3)), SECOND * 7);
    assert_eq!(next(&mut lanes, SECOND * 7), (key.clone(), 2, 1));
    lanes.settle(&key, Outcome::Taken, SECOND * 7, WALL, EXACT);
    assert_eq!(next(&mut lanes, SECOND * 7), (key.clone(), 3, 1));
    lanes.settle(&key, Outcome::Taken, SECOND * 7, WALL, EXACT);
    assert_eq!(lanes.progress().all, 3);
    let read = Work::Read { key: key.clone(), after: 3, up_to: 4 };
    assert_eq!(lanes.poll(SECOND * 7), Poll::Work(read));
    // It is gone: trimmed.
    lanes.fill(&key, Some((vec![], 4)), SECOND * 7);
    assert_eq!(lanes.progress().all, 4);
    assert_eq!(lanes.poll(SECOND * 7), Poll::Wait(None));
}

#[test]
fn of_a_deleted_account_nothing_is_delivered_but_what_is_under_way() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1), (3, 2), (4, 3)]);
    let (ana, ..) = next(&mut lanes, SECOND);
    let (rui, ..) = next(&mut lanes, SECOND);
    lanes.settle(&rui, failed(), SECOND, WALL, EXACT);
    let (eva, ..) = next(&mut lanes, SECOND);
    for (of, by) in [(1, 5), (2, 6)] {
        lanes.forget(&AccountId::of([of; 16]), by);
        see(&mut lanes, &[(by, of)]);
    }
    // What waited for another try is not tried again.
    assert_eq!(next(&mut lanes, SECOND), (rui.clone(), 6, 1));
    // No other try, and no dead letter.
    assert_eq!(lanes.settle(&ana, failed(), SECOND, WALL, EXACT).unwrap().fate, Fate::Taken);
    assert_eq!(next(&mut lanes, SECOND), (ana.clone(), 5, 1));
    for key in [&eva, &rui, &ana] {
        lanes.settle(key, Outcome::Taken, SECOND, WALL, EXACT);
    }
    assert_eq!(lanes.progress().all, 6);
    assert_eq!(lanes.poll(SECOND * 600), Poll::Wait(None));
    assert_eq!((lanes.held, lanes.gone.len()), (0, 0));
}

#[test]
fn what_was_read_of_an_account_that_is_deleted_meanwhile_is_not_delivered() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1)]);
    lanes.replay(SECOND);
    let (ana, ..) = next(&mut lanes, SECOND);
    let Poll::Work(Work::Read { key: replay, .. }) = lanes.poll(SECOND) else { panic!("no read") };
    lanes.settle(&ana, failed(), SECOND, WALL, EXACT);
    let later = SECOND * 60;
    assert_eq!(next(&mut lanes, later), (ana.clone(), 1, 2));
    lanes.settle(&ana, Outcome::Taken, later, WALL, EXACT);
    let Poll::Work(Work::Read { .. }) = lanes.poll(later) else { panic!("no read") };
    lanes.forget(&AccountId::of([1; 16]), 3);
    lanes.fill(&ana, Some((vec![event(2, 1)], 2)), later);
    lanes.fill(&replay, Some((vec![event(1, 1)], 1)), later);
    let Poll::Work(Work::Read { after: 1, .. }) = lanes.poll(later) else { panic!("no read") };
    lanes.fill(&replay, Some((vec![], 1)), later);
    assert_eq!(lanes.poll(later * 60), Poll::Wait(None));
    lanes.see_up_to(3);
    assert_eq!(lanes.progress().all, 3);
}

#[test]
fn what_is_refused_three_times_is_a_dead_letter_and_the_next_one_goes_on() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1)]);
    let refused = || Outcome::Refused { reason: "status 400".into() };
    let mut now = SECOND;
    for tries in 1..=3 {
        let (key, seq, attempt) = next(&mut lanes, now);
        assert_eq!((seq, attempt), (1, tries));
        let settled = lanes.settle(&key, refused(), now, WALL, EXACT).unwrap();
        let expected =
            if tries < 3 { Fate::Waits } else { Fate::Dead { tries, reason: "status 400".into() } };
        assert_eq!(settled.fate, expected);
        now += SECOND * 60;
    }
    assert_eq!(lanes.progress().all, 1);
}

/// It counts from when it happened, but what waited behind another is tried some times.
#[test]
fn what_is_a_day_old_is_given_up_after_three_tries() {
    let mut lanes = lanes(false);
    see(&mut lanes, &[(1, 1), (2, 1)]);
    let (mut now, late) = (SECOND, WALL.after(DeliveryPolicy::default().give_up_after));
    let (key, ..) = next(&mut lanes, now);
    assert_eq!(lanes.settle(&key, failed(), now, WALL, EXACT).unwrap().fate, Fate::Waits);
    for (number, last) in [(1, 3), (2, 3)] {
        let first = if number == 1 { 2 } else { 1 };
        for tries in first..=last {
            now += SECOND * 900;
            let at = loop {
                match lanes.poll(now) {
                    Poll::Work(Work::Deliver { event, attempt, .. }) => break (event.seq, attempt),
                    Poll::Work(Work::Read { key, .. }) => lanes.fill(&key, Some((vec![event(2, 1)], 2)), now),
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(at, (number, tries));
            let fate = lanes.settle(&key, failed(), now, late, EXACT).unwrap().fate;
            let given_up = Fate::Dead { tries, reason: "down".into() };
            assert_eq!(fate, if tries < last { Fate::Waits } else { given_up });
        }
    }
    assert_eq!(lanes.progress().all, 2);
}

#[test]
fn after_twenty_failures_one_event_is_tried_until_one_is_taken() {
    let mut lanes = lanes(false);
    let many: Vec<_> = (1..=30).map(|number| (number, u8::try_from(number).unwrap())).collect();
    see(&mut lanes, &many);
    let mut turns = Vec::new();
    for _ in 0..20 {
        let (key, ..) = next(&mut lanes, SECOND);
        turns.extend(lanes.settle(&key, failed(), SECOND, WALL, EXACT).unwrap().turn);
    }
    assert_eq!(turns, [Turn::Worse]);
    let probe_at = SECOND * 301;
    assert_eq!(lanes.poll(SECOND * 20), Poll::Wait(Some(probe_at)));
    let (key, ..) = next(&mut lanes, probe_at);
    assert_eq!(lanes.poll(probe_at * 3), Poll::Wait(None));
    assert_eq!(lanes.settle(&key, failed(), probe_at, WALL, EXACT).unwrap().turn, None);
    let (key, ..) = next(&mut lanes, SECOND * 601);
    let settled = lanes.settle(&key, Outcome::Taken, SECOND * 601, WALL, EXACT).unwrap();
    assert_eq!(settled.turn, Some(Turn::Better));
    // Now as many as may be under way.
    for _ in 0..DeliveryPolicy::default().at_once {
        next(&mut lanes, SECOND * 601);
    }
    assert_eq!(lanes.poll(SECOND * 601), Poll::Wait(None));
}

#[test]
fn parallel_events_overtake_each_other() {
    let mut lanes = lanes(true);
    see(&mut lanes, &[(1, 1), (2, 1), (3, 1)]);
    let first = next(&mut lanes, SECOND).0;
    let second = next(&mut lanes, SECOND).0;
    lanes.settle(&second, Outcome::Taken, SECOND, WALL, EXACT);
    lanes.settle(&first, failed(), SECOND, WALL, EXACT);
    assert_eq!(lanes.progress(), Progress { all: 0, further: vec![] });
    assert_eq!(next(&mut lanes, SECOND).1, 3);
    assert!(lanes.has_room());
    let many: Vec<_> = (4..=2000).map(|seq| (seq, 1)).collect();
    see(&mut lanes, &many);
    assert!(!lanes.has_room());
}

#[test]
fn few_events_are_held_however_long_nothing_is_taken() {
    let mut lanes = lanes(false);
    for seq in 1..=20_000 {
        lanes.see(Arc::new(event(seq, u8::try_from(seq % 250).unwrap())), SECOND);
    }
    let held: usize = lanes.lanes.values().map(|lane| lane.events.len()).sum();
    assert_eq!(held, lanes.held);
    assert_eq!(held, IN_ALL);
}

#[test]
fn an_account_that_is_further_is_not_sent_what_it_took() {
    let further = vec![(AccountId::of([1; 16]), 3)];
    let mut lanes = Lanes::new(DeliveryPolicy::default(), false, Progress { all: 1, further });
    see(&mut lanes, &[(2, 1), (3, 1), (4, 2), (5, 1)]);
    let sent = [next(&mut lanes, SECOND).1, next(&mut lanes, SECOND).1];
    assert_eq!(sent, [4, 5]);
}

#[test]
fn dead_letters_are_read_until_there_are_none() {
    let mut lanes = lanes(false);
    lanes.replay(SECOND);
    let read = |after| Poll::Work(Work::Read { key: Key::Replay, after, up_to: u64::MAX });
    assert_eq!(lanes.poll(SECOND), read(0));
    lanes.fill(&Key::Replay, Some((vec![event(7, 1)], 7)), SECOND);
    assert_eq!(next(&mut lanes, SECOND), (Key::Replay, 7, 1));
    // They say nothing about how far the endpoint is.
    see(&mut lanes, &[]);
    lanes.see_up_to(20);
    assert_eq!(lanes.progress(), Progress { all: 20, further: vec![] });
    // Others are marked meanwhile.
    lanes.replay(SECOND);
    lanes.settle(&Key::Replay, Outcome::Taken, SECOND, WALL, EXACT);
    assert_eq!(lanes.progress(), Progress { all: 20, further: vec![] });
    // The store still has the one that was taken.
    assert_eq!(lanes.poll(SECOND), Poll::Wait(None));
    lanes.letters_written(lanes.letters());
    assert_eq!(lanes.poll(SECOND), read(0));
    lanes.fill(&Key::Replay, Some((vec![], 0)), SECOND);
    assert_eq!(lanes.poll(SECOND), Poll::Wait(None));
    assert_eq!(lanes.lanes.len(), 0);
}

#[test]
fn letters_that_are_marked_while_another_is_tried_again_or_read_are_read() {
    let mut lanes = lanes(false);
    let read = || Poll::Work(Work::Read { key: Key::Replay, after: 0, up_to: u64::MAX });
    lanes.replay(SECOND);
    assert_eq!(lanes.poll(SECOND), read());
    lanes.fill(&Key::Replay, Some((vec![event(7, 1)], 7)), SECOND);
    assert_eq!(next(&mut lanes, SECOND), (Key::Replay, 7, 1));
    lanes.replay(SECOND);
    lanes.settle(&Key::Replay, failed(), SECOND, WALL, EXACT);
    let Poll::Wait(Some(due)) = lanes.poll(SECOND) else { panic!("it is not tried again") };
    assert_eq!(next(&mut lanes, due), (Key::Replay, 7, 2));
    lanes.settle(&Key::Replay, Outcome::Taken, due, WALL, EXACT);
    // What others wait for goes on meanwhile.
    see(&mut lanes, &[(20, 1)]);
    assert_eq!(next(&mut lanes, due).1, 20);
    assert_eq!(lanes.poll(due), Poll::Wait(None));
    lanes.letters_written(lanes.letters());
    assert_eq!(lanes.poll(due), read());
    // Nothing was there when this read began, and only then something was marked.
    lanes.replay(due);
    lanes.fill(&Key::Replay, Some((vec![], 0)), due);
    assert_eq!(lanes.poll(due), read());
    lanes.fill(&Key::Replay, Some((vec![event(5, 1)], 5)), due);
    assert_eq!(next(&mut lanes, due), (Key::Replay, 5, 1));
}

/// What an endpoint answers, by chance.
fn answer() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0u8), 3 => Just(1), 1 => Just(2)]
}

proptest! {
    #[test]
    fn every_event_is_done_with_once_in_order_and_progress_never_passes_one_that_is_not(
        of in proptest::collection::vec(0u8..4, 1..80),
        answers in proptest::collection::vec(answer(), 1..60),
        steps in proptest::collection::vec(0u8..3, 1..60),
        is_parallel: bool,
        at_once in 1usize..5,
    ) {
        let policy = DeliveryPolicy { at_once, failures_in_a_row: 4, ..DeliveryPolicy::default() };
        let mut lanes = Lanes::new(policy, is_parallel, Progress { all: 0, further: Vec::new() });
        let all: Vec<EventRecord> = (1..).zip(of).map(|(seq, of)| event(seq, of)).collect();
        let (mut unseen, mut now) = (all.iter(), SECOND);
        let (mut answers, mut steps) = (answers.into_iter().cycle(), steps.into_iter().cycle());
        let mut under_way: VecDeque<Work> = VecDeque::new();
        let mut done: Vec<EventRecord> = Vec::new();
        // Endpoints answer everything well in the end.
        let mut patience = 2000;
        while done.len() < all.len() {
            patience -= 1;
            prop_assert!(patience > 0, "it does not end");
            if (steps.next() == Some(0) || patience < 1000) && let Some(event) = unseen.next() {
                lanes.see(Arc::new(event.clone()), now);
            }
            let progress = lanes.progress();
            for event in &all {
                if event.seq <= progress.all {
                    prop_assert!(done.contains(event), "{} was passed", event.seq);
                }
            }
            match lanes.poll(now) {
                Poll::Work(work) => {
                    if let Work::Deliver { key, .. } = &work {
                        let is_busy = |other: &Work| matches!(other, Work::Deliver { key: k, .. } if k == key);
                        prop_assert!(!under_way.iter().any(is_busy));
                    }
                    under_way.push_back(work);
                    prop_assert!(under_way.len() <= at_once);
                    if steps.next() != Some(1) {
                        continue;
                    }
                }
                Poll::Wait(Some(until)) if under_way.is_empty() => now = now.max(until),
                Poll::Wait(_) => {}
            }
            match under_way.pop_front() {
                None => {}
                Some(Work::Read { key, after, up_to }) => {
                    let Key::Account(account) = &key else { return Err(TestCaseError::fail("no such key")) };
                    let wanted = |event: &&EventRecord| event.seq > after && event.account == *account;
                    let page: Vec<_> = all.iter().filter(wanted).take(3).cloned().collect();
                    let end = if page.len() < 3 { up_to.max(after) } else { page[2].seq };
                    lanes.fill(&key, Some((page, end)), now);
                }
                Some(Work::Deliver { key, event, .. }) => {
                    let outcome = match answers.next() {
                        _ if patience < 1000 => Outcome::Taken,
                        Some(1) => failed(),
                        Some(2) => Outcome::Refused { reason: "status 400".into() },
                        _ => Outcome::Taken,
                    };
                    let settled = lanes.settle(&key, outcome, now, WALL, EXACT).unwrap();
                    prop_assert_eq!(&settled.event, &event);
                    if let Fate::Taken | Fate::Dead { .. } = settled.fate {
                        prop_assert!(!done.contains(&event));
                        let later = |other: &EventRecord| other.account == event.account && other.seq > event.seq;
                        prop_assert!(is_parallel || !done.iter().any(later));
                        done.push(EventRecord::clone(&event));
                    }
                }
            }
        }
        prop_assert_eq!(lanes.progress().all, all.len() as u64);
        prop_assert_eq!((lanes.held, lanes.lanes.len(), lanes.queue.len()), (0, 0, 0));
    }
}
