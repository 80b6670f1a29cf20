//! What every store of the manager promises, for both of ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use wa_types::{Jid, MessageId, UnixMillis};

use super::*;
use crate::account::{
    AcceptedLink, AccountName, AccountSettings, AccountStatus, DesiredState, Reason, ReasonKind,
};
use crate::event::{EventKind, NewEvent};
use crate::ids::{Epoch, EventId};
use crate::trust::{TrustLevel, TrustState, Zone};
use crate::webhook::{SigningMode, WebhookId, WebhookRetry, WebhookSecret, WebhookSpec, WebhookState};

/// Runs a test on each store.
macro_rules! on_each {
    ($($test:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&super::MemoryManagerStore::new()).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let store = super::SqliteManagerStore::open(directory.path().join("manager")).unwrap();
                super::$test(&store).await;
            })*
        }
    };
}

on_each! {
    accounts_are_kept_in_their_order,
    events_are_numbered_without_gaps_for_each_account,
    nothing_of_a_commit_that_fails_is_there,
    names_are_one_of_their_own_within_a_tenant,
    whoever_is_no_longer_the_owner_writes_nothing,
    a_deleted_account_leaves_what_tells_its_deletion_only,
    what_is_kept_of_a_number_is_forgotten_and_the_rest_stays,
    an_address_leads_to_one_person,
    an_event_that_comes_again_is_not_added_again,
    what_waits_is_kept_in_its_order,
    limits_and_what_was_counted_are_kept,
    requests_and_limits_are_forgotten_when_their_time_is_over,
    chats_are_listed_by_their_last_message,
    webhooks_are_kept_with_all_that_is_theirs,
    dead_letters_outlive_their_events,
    what_is_to_be_removed_outlives_its_account,
}

pub(crate) fn id(number: u8) -> AccountId {
    AccountId::of([number; 16])
}

pub(crate) fn account(number: u8, name: &str) -> AccountRecord {
    AccountRecord {
        id: id(number),
        tenant: TenantId::default(),
        owner: Some("4711".into()),
        name: AccountName::new(name).unwrap(),
        display_name: "Shop ✂".into(),
        phone: Some("628123456789".parse().unwrap()),
        jid: Some("628123456789:7@s.whatsapp.net".parse().unwrap()),
        lid: Some("9876:7@lid".parse().unwrap()),
        desired: DesiredState::Running,
        status: AccountStatus::Error,
        reason: Some(Reason::new(ReasonKind::TemporaryBan).code(402).detail("why")),
        seq: 0,
        version: 3,
        settings: AccountSettings { auto_start: true, ..AccountSettings::default() },
        metadata: BTreeMap::from([("plan".into(), "gold".into())]),
        location: Some("data/1".into()),
        created_at: UnixMillis(1),
        updated_at: UnixMillis(2),
        last_active_at: Some(UnixMillis(3)),
        probation: Some(UnixMillis(4)),
        accepted: Some(AcceptedLink {
            jid: "628123456789:7@s.whatsapp.net".parse().unwrap(),
            lid: Some("1234:7@lid".parse().unwrap()),
        }),
        exported: true,
        hand_overs: 3,
        epoch: Epoch(4),
    }
}

fn event(number: u8, of: Option<AccountId>) -> NewEvent {
    NewEvent {
        id: EventId::of([number; 16]),
        tenant: TenantId::default(),
        account: of,
        kind: EventKind::AccountStatus,
        at: UnixMillis(u64::from(number)),
        data: json!({"status": "ready", "number": number}),
    }
}

fn any_event() -> EventRecord {
    let NewEvent { id, tenant, account, kind, at, data } = event(1, None);
    EventRecord { seq: 1, account_seq: 0, id, tenant, account, kind, at, data }
}

fn changes(list: impl IntoIterator<Item = Change>) -> Changes {
    let mut changes = Changes::new();
    for change in list {
        changes.push(change);
    }
    changes
}

async fn put(store: &dyn ManagerStore, list: impl IntoIterator<Item = Change>) {
    store.commit(changes(list)).await.unwrap();
}

async fn with_accounts(store: &dyn ManagerStore) {
    let accounts = [account(2, "b"), account(1, "a")];
    put(store, accounts.map(|account| Change::PutAccount(Box::new(account)))).await;
}

