//! What whoever collects traces sees.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use wa_manager::event::EventKind;
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::{AccountName, AccountSpec, AccountStatus};

use crate::scene::{Scene, linked, next, soon, stands};

/// The lines of a log.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What this thread logs from now on, as long as what comes with it is kept.
    fn begin() -> (Self, (DefaultGuard, Dispatch)) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
            .with_writer(move || writer.clone())
            .finish();
        // With one subscriber alone, a place that another test reaches first would be silent for all: `tracing` asks
        // only the thread that it is reached by. With two it asks both.
        let other = Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
        (log, (tracing::subscriber::set_default(subscriber), other))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The only line that says this.
    fn line(&self, what: &str) -> String {
        let text = self.text();
        let mut lines = text.lines().filter(|line| line.contains(what));
        let line = lines.next().unwrap_or_else(|| panic!("no line says {what:?}:\n{text}"));
        assert_eq!(lines.next(), None, "{what:?}");
        line.to_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a line says of a field.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {line}"));
    rest.trim_start_matches('"').split(['"', ' ', '}']).next().unwrap()
}

// R012
#[tokio::test]
async fn each_pairing_is_traced_with_its_owner_and_no_phone_number() {
    let (log, _guard) = Log::begin();
    let scene = Scene::new().await;
    let number: wa_types::PhoneNumber = scene.phone("anna").pn().user().parse().unwrap();
    let spec = AccountSpec {
        name: Some(AccountName::new("anna").unwrap()),
        owner: Some("7001".to_owned()),
        ..AccountSpec::default()
    };
    let anna = scene.manager.create(spec).await.unwrap();
    // Given with the request, and told by the phone: it is one number.
    let called_off = anna.pair(PairRequest::code(number.clone())).await.unwrap();
    called_off.cancel().await.unwrap();
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    loop {
        match soon("a link", ticket.next()).await.unwrap() {
            PairingUpdate::Qr(shown) => drop(scene.phone("anna").scan(shown.text.expose()).await.unwrap()),
            PairingUpdate::Linked(_) => break,
            _ => {}
        }
    }
    stands(&anna, AccountStatus::Ready).await;
    let ended = log.line("the attempt to link ended");
    assert_eq!(field(&ended, "code"), "cancelled");
    let hash = field(&ended, "phone_hash").to_owned();
    assert_eq!(hash.len(), 32);
    for said in ["a phone accepted", "it is linked"] {
        let line = log.line(said);
        assert!(line.contains(&format!("account{{id={}}}:pair{{", anna.id())), "{line}");
        assert_eq!((field(&line, "owner"), field(&line, "phone_hash")), ("7001", hash.as_str()), "{line}");
    }
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.contains("an attempt to link begins")).count(), 2);
    // What the account does as such is no matter of its pairing.
    let connected =
        text.lines().filter(|line| line.contains(":connection: ") && line.contains("account{id="));
    assert!(connected.clone().count() > 0 && connected.clone().all(|line| !line.contains("pair{")));
    // Whoever reads on where a client decodes stanzas sees numbers; nobody sees them from here.
    let ours = text.lines().filter(|line| line.contains("wa_manager::"));
    assert!(ours.clone().count() > 0);
    ours.for_each(|line| assert!(!line.contains(number.as_str()), "{line}"));
}

// 4.9
#[tokio::test]
async fn each_stage_of_what_comes_in_is_traced() {
    let (log, _guard) = Log::begin();
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    scene.phone("berta").send_text(scene.phone("anna").pn(), "a word for anna").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    let text = log.text();
    let stages = |account: &str| -> Vec<String> {
        let begun = text.lines().filter(|line| line.contains("inbound{stage=") && line.contains(" new"));
        begun.filter(|line| line.contains(account)).map(|line| field(line, "stage").to_owned()).collect()
    };
    let of_anna = stages(&format!("account{{id={}}}", anna.id()));
    let whole = ["provider", "account", "contact", "chat", "provision"].map(str::to_owned);
    assert!(of_anna.ends_with(&whole), "{of_anna:?}");
    assert!(!text.contains("a word for anna"), "nothing that people wrote");
}

/// 4.4: who forgets the end of the manager is told.
#[tokio::test]
async fn a_manager_that_is_dropped_without_its_end_says_so() {
    const SAID: &str = "the manager was dropped without a shutdown";
    let (log, _guard) = Log::begin();
    // Another test, whose thread collects nothing, may be the first that gets there.
    let another = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { drop(Scene::new().await) });
    });
    another.join().unwrap();
    let Scene { manager, .. } = Scene::new().await;
    manager.shutdown(std::time::Duration::from_secs(10)).await;
    drop(manager);
    assert!(!log.text().contains(SAID));
    let Scene { manager, .. } = Scene::new().await;
    let another = manager.clone();
    drop(manager);
    assert!(!log.text().contains(SAID), "there is another one");
    drop(another);
    log.line(SAID);
}
