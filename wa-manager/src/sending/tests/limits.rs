//! Limits, what is counted, and what the server says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use wa_core::Message;
use wa_core::client::ReachoutTimelock;
use wa_core::message::MessageKey;
use wa_types::{Jid, MessageId, UnixMillis};

use super::scene::{DAY, HOUR, MINUTE, Scene, T, id, on_each, pn, text_to};
use crate::account::AccountStatus;
use crate::event::EventKind;
use crate::sending::{Decision, Fate, GateConfig, Next, Recipient, SendError, SendRequest, Start};
use crate::store::{Changes, ManagerStoreError, MemoryManagerStore};
use crate::trust::{
    Admission, BanCode, Deed, Lane, OnLimit, ReservationState, RestrictionKind, Scope, Signal, TrustLevel,
    TrustTable,
};

on_each! {
    /// R109, R110, R145
    a_new_account_begins_at_level_one_with_fifty_a_day,
    /// R173
    nothing_is_sent_before_the_account_is_ready,
    /// R176, R031
    what_leaves_was_counted_before,
    what_may_have_left_stays_counted_over_a_restart,
    what_never_left_is_counted_no_more,
    a_key_leads_to_the_first_message,
    a_key_of_a_message_to_somebody_leads_to_nobody_else,
    a_key_or_an_id_of_a_message_to_a_group_leads_to_no_other_chat,
    a_key_or_an_id_of_a_reaction_or_a_note_to_ourselves_leads_to_nobody_else,
    a_text_does_not_leave_in_the_place_of_a_reaction,
    what_was_counted_for_a_group_before_chats_were_kept_is_not_compared,
    a_refused_stranger_is_left_alone_until_they_write,
    three_refusals_close_first_contacts,
    a_time_lock_closes_the_lane_and_blames_nobody,
    no_more_new_chats_until_the_cycle_ends,
    a_ban_is_told_once_and_closes_its_lane,
    a_person_has_one_budget_under_both_addresses,
    who_is_nobody_costs_a_first_contact,
    /// R170
    numbers_that_are_looked_up_have_their_own_budget,
    /// R175
    a_preview_spends_nothing,
    another_owner_stops_all_writing,
    a_jump_of_the_servers_time_is_told,
    a_wrong_wall_clock_at_the_start_costs_and_gives_nothing,
    first_contacts_wait_for_the_past,
    the_same_text_to_many_is_stopped_unless_that_is_off,
    waiting_is_offered_only_as_long_as_was_asked,
    what_waits_for_one_moment_does_not_leave_all_at_once,
    a_repair_of_the_protocol_is_no_failure_of_the_account,
    a_ban_for_the_same_text_holds_where_texts_are_not_counted,
}

async fn a_new_account_begins_at_level_one_with_fifty_a_day(mut scene: Scene) {
    let snapshot = scene.gate.snapshot();
    assert_eq!((snapshot.trust_level, snapshot.daily_limit, snapshot.messages_sent_today), (1, 50, 0));
    let created = scene.last(EventKind::TrustChanged).await;
    assert_eq!((&created.data["from"], &created.data["to"]), (&json!(null), &json!(1)));
    // What is stored is opened again.
    scene.restart().await;
    assert_eq!(scene.count(EventKind::TrustChanged).await, 1);
}

#[test]
fn an_account_begins_where_its_age_says() {
    let table = TrustTable::conservative();
    let level = |start: Start| start.level(&table, T).number();
    let ago = |days: u32| Some(UnixMillis(T.0 - u64::try_from((DAY * days).as_millis()).unwrap()));
    assert_eq!(level(Start::default()), 1);
    assert_eq!(level(Start { linked_since: ago(29), ..Start::default() }), 1);
    assert_eq!(level(Start { linked_since: ago(30), ..Start::default() }), 2);
    assert_eq!(level(Start { established_since: ago(6), ..Start::default() }), 1);
    assert_eq!(level(Start { established_since: ago(7), ..Start::default() }), 2);
    assert_eq!(level(Start { established_since: ago(4_000), linked_since: ago(30) }), 3);
}

