//! One account.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use wa_ffi::client::{Cancellation, Client, ClientOptions, Status};
use wa_ffi::content::Content;
use wa_ffi::error::WaError;
use wa_ffi::event::{ChatKind, Event, ReceiptKind, SendState};
use wa_ffi::groups::{GroupSetting, JoinOutcome};
use wa_ffi::listener::{CallbackError, EventListener};
use wa_ffi::logs::{LogLevel, LogRecord, LogSink, init_logging};
use wa_ffi::manager::{ClientManager, ManagerOptions};
use wa_ffi::media::MediaKind;
use wa_ffi::message::{DocumentOptions, Message};
use wa_ffi::runtime::runtime_usage;
use wa_ffi::store::Store;
use wa_ffi::testing::TestServer;

use crate::support::{challenge, connected, event, link, message, on, pair, patiently, phone, qr, text};

#[tokio::test]
async fn pair_by_qr() {
    let server = TestServer::start().await.unwrap();
    let anna = phone(&server, "anna");
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let device = pair(&client, &anna).await;
    assert_eq!(anna.linked_devices(), [device]);
    assert_eq!(client.status(), Status::Ready);
    assert_eq!(client.own_addresses().await.unwrap(), [anna.address(), anna.lid()]);
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn pair_by_code() {
    let server = TestServer::start().await.unwrap();
    let anna = phone(&server, "anna");
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    qr(&client).await;
    let code = client.pair_with_code(anna.number()).await.unwrap();
    assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'));
    Arc::clone(&anna).enter_code(code).await.unwrap();
    connected(&client).await;
    assert_eq!(anna.linked_devices().len(), 1);
}

#[tokio::test]
async fn pair_by_passkey() {
    let server = TestServer::start().await.unwrap();
    let anna = phone(&server, "anna");
    let options = ClientOptions { answers_passkeys: true, ..on(&server).unwrap() };
    let client = Client::connect(Store::memory(), Some(options.clone())).await.unwrap();
    let asked = anna.ask_passkey(qr(&client).await, true).unwrap();
    let signed = anna.sign_with_passkey(challenge(&client).await).unwrap();
    client.respond_passkey(Some(signed.credential_id), Some(signed.assertion)).unwrap();
    let shown = event(&client, |event| match event {
        Event::PasskeyCode { code, is_asked: true } => Some(code.0),
        _ => None,
    });
    assert_eq!(shown.await, Arc::clone(&asked).code().await.unwrap());
    client.confirm_passkey(true).unwrap();
    let device = asked.confirm().await.unwrap();
    connected(&client).await;
    assert_eq!(anna.linked_devices(), [device]);
    let late = client.confirm_passkey(true).unwrap_err();
    assert!(matches!(&late, WaError::Conflict { code, .. } if code == "not_asked"), "{late:?}");

    // Declined: the code that is shown links all the same.
    let bob = phone(&server, "bob");
    let client = Client::connect(Store::memory(), Some(options)).await.unwrap();
    let shown = qr(&client).await;
    let _asked = bob.ask_passkey(shown.clone(), false).unwrap();
    challenge(&client).await;
    client.respond_passkey(None, None).unwrap();
    let code = event(&client, |event| match event {
        Event::PasskeyFailed { code, .. } => Some(code),
        _ => None,
    });
    assert_eq!(code.await, "declined");
    Arc::clone(&bob).scan(shown).await.unwrap();
    connected(&client).await;
    assert_eq!(bob.linked_devices().len(), 1);
}

#[tokio::test]
async fn text_both_ways() {
    let server = TestServer::start().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    let sent = client.send(bob.address(), text("hello bob"), None).await.unwrap();
    let received = Arc::clone(&bob).next_message().await.unwrap();
    assert_eq!((received.id, received.text.as_deref()), (sent.id.clone(), Some("hello bob")));
    let state = client.sent_state(sent.id.clone()).await.unwrap();
    assert!(matches!(state, Some(SendState::Acked { .. } | SendState::Delivered)), "{state:?}");
    bob.read(sent.id.clone()).unwrap();
    let read = event(&client, |event| match event {
        Event::Receipt { ids, kind: ReceiptKind::Read, .. } => Some(ids),
        _ => None,
    });
    assert_eq!(read.await, std::slice::from_ref(&sent.id));

    let answer = text("hello anna").reply_to(received.key, Some(received.message)).unwrap();
    Arc::clone(&bob).send(phone(&server, "anna").address(), answer).await.unwrap();
    let message = message(&client).await;
    assert_eq!((message.text.as_deref(), message.quoted), (Some("hello anna"), Some(sent.id)));
    client.mark_read(vec![message.key]).await.unwrap();
    bob.wait_read(message.id).await.unwrap();
}

#[tokio::test]
async fn media_both_ways() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (link(&server, "anna").await, link(&server, "bob").await);
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    let (out, copy) = (folder.path().join("out.bin"), folder.path().join("in.bin"));
    std::fs::write(&out, &content).unwrap();

    let writer = anna.upload(MediaKind::Document).unwrap();
    for mut piece in content.chunks(100_000) {
        while !piece.is_empty() {
            let taken = usize::try_from(writer.write(piece).unwrap()).unwrap();
            piece = &piece[taken..];
            if !piece.is_empty() {
                writer.ready().await.unwrap();
            }
        }
    }
    let files = [
        anna.upload_file(out.display().to_string(), MediaKind::Document).await.unwrap(),
        anna.upload_bytes(content.clone(), MediaKind::Document).await.unwrap(),
        writer.finish().await.unwrap(),
    ];
    for file in files {
        let options = DocumentOptions {
            file_name: "out.bin".to_owned(),
            mimetype: "application/octet-stream".to_owned(),
            caption: Some("a file".to_owned()),
            title: None,
            pages: None,
            thumbnail: None,
        };
        anna.send(phone(&server, "bob").address(), Message::document(file, options), None).await.unwrap();
    }
    for number in 0..3 {
        let message = message(&bob).await;
        assert_eq!(message.text.as_deref(), Some("a file"));
        let Content::Document { file, file_name, .. } = message.content else { panic!() };
        assert_eq!(file_name.as_deref(), Some("out.bin"));
        match number {
            0 => {
                bob.download_file(file, copy.display().to_string()).await.unwrap();
                assert!(std::fs::read(&copy).unwrap() == content);
            }
            1 => {
                assert!(bob.download_bytes(Arc::clone(&file), 1 << 21).await.unwrap() == content);
                let refused = bob.download_bytes(file, 1000).await;
                assert!(matches!(refused, Err(WaError::Invalid { .. })), "{refused:?}");
            }
            _ => {
                let reader = bob.download(file).unwrap();
                let mut whole = Vec::new();
                while reader.ready().await.unwrap() {
                    whole.extend(reader.take());
                }
                assert!(whole == content);
            }
        }
    }
}

