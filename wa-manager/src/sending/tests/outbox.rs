//! What waits, and when it leaves.

use std::time::Duration;

use wa_core::Message;
use wa_core::message::MessageKey;
use wa_types::{Jid, MessageId, UnixMillis};

use super::scene::{DAY, HOUR, MINUTE, Scene, on_each, pn, text_to};
use crate::account::AccountStatus;
use crate::event::EventKind;
use crate::sending::{Decision, Fate, Next, Queued, Recipient, Reserved, SendError, SendRequest};
use crate::trust::{OnLimit, Signal};

on_each! {
    what_waits_leaves_when_its_limit_allows,
    what_waits_too_long_is_told,
    what_was_given_out_and_not_taken_is_given_out_again_and_counted_once,
    what_waits_can_be_taken_back,
    a_paused_outbox_stays_paused_over_a_restart,
    chats_take_turns,
    a_restriction_is_looked_at_again,
    a_key_leads_to_what_waits,
    a_key_of_what_waits_leads_to_no_other_chat,
    an_account_that_is_away_keeps_what_is_to_wait,
    what_is_sealed_later_does_not_wait,
    the_outbox_is_bounded,
}

async fn enqueue(scene: &mut Scene, request: SendRequest, deadline: Duration) -> Queued {
    match scene.ask(&request.on_limit(OnLimit::Enqueue { deadline })).await {
        Ok(Decision::Queued(queued)) => queued,
        other => panic!("{other:?}"),
    }
}

async fn next(scene: &mut Scene) -> Next {
    scene.gate.next(|to| async move { Recipient::of(&to) }).await.unwrap()
}

async fn next_send(scene: &mut Scene) -> Reserved {
    match next(scene).await {
        Next::Send(reserved) => *reserved,
        other => panic!("{other:?}"),
    }
}

async fn next_time(scene: &mut Scene) -> UnixMillis {
    match next(scene).await {
        Next::WaitUntil(at) => at,
        other => panic!("{other:?}"),
    }
}

/// Gives one out, and the server takes it.
async fn leave(scene: &mut Scene) -> String {
    let reserved = next_send(scene).await;
    scene.gate.handed_over(&reserved.id).await.unwrap();
    scene.gate.settle(&reserved.id, Fate::Sent { at: None, chat: None }).await.unwrap();
    reserved.message.as_text().unwrap().to_owned()
}

async fn what_waits_leaves_when_its_limit_allows(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let queued = enqueue(&mut scene, text_to("2", "y"), HOUR).await;
    assert_eq!(queued.position, 0);
    assert!(queued.earliest_at > scene.world());
    let told = scene.last(EventKind::SendQueued).await;
    assert_eq!(told.data["messageId"], queued.id.as_str());
    assert_eq!(told.data["earliestAt"], queued.earliest_at.0);
    // Over a restart, and not before its time.
    scene.restart_ready().await;
    assert_eq!(scene.gate.outbox().len(), 1);
    let at = next_time(&mut scene).await;
    // Up to a tenth of the wait later.
    let wait = queued.earliest_at.since(scene.world());
    assert!(at >= queued.earliest_at && at.since(queued.earliest_at) <= wait / 10, "{at:?}");
    scene.pass(at.since(scene.world()));
    let reserved = next_send(&mut scene).await;
    assert_eq!((&reserved.id, reserved.message.as_text()), (&queued.id, Some("y")));
    assert!(reserved.deadline.unwrap() < HOUR);
    assert_eq!(scene.sent_today(), 2);
    assert!(matches!(next(&mut scene).await, Next::Empty));
    scene.gate.handed_over(&reserved.id).await.unwrap();
    assert!(scene.gate.outbox().is_empty());
    scene.gate.settle(&reserved.id, Fate::Sent { at: None, chat: None }).await.unwrap().unwrap();
    scene.restart_ready().await;
    assert!(matches!(next(&mut scene).await, Next::Empty));
    assert_eq!(scene.sent_today(), 2);
}

