//! What streams and subscriptions keep.

use std::future::{Future as _, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;
use wa_ffi::client::{Client, ClientOptions};
use wa_ffi::event::Event;
use wa_ffi::listener::{CallbackError, EventListener};
use wa_ffi::store::Store;
use wa_ffi::testing::TestServer;

use crate::support::{message, on, pair, patiently, phone, text};

/// Tells the texts of messages.
struct Texts(mpsc::UnboundedSender<String>);

impl EventListener for Texts {
    fn on_event(&self, event: Event) -> Result<(), CallbackError> {
        let Event::Message { message } = event else { return Ok(()) };
        let told = self.0.send(message.text.unwrap_or_default());
        told.map_err(|error| CallbackError::Failed { reason: error.to_string() })
    }
}

#[tokio::test]
async fn a_listener_keeps_its_account() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let device = pair(&client, &anna).await;
    let (heard, mut texts) = mpsc::unbounded_channel();
    let subscription = client.listen(Arc::new(Texts(heard))).unwrap();
    drop(client);
    bob.send_text(anna.address(), "hello".to_owned()).await.unwrap();
    assert_eq!(patiently(texts.recv()).await.as_deref(), Some("hello"));
    drop(subscription);
    patiently(server.wait_offline(device)).await.unwrap();
}

#[tokio::test]
async fn streams_keep_their_account() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    anna.remember(bob.address(), "Bob".to_owned(), vec!["long ago".to_owned()]).unwrap();
    let options = ClientOptions { reads_history: true, ..on(&server).unwrap() };
    let client = Client::connect(Store::memory(), Some(options)).await.unwrap();
    let (events, past) = (client.events(), client.history().unwrap().unwrap());
    let device = pair(&client, &anna).await;
    drop(client);
    Arc::clone(&bob).send_text(anna.address(), "hello".to_owned()).await.unwrap();
    patiently(async {
        while events.ready().await {
            for event in events.drain(1) {
                if matches!(&event, Event::Message { message } if message.text.as_deref() == Some("hello")) {
                    return;
                }
            }
        }
        panic!("the events ended")
    })
    .await;
    drop(events);
    assert!(patiently(past.ready()).await);
    drop(past);
    patiently(server.wait_offline(device)).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_the_account_that_a_listener_keeps() {
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let device = pair(&client, &phone(&server, "anna")).await;
    let subscription = client.listen(Arc::new(Texts(mpsc::unbounded_channel().0))).unwrap();
    client.shutdown().await.unwrap();
    patiently(server.wait_offline(device)).await.unwrap();
    assert!(!patiently(subscription.failed()).await);
}

#[tokio::test]
async fn a_test_server_goes_on_while_somebody_holds_a_phone_or_a_client_of_it() {
    let server = TestServer::start().await.unwrap();
    let client = Client::connect(Store::memory(), on(&server)).await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let address = anna.address();
    drop(server);
    pair(&client, &anna).await;
    drop(anna);
    bob.send_text(address, "is anybody there?".to_owned()).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("is anybody there?"));
}

#[tokio::test]
async fn a_shutdown_that_is_given_up_goes_on_and_the_next_waits_for_its_end() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db").display().to_string();
    let mut given_up = 0;
    for _ in 0..20 {
        let client = Client::connect(Store::sqlite(path.clone()).await.unwrap(), on(&server)).await.unwrap();
        let mut first = Box::pin(client.shutdown());
        // Begun, and given up.
        poll_fn(|context| {
            given_up += u32::from(first.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(first);
        patiently(client.shutdown()).await.unwrap();
        assert!(client.shutdown().await.is_ok());
    }
    assert!(given_up > 0);
}

/// Whoever stops waiting for the past finds all of it with the next stream.
#[tokio::test]
async fn a_wait_for_the_past_that_is_given_up_loses_nothing() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let texts: Vec<String> = (0..9).map(|number| format!("text {number}")).collect();
    let mut ids = anna.remember(bob.address(), "Bob".to_owned(), texts).unwrap();
    let options = ClientOptions { reads_history: true, ..on(&server).unwrap() };
    let client = Client::connect(Store::memory(), Some(options)).await.unwrap();
    {
        let past = client.history().unwrap().unwrap();
        let waits = tokio::spawn(async move { past.ready().await });
        tokio::task::yield_now().await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
    }
    pair(&client, &anna).await;
    let mut read = Vec::new();
    patiently(async {
        while read.len() < ids.len() {
            // Each part is waited for anew.
            let past = client.history().unwrap().unwrap();
            assert!(past.ready().await);
            let messages = past.take().into_iter().flat_map(|part| part.messages);
            read.extend(messages.filter(|one| one.content.is_some()).map(|one| one.key.id));
            read.sort();
            read.dedup();
        }
    })
    .await;
    ids.sort();
    assert_eq!(read, ids);
}

#[tokio::test]
async fn what_is_confirmed_after_a_stop_does_not_come_again() {
    let server = TestServer::start().await.unwrap();
    let (anna, bob) = (phone(&server, "anna"), phone(&server, "bob"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db").display().to_string();
    let client = Client::connect(Store::sqlite(path.clone()).await.unwrap(), on(&server)).await.unwrap();
    pair(&client, &anna).await;
    let texts = ["one", "two", "three"].map(str::to_owned).to_vec();
    Arc::clone(&bob).send_texts(anna.address(), texts).await.unwrap();
    let (events, mut numbers) = (client.events(), Vec::new());
    patiently(async {
        while numbers.len() < 3 && events.ready().await {
            numbers.extend(events.drain(1).iter().filter_map(Event::number));
        }
    })
    .await;
    events.stop();
    // What comes now finds the stream stopped.
    let texts = (0..50).map(|number| format!("after {number}")).collect();
    Arc::clone(&bob).send_texts(anna.address(), texts).await.unwrap();
    for _ in 0..3 {
        client.send(bob.address(), text("so far"), None).await.unwrap();
    }
    for number in numbers {
        events.confirm(number);
    }
    client.shutdown().await.unwrap();

    let client = Client::connect(Store::sqlite(path).await.unwrap(), on(&server)).await.unwrap();
    assert_eq!(message(&client).await.text.as_deref(), Some("after 0"));
}
