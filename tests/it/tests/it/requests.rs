//! Calls and questions that no answer comes to: each ends all the same, and those that can be are asked again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use wa_core::event::MessageReceived;
use wa_core::noise::client_payload::ClientVersion;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_core::wire::Node;
use wa_core::{Client, Event, Events, Jid, Message, Status};
use wa_it::{Companion, FaultyStore, builder};
use wa_store::MemoryStore;
use wa_test_server::{Act, Direction, Filter, Phone, TestServer};

/// No call takes longer than this, whatever happens: the limit of a request, twice, and some.
const LONGEST: Duration = Duration::from_secs(200);

fn is_request(namespace: &'static str) -> impl Fn(&Node) -> bool {
    move |node| node.tag == "iq" && node.get("xmlns").is_some_and(|ns| ns.to_text() == namespace)
}

/// A network that takes the call and says nothing.
#[derive(Debug)]
struct Nowhere;

impl Connector for Nowhere {
    fn connect<'a>(&'a self, _: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(std::future::pending())
    }
}

/// What an account is in when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The network says nothing.
    Connecting,
    /// Nobody scans the code.
    Pairing,
    /// The server lets no traffic flow.
    LoggingIn,
    Ready,
    /// The server is there and answers nothing.
    Unanswered,
    /// The connection is dead, and nobody knows yet.
    HalfOpen,
    /// The server takes no connections.
    Waiting,
    Closed,
    LoggedOut,
    /// Nothing can be stored.
    Full,
}

const STATES: [State; 10] = [
    State::Connecting,
    State::Pairing,
    State::LoggingIn,
    State::Ready,
    State::Unanswered,
    State::HalfOpen,
    State::Waiting,
    State::Closed,
    State::LoggedOut,
    State::Full,
];

/// What happens while the calls are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing: each call ends by itself.
    Nothing,
    /// The connection is lost.
    Cut,
    /// The client is shut down.
    Shutdown,
    /// The server is gone for good.
    ServerGone,
    /// The store fails from now on.
    StoreFails,
}

const ENDS: [End; 5] = [End::Nothing, End::Cut, End::Shutdown, End::ServerGone, End::StoreFails];

type Call = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

/// An account, and what is needed to bring it down.
struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    client: Client,
    /// Nobody reads them.
    _events: Events,
    store: Arc<FaultyStore>,
    jid: Option<Jid>,
    message: Option<MessageReceived>,
}