async fn nothing_is_sent_before_the_account_is_ready(mut scene: Scene) {
    scene.gate.note_status(AccountStatus::Disconnected).await.unwrap();
    let error = scene.refused("1").await;
    assert!(matches!(error, SendError::NotReady { status: AccountStatus::Disconnected }), "{error:?}");
    assert_eq!((error.code(), error.until()), ("not_ready", None));
    assert_eq!((scene.sent_today(), scene.contacts().await), (0, 0));
    let wait = text_to("1", "x").on_limit(OnLimit::WaitUpTo(HOUR));
    assert!(matches!(scene.ask(&wait).await, Err(SendError::NotReady { .. })));
}

async fn what_leaves_was_counted_before(mut scene: Scene) {
    let reserved = scene.send("1", "hello").await;
    assert_eq!((reserved.lane, reserved.is_again), (Lane::FirstContact, false));
    assert!(reserved.id.as_str().starts_with("3EB0") && reserved.id.as_str().len() == 22);
    assert_eq!(scene.sent_today(), 1);
    let stored = scene.store.reservation(&id(), reserved.id.as_str()).await.unwrap().unwrap();
    assert_eq!(stored.reservation.state, ReservationState::Reserved);
    let contact = scene.store.contact(&id(), &pn("1")).await.unwrap().unwrap();
    assert_eq!((contact.unanswered, contact.last_inbound), (1, None));
    assert_eq!(scene.count(EventKind::ContactCreated).await, 1);
    assert_eq!(scene.count(EventKind::MessageSent).await, 0);

    let fate = Fate::Sent { at: Some(UnixMillis(7)), chat: Some(pn("1")) };
    let settled = scene.gate.settle(&reserved.id, fate.clone()).await.unwrap().unwrap();
    let receipt = settled.result.unwrap();
    let answer = json!({
        "success": true, "message": "sent", "whatsappSent": true, "id": reserved.id.as_str(),
        "chat": "1@s.whatsapp.net", "timestamp": 7,
    });
    assert_eq!(serde_json::to_value(&receipt).unwrap(), answer);
    let told = scene.last(EventKind::MessageSent).await;
    assert_eq!(told.data["messageId"], reserved.id.as_str());
    assert_eq!(scene.gate.take_news(), Some(told.account_seq));
    assert_eq!(scene.gate.take_news(), None);
    // Once.
    assert!(scene.gate.settle(&reserved.id, fate).await.unwrap().is_none());
    assert_eq!(scene.count(EventKind::MessageSent).await, 1);
}

async fn what_may_have_left_stays_counted_over_a_restart(mut scene: Scene) {
    let reserved = scene.send("1", "hello").await;
    scene.restart_ready().await;
    assert_eq!(scene.sent_today(), 1);
    // Under its id it is the same message.
    let again = text_to("1", "hello").id(reserved.id.clone());
    let Ok(Decision::Send(second)) = scene.ask(&again).await else { panic!() };
    assert!(second.is_again);
    assert_eq!(scene.sent_today(), 1);
    // Under another it is another one, and this person has not answered.
    let error = scene.refused("1").await;
    assert!(matches!(&error, SendError::Limited(limit) if limit.scope == Scope::Person), "{error:?}");
    // No answer from the server: it stays counted, and is told.
    let settled = scene.gate.settle(&reserved.id, Fate::Unknown).await.unwrap().unwrap();
    assert!(matches!(settled.result, Err(SendError::Unknown { message_id }) if message_id == reserved.id));
    assert_eq!(scene.last(EventKind::MessageFailed).await.data["mayHaveArrived"], true);
    assert_eq!(scene.sent_today(), 1);
    // And its end may still become known.
    let sent = Fate::Sent { at: None, chat: None };
    assert!(scene.gate.settle(&reserved.id, sent).await.unwrap().unwrap().result.is_ok());
}

async fn what_never_left_is_counted_no_more(mut scene: Scene) {
    let reserved = scene.send("1", "hello").await;
    let settled = scene.gate.settle(&reserved.id, Fate::of(&Err(wa_core::SendError::Expired))).await.unwrap();
    assert!(matches!(settled.unwrap().result, Err(SendError::Expired)));
    assert_eq!(scene.sent_today(), 0);
    assert_eq!(scene.store.contact(&id(), &pn("1")).await.unwrap().unwrap().unanswered, 0);
    assert_eq!(scene.last(EventKind::MessageFailed).await.data["code"], "expired");
    // It may be tried again, under the same id.
    scene.pass(MINUTE * 6);
    let Ok(Decision::Send(again)) = scene.ask(&text_to("1", "hello").id(reserved.id.clone())).await else {
        panic!()
    };
    assert_eq!((again.id, again.is_again), (reserved.id, false));
    assert_eq!(scene.sent_today(), 1);
}