async fn accounts_are_kept_in_their_order(store: &dyn ManagerStore) {
    with_accounts(store).await;
    assert_eq!(store.accounts().await.unwrap(), [account(2, "b"), account(1, "a")]);
    let mut changed = account(2, "b");
    changed.status = AccountStatus::Ready;
    changed.reason = None;
    put(store, [Change::PutAccount(Box::new(changed.clone()))]).await;
    assert_eq!(store.account(&id(2)).await.unwrap(), Some(changed));
    assert_eq!(store.account(&id(9)).await.unwrap(), None);
}

async fn events_are_numbered_without_gaps_for_each_account(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let mut steps = Vec::new();
    for (number, of) in [Some(id(1)), Some(id(2)), None, Some(id(1)), Some(id(9))].into_iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        let pushed = store.commit(changes([Change::PushEvent(Box::new(event(number, of)))])).await.unwrap();
        steps.extend(pushed);
    }
    let numbers: Vec<_> = steps.iter().map(|event| (event.seq, event.account_seq)).collect();
    assert_eq!(numbers, [(1, 1), (2, 1), (3, 0), (4, 2), (5, 0)]);
    assert_eq!(store.last_seq().await.unwrap(), 5);
    assert_eq!(store.first_seq().await.unwrap(), 1);
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 2);
    // A record that was read earlier does not take the number back.
    put(store, [Change::PutAccount(Box::new(account(1, "a")))]).await;
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 2);
    let all = EventQuery { limit: 10, ..EventQuery::default() };
    assert_eq!(store.events(all.clone()).await.unwrap(), steps);
    let some = EventQuery { after: 1, limit: 2, ..all.clone() };
    assert_eq!(store.events(some).await.unwrap(), steps[1..3]);
    let of_one = EventQuery { account: Some(id(1)), ..all.clone() };
    assert_eq!(store.events(of_one).await.unwrap(), [steps[0].clone(), steps[3].clone()]);
    let of_nobody = EventQuery { tenant: Some(TenantId::new("other")), ..all.clone() };
    assert_eq!(store.events(of_nobody).await.unwrap(), []);
    put(store, [Change::TrimEvents { seq: 3 }]).await;
    assert_eq!(store.events(all.clone()).await.unwrap(), steps[3..]);
    assert_eq!(store.first_seq().await.unwrap(), 4);
    put(store, [Change::TrimEvents { seq: 5 }]).await;
    assert_eq!(store.first_seq().await.unwrap(), 6);
    assert_eq!(store.events(all).await.unwrap(), []);
    assert_eq!(store.last_seq().await.unwrap(), 5);
}

async fn an_event_that_comes_again_is_not_added_again(store: &dyn ManagerStore) {
    let mut changes = Changes::new();
    changes.put_account(account(1, "one")).push_event(event(1, Some(id(1))));
    assert_eq!(store.commit(changes).await.unwrap().len(), 1);
    let mut again = Changes::new();
    again.push_event(event(1, Some(id(1)))).push_event(event(2, Some(id(1))));
    let pushed = store.commit(again).await.unwrap();
    assert_eq!(pushed.iter().map(|event| (event.seq, event.account_seq)).collect::<Vec<_>>(), [(2, 2)]);
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 2);
    assert_eq!(store.events(EventQuery { limit: 9, ..EventQuery::default() }).await.unwrap().len(), 2);
}

async fn nothing_of_a_commit_that_fails_is_there(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let failing = changes([
        Change::PutAccount(Box::new(account(3, "c"))),
        Change::PushEvent(Box::new(event(1, Some(id(1))))),
        Change::PutAccount(Box::new(account(4, "a"))),
    ]);
    // Beside others that succeed.
    let (failed, pushed) = tokio::join!(
        store.commit(failing),
        store.commit(changes([Change::PushEvent(Box::new(event(2, None)))]))
    );
    assert!(matches!(failed, Err(ManagerStoreError::NameTaken { name }) if name.as_str() == "a"));
    assert_eq!(pushed.unwrap().len(), 1);
    assert_eq!(store.accounts().await.unwrap().len(), 2);
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 0);
    assert_eq!(store.events(EventQuery { limit: 9, ..EventQuery::default() }).await.unwrap().len(), 1);
}

async fn names_are_one_of_their_own_within_a_tenant(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let other = AccountRecord { tenant: TenantId::new("other"), ..account(3, "a") };
    put(store, [Change::PutAccount(Box::new(other))]).await;
    let same = store.commit(changes([Change::PutAccount(Box::new(account(4, "a")))])).await;
    assert!(matches!(same, Err(ManagerStoreError::NameTaken { .. })));
    put(store, [Change::DeleteAccount(id(1)), Change::PutAccount(Box::new(account(4, "a")))]).await;
}

