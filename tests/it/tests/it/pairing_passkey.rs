//! Linking that a passkey vouches for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wa_core::client::{
    AuthenticatorError, HookFuture, PairCodeOptions, PasskeyAssertion, PasskeyAuthenticator,
};
use wa_core::connection::RequestError;
use wa_core::event::{PasskeyFailure, PasskeyProgress};
use wa_core::pairing::PairingCode;
use wa_core::{Client, Event, Events, Status};
use wa_it::{builder, next_within};
use wa_store::MemoryStore;
use wa_test_server::{PasskeyLinkError, Phone, TestServer};

/// What the authenticator of a test does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Signs,
    Declines,
    Fails,
    /// Never answers.
    Hangs,
    /// Signs another challenge.
    SignsAnother,
    /// Signs, and does not see the code of the phone.
    SeesAnotherCode,
}

/// An authenticator that has the passkey of this phone's account.
#[derive(Debug)]
struct Authenticator {
    phone: Phone,
    manner: Manner,
    confirmations: AtomicUsize,
}

impl PasskeyAuthenticator for Authenticator {
    fn assert<'a>(
        &'a self,
        options: &'a str,
    ) -> HookFuture<'a, Result<PasskeyAssertion, AuthenticatorError>> {
        Box::pin(async move {
            let sign = |options: &str| {
                let (id, json) = self.phone.sign_with_passkey(options).expect("the options are JSON");
                Ok(PasskeyAssertion::new(id, json))
            };
            match self.manner {
                Manner::Signs | Manner::SeesAnotherCode => sign(options),
                Manner::SignsAnother => sign(r#"{"challenge":"AAAA"}"#),
                Manner::Declines => Err(AuthenticatorError::Declined),
                Manner::Fails => Err(AuthenticatorError::Failed("no such key".to_owned())),
                Manner::Hangs => std::future::pending().await,
            }
        })
    }

    fn confirm<'a>(&'a self, _: &'a PairingCode) -> HookFuture<'a, bool> {
        self.confirmations.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.manner != Manner::SeesAnotherCode))
    }
}

struct Test {
    phone: Phone,
    client: Client,
    events: Events,
    authenticator: Arc<Authenticator>,
    /// Keeps the connections up.
    _server: TestServer,
}

impl Test {
    async fn start(manner: Manner) -> Self {
        let server = TestServer::start().await;
        let phone = server.phone("alice");
        let authenticator =
            Arc::new(Authenticator { phone: phone.clone(), manner, confirmations: AtomicUsize::new(0) });
        let (client, events) = builder(&server, Arc::new(MemoryStore::new()))
            .passkey_authenticator(Arc::clone(&authenticator) as _)
            .connect()
            .await
            .unwrap();
        Self { phone, client, events, authenticator, _server: server }
    }

    async fn wait<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(next_within(&mut self.events, Duration::from_secs(400)).await) {
                return found;
            }
        }
    }

    async fn qr(&mut self) -> String {
        self.wait(|event| if let Event::PairingQr(qr) = event { Some(qr.text) } else { None }).await
    }

    async fn progress(&mut self) -> PasskeyProgress {
        self.wait(|event| if let Event::Passkey(progress) = event { Some(progress) } else { None }).await
    }

    async fn failure(&mut self) -> PasskeyFailure {
        self.wait(|event| match event {
            Event::Passkey(PasskeyProgress::Failed(failure)) => Some(failure),
            Event::Paired(paired) => panic!("linked: {paired:?}"),
            _ => None,
        })
        .await
    }

    /// The whole link; whether the phone took the proof of an earlier one.
    async fn link(&mut self, qr: &str, inline: bool) -> bool {
        let mut link = self.phone.ask_passkey(qr, inline).unwrap();
        assert!(matches!(self.progress().await, PasskeyProgress::Asked));
        let code = link.code().await.unwrap();
        match self.progress().await {
            PasskeyProgress::Code { code: shown, is_handed_off } => {
                assert_eq!((shown, is_handed_off), (code, link.is_handed_off()));
            }
            other => panic!("{other:?}"),
        }
        let is_handed_off = link.is_handed_off();
        let jid = link.confirm().await.unwrap();
        let paired =
            self.wait(|event| if let Event::Paired(paired) = event { Some(paired.jid) } else { None });
        assert_eq!(paired.await, jid);
        assert!(self.client.ready().await);
        is_handed_off
    }
}