async fn a_key_leads_to_the_first_message(mut scene: Scene) {
    let request = |text: &str| text_to("1", text).idempotency_key("order 17");
    let Ok(Decision::Send(first)) = scene.ask(&request("one")).await else { panic!() };
    let Ok(Decision::Send(second)) = scene.ask(&request("two")).await else { panic!() };
    assert_eq!((&second.id, second.is_again), (&first.id, true));
    scene.gate.settle(&first.id, Fate::Sent { at: Some(UnixMillis(9)), chat: None }).await.unwrap();
    scene.restart_ready().await;
    let Ok(Decision::Done(receipt)) = scene.ask(&request("three")).await else { panic!() };
    assert_eq!((receipt.id, receipt.timestamp), (first.id, UnixMillis(9)));
    assert_eq!(scene.sent_today(), 1);
    // For a day. Then it is another message, to somebody who did not answer.
    scene.pass(DAY);
    assert!(matches!(scene.ask(&request("four")).await, Err(SendError::Limited(_))));
}

async fn a_key_of_a_message_to_somebody_leads_to_nobody_else(mut scene: Scene) {
    let request = |to: &str| text_to(to, "hello").idempotency_key("order 17");
    let Ok(Decision::Send(first)) = scene.ask(&request("1")).await else { panic!() };
    // The process ends before the client has it.
    scene.restart_ready().await;
    for other in [request("2"), text_to("2", "hello").id(first.id.clone())] {
        assert!(matches!(scene.ask(&other).await, Err(SendError::InvalidRecipient)));
    }
    let Ok(Decision::Send(again)) = scene.ask(&request("1")).await else { panic!() };
    assert_eq!((&again.id, again.is_again), (&first.id, true));
    scene.gate.settle(&first.id, Fate::Sent { at: None, chat: None }).await.unwrap();
    assert!(matches!(scene.ask(&request("2")).await, Err(SendError::InvalidRecipient)));
    assert_eq!(scene.sent_today(), 1);
}

async fn a_key_or_an_id_of_a_message_to_a_group_leads_to_no_other_chat(mut scene: Scene) {
    let chats = ["5-1@g.us", "5-2@g.us", "status@broadcast", "2@s.whatsapp.net"];
    let to = |chat: &str| SendRequest::new(chat.parse().unwrap(), Message::text("hello"));
    let revoke = |chat: &str| {
        let chat: Jid = chat.parse().unwrap();
        SendRequest::new(chat.clone(), Message::delete(MessageKey::own(&chat, MessageId::new("A"))))
    };
    for (key, of) in [("a", &to as &dyn Fn(&str) -> SendRequest), ("b", &revoke)] {
        for first in ["5-1@g.us", "status@broadcast"] {
            scene.pass(HOUR);
            let key = format!("{key} {first}");
            let Ok(Decision::Send(sent)) = scene.ask(&of(first).idempotency_key(&key)).await else {
                panic!()
            };
            for is_settled in [false, true] {
                if is_settled {
                    let sent_at = Fate::Sent { at: None, chat: None };
                    scene.gate.settle(&sent.id, sent_at).await.unwrap();
                }
                for other in chats.into_iter().filter(|chat| *chat != first) {
                    for request in [of(other).idempotency_key(&key), of(other).id(sent.id.clone())] {
                        let asked = scene.ask(&request).await;
                        assert!(
                            matches!(asked, Err(SendError::InvalidRecipient)),
                            "{first} {other} {asked:?}"
                        );
                    }
                }
                match scene.ask(&of(first).idempotency_key(&key)).await {
                    Ok(Decision::Send(again)) => assert_eq!((&again.id, is_settled), (&sent.id, false)),
                    Ok(Decision::Done(receipt)) => assert_eq!((&receipt.id, is_settled), (&sent.id, true)),
                    asked => panic!("{asked:?}"),
                }
            }
        }
    }
}

fn reaction_to(chat: &str) -> SendRequest {
    let chat: Jid = chat.parse().unwrap();
    SendRequest::new(chat.clone(), Message::reaction(MessageKey::own(&chat, MessageId::new("A")), "+"))
}