async fn whoever_is_no_longer_the_owner_writes_nothing(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let fenced = |account, epoch| {
        let fence = Change::Fence { account, epoch: Epoch(epoch) };
        changes([Change::PushEvent(Box::new(event(1, None))), fence])
    };
    for (account, epoch) in [(id(1), 3), (id(1), 5), (id(9), 4)] {
        let refused = store.commit(fenced(account, epoch)).await;
        assert!(matches!(refused, Err(ManagerStoreError::FenceLost { .. })));
    }
    assert_eq!(store.last_seq().await.unwrap(), 0);
    store.commit(fenced(id(1), 4)).await.unwrap();
    assert_eq!(store.last_seq().await.unwrap(), 1);
}

fn send(number: u64, id_text: &str) -> SendRecord {
    SendRecord {
        account: id(1),
        id: MessageId::new(id_text),
        number,
        to: Jid::pn("15550001111"),
        payload: vec![1, 2, 3],
        lane: crate::trust::Lane::FirstContact,
        at: UnixMillis(5),
        deadline: UnixMillis(6),
    }
}

fn contact(number: u64, pn: Option<&str>, lid: Option<&str>) -> ContactRecord {
    ContactRecord {
        account: id(1),
        id: number,
        pn: pn.map(Jid::pn),
        lid: lid.map(Jid::lid),
        push_name: Some("Ana".into()),
        created_at: UnixMillis(1),
        last_inbound: Some(UnixMillis(2)),
        unanswered: 1,
    }
}

fn chat(user: &str, last: Option<u64>) -> ChatRecord {
    ChatRecord {
        account: id(1),
        chat: Jid::pn(user),
        kind: ChatKind::Direct,
        contact: Some(7),
        created_at: UnixMillis(1),
        last_message_at: last.map(UnixMillis),
        oldest: last.map(|at| OldestMessage { id: "AB".into(), from_me: true, at: UnixMillis(at) }),
    }
}

fn trust() -> TrustRecord {
    let state = TrustState::new(TrustLevel::NEW, UnixMillis(1), &Zone::UTC);
    TrustRecord { account: id(1), state, text_key: [9; 32] }
}

// R090
async fn a_deleted_account_leaves_what_tells_its_deletion_only(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let cursor = CursorRecord { endpoint: "hook".into(), account: Some(id(1)), seq: 1 };
    put(
        store,
        [
            Change::PutSend(Box::new(send(1, "A"))),
            Change::PutContact(Box::new(contact(1, Some("1"), None))),
            Change::PutChat(Box::new(chat("1", None))),
            Change::PutTrust(Box::new(trust())),
            Change::PutCursor(Box::new(cursor)),
            Change::PushEvent(Box::new(event(1, Some(id(1))))),
            Change::PushEvent(Box::new(event(2, Some(id(2))))),
        ],
    )
    .await;
    let query = EventQuery { limit: 9, ..EventQuery::default() };
    let events = store.events(query.clone()).await.unwrap();
    // A webhook of the whole tenant did not take them.
    let of = |event: &EventRecord| DeadLetterRecord {
        endpoint: "tenant".into(),
        event: event.clone(),
        tries: 3,
        reason: "404".into(),
        at: UnixMillis(9),
        is_replayed: false,
    };
    put(store, events.iter().map(|event| Change::PutDeadLetter(Box::new(of(event))))).await;
    let told = NewEvent { kind: EventKind::AccountDeleted, ..event(3, Some(id(1))) };
    put(store, [Change::PushEvent(Box::new(told)), Change::DeleteAccount(id(1))]).await;
    let left = store.events(query).await.unwrap();
    let left: Vec<_> = left.iter().map(|event| (event.seq, event.account_seq, event.kind)).collect();
    assert_eq!(left, [(2, 1, EventKind::AccountStatus), (3, 2, EventKind::AccountDeleted)]);
    let query = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    let letters = store.dead_letters("tenant", query).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.event.seq).collect::<Vec<_>>(), [2]);
    assert_eq!(store.account(&id(1)).await.unwrap(), None);
    assert_eq!(store.sends(&id(1)).await.unwrap(), []);
    assert_eq!(store.contacts(&id(1), 0, 9).await.unwrap(), []);
    assert_eq!(store.chats(&id(1), 9).await.unwrap(), []);
    assert_eq!(store.trust(&id(1)).await.unwrap(), None);
    assert_eq!(store.cursors("hook").await.unwrap(), []);
    assert_eq!(store.last_seq().await.unwrap(), 3);
    // Whoever delivers may write a moment later.
    let cursor = CursorRecord { endpoint: "hook".into(), account: Some(id(1)), seq: 1 };
    let told = EventRecord { kind: EventKind::AccountDeleted, seq: 3, ..events[0].clone() };
    let late = [of(&events[0]), of(&told)].map(|letter| Change::PutDeadLetter(Box::new(letter)));
    put(store, late.into_iter().chain([Change::PutCursor(Box::new(cursor))])).await;
    let letters = store.dead_letters("tenant", query).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.event.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(store.cursors("hook").await.unwrap(), []);
}