#[tokio::test]
async fn a_passkey_and_the_same_code_on_both_screens_link() {
    for inline in [true, false] {
        let mut test = Test::start(Manner::Signs).await;
        let qr = test.qr().await;
        assert!(!test.link(&qr, inline).await, "nothing to hand over at the first link");
        assert_eq!(test.authenticator.confirmations.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_linked_before_proves_it_within_five_minutes() {
    let mut test = Test::start(Manner::Signs).await;
    let qr = test.qr().await;
    test.link(&qr, true).await;
    for (wait, expected) in [(Duration::ZERO, true), (Duration::from_secs(301), false)] {
        let confirmations = test.authenticator.confirmations.load(Ordering::SeqCst);
        test.client.logout().await.unwrap();
        test.client.forget().await.unwrap();
        tokio::time::advance(wait).await;
        test.client.reconnect().await.unwrap();
        let qr = test.qr().await;
        assert_eq!(test.link(&qr, true).await, expected);
        let asked = test.authenticator.confirmations.load(Ordering::SeqCst) - confirmations;
        assert_eq!(asked, usize::from(!expected), "the proof stands for the comparison");
    }
}

#[tokio::test]
async fn a_passkey_that_is_refused_leaves_the_qr_code() {
    for manner in [Manner::Declines, Manner::Fails, Manner::SignsAnother, Manner::SeesAnotherCode] {
        let mut test = Test::start(manner).await;
        let qr = test.qr().await;
        let mut link = test.phone.ask_passkey(&qr, true).unwrap();
        if manner == Manner::SeesAnotherCode {
            link.code().await.unwrap();
        }
        match (manner, test.failure().await) {
            (Manner::Declines | Manner::SeesAnotherCode, PasskeyFailure::Declined) => {}
            (Manner::Fails, PasskeyFailure::Authenticator(why)) => assert_eq!(why, "no such key"),
            (Manner::SignsAnother, PasskeyFailure::Request(RequestError::Refused(refusal))) => {
                assert_eq!(refusal.code, 401);
            }
            (manner, other) => panic!("{manner:?}: {other:?}"),
        }
        assert_eq!(test.client.status(), Status::Pairing);
        assert!(test.phone.scan(&qr).await.is_ok());
        assert!(test.client.ready().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_passkey_that_nobody_gives_or_confirms_takes_only_so_long() {
    let mut test = Test::start(Manner::Hangs).await;
    let qr = test.qr().await;
    let _link = test.phone.ask_passkey(&qr, true).unwrap();
    assert!(matches!(test.failure().await, PasskeyFailure::Timeout));

    // The phone's user sees the code, and refuses.
    let mut test = Test::start(Manner::Signs).await;
    let qr = test.qr().await;
    let mut link = test.phone.ask_passkey(&qr, true).unwrap();
    link.code().await.unwrap();
    drop(link);
    assert!(matches!(test.failure().await, PasskeyFailure::Timeout));
    let qr = test.qr().await;
    assert!(test.phone.scan(&qr).await.is_ok());
}

#[tokio::test]
async fn without_an_authenticator_the_application_hears_of_it_and_the_qr_code_links() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let qr = wa_it::next_qr(&mut events).await;
    let _link = phone.ask_passkey(&qr, true).unwrap();
    match wa_it::next(&mut events).await {
        Event::Passkey(PasskeyProgress::NoAuthenticator) => {}
        other => panic!("{other:?}"),
    }
    assert!(phone.scan(&qr).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_code_and_a_passkey_may_be_under_way_at_once_in_either_order() {
    // Which comes first, and which of them links.
    for (code_first, code_links) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut test = Test::start(Manner::Signs).await;
        let qr = test.qr().await;
        let number = test.phone.pn().user().parse().unwrap();
        let mut shown = None;
        if code_first {
            shown = Some(test.client.pair_with_code(&number, PairCodeOptions::new()).await.unwrap());
        }
        let mut link = test.phone.ask_passkey(&qr, true).unwrap();
        link.code().await.unwrap();
        if !code_first {
            shown = Some(test.client.pair_with_code(&number, PairCodeOptions::new()).await.unwrap());
        }
        let jid = if code_links {
            test.phone.enter_code(shown.unwrap().code.as_str()).await.unwrap()
        } else {
            link.confirm().await.unwrap()
        };
        assert!(test.client.ready().await, "code first: {code_first}, code links: {code_links}");
        assert_eq!(test.phone.linked_devices(), [jid]);
    }
}

#[tokio::test]
async fn a_passkey_link_ends_with_its_connection() {
    let mut test = Test::start(Manner::Hangs).await;
    let qr = test.qr().await;
    let mut link = test.phone.ask_passkey(&qr, false).unwrap();
    assert!(matches!(test.progress().await, PasskeyProgress::Asked));
    test.client.disconnect().await;
    assert!(matches!(test.failure().await, PasskeyFailure::ConnectionLost));
    assert_eq!(link.code().await, Err(PasskeyLinkError::NoAnswer));
}