impl Scene {
    async fn new(state: State) -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
        if state == State::Pairing {
            let (client, mut events) = builder(&server, Arc::clone(&store) as _).connect().await.unwrap();
            wa_it::next_qr(&mut events).await;
            return Self { server, phone, bob, client, _events: events, store, jid: None, message: None };
        }
        let mut alice = Companion::link_with(&server, &phone, Arc::clone(&store) as _).await;
        bob.send_text(phone.pn(), "to be read").await.unwrap();
        let message = Some(alice.message().await);
        server.wait_drained(&alice.jid).await;
        let jid = Some(alice.jid.clone());
        let faults = server.faults_of(&alice.jid);
        let Companion { mut client, mut events, .. } = alice;
        match state {
            State::Ready | State::Pairing => {}
            State::Connecting | State::LoggingIn => {
                client.shutdown().await;
                faults.swallow_requests(Some("passive"));
                let mut built = builder(&server, Arc::clone(&store) as _);
                if state == State::Connecting {
                    built = built.connector(Arc::new(Nowhere));
                }
                (client, events) = built.connect().await.unwrap();
                if state == State::LoggingIn {
                    server.wait_online(jid.as_ref().unwrap()).await;
                }
            }
            State::Unanswered => faults.dead_socket(true),
            State::HalfOpen => faults.script(Filter::from_client(), Act::HalfOpen, 1),
            State::Waiting => {
                server.faults().refuse_connections(u32::MAX);
                server.disconnect(jid.as_ref().unwrap());
                while !matches!(wa_it::next(&mut events).await, Event::Disconnected { .. }) {}
            }
            State::Closed => client.disconnect().await,
            State::LoggedOut => {
                assert!(phone.remove_device(jid.as_ref().unwrap()));
                while !matches!(wa_it::next(&mut events).await, Event::LoggedOut { .. }) {}
            }
            State::Full => store.set_full(true),
        }
        Self { server, phone, bob, client, _events: events, store, jid, message }
    }

    /// All that a handle can be asked, side by side, beginning with the call of this number.
    fn ask_everything(&self, first: usize) -> JoinSet<&'static str> {
        let mut calls: Vec<Call> = Vec::new();
        let client = || self.client.clone();
        for chat in [self.bob.pn().clone(), self.phone.pn().clone(), Jid::pn("15550009999")] {
            let client = client();
            calls.push(("send", Box::pin(async move { drop(client.send(&chat, Message::text("x")).await) })));
        }
        if let Some(message) = self.message.clone() {
            let client = client();
            calls.push(("mark_read", Box::pin(async move { drop(client.mark_read(&[&message]).await) })));
        }
        let (one, two, three, four, five) = (client(), client(), client(), client(), client());
        calls.push(("set_available", Box::pin(async move { drop(one.set_available(true).await) })));
        calls.push(("set_version", Box::pin(async move { two.set_version(ClientVersion::BUILT_IN).await })));
        calls.push(("reconnect", Box::pin(async move { drop(three.reconnect().await) })));
        calls.push(("logout", Box::pin(async move { drop(four.logout().await) })));
        calls.push(("disconnect", Box::pin(async move { five.disconnect().await })));
        let six = client();
        calls.push(("forget", Box::pin(async move { drop(six.forget().await) })));
        self.ask_groups(&mut calls);
        let first = first % calls.len();
        calls.rotate_left(first);
        let mut all = JoinSet::new();
        for (name, call) in calls {
            all.spawn(async move {
                call.await;
                name
            });
        }
        all
    }

    fn ask_groups(&self, calls: &mut Vec<Call>) {
        let group = Jid::new("120363000000000001", wa_types::Server::Group);
        let users = vec![self.bob.pn().clone()];
        let asked = (self.client.clone(), group.clone(), users.clone());
        calls
            .push(("create", Box::pin(async move { drop(asked.0.groups().create("Crew", &asked.2).await) })));
        for _ in 0..2 {
            let asked = (self.client.clone(), group.clone());
            calls.push(("info", Box::pin(async move { drop(asked.0.groups().info(&asked.1).await) })));
        }
        let asked = self.client.clone();
        calls.push(("participating", Box::pin(async move { drop(asked.groups().participating().await) })));
        let asked = (self.client.clone(), group.clone(), users);
        calls.push(("add", Box::pin(async move { drop(asked.0.groups().add(&asked.1, &asked.2).await) })));
        let asked = (self.client.clone(), group.clone());
        calls.push((
            "set_subject",
            Box::pin(async move { drop(asked.0.groups().set_subject(&asked.1, "Hands").await) }),
        ));
        let asked = (self.client.clone(), group.clone());
        calls.push((
            "send",
            Box::pin(async move { drop(asked.0.send(&asked.1, Message::text("all")).await) }),
        ));
        let asked = (self.client.clone(), group);
        calls.push(("leave", Box::pin(async move { drop(asked.0.groups().leave(&asked.1).await) })));
    }

    async fn end(&self, end: End) {
        match end {
            End::Nothing => {}
            End::Cut => {
                if let Some(jid) = &self.jid {
                    self.server.disconnect(jid);
                }
            }
            End::Shutdown => self.client.clone().shutdown().await,
            End::ServerGone => self.server.shutdown(),
            End::StoreFails => self.store.set_full(true),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_answered_in_every_state_whatever_happens() {
    for (number, (state, end)) in
        STATES.iter().flat_map(|state| ENDS.iter().map(move |end| (*state, *end))).enumerate()
    {
        // Each combination begins with another call, so that each call meets the account as the state has it.
        let scene = Scene::new(state).await;
        let mut calls = scene.ask_everything(number);
        let count = calls.len();
        tokio::task::yield_now().await;
        let mut answered = Vec::new();
        let all = async {
            scene.end(end).await;
            while let Some(name) = calls.join_next().await {
                answered.push(name.unwrap());
            }
        };
        let all = tokio::time::timeout(LONGEST, all).await;
        assert!(all.is_ok() && answered.len() == count, "{state:?}, {end:?}: only {answered:?} of {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_lost_connection_left_unanswered_is_asked_again() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    let mark = server.mark();
    // The question arrives; its answer does not.
    server.faults_of(&alice.jid).script(Filter::from_client().tag("iq"), Act::CutAfter, 1);
    let client = alice.client.clone();
    let chat = bob.pn().clone();
    let first = tokio::spawn(async move { client.send(&chat, Message::text("who are you?")).await });
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_request("usync")).await;
    server.wait_offline(&alice.jid).await;
    let mark = server.mark();
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_request("usync")).await;
    tokio::time::timeout(LONGEST, first).await.unwrap().unwrap().unwrap();
    bob.next_message().await;
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_is_cut_off_is_not_asked_twice() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let mark = server.mark();
    server.faults_of(&alice.jid).script(Filter::from_client().tag("iq"), Act::CutAfter, 1);
    tokio::time::timeout(LONGEST, alice.client.logout()).await.unwrap().unwrap();
    assert_eq!(alice.client.status(), Status::LoggedOut);
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_request("md")).await;
    let nodes = server.nodes_of(&alice.jid);
    let asked = nodes.iter().filter(|(way, node)| *way == Direction::FromClient && is_request("md")(node));
    assert_eq!(asked.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_on_a_connection_that_dies_is_sent_on_the_next_one() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    alice.send_text(bob.pn(), "so that keys are there").await;
    server.faults_of(&alice.jid).script(Filter::from_client().tag("message"), Act::CutAfter, 1);
    let begun = tokio::time::Instant::now();
    alice.client.send(bob.pn(), Message::text("cut")).await.unwrap();
    assert!(begun.elapsed() < LONGEST);
    assert_eq!(bob.next_message().await.text(), Some("so that keys are there"));
    assert_eq!(bob.next_message().await.text(), Some("cut"));
}