#[tokio::test]
async fn group() {
    let server = TestServer::start().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    let made = client.create_group("friends".to_owned(), vec![bob.address()]).await.unwrap();
    assert!(made.refused.is_empty());
    assert_eq!(made.group.subject, "friends");
    let group = made.group.address;
    client.send(group.clone(), text("hello all"), None).await.unwrap();
    let received = Arc::clone(&bob).next_message().await.unwrap();
    assert_eq!((received.chat.as_str(), received.text.as_deref()), (group.as_str(), Some("hello all")));
    Arc::clone(&bob).send_text(group.clone(), "hello anna".to_owned()).await.unwrap();
    let message = message(&client).await;
    assert_eq!((message.chat.as_str(), message.chat_kind), (group.as_str(), ChatKind::Group));
    assert_eq!(message.text.as_deref(), Some("hello anna"));
    let other = link(&server, "bob").await;
    client.set_group(group.clone(), GroupSetting::Announcement { is_on: true }).await.unwrap();
    let changed = event(&other, |event| match event {
        Event::Group { what, text, .. } if what == "setting" => text,
        _ => None,
    });
    assert_eq!(changed.await, "announcement");
    client.set_group_subject(group.clone(), "good friends".to_owned()).await.unwrap();
    assert_eq!(client.group(group.clone()).await.unwrap().subject, "good friends");
    client.leave_group(group.clone()).await.unwrap();
    assert!(client.groups().await.unwrap().iter().all(|one| one.address != group));

    // Who lets nobody add them is sent an invitation.
    let dora = link(&server, "dora").await;
    let dora_phone = phone(&server, "dora");
    dora_phone.refuse_adding().unwrap();
    let group = client.create_group("crew".to_owned(), vec![bob.address()]).await.unwrap().group.address;
    let added = client.add_members(group.clone(), vec![dora_phone.address()]).await.unwrap();
    let invitation = added[0].invitation.clone().unwrap();
    let (code, name) = (invitation.code.0, "crew".to_owned());
    let invite = Message::group_invite(group.clone(), code, name, invitation.expires).unwrap();
    client.send(dora_phone.address(), invite, None).await.unwrap();
    let received = crate::support::message(&dora).await;
    let Content::GroupInvite { group: to, code, expires: Some(expires), .. } = received.content else {
        panic!("{:?}", received.content)
    };
    let wrong = dora.accept_group_invite(to.clone(), "x".to_owned(), expires, received.sender.clone()).await;
    assert!(matches!(wrong, Err(WaError::Refused { .. })), "{wrong:?}");
    let joined = dora.accept_group_invite(to, code.0, expires, received.sender).await.unwrap();
    assert_eq!(joined, JoinOutcome { group, is_waiting: false });
}