async fn what_is_to_be_removed_outlives_its_account(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let leftover = |place: &str| LeftoverRecord { account: id(1), location: place.into() };
    let change = [
        Change::DeleteAccount(id(1)),
        Change::PutLeftover(leftover("a")),
        Change::PutLeftover(leftover("b")),
        Change::PutLeftover(leftover("a")),
    ];
    put(store, change).await;
    assert_eq!(store.leftovers().await.unwrap().len(), 2);
    put(store, [Change::DeleteLeftover(leftover("a"))]).await;
    assert_eq!(store.leftovers().await.unwrap(), [leftover("b")]);
}

/// R090: what is deleted is not in the file any more either.
#[tokio::test]
async fn what_is_deleted_is_wiped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manager");
    let words = "what somebody wrote to somebody else";
    let has = || {
        let file = std::fs::read(&path).unwrap();
        file.windows(words.len()).any(|part| part == words.as_bytes())
    };
    let store = SqliteManagerStore::open(&path).unwrap();
    with_accounts(&store).await;
    let told = NewEvent { data: json!({ "text": words }), ..event(1, Some(id(1))) };
    put(&store, [Change::PushEvent(Box::new(told))]).await;
    store.close().await.unwrap();
    assert!(has());
    let store = SqliteManagerStore::open(&path).unwrap();
    put(&store, [Change::DeleteAccount(id(1))]).await;
    store.close().await.unwrap();
    assert!(!has());
}

async fn what_is_kept_of_a_number_is_forgotten_and_the_rest_stays(store: &dyn ManagerStore) {
    with_accounts(store).await;
    put(
        store,
        [
            Change::PutSend(Box::new(send(1, "A"))),
            Change::PutContact(Box::new(contact(1, Some("1"), None))),
            Change::PutChat(Box::new(chat("1", None))),
            Change::PutTrust(Box::new(trust())),
            Change::PushEvent(Box::new(event(1, Some(id(1))))),
            Change::ForgetNumber(id(1)),
        ],
    )
    .await;
    assert_eq!(store.sends(&id(1)).await.unwrap(), []);
    assert_eq!(store.contacts(&id(1), 0, 9).await.unwrap(), []);
    assert_eq!(store.chats(&id(1), 9).await.unwrap(), []);
    assert_eq!(store.trust(&id(1)).await.unwrap(), Some(trust()));
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 1);
    assert_eq!(store.events(EventQuery { limit: 9, ..EventQuery::default() }).await.unwrap().len(), 1);
}

async fn an_address_leads_to_one_person(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let (ana, rui) = (contact(1, Some("1"), None), contact(2, None, Some("9")));
    put(store, [Change::PutContact(Box::new(ana.clone())), Change::PutContact(Box::new(rui.clone()))]).await;
    assert_eq!(store.contact(&id(1), &Jid::pn("1").with_device(3)).await.unwrap(), Some(ana.clone()));
    assert_eq!(store.contact(&id(1), &Jid::lid("9")).await.unwrap(), Some(rui.clone()));
    assert_eq!(store.contact(&id(2), &Jid::lid("9")).await.unwrap(), None);
    // They are one: the first keeps both addresses, the second is gone.
    let both = contact(1, Some("1"), Some("9"));
    put(store, [Change::PutContact(Box::new(both.clone()))]).await;
    assert_eq!(store.contact(&id(1), &Jid::lid("9")).await.unwrap(), Some(both.clone()));
    assert_eq!(store.contacts(&id(1), 2, 9).await.unwrap(), [contact(2, None, None)]);
    put(store, [Change::DeleteContact { account: id(1), id: 2 }]).await;
    assert_eq!(store.contacts(&id(1), 0, 9).await.unwrap(), [both]);
}