async fn what_waits_too_long_is_told(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let queued = enqueue(&mut scene, text_to("2", "y"), MINUTE).await;
    assert_eq!(next_time(&mut scene).await, scene.world().after(MINUTE));
    scene.pass(MINUTE);
    assert!(matches!(next(&mut scene).await, Next::Empty));
    assert_eq!(scene.last(EventKind::SendExpired).await.data["messageId"], queued.id.as_str());
    assert_eq!(scene.sent_today(), 1);
    scene.restart_ready().await;
    assert!(scene.gate.outbox().is_empty());
    assert_eq!(scene.count(EventKind::SendExpired).await, 1);
}

async fn what_was_given_out_and_not_taken_is_given_out_again_and_counted_once(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let queued = enqueue(&mut scene, text_to("1", "x"), HOUR).await;
    scene.restart_ready().await;
    let first = next_send(&mut scene).await;
    assert!(!first.is_again);
    // The process ends before the client has it.
    scene.restart_ready().await;
    let second = next_send(&mut scene).await;
    assert_eq!((&second.id, second.is_again), (&queued.id, true));
    // So does the client only.
    assert!(matches!(next(&mut scene).await, Next::Empty | Next::WaitUntil(_)));
    scene.gate.client_is_new();
    assert!(next_send(&mut scene).await.is_again);
    assert_eq!(scene.sent_today(), 1);
}

async fn what_waits_can_be_taken_back(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let queued = enqueue(&mut scene, text_to("2", "y"), HOUR).await;
    assert!(!scene.gate.cancel(&MessageId::new("other")).await.unwrap());
    assert!(scene.gate.cancel(&queued.id).await.unwrap());
    assert!(!scene.gate.cancel(&queued.id).await.unwrap());
    assert_eq!(scene.last(EventKind::MessageFailed).await.data["code"], "cancelled");
    scene.restart_ready().await;
    assert!(scene.gate.outbox().is_empty());
}

async fn a_paused_outbox_stays_paused_over_a_restart(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    enqueue(&mut scene, text_to("1", "x"), HOUR).await;
    scene.gate.pause().await.unwrap();
    scene.restart_ready().await;
    // Its deadline is all that is waited for.
    assert_eq!(next_time(&mut scene).await, scene.gate.outbox()[0].deadline);
    scene.gate.resume().await.unwrap();
    next_send(&mut scene).await;
}

async fn chats_take_turns(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    for (group, text) in [("1", "a"), ("1", "b"), ("1", "c"), ("2", "d"), ("3", "e")] {
        let to: Jid = format!("{group}-1@g.us").parse().unwrap();
        enqueue(&mut scene, SendRequest::new(to, Message::text(text)), DAY).await;
    }
    scene.gate.note_status(AccountStatus::Ready).await.unwrap();
    let mut order = String::new();
    for _ in 0..5 {
        scene.pass(MINUTE);
        order += &leave(&mut scene).await;
    }
    assert_eq!(order, "adebc");
}

async fn a_restriction_is_looked_at_again(mut scene: Scene) {
    scene.deliver("1", "x").await;
    enqueue(&mut scene, text_to("2", "y"), DAY * 3).await;
    let until = scene.world().after(DAY);
    scene.gate.heed(Signal::TimeLocked { until: Some(until), enforcement: None }).await.unwrap();
    let at = next_time(&mut scene).await;
    assert!(at > until);
    // The server says it anew, for longer.
    scene.gate.heed(Signal::TimeLocked { until: Some(until.after(DAY)), enforcement: None }).await.unwrap();
    scene.pass(at.since(scene.world()));
    assert!(next_time(&mut scene).await > until.after(DAY));
}