async fn a_key_or_an_id_of_a_reaction_or_a_note_to_ourselves_leads_to_nobody_else(mut scene: Scene) {
    let to = |chat: &str| SendRequest::new(chat.parse().unwrap(), Message::text("hello"));
    let (own, own_lid): (Jid, Jid) = (pn("99"), "9@lid".parse().unwrap());
    let (first, first_lid): (Jid, Jid) = (pn("1"), "7@lid".parse().unwrap());
    scene.gate.set_own([own.clone(), own_lid.clone()]);
    scene.deliver("1", "one").await;
    scene.pass(HOUR);
    scene.deliver("2", "two").await;
    for (pn, lid, of) in
        [(first, first_lid, &reaction_to as &dyn Fn(&str) -> SendRequest), (own.clone(), own_lid, &to)]
    {
        scene.pass(HOUR);
        let key = pn.to_string();
        let Ok(Decision::Send(sent)) = scene.ask(&of(&key).idempotency_key(&key)).await else { panic!() };
        assert_eq!(sent.lane, Lane::Light);
        for is_settled in [false, true] {
            if is_settled {
                scene.gate.settle(&sent.id, Fate::Sent { at: None, chat: None }).await.unwrap();
            }
            // Somebody who is known, somebody who is not, and a group.
            for other in ["2@s.whatsapp.net", "3@s.whatsapp.net", "5-1@g.us"] {
                for request in [of(other), to(other), reaction_to(other)] {
                    for request in [request.clone().idempotency_key(&key), request.id(sent.id.clone())] {
                        let asked = scene.ask(&request).await;
                        assert!(matches!(asked, Err(SendError::InvalidRecipient)), "{key} {other} {asked:?}");
                    }
                }
            }
            // The same person, under either address.
            for to in [&pn, &lid] {
                let recipient = Recipient::with_addresses(to, Some(&pn), Some(&lid));
                let request = of(&to.to_string()).idempotency_key(&key);
                match scene.gate.ask(&request, &recipient).await {
                    Ok(Decision::Send(again)) => assert_eq!((&again.id, is_settled), (&sent.id, false)),
                    Ok(Decision::Done(receipt)) => assert_eq!((&receipt.id, is_settled), (&sent.id, true)),
                    asked => panic!("{to} {asked:?}"),
                }
            }
        }
    }
    // Whose LID this is nobody knows, but it is not ours.
    let asked = scene.ask(&to("8@lid").idempotency_key(own.to_string())).await;
    assert!(matches!(asked, Err(SendError::InvalidRecipient)), "{asked:?}");
    assert_eq!(scene.sent_today(), 2);
}

async fn a_text_does_not_leave_in_the_place_of_a_reaction(mut scene: Scene) {
    scene.deliver("1", "one").await;
    scene.pass(HOUR);
    let reaction = reaction_to("1@s.whatsapp.net").idempotency_key("k");
    let Ok(Decision::Send(sent)) = scene.ask(&reaction).await else { panic!() };
    let text = || text_to("1", "two");
    for request in [text().idempotency_key("k"), text().id(sent.id.clone())] {
        let asked = scene.ask(&request).await;
        assert!(matches!(asked, Err(SendError::InvalidRecipient)), "{asked:?}");
    }
    let Ok(Decision::Send(again)) = scene.ask(&reaction).await else { panic!() };
    assert_eq!((&again.id, again.is_again), (&sent.id, true));
    // Where nothing leaves any more, the key leads to what was sent first, whatever it says now.
    scene.gate.settle(&sent.id, Fate::Sent { at: None, chat: None }).await.unwrap();
    let Ok(Decision::Done(receipt)) = scene.ask(&text().idempotency_key("k")).await else { panic!() };
    assert_eq!(receipt.id, sent.id);
    assert_eq!(scene.sent_today(), 1);
}

async fn what_was_counted_for_a_group_before_chats_were_kept_is_not_compared(mut scene: Scene) {
    let to = |chat: &str| SendRequest::new(chat.parse().unwrap(), Message::text("hello"));
    let Ok(Decision::Send(sent)) = scene.ask(&to("5-1@g.us")).await else { panic!() };
    let mut record = scene.store.reservation(&id(), sent.id.as_str()).await.unwrap().unwrap();
    record.reservation.chat = None;
    let stored = serde_json::to_value(&record.reservation).unwrap();
    assert!(stored.get("chat").is_none(), "as it was stored before: {stored}");
    let mut changes = Changes::new();
    changes.put_reservation(record);
    scene.store.commit(changes).await.unwrap();
    let Ok(Decision::Send(again)) = scene.ask(&to("5-2@g.us").id(sent.id.clone())).await else { panic!() };
    assert!(again.is_again);
    let person = scene.ask(&text_to("2", "hello").id(sent.id)).await;
    assert!(matches!(person, Err(SendError::InvalidRecipient)), "{person:?}");
}