async fn what_waits_is_kept_in_its_order(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let (first, second) = (send(1, "A"), send(2, "B"));
    put(store, [Change::PutSend(Box::new(second.clone())), Change::PutSend(Box::new(first.clone()))]).await;
    assert_eq!(store.sends(&id(1)).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.send(&id(1), &second.id).await.unwrap(), Some(second.clone()));
    // The same message, further back.
    put(store, [Change::PutSend(Box::new(send(3, "A")))]).await;
    assert_eq!(store.sends(&id(1)).await.unwrap(), [second.clone(), send(3, "A")]);
    put(store, [Change::DeleteSend { account: id(1), id: second.id }]).await;
    assert_eq!(store.sends(&id(1)).await.unwrap(), [send(3, "A")]);
}

async fn limits_and_what_was_counted_are_kept(store: &dyn ManagerStore) {
    use crate::trust::{Deed, Terms, TrustPolicy};
    with_accounts(store).await;
    let mut trust = trust();
    let table = TrustPolicy::default().table();
    let terms = Terms { table: &table, zone: &Zone::UTC, tenant_cap: None, ready_since: UnixMillis(0) };
    let now = UnixMillis(86_400_000);
    let reservation = trust.state.reserve(&terms, "M", &Deed::Group, None, now, 0).unwrap();
    let record = ReservationRecord { account: id(1), reservation };
    put(store, [Change::PutTrust(Box::new(trust.clone())), Change::PutReservation(Box::new(record.clone()))])
        .await;
    assert_eq!(store.trust(&id(1)).await.unwrap(), Some(trust));
    assert_eq!(store.reservation(&id(1), "M").await.unwrap(), Some(record.clone()));
    assert_eq!(store.reservation(&id(2), "M").await.unwrap(), None);
    put(store, [Change::TrimReservations { account: id(1), before: now.0 }]).await;
    assert_eq!(store.reservation(&id(1), "M").await.unwrap(), Some(record));
    put(store, [Change::TrimReservations { account: id(1), before: now.0 + 1 }]).await;
    assert_eq!(store.reservation(&id(1), "M").await.unwrap(), None);
}

async fn requests_and_limits_are_forgotten_when_their_time_is_over(store: &dyn ManagerStore) {
    let request = IdempotencyRecord {
        tenant: TenantId::default(),
        key: "send/1".into(),
        outcome: "M".into(),
        until: UnixMillis(5),
    };
    let limit = PairLimitRecord { key: "phone/abc".into(), state: vec![1], until: UnixMillis(6) };
    put(
        store,
        [Change::PutIdempotency(Box::new(request.clone())), Change::PutPairLimit(Box::new(limit.clone()))],
    )
    .await;
    let tenant = TenantId::default();
    assert_eq!(store.idempotency(&tenant, "send/1").await.unwrap(), Some(request));
    assert_eq!(store.idempotency(&TenantId::new("other"), "send/1").await.unwrap(), None);
    put(store, [Change::TrimExpired { now: 5 }]).await;
    assert_eq!(store.idempotency(&tenant, "send/1").await.unwrap(), None);
    assert_eq!(store.pair_limit("phone/abc").await.unwrap(), Some(limit));
    put(store, [Change::TrimExpired { now: 6 }]).await;
    assert_eq!(store.pair_limit("phone/abc").await.unwrap(), None);
}

async fn chats_are_listed_by_their_last_message(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let chats = [chat("1", Some(5)), chat("2", None), chat("3", Some(9)), chat("4", Some(5))];
    put(store, chats.map(|chat| Change::PutChat(Box::new(chat)))).await;
    let listed = store.chats(&id(1), 3).await.unwrap();
    let users: Vec<_> = listed.iter().map(|chat| chat.chat.user().to_owned()).collect();
    assert_eq!(users, ["3", "1", "4"]);
    assert_eq!(store.chat(&id(1), &Jid::pn("2")).await.unwrap(), Some(chat("2", None)));
}