async fn a_key_leads_to_what_waits(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let request = || text_to("2", "y").idempotency_key("k");
    let first = enqueue(&mut scene, request(), HOUR).await;
    scene.restart_ready().await;
    let second = enqueue(&mut scene, request(), HOUR).await;
    assert_eq!(first.id, second.id);
    assert_eq!(scene.gate.outbox().len(), 1);
}

async fn a_key_of_what_waits_leads_to_no_other_chat(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let chats = ["5-1@g.us", "5-2@g.us", "status@broadcast", "1@s.whatsapp.net", "2@s.whatsapp.net"];
    let to = |chat: &str| SendRequest::new(chat.parse().unwrap(), Message::text("hello"));
    for first in ["5-1@g.us", "status@broadcast", "1@s.whatsapp.net"] {
        let queued = enqueue(&mut scene, to(first).idempotency_key(first), HOUR).await;
        for other in chats.into_iter().filter(|chat| *chat != first) {
            for request in [to(other).idempotency_key(first), to(other).id(queued.id.clone())] {
                let asked = scene.ask(&request.on_limit(OnLimit::Enqueue { deadline: HOUR })).await;
                assert!(matches!(asked, Err(SendError::InvalidRecipient)), "{first} {other} {asked:?}");
            }
        }
        let again = enqueue(&mut scene, to(first).idempotency_key(first), HOUR).await;
        assert_eq!(again.id, queued.id);
    }
    // The same person under an address that nobody named with the other one yet; and under both.
    let of_first =
        || to("7@lid").idempotency_key("1@s.whatsapp.net").on_limit(OnLimit::Enqueue { deadline: HOUR });
    let (pn, lid): (Jid, Jid) = (pn("1"), "7@lid".parse().unwrap());
    for recipient in [Recipient::of(&lid), Recipient::with_addresses(&lid, Some(&pn), Some(&lid))] {
        let asked = scene.gate.ask(&of_first(), &recipient).await;
        assert!(matches!(asked, Ok(Decision::Queued(_))), "{asked:?}");
    }
    assert_eq!(scene.gate.outbox().len(), 3);
}

async fn an_account_that_is_away_keeps_what_is_to_wait(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let queued = enqueue(&mut scene, text_to("1", "x"), HOUR).await;
    assert_eq!(queued.earliest_at, scene.world());
    let deadline = scene.gate.outbox()[0].deadline;
    assert_eq!(next_time(&mut scene).await, deadline);
    // Who does not wait gets the truth.
    assert!(matches!(scene.refused("1").await, SendError::NotReady { .. }));
    scene.gate.note_status(AccountStatus::Ready).await.unwrap();
    next_send(&mut scene).await;
}

async fn what_is_sealed_later_does_not_wait(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let poll = MessageKey::own(&pn("1"), MessageId::new("A"));
    let vote = SendRequest::new(pn("1"), Message::poll_vote(poll, ["yes"]));
    let asked = scene.ask(&vote.on_limit(OnLimit::Enqueue { deadline: HOUR })).await;
    assert!(matches!(asked, Err(SendError::NotQueueable)), "{asked:?}");
}

async fn the_outbox_is_bounded(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let mut changes = crate::store::Changes::new();
    let to: Jid = "1-1@g.us".parse().unwrap();
    let first = enqueue(&mut scene, SendRequest::new(to.clone(), Message::text("x")), DAY).await;
    let record = scene.store.send(&super::scene::id(), &first.id).await.unwrap().unwrap();
    for number in 2..=1_000 {
        let id = MessageId::new(format!("M{number}"));
        let record = crate::store::SendRecord { id, number, ..record.clone() };
        changes.push(crate::store::Change::PutSend(Box::new(record)));
    }
    scene.store.commit(changes).await.unwrap();
    scene.restart().await;
    let request = SendRequest::new(to, Message::text("one more"));
    let full = scene.ask(&request.on_limit(OnLimit::Enqueue { deadline: DAY })).await;
    assert!(matches!(full, Err(SendError::QueueFull { limit: 1_000 })), "{full:?}");
}
