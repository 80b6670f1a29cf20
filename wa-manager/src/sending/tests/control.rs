//! What people set by hand, and what leaves a trace of it.

use serde_json::json;

use super::scene::{DAY, HOUR, MINUTE, Scene, on_each};
use crate::account::AccountStatus;
use crate::event::EventKind;
use crate::sending::{Actor, ControlError, SendError};
use crate::trust::{Signal, TrustLevel};

on_each! {
    /// R155
    a_level_rises_by_one_step_with_a_reason,
    the_daily_limit_is_never_above_the_levels,
    /// R136, R178
    usage_is_forgiven_once_a_day_with_a_reason,
    a_held_account_begins_anew_when_somebody_saw_it,
    /// R156
    a_new_day_is_noticed_without_anything_running_at_midnight,
    an_account_that_was_stopped_for_a_week_does_not_rise_when_it_starts,
    a_quiet_account_is_connected_on_the_days_that_were_noted_whatever_ends_in_between,
    /// R167
    others_read_level_limit_and_use,
}

fn actor() -> Actor {
    Actor::new("key 7")
}

async fn a_level_rises_by_one_step_with_a_reason(mut scene: Scene) {
    let level = |number| TrustLevel::new(number).unwrap();
    let gate = &mut scene.gate;
    assert!(matches!(gate.set_level(level(2), &actor(), " ").await, Err(ControlError::NoReason)));
    let high = gate.set_level(level(3), &actor(), "old number").await;
    assert!(matches!(high, Err(ControlError::TooHigh { highest }) if highest == level(2)));
    gate.set_level(level(2), &actor(), "old number").await.unwrap();
    assert_eq!((gate.level(), gate.limits().daily), (level(2), 120));
    let told = scene.last(EventKind::TrustChanged).await;
    let expected =
        json!({ "cause": "set_level", "actor": "key 7", "reason": "old number", "from": 1, "to": 2 });
    assert_eq!(told.data, expected);
    scene.gate.set_level(level(0), &actor(), "complaints").await.unwrap();
    scene.restart().await;
    assert_eq!(scene.gate.level(), TrustLevel::HELD);
    let (history, next) = scene.gate.history(0).await.unwrap();
    assert_eq!((history.len(), next), (3, None));
}

async fn the_daily_limit_is_never_above_the_levels(mut scene: Scene) {
    let above = scene.gate.set_daily_limit(51, &actor()).await;
    assert!(matches!(above, Err(ControlError::AboveLevel { ceiling: 50 })));
    scene.gate.set_daily_limit(10, &actor()).await.unwrap();
    scene.restart().await;
    assert_eq!(scene.gate.snapshot().daily_limit, 10);
    assert_eq!(scene.last(EventKind::TrustChanged).await.data["after"], 10);
}

async fn usage_is_forgiven_once_a_day_with_a_reason(mut scene: Scene) {
    scene.gate.set_daily_limit(1, &actor()).await.unwrap();
    scene.deliver("1", "x").await;
    scene.pass(MINUTE * 6);
    assert!(matches!(scene.refused("2").await, SendError::Limited(_)));
    assert!(matches!(scene.gate.reset_usage(&actor(), "").await, Err(ControlError::NoReason)));
    scene.gate.reset_usage(&actor(), "a mistake").await.unwrap();
    assert_eq!(scene.last(EventKind::TrustChanged).await.data["forgiven"], 1);
    scene.deliver("2", "y").await;
    scene.restart_ready().await;
    let again = scene.gate.reset_usage(&actor(), "another").await;
    assert!(matches!(again, Err(ControlError::AlreadyReset { .. })));
    scene.pass(DAY);
    scene.gate.reset_usage(&actor(), "another day").await.unwrap();
}

async fn a_held_account_begins_anew_when_somebody_saw_it(mut scene: Scene) {
    scene.gate.heed(Signal::Locked).await.unwrap();
    assert_eq!(scene.last(EventKind::TrustChanged).await.data["signal"], "locked");
    scene.pass(DAY * 100);
    assert!(matches!(scene.refused("1").await, SendError::Limited(_)));
    scene.gate.acknowledge(&actor(), "the owner unlocked it").await.unwrap();
    assert_eq!(scene.gate.level(), TrustLevel::NEW);
}

async fn a_new_day_is_noticed_without_anything_running_at_midnight(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let resets_at = scene.gate.usage().resets_at;
    scene.pass(resets_at.since(scene.world()));
    assert_eq!(scene.sent_today(), 0);
    for _ in 0..10 {
        scene.tick().await;
        scene.pass(HOUR * 24);
    }
    scene.tick().await;
    assert_eq!(scene.gate.level().number(), 2);
    let told = scene.last(EventKind::TrustChanged).await;
    assert_eq!((&told.data["cause"], &told.data["to"]), (&json!("day"), &json!(2)));
    assert_eq!(told.data["evidence"]["connectedPercent"], 100);
}

// 3.5: the days between are days on which it was not connected.
async fn an_account_that_was_stopped_for_a_week_does_not_rise_when_it_starts(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Idle).await.unwrap();
    scene.pass(DAY * 7);
    scene.restart_ready().await;
    assert_eq!(scene.gate.level(), TrustLevel::NEW);
    assert_eq!(scene.gate.evidence().connected_percent, 14);
    // Nor did it rise while it did not run.
    assert_eq!(scene.count(EventKind::TrustChanged).await, 1);
    for _ in 0..30 {
        scene.pass(DAY);
        scene.gate.note_day().await.unwrap();
    }
    assert_eq!(scene.gate.level().number(), 2);
}

// 3.5: nothing is sent, nothing comes, and the process ends now and then: each day counts on which it was ready.
async fn a_quiet_account_is_connected_on_the_days_that_were_noted_whatever_ends_in_between(mut scene: Scene) {
    for day in 1..=8 {
        let next = scene.gate.next_day().since(scene.world());
        assert!(next <= DAY + MINUTE * 10, "{next:?}");
        scene.pass(next);
        match day {
            // A crash.
            3 => scene.restart_ready().await,
            // Gone a moment after the day began, and away for the rest of it.
            5 => {
                scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
                scene.pass(HOUR * 12);
                scene.login().await;
            }
            _ => scene.gate.note_day().await.unwrap(),
        }
    }
    let told = scene.last(EventKind::TrustChanged).await;
    assert_eq!((&told.data["cause"], &told.data["to"]), (&json!("day"), &json!(2)));
    assert_eq!(told.data["evidence"]["connectedPercent"], 100);
    // What is not ready is not connected.
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    for _ in 0..3 {
        scene.pass(DAY);
        scene.gate.note_day().await.unwrap();
    }
    assert_eq!(scene.gate.evidence().connected_percent, 81, "9 of 11");
}

async fn others_read_level_limit_and_use(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let snapshot = serde_json::to_value(scene.gate.snapshot()).unwrap();
    assert_eq!((&snapshot["trustLevel"], &snapshot["dailyLimit"]), (&json!(1), &json!(50)));
    assert_eq!((&snapshot["messagesSentToday"], &snapshot["restrictions"]), (&json!(1), &json!([])));
}