fn webhook(number: u8, of: Option<AccountId>) -> WebhookRecord {
    WebhookRecord {
        id: WebhookId::of([number; 16]),
        tenant: TenantId::default(),
        spec: WebhookSpec {
            account: of,
            url: "https://shop.example/hook?x=1".into(),
            events: vec![EventKind::MessageReceived, EventKind::AccountStatus],
            secrets: vec![
                WebhookSecret::new([7; 32]).unwrap(),
                WebhookSecret::parse("any text of 16 and more").unwrap(),
            ],
            headers: BTreeMap::from([("authorization".into(), "Bearer x".into())]),
            mode: SigningMode::Waha,
            is_parallel: true,
            ignore: vec![ChatKind::Status],
            retry: Some(WebhookRetry { first_wait_seconds: 1, ..WebhookRetry::default() }),
        },
        state: WebhookState::Degraded,
        since: 9,
        created_at: UnixMillis(1),
        updated_at: UnixMillis(2),
    }
}

fn letter(endpoint: &WebhookId, event: EventRecord) -> DeadLetterRecord {
    let (endpoint, reason) = (endpoint.to_string(), "status 400".to_owned());
    DeadLetterRecord { endpoint, event, tries: 3, reason, at: UnixMillis(8), is_replayed: false }
}

async fn webhooks_are_kept_with_all_that_is_theirs(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let (first, second) = (webhook(2, None), webhook(1, Some(id(1))));
    let pushed = store.commit(changes([Change::PushEvent(Box::new(event(1, None)))])).await.unwrap();
    let cursor = |of: &WebhookRecord| CursorRecord { endpoint: of.id.to_string(), account: None, seq: 5 };
    let all_of = |of: &WebhookRecord| {
        [
            Change::PutWebhook(Box::new(of.clone())),
            Change::PutCursor(Box::new(cursor(of))),
            Change::PutDeadLetter(Box::new(letter(&of.id, pushed[0].clone()))),
        ]
    };
    put(store, all_of(&first)).await;
    put(store, all_of(&second)).await;
    assert_eq!(store.webhooks().await.unwrap(), [first.clone(), second.clone()]);
    let spec = WebhookSpec { url: "https://other.example/".into(), ..first.spec.clone() };
    let changed = WebhookRecord { spec, ..first.clone() };
    let set = |id: &WebhookId| Change::SetWebhookState { id: id.clone(), state: WebhookState::Enabled };
    put(store, [Change::PutWebhook(Box::new(changed.clone())), set(&first.id), set(&WebhookId::of([9; 16]))])
        .await;
    let changed = WebhookRecord { state: WebhookState::Enabled, ..changed };
    assert_eq!(store.webhooks().await.unwrap(), [changed.clone(), second.clone()]);
    // That of an account goes with the account.
    put(store, [Change::DeleteAccount(id(1))]).await;
    assert_eq!(store.webhooks().await.unwrap(), std::slice::from_ref(&changed));
    // It does not come back, changed while the account was deleted.
    put(store, [Change::PutWebhook(Box::new(second.clone()))]).await;
    assert_eq!(store.webhooks().await.unwrap(), [changed]);
    let query = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    assert_eq!(store.dead_letters(second.id.as_str(), query).await.unwrap(), []);
    assert_eq!(store.cursors(second.id.as_str()).await.unwrap(), []);
    assert_eq!(store.cursors(first.id.as_str()).await.unwrap(), [cursor(&first)]);
    assert_eq!(store.dead_letters(first.id.as_str(), query).await.unwrap().len(), 1);
    put(store, [Change::DeleteWebhook(first.id.clone())]).await;
    assert_eq!(store.webhooks().await.unwrap(), []);
    assert_eq!(store.dead_letters(first.id.as_str(), query).await.unwrap(), []);
    assert_eq!(store.cursors(first.id.as_str()).await.unwrap(), []);
}