#[tokio::test]
async fn history() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let texts: Vec<String> = (0..9).map(|number| format!("text {number}")).collect();
    let ids = anna.remember(bob.address(), "Bob".to_owned(), texts.clone()).unwrap();
    let options = ClientOptions { reads_history: true, ..on(&server).unwrap() };
    let client = Client::connect(Store::memory(), Some(options)).await.unwrap();
    let past = client.history().unwrap().unwrap();
    assert!(Arc::ptr_eq(&past, &client.history().unwrap().unwrap()), "there is one stream");
    pair(&client, &anna).await;

    let (mut messages, mut chats) = (Vec::new(), Vec::new());
    patiently(async {
        while messages.len() < 9 && past.ready().await {
            let part = past.take().unwrap();
            messages.extend(part.messages.into_iter().filter(|one| one.content.is_some()));
            messages.sort_by_key(|one| one.timestamp);
            messages.dedup_by_key(|one| one.key.id.clone());
            chats.extend(part.chats);
        }
    })
    .await;
    assert_eq!(messages.iter().map(|one| one.key.id.clone()).collect::<Vec<_>>(), ids);
    for (message, text) in messages.iter().zip(&texts) {
        assert!(matches!(&message.content, Some(Content::Text { text: said, .. }) if said == text));
    }
    assert!(!messages[0].key.from_me && messages[1].key.from_me);
    assert!(chats.iter().any(|chat| chat.name.as_deref() == Some("Bob")), "{chats:?}");

    let newest = messages.pop().unwrap();
    let older =
        client.older_messages(newest.key, newest.timestamp, 4, Duration::from_secs(30)).await.unwrap();
    let older: Vec<_> = older.into_iter().map(|one| one.key.id).collect();
    assert_eq!(older.iter().collect::<Vec<_>>(), [&ids[7], &ids[6], &ids[5], &ids[4]]);
    past.stop();
    assert!(!past.ready().await);
}

#[tokio::test]
async fn unconfirmed_events_come_again() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db").display().to_string();
    let client = Client::connect(Store::sqlite(path.clone()).await.unwrap(), on(&server)).await.unwrap();
    pair(&client, &anna).await;
    for text in ["one", "two", "three"] {
        Arc::clone(&bob).send_text(anna.address(), text.to_owned()).await.unwrap();
    }
    let (events, mut texts) = (client.events(), Vec::new());
    patiently(async {
        while texts.len() < 3 && events.ready().await {
            for event in events.drain(1) {
                let Event::Message { message } = event else { continue };
                if message.text.as_deref() == Some("one") {
                    events.confirm(message.number);
                }
                texts.extend(message.text);
            }
        }
    })
    .await;
    assert_eq!(texts, ["one", "two", "three"]);
    client.shutdown().await.unwrap();

    let client = Client::connect(Store::sqlite(path).await.unwrap(), on(&server)).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("two"));
    assert_eq!(message(&client).await.text.as_deref(), Some("three"));
}