fn lock(is_active: bool, until: UnixMillis) -> ReachoutTimelock {
    let end = until.to_seconds().0;
    ReachoutTimelock::read(&json!({ "is_active": is_active, "time_enforcement_ends": end })).unwrap()
}

async fn refuse(scene: &mut Scene, to: &str) -> u64 {
    let reserved = scene.send(to, to).await;
    let settled = scene.gate.settle(&reserved.id, Fate::Refused(463)).await.unwrap().unwrap();
    assert!(matches!(settled.result, Err(SendError::Refused { server_code: 463 })));
    settled.refused.unwrap()
}

async fn a_refused_stranger_is_left_alone_until_they_write(mut scene: Scene) {
    let person = refuse(&mut scene, "1").await;
    scene.gate.heed_time_lock(&lock(false, T), Some(person)).await.unwrap();
    scene.restart_ready().await;
    scene.pass(DAY);
    let error = scene.refused("1").await;
    let SendError::Limited(limit) = error else { panic!("{error:?}") };
    assert_eq!((limit.scope, limit.retry_at), (Scope::Refused, None));
    // Nor when the first message is asked for once more: it is not tried again.
    let told = scene.last(EventKind::MessageFailed).await;
    let id = MessageId::new(told.data["messageId"].as_str().unwrap());
    let again = scene.ask(&text_to("1", "1").id(id)).await;
    assert!(matches!(again, Err(SendError::Refused { server_code: 463 })));
}

async fn three_refusals_close_first_contacts(mut scene: Scene) {
    for to in ["1", "2", "3"] {
        let person = refuse(&mut scene, to).await;
        scene.gate.heed_time_lock(&lock(false, T), Some(person)).await.unwrap();
        scene.pass(MINUTE * 6);
    }
    let error = scene.refused("4").await;
    let SendError::Restricted { kind, until, server_code } = error else { panic!("{error:?}") };
    assert_eq!((kind, server_code), (RestrictionKind::FirstContacts, Some(463)));
    assert!(until.unwrap() > scene.world());
    assert_eq!(scene.last(EventKind::AccountRestriction).await.data["kind"], "first_contacts");
}

async fn a_time_lock_closes_the_lane_and_blames_nobody(mut scene: Scene) {
    let person = refuse(&mut scene, "1").await;
    let until = scene.world().after(DAY);
    scene.gate.heed_time_lock(&lock(true, until), Some(person)).await.unwrap();
    let error = scene.refused("2").await;
    assert!(matches!(error, SendError::Restricted { kind: RestrictionKind::TimeLock, .. }), "{error:?}");
    assert_eq!(error.code(), "restricted");
    let wait = error.retry_after(scene.world()).unwrap();
    assert!(wait >= DAY + MINUTE * 10 && wait <= DAY + MINUTE * 21, "{wait:?}");
    let told = scene.last(EventKind::AccountRestriction).await;
    assert_eq!((&told.data["kind"], &told.data["active"]), (&json!("time_lock"), &json!(true)));
    // Groups go on, and the lock is waited out by no queue without another look.
    let group = SendRequest::new("5-1@g.us".parse().unwrap(), Message::text("x"));
    assert!(matches!(scene.ask(&group).await, Ok(Decision::Send(_))));
    scene.gate.heed(Signal::TimeLockOver).await.unwrap();
    assert_eq!(scene.last(EventKind::AccountRestriction).await.data["active"], false);
    scene.pass(MINUTE * 6);
    let error = scene.refused("1").await;
    assert!(matches!(error, SendError::Limited(limit) if limit.scope == Scope::Person));
}

async fn no_more_new_chats_until_the_cycle_ends(mut scene: Scene) {
    let reserved = scene.send("1", "x").await;
    let settled = scene.gate.settle(&reserved.id, Fate::of(&Err(wa_core::SendError::NewChatsCapped))).await;
    assert!(settled.unwrap().unwrap().refused.is_none());
    let error = scene.refused("2").await;
    assert!(matches!(error, SendError::Restricted { server_code: Some(475), .. }), "{error:?}");
}

