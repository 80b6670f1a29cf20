//! A test server in the process, and devices that are linked to its phones.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wa_ffi::account::{Account, AccountStatus};
use wa_ffi::client::{Client, ClientOptions};
use wa_ffi::event::{Event, MessageReceived};
use wa_ffi::manager::{
    AccountSpec, ClientManager, EventSelection, ManagerEvent, ManagerOptions, ManagerUpdate,
};
use wa_ffi::message::Message;
use wa_ffi::pairing::{PairRequest, PairingTicket, PairingUpdate};
use wa_ffi::store::Store;
use wa_ffi::testing::{TestPhone, TestServer};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not come")
}

pub(crate) fn text(text: &str) -> Arc<Message> {
    Message::text(text.to_owned())
}

pub(crate) fn phone(server: &Arc<TestServer>, name: &str) -> Arc<TestPhone> {
    Arc::clone(server).phone(name.to_owned()).unwrap()
}

pub(crate) fn on(server: &Arc<TestServer>) -> Option<ClientOptions> {
    Some(ClientOptions { test_server: Some(Arc::clone(server)), ..ClientOptions::default() })
}

/// The next event that is looked for; all before it are confirmed, and it, too.
pub(crate) async fn event<T>(client: &Client, wanted: impl Fn(Event) -> Option<T>) -> T {
    let events = client.events();
    patiently(async {
        while events.ready().await {
            for event in events.drain(1) {
                let number = event.number();
                number.into_iter().for_each(|number| events.confirm(number));
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        }
        panic!("the events ended")
    })
    .await
}

pub(crate) async fn qr(client: &Client) -> String {
    event(client, |event| match event {
        Event::PairingQr { text, .. } => Some(text.0),
        _ => None,
    })
    .await
}

pub(crate) async fn connected(client: &Client) {
    event(client, |event| matches!(event, Event::Connected).then_some(())).await;
}

/// What the phone wants signed.
pub(crate) async fn challenge(client: &Client) -> String {
    event(client, |event| match event {
        Event::PasskeyChallenge { options } => Some(options.0),
        _ => None,
    })
    .await
}

pub(crate) async fn message(client: &Client) -> MessageReceived {
    event(client, |event| match event {
        Event::Message { message } => Some(message),
        _ => None,
    })
    .await
}

/// The message of this id; what came before it is confirmed, too.
pub(crate) async fn arrived(client: &Client, id: &str) -> MessageReceived {
    event(client, |event| match event {
        Event::Message { message } if message.id == id => Some(message),
        _ => None,
    })
    .await
}

/// Has the phone scan the client's code, and waits for the login. Returns the device.
pub(crate) async fn pair(client: &Client, phone: &Arc<TestPhone>) -> String {
    let device = Arc::clone(phone).scan(qr(client).await).await.unwrap();
    connected(client).await;
    device
}

/// A device that is linked to the phone of this name.
pub(crate) async fn link(server: &Arc<TestServer>, name: &str) -> Arc<Client> {
    let client = Client::connect(Store::memory(), on(server)).await.unwrap();
    pair(&client, &phone(server, name)).await;
    client
}

pub(crate) async fn manager(server: &Arc<TestServer>, folder: &Path) -> Arc<ClientManager> {
    ClientManager::open(ManagerOptions {
        folder: folder.display().to_string(),
        template: None,
        database: Some(folder.join("manager.db").display().to_string()),
        test_server: Some(Arc::clone(server)),
        device_name: None,
        max_accounts: None,
    })
    .await
    .unwrap()
}

/// The next update of a ticket that is looked for.
pub(crate) async fn update<T>(ticket: &PairingTicket, wanted: impl Fn(PairingUpdate) -> Option<T>) -> T {
    patiently(async {
        while ticket.ready().await {
            for update in ticket.drain(1) {
                if let PairingUpdate::Failed { detail, .. } = &update {
                    panic!("{detail}");
                }
                if let Some(found) = wanted(update) {
                    return found;
                }
            }
        }
        panic!("the ticket ended")
    })
    .await
}

/// The events of a manager of this kind after a cursor, until there are so many.
pub(crate) async fn events(
    manager: &ClientManager,
    kind: &str,
    after: u64,
    count: usize,
) -> Vec<ManagerEvent> {
    let selection = EventSelection {
        kinds: Some(vec![kind.to_owned()]),
        after: Some(after),
        ..EventSelection::default()
    };
    let stream = manager.events(Some(selection)).unwrap();
    let mut all = Vec::new();
    patiently(async {
        while all.len() < count && stream.ready().await {
            all.extend(stream.drain(64).into_iter().map(|update| match update {
                ManagerUpdate::Event { event } => event,
                other => panic!("{other:?}"),
            }));
        }
    })
    .await;
    all
}

/// An account of a manager that is linked to this phone, and ready.
pub(crate) async fn account(manager: &ClientManager, phone: &Arc<TestPhone>) -> Arc<Account> {
    let spec = AccountSpec { name: Some(phone.name()), ..AccountSpec::default() };
    let account = manager.create(Some(spec)).await.unwrap();
    let ticket = account.pair(PairRequest::default()).await.unwrap();
    let qr = update(&ticket, |update| match update {
        PairingUpdate::Qr { text, .. } => Some(text.0),
        _ => None,
    });
    Arc::clone(phone).scan(qr.await).await.unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    account
}