#[tokio::test]
async fn typed_errors() {
    let server = TestServer::start().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    let invalid = client.send("not an address@".to_owned(), text("x"), None).await.unwrap_err();
    assert!(matches!(&invalid, WaError::Invalid { code, .. } if code == "invalid_address"), "{invalid:?}");
    assert!(!invalid.is_retryable());
    assert!(invalid.message().contains("no server part") && !invalid.message().contains("not an address"));

    let others = phone(&server, "carla").create_group("others".to_owned(), vec![bob.address()]).unwrap();
    let refused = client.send(others, text("x"), None).await.unwrap_err();
    assert!(matches!(&refused, WaError::Refused { code, .. } if code == "not_member"), "{refused:?}");

    let folder = tempfile::tempdir().unwrap();
    let manager = ClientManager::open(ManagerOptions {
        folder: folder.path().display().to_string(),
        template: None,
        database: None,
        test_server: Some(Arc::clone(&server)),
        device_name: None,
        max_accounts: None,
    })
    .await
    .unwrap();
    let missing = manager.account("nobody".to_owned()).unwrap_err();
    assert!(matches!(&missing, WaError::NotFound { code, .. } if code == "not_found"), "{missing:?}");
    let account = manager.create(None).await.unwrap();
    let idle = account.send(bob.address(), text("x"), None).await.unwrap_err();
    assert!(matches!(&idle, WaError::Unavailable { code, .. } if code == "not_ready"), "{idle:?}");
    assert!(idle.is_retryable());

    let path = |name: &str| folder.path().join(name).display().to_string();
    let held = Store::sqlite(path("account.db")).await.unwrap();
    let locked = Store::sqlite(path("account.db")).await.err().unwrap();
    assert!(matches!(&locked, WaError::Store { code, .. } if code == "store_locked"), "{locked:?}");
    assert!(locked.is_retryable());
    drop(held);
    std::fs::write(path("notes.txt"), "These are notes. ".repeat(100)).unwrap();
    let foreign = Store::sqlite(path("notes.txt")).await.err().unwrap();
    assert!(matches!(&foreign, WaError::Store { code, .. } if code == "store_foreign"), "{foreign:?}");
    assert!(!foreign.is_retryable());
}