async fn a_ban_is_told_once_and_closes_its_lane(mut scene: Scene) {
    let banned = Signal::Banned { code: BanCode(101), until: scene.world().after(HOUR) };
    scene.gate.heed(banned.clone()).await.unwrap();
    scene.restart_ready().await;
    scene.gate.heed(banned).await.unwrap();
    assert_eq!(scene.count(EventKind::AccountRestriction).await, 1);
    assert_eq!(scene.gate.level(), TrustLevel::NEW);
    assert!(scene.gate.was_restricted_within(MINUTE * 15));
    let error = scene.refused("2").await;
    assert!(matches!(error, SendError::Restricted { server_code: Some(101), .. }), "{error:?}");
}

async fn a_person_has_one_budget_under_both_addresses(mut scene: Scene) {
    scene.deliver("1", "hello").await;
    scene.pass(MINUTE * 6);
    let lid = Jid::lid("77");
    let request = SendRequest::new(lid.clone(), Message::text("again"));
    let recipient = Recipient::with_addresses(&lid, Some(&pn("1")), Some(&lid));
    let error = scene.gate.ask(&request, &recipient).await.unwrap_err();
    assert!(matches!(error, SendError::Limited(limit) if limit.scope == Scope::Person));
    assert_eq!(scene.contacts().await, 1);
}

async fn who_is_nobody_costs_a_first_contact(mut scene: Scene) {
    let reserved = scene.send("1", "x").await;
    let unknown = wa_core::SendError::UnknownRecipient(pn("1"));
    let settled = scene.gate.settle(&reserved.id, Fate::of(&Err(unknown))).await.unwrap().unwrap();
    assert!(matches!(settled.result, Err(SendError::InvalidRecipient)));
    assert_eq!(scene.gate.usage().first_contacts_day, 1);
    let nowhere = SendRequest::new(Jid::SERVER, Message::text("x"));
    assert!(matches!(scene.ask(&nowhere).await, Err(SendError::InvalidRecipient)));
}

async fn numbers_that_are_looked_up_have_their_own_budget(mut scene: Scene) {
    let twelve = Deed::Lookup { numbers: 12 };
    let first = MessageId::new("lookup 1");
    assert_eq!(scene.gate.ask_deed(&first, &twelve).await.unwrap(), Lane::Lookup);
    // The same question is counted once.
    assert_eq!(scene.gate.ask_deed(&first, &twelve).await.unwrap(), Lane::Lookup);
    let error = scene.gate.ask_deed(&MessageId::new("lookup 2"), &twelve).await.unwrap_err();
    let SendError::Limited(limit) = error else { panic!("{error:?}") };
    assert_eq!((limit.scope, limit.limit, limit.used), (Scope::Lookups, 20, 12));
    assert_eq!(scene.sent_today(), 0);
    // One that was never asked is given back.
    let never = Fate::of(&Err(wa_core::SendError::Lookup));
    scene.gate.settle(&first, never).await.unwrap();
    let error = scene.gate.ask_deed(&MessageId::new("lookup 3"), &twelve).await.unwrap_err();
    assert_eq!(error.retry_after(scene.world()), Some(Duration::from_secs(5)));
    scene.pass(Duration::from_secs(5));
    scene.gate.ask_deed(&MessageId::new("lookup 3"), &twelve).await.unwrap();
    assert_eq!(scene.count(EventKind::MessageFailed).await, 0);
}

async fn a_preview_spends_nothing(mut scene: Scene) {
    let stranger = Recipient::of(&pn("1"));
    let preview = scene.gate.preview(&stranger).await.unwrap();
    assert_eq!(preview, Admission::Allow { lane: Lane::FirstContact });
    assert_eq!((scene.sent_today(), scene.contacts().await), (0, 0));
    scene.deliver("1", "x").await;
    let preview = scene.gate.preview(&Recipient::of(&pn("2"))).await.unwrap();
    assert!(matches!(preview, Admission::Delay(limit) if limit.scope == Scope::Gap));
}

async fn another_owner_stops_all_writing(mut scene: Scene) {
    scene.take_over().await;
    let error = scene.refused("1").await;
    assert!(matches!(error, SendError::Store(ManagerStoreError::FenceLost { .. })), "{error:?}");
    assert_eq!(scene.contacts().await, 0);
}