async fn dead_letters_outlive_their_events(store: &dyn ManagerStore) {
    with_accounts(store).await;
    let (hook, other) = (WebhookId::of([1; 16]), WebhookId::of([2; 16]));
    let events = (1..=4).map(|number| Change::PushEvent(Box::new(event(number, Some(id(1))))));
    let events = store.commit(changes(events)).await.unwrap();
    let letters: Vec<_> = events.into_iter().map(|event| letter(&hook, event)).collect();
    put(store, letters.iter().cloned().map(|letter| Change::PutDeadLetter(Box::new(letter)))).await;
    put(store, [Change::PutDeadLetter(Box::new(letter(&other, letters[0].event.clone())))]).await;
    put(store, [Change::TrimEvents { seq: 9 }]).await;
    let query = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    assert_eq!(store.dead_letters(hook.as_str(), query).await.unwrap(), letters);
    let some = DeadLetterQuery { after: 1, limit: 2, ..query };
    assert_eq!(store.dead_letters(hook.as_str(), some).await.unwrap(), letters[1..3]);
    let again = DeadLetterRecord { is_replayed: true, ..letters[2].clone() };
    put(store, [Change::PutDeadLetter(Box::new(again.clone()))]).await;
    let replayed = DeadLetterQuery { is_replayed: Some(true), ..query };
    assert_eq!(store.dead_letters(hook.as_str(), replayed).await.unwrap(), [again]);
    let waiting = DeadLetterQuery { is_replayed: Some(false), ..query };
    assert_eq!(store.dead_letters(hook.as_str(), waiting).await.unwrap().len(), 3);
    put(store, [Change::DeleteDeadLetters { endpoint: hook.to_string(), first: 1, last: 3 }]).await;
    assert_eq!(store.dead_letters(hook.as_str(), query).await.unwrap(), letters[3..]);
    assert_eq!(store.dead_letters(other.as_str(), query).await.unwrap().len(), 1);
    // Of too many the oldest go, but not those that somebody wants.
    let hook = WebhookId::of([7; 16]);
    let mut list = Vec::new();
    for seq in 1..=6_u64 {
        let record = EventRecord { seq, ..any_event() };
        let letter = DeadLetterRecord { is_replayed: seq == 2, ..letter(&hook, record) };
        list.push(Change::PutDeadLetter(Box::new(letter)));
    }
    put(store, list).await;
    for (keep, left) in [(9, &[1, 2, 3, 4, 5, 6][..]), (3, &[2, 4, 5, 6]), (0, &[2])] {
        put(store, [Change::TrimDeadLetters { endpoint: hook.to_string(), keep }]).await;
        let query = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
        let letters = store.dead_letters(hook.as_str(), query).await.unwrap();
        assert_eq!(letters.iter().map(|letter| letter.event.seq).collect::<Vec<_>>(), left, "{keep}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (notes, other) = (directory.path().join("notes"), directory.path().join("other"));
    std::fs::write(&notes, "These are notes. ".repeat(100)).unwrap();
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.pragma_update(None, "application_id", 7).unwrap();
    connection.close().unwrap();
    for path in [notes, other] {
        let before = std::fs::read(&path).unwrap();
        let opened = SqliteManagerStore::open(&path).map(drop);
        assert!(matches!(opened, Err(ManagerStoreError::NotAStore)), "{opened:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

/// Nothing is read of tables of another version; and whoever changes them changes it.
#[tokio::test]
async fn a_file_of_another_version_is_refused() {
    use sha2::Digest as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manager");
    SqliteManagerStore::open(&path).unwrap().close().await.unwrap();
    let set = |version: u32| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        connection.close().unwrap();
        SqliteManagerStore::open(&path).map(drop)
    };
    let known = SqliteManagerStore::VERSION;
    assert!(matches!(set(known - 1), Err(ManagerStoreError::OlderVersion { found }) if found == known - 1));
    assert!(matches!(set(known + 1), Err(ManagerStoreError::NewerVersion { found }) if found == known + 1));
    set(known).unwrap();
    let tables = sha2::Sha256::digest(include_str!("sqlite/schema.sql"));
    let tables: String = tables.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((known, tables.as_str()), (3, "a62ab00c"), "the tables changed: so does their version");
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_file_is_opened_again_and_only_one_may_open_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manager");
    let store = Arc::new(SqliteManagerStore::open(&path).unwrap());
    with_accounts(&*store).await;
    assert!(matches!(SqliteManagerStore::open(&path), Err(ManagerStoreError::Locked)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store.commit(changes([Change::PushEvent(Box::new(event(number, Some(id(1)))))])).await.unwrap()
        });
    }
    tasks.join_all().await;
    store.close().await.unwrap();
    assert!(matches!(store.accounts().await, Err(ManagerStoreError::Closed)));
    let store = SqliteManagerStore::open(&path).unwrap();
    assert_eq!(store.account(&id(1)).await.unwrap().unwrap().seq, 100);
    let events = store.events(EventQuery { limit: 200, ..EventQuery::default() }).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.account_seq).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<u64>>());
}