#[tokio::test]
async fn cancelled_calls_end() {
    let server = TestServer::start().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    let before = runtime_usage().cancelled_calls;
    server.delay_acks(Some(Duration::from_secs(600)));
    let waiting: Vec<_> = (0..10)
        .map(|number| {
            let (client, to) = (Arc::clone(&client), bob.address());
            tokio::spawn(async move { client.send(to, text(&number.to_string()), None).await })
        })
        .collect();
    for _ in 0..10 {
        // All ten wait: each was written, and no ack comes.
        Arc::clone(&bob).next_message().await.unwrap();
    }
    for task in waiting {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert!(runtime_usage().cancelled_calls >= before + 10);
    server.delay_acks(None);

    // Whoever stops waiting for an event misses none: each of these is sent once a wait was given up.
    let (given_up, mut goes_on) = mpsc::unbounded_channel();
    let to = phone(&server, "anna").address();
    let sending = tokio::spawn(async move {
        for number in 0..50 {
            goes_on.recv().await.unwrap();
            Arc::clone(&bob).send_text(to.clone(), format!("event {number}")).await.unwrap();
        }
    });
    let (stream, mut texts, mut waits) = (client.events(), Vec::new(), 0);
    patiently(async {
        while texts.len() < 50 {
            if tokio::time::timeout(Duration::from_micros(500), stream.ready()).await.is_err() {
                waits += 1;
                // Nobody hears it once all are sent.
                let _ = given_up.send(());
                continue;
            }
            for event in stream.drain(7) {
                if let Event::Message { message } = event {
                    texts.extend(message.text);
                }
            }
        }
    })
    .await;
    assert_eq!(texts, (0..50).map(|number| format!("event {number}")).collect::<Vec<_>>());
    assert!(waits >= 50, "{waits} waits were given up");
    sending.await.unwrap();
}

/// Fails over `one`.
struct Picky(mpsc::UnboundedSender<String>);

impl EventListener for Picky {
    fn on_event(&self, event: Event) -> Result<(), CallbackError> {
        let Event::Message { message } = event else { return Ok(()) };
        let text = message.text.unwrap_or_default();
        if text == "one" {
            return Err(CallbackError::Failed { reason: "not this one".to_owned() });
        }
        self.0.send(text).map_err(|error| CallbackError::Failed { reason: error.to_string() })
    }
}

/// A listener that says where it is, and goes on when it is told.
struct Slow(mpsc::UnboundedSender<&'static str>, Mutex<std::sync::mpsc::Receiver<()>>);

impl EventListener for Slow {
    fn on_event(&self, _: Event) -> Result<(), CallbackError> {
        let said =
            |what| self.0.send(what).map_err(|error| CallbackError::Failed { reason: error.to_string() });
        said("begins")?;
        let _ = self.1.lock().unwrap().recv();
        said("ends")
    }
}

#[tokio::test]
async fn a_listener_waits_for_the_one_before_it() {
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    // Shown before anybody listens, who would be at it.
    let shown = qr(&client).await;
    let (said, mut heard) = mpsc::unbounded_channel();
    let (go_on, goes_on) = std::sync::mpsc::channel();
    let first = client.listen(Arc::new(Slow(said.clone(), Mutex::new(goes_on)))).unwrap();
    phone(&server, "anna").scan(shown).await.unwrap();
    assert_eq!(patiently(heard.recv()).await, Some("begins"));
    first.stop();
    let (next_goes_on, goes_on) = std::sync::mpsc::channel();
    let second = client.listen(Arc::new(Slow(said, Mutex::new(goes_on)))).unwrap();
    // More to be heard than the first one takes.
    assert!(patiently(client.ready()).await.unwrap());
    assert!(heard.try_recv().is_err(), "the first one is at its event");
    drop(go_on);
    assert_eq!(patiently(heard.recv()).await, Some("ends"));
    assert_eq!(patiently(heard.recv()).await, Some("begins"));
    drop(next_goes_on);
    drop(second);
}

#[tokio::test]
async fn a_listener_that_throws() {
    let server = TestServer::start().await.unwrap();
    let (store, bob) = (Store::memory(), phone(&server, "bob"));
    let client = Client::connect(Arc::clone(&store), on(&server)).await.unwrap();
    pair(&client, &phone(&server, "anna")).await;
    let (sink, mut heard) = mpsc::unbounded_channel();
    let subscription = client.listen(Arc::new(Picky(sink))).unwrap();
    for text in ["one", "two"] {
        Arc::clone(&bob).send_text(phone(&server, "anna").address(), text.to_owned()).await.unwrap();
    }
    assert_eq!(patiently(heard.recv()).await.as_deref(), Some("two"));
    assert!(patiently(subscription.failed()).await);
    let failures = subscription.failures();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].reason.contains("not this one") && failures[0].number.is_some());
    client.send(bob.address(), text("still here"), None).await.unwrap();

    // One at a time; and what comes after it waits for the next.
    let (sink, mut heard) = mpsc::unbounded_channel();
    let second = client.listen(Arc::new(Picky(sink.clone())));
    assert!(matches!(&second, Err(WaError::Conflict { code, .. }) if code == "listened"));
    subscription.stop();
    assert!(!patiently(subscription.failed()).await, "what it was at is confirmed");
    Arc::clone(&bob).send_text(phone(&server, "anna").address(), "three".to_owned()).await.unwrap();
    let subscription = client.listen(Arc::new(Picky(sink))).unwrap();
    assert_eq!(patiently(heard.recv()).await.as_deref(), Some("three"));
    subscription.stop();
    assert!(!patiently(subscription.failed()).await, "what it was at is confirmed");
    Arc::clone(&bob).send_text(phone(&server, "anna").address(), "four".to_owned()).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("four"));

    // What it threw over comes again after a restart, and nothing else.
    client.shutdown().await.unwrap();
    let client = Client::connect(store, on(&server)).await.unwrap();
    let again = message(&client).await;
    assert_eq!((again.text.as_deref(), Some(again.number)), (Some("one"), failures[0].number));
    bob.send_text(phone(&server, "anna").address(), "five".to_owned()).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("five"));
}