async fn a_jump_of_the_servers_time_is_told(mut scene: Scene) {
    let late = scene.world().after(DAY * 40);
    scene.gate.logged_in(Some(late)).await.unwrap();
    assert_eq!(scene.last(EventKind::ClockSkew).await.data["direction"], "forward");
    // A day of it is believed.
    assert_eq!(scene.gate.now(), scene.world().after(DAY));
}

async fn a_wrong_wall_clock_at_the_start_costs_and_gives_nothing(mut scene: Scene) {
    scene.deliver("1", "x").await;
    scene.set_wall(T.after(DAY * 400));
    scene.restart().await;
    scene.tick().await;
    scene.login().await;
    assert_eq!(scene.gate.now(), scene.world());
    assert_eq!(scene.sent_today(), 1);
    assert!(matches!(scene.refused("2").await, SendError::Limited(limit) if limit.scope == Scope::Gap));
}

async fn first_contacts_wait_for_the_past(scene: Scene) {
    // Another account in another store: one whose past has not come.
    drop(scene);
    let mut scene = Scene::new(Arc::new(MemoryManagerStore::new()), None, GateConfig::default()).await;
    scene.login().await;
    scene.pass(MINUTE * 2);
    let error = scene.refused("1").await;
    assert!(matches!(&error, SendError::Limited(limit) if limit.scope == Scope::History), "{error:?}");
    let wait = error.retry_after(scene.world()).unwrap();
    assert_eq!(wait, MINUTE * 28);
    // The wait goes on over a restart, and ends with the past.
    scene.restart_ready().await;
    assert!(matches!(scene.refused("1").await, SendError::Limited(limit) if limit.scope == Scope::History));
    scene.gate.history_done().await.unwrap();
    scene.deliver("1", "x").await;
}

async fn the_same_text_to_many_is_stopped_unless_that_is_off(mut scene: Scene) {
    let config = GateConfig { table: scene.config.table.clone(), ..GateConfig::default() };
    let mut changes = crate::store::Changes::new();
    // People who wrote some days ago: known, and no answers.
    for number in 1..=7_u64 {
        let last_inbound = Some(UnixMillis(T.0 - u64::try_from((DAY * 3).as_millis()).unwrap()));
        changes.push(crate::store::Change::PutContact(Box::new(crate::store::ContactRecord {
            account: id(),
            id: number,
            pn: Some(pn(&number.to_string())),
            lid: None,
            push_name: None,
            created_at: T,
            last_inbound,
            unanswered: 0,
        })));
    }
    scene.store.commit(changes).await.unwrap();
    for to in 1..=5 {
        scene.deliver(&to.to_string(), "Big sale!").await;
        scene.pass(MINUTE);
    }
    let error = scene.ask(&text_to("6", "big  SALE")).await.unwrap_err();
    assert!(matches!(error, SendError::Limited(limit) if limit.scope == Scope::SameText));
    scene
        .gate
        .configure(GateConfig { table: config.table.clone().without_same_text(), ..config })
        .await
        .unwrap();
    scene.deliver("6", "big  SALE").await;
}

async fn waiting_is_offered_only_as_long_as_was_asked(mut scene: Scene) {
    scene.deliver("1", "x").await;
    let wait = |longest: Duration| text_to("2", "y").on_limit(OnLimit::WaitUpTo(longest));
    let Ok(Decision::Wait { until, limit }) = scene.ask(&wait(MINUTE * 10)).await else { panic!() };
    let (least, offered) = (limit.retry_at.unwrap().since(scene.world()), until.since(scene.world()));
    assert_eq!(limit.scope, Scope::Gap);
    assert!(least <= offered && offered <= least + least / 10, "{least:?}, {offered:?}");
    assert!(matches!(scene.ask(&wait(MINUTE)).await, Err(SendError::Limited(_))));
    assert_eq!(scene.sent_today(), 1);
    scene.pass(until.since(scene.world()));
    assert!(matches!(scene.ask(&wait(MINUTE)).await, Ok(Decision::Send(_))));
}