#[tokio::test]
async fn a_slow_reader_holds_the_account_up() {
    const COUNT: u64 = 1500;
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let (device, events) = (pair(&client, &anna).await, client.events());
    let texts: Vec<_> = (0..COUNT).map(|number| format!("text {number}")).collect();
    bob.send_texts(anna.address(), texts.clone()).await.unwrap();
    // Nobody takes anything: a thousand wait here, and the service keeps most of what is more.
    patiently(async {
        while events.waiting() < 1000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(events.waiting(), 1000);
    assert!(server.waiting_for(device.clone()).unwrap() > 100);

    let mut heard = Vec::new();
    patiently(async {
        while heard.len() < texts.len() && events.ready().await {
            for event in events.drain(100) {
                let Event::Message { message } = event else { continue };
                events.confirm(message.number);
                heard.extend(message.text);
            }
            assert!(events.waiting() <= 1000);
        }
    })
    .await;
    assert_eq!(heard, texts);
    patiently(async {
        while server.waiting_for(device.clone()).unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn queued_messages_are_taken_back() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let device = pair(&client, &anna).await;
    client.disconnect().await.unwrap();
    Arc::clone(&server).wait_offline(device.clone()).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(client.enqueue(bob.address(), text(&number.to_string()), None).await.unwrap());
    }
    for id in &ids {
        let state = client.sent_state(id.clone()).await.unwrap();
        assert!(matches!(state, Some(SendState::Queued)), "{state:?}");
    }
    let cancel = async |id: &str| client.cancel_send(id.to_owned()).await.unwrap();
    assert_eq!(cancel(&ids[1]).await, Cancellation::Cancelled);
    let state = client.sent_state(ids[1].clone()).await.unwrap();
    assert!(matches!(&state, Some(SendState::Failed { code, .. }) if code == "cancelled"), "{state:?}");
    assert_eq!(cancel(&client.new_message_id().unwrap()).await, Cancellation::NotFound);

    client.reconnect().await.unwrap();
    Arc::clone(&server).wait_online(device).await.unwrap();
    for number in [0, 2] {
        let received = Arc::clone(&bob).next_message().await.unwrap();
        assert_eq!((received.id.as_str(), received.text), (ids[number].as_str(), Some(number.to_string())));
        assert_eq!(cancel(&ids[number]).await, Cancellation::TooLate);
    }
}

#[tokio::test]
async fn a_phone_that_was_away_gets_what_it_missed() {
    let server = TestServer::start().await.unwrap();
    let (client, bob) = (link(&server, "anna").await, phone(&server, "bob"));
    bob.go_offline();
    client.send(bob.address(), text("are you there?"), None).await.unwrap();
    bob.go_online().unwrap();
    assert_eq!(bob.next_message().await.unwrap().text.as_deref(), Some("are you there?"));

    let nobody = server.is_online("1@s.whatsapp.net".to_owned()).unwrap_err();
    assert!(matches!(&nobody, WaError::NotFound { code, .. } if code == "no_account"), "{nobody:?}");
}

/// Tells what the library says.
struct Records(mpsc::UnboundedSender<LogRecord>);

impl LogSink for Records {
    fn log(&self, record: LogRecord) -> Result<(), CallbackError> {
        self.0.send(record).map_err(|error| CallbackError::Failed { reason: error.to_string() })
    }
}

#[tokio::test]
async fn logs_arrive() {
    let (sink, mut records) = mpsc::unbounded_channel();
    assert!(init_logging(LogLevel::Debug, Arc::new(Records(sink.clone()))));
    assert!(!init_logging(LogLevel::Debug, Arc::new(Records(sink))), "once for the process");
    let server = TestServer::start().await.unwrap();
    let options = ClientOptions { alias: Some("front desk".to_owned()), ..on(&server).unwrap() };
    let client = Client::connect(Store::memory(), Some(options)).await.unwrap();
    pair(&client, &phone(&server, "anna")).await;
    server.disconnect_all();
    connected(&client).await;
    let spoke = patiently(async {
        while let Some(record) = records.recv().await {
            if record.target.starts_with("wa_core") && record.account.as_deref() == Some("front desk") {
                return true;
            }
        }
        false
    });
    assert!(spoke.await);
}