// 3.7: deadlines are up to a tenth later, drawn each time; the gaps are drawn for each first contact.
async fn what_waits_for_one_moment_does_not_leave_all_at_once(mut scene: Scene) {
    scene.gate.heed(Signal::Capped).await.unwrap();
    let mut untils = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let wait = text_to("2", "y").on_limit(OnLimit::WaitUpTo(DAY * 2));
        let Ok(Decision::Wait { until, limit }) = scene.ask(&wait).await else { panic!() };
        let (least, wait) = (limit.retry_at.unwrap().since(scene.world()), until.since(scene.world()));
        assert!(least <= wait && wait <= least + least / 10, "{least:?}, {wait:?}");
        untils.insert(until);
    }
    assert!(untils.len() > 10, "{untils:?}");
    // Never later than was asked for, and never after what the message is worth.
    let until = untils.first().unwrap().since(scene.world());
    let wait = text_to("2", "y").on_limit(OnLimit::WaitUpTo(until.min(DAY)));
    let Ok(Decision::Wait { until, .. }) = scene.ask(&wait).await else { panic!() };
    assert!(until.since(scene.world()) <= DAY);
    let deadline = DAY + MINUTE;
    let queued = text_to("2", "y").on_limit(OnLimit::Enqueue { deadline });
    assert!(matches!(scene.ask(&queued).await, Ok(Decision::Queued(_))));
    let next = scene.gate.next(|to| std::future::ready(Recipient::of(&to))).await.unwrap();
    let Next::WaitUntil(at) = next else { panic!("{next:?}") };
    assert!(at < scene.world().after(deadline), "it is tried before it is worth nothing");
    scene.pass(at.since(scene.world()));
    let next = scene.gate.next(|to| std::future::ready(Recipient::of(&to))).await.unwrap();
    assert!(matches!(next, Next::Send(_)), "{next:?}");
}

// 3.1: 421 and 479 have no effect on trust.
async fn a_repair_of_the_protocol_is_no_failure_of_the_account(mut scene: Scene) {
    for (code, failed) in [(421, 0), (479, 0), (500, 33)] {
        let group = SendRequest::new("5-1@g.us".parse().unwrap(), Message::text("x"));
        let Ok(Decision::Send(reserved)) = scene.ask(&group).await else { panic!() };
        scene.gate.settle(&reserved.id, Fate::Refused(code)).await.unwrap().unwrap();
        assert_eq!(scene.gate.evidence().failed_percent, failed, "{code}");
        scene.pass(MINUTE);
    }
}

// 3.1, 3.7: the server's word counts more than the setting.
async fn a_ban_for_the_same_text_holds_where_texts_are_not_counted(mut scene: Scene) {
    let table = scene.config.table.clone().without_same_text();
    scene.gate.configure(GateConfig { table, ..GateConfig::default() }).await.unwrap();
    let banned = Signal::Banned { code: BanCode(104), until: scene.world().after(HOUR) };
    scene.gate.heed(banned).await.unwrap();
    scene.deliver("1", "the same").await;
    scene.pass(MINUTE * 6);
    let error = scene.ask(&text_to("2", "the same")).await.unwrap_err();
    assert!(matches!(error, SendError::Limited(limit) if limit.scope == Scope::SameText && limit.limit == 1));
    scene.deliver("2", "another").await;
}

#[tokio::test]
async fn a_store_that_fails_counts_nothing() {
    let store = Arc::new(MemoryManagerStore::new());
    let shared = Arc::clone(&store) as Arc<dyn crate::store::ManagerStore>;
    let mut scene = Scene::ready(shared, None, GateConfig::default()).await;
    for calls in 1..=5 {
        store.fail_next(calls);
        let failed = scene.ask(&text_to("1", "x")).await;
        let is_counted = failed.is_ok();
        store.fail_next(0);
        assert!(is_counted || matches!(failed, Err(SendError::Store(_))), "{failed:?}");
        assert_eq!(scene.sent_today(), 0, "failing {calls} calls");
    }
    scene.deliver("1", "x").await;
    assert_eq!(scene.sent_today(), 1);
}

#[tokio::test]
async fn whoever_goes_away_before_the_store_answers_has_counted_all_the_same() {
    let (mut scene, store) = Scene::on_a_stubborn_store().await;
    let stranger = Recipient::of(&pn("1"));
    store.hang_once();
    assert!(scene.gate.ask(&text_to("1", "x"), &stranger).now_or_never().is_none());
    let preview = scene.gate.preview(&Recipient::of(&pn("2"))).await.unwrap();
    assert!(matches!(preview, Admission::Delay(limit) if limit.scope == Scope::Gap));
    assert_eq!(scene.sent_today(), 1);
}
