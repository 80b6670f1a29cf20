//! Which phone numbers have an account.

use wa_core::CallError;
use wa_core::connection::RequestError;
use wa_core::wire::Node;
use wa_manager::account::{CheckError, NumberStatus};
use wa_manager::sending::SendError;
use wa_manager::trust::Scope;
use wa_manager::{Account, AccountStatus};
use wa_test_server::Direction;
use wa_types::{Jid, PhoneNumber};

use crate::scene::{Scene, linked, soon, stands};

async fn ready() -> (Scene, Account, Jid) {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    (scene, anna, device)
}

fn number(digits: &str) -> PhoneNumber {
    digits.parse().unwrap()
}

/// So many numbers that nobody has.
fn strangers(count: u32) -> Vec<PhoneNumber> {
    (0..count).map(|place| number(&format!("62811000{place:04}"))).collect()
}

async fn check(account: &Account, numbers: &[PhoneNumber]) -> Result<Vec<NumberStatus>, CheckError> {
    soon("an answer about numbers", account.check_numbers(numbers)).await
}

/// How many numbers the server was asked about so far.
fn asked(scene: &Scene, device: &Jid) -> usize {
    fn contacts(node: &Node) -> usize {
        let is_asked =
            node.tag == "contact" && node.content_bytes().is_some_and(|text| text.starts_with(b"+"));
        usize::from(is_asked) + node.nodes().iter().map(contacts).sum::<usize>()
    }
    let nodes = scene.server.nodes_of(device);
    let sent = nodes.iter().filter(|(direction, _)| *direction == Direction::FromClient);
    sent.map(|(_, node)| contacts(node)).sum()
}

/// R170: asked once, in the order of the question; known for a week, without a question.
#[tokio::test]
async fn numbers_are_asked_for_once_and_known_from_then_on() {
    let (scene, anna, device) = ready().await;
    let berta = number(scene.phone("berta").pn().user());
    let numbers = [number("628110000000"), berta.clone(), berta.clone()];
    let told = check(&anna, &numbers).await.unwrap();
    let registered: Vec<_> = told.iter().map(|status| status.is_registered).collect();
    assert_eq!(registered, [Some(false), Some(true), Some(true)]);
    assert_eq!(told[1].number, berta.as_str());
    assert!(told[1].jid.is_some());
    assert_eq!(asked(&scene, &device), 2);
    // R158: across a restart, and without a connection, too.
    let scene = scene.restart().await;
    assert_eq!(check(&scene.account("anna"), &numbers).await.unwrap(), told);
    assert_eq!(asked(&scene, &device), 2);
}

/// R170, 3.4: 20 at once, five seconds apart, 20 a day at the first level; what is refused is not asked.
#[tokio::test]
async fn no_more_numbers_are_asked_for_than_the_budget_has() {
    let (scene, anna, device) = ready().await;
    let limit_of = |refused: Result<Vec<NumberStatus>, CheckError>| match refused {
        Err(CheckError::Limit(SendError::Limited(limit))) => limit,
        other => panic!("{other:?}"),
    };
    let limit = limit_of(check(&anna, &strangers(21)).await);
    assert_eq!((limit.scope, limit.retry_at), (Scope::Lookups, None));
    check(&anna, &strangers(15)).await.unwrap();
    // What is known costs nothing.
    check(&anna, &strangers(15)).await.unwrap();
    let limit = limit_of(check(&anna, &strangers(16)).await);
    assert_eq!(limit.scope, Scope::Gap);
    let limit = limit_of(check(&anna, &strangers(21)[..21]).await);
    assert_eq!((limit.scope, limit.used, limit.limit), (Scope::Lookups, 15, 20));
    assert_eq!(asked(&scene, &device), 15);
    assert_eq!(anna.snapshot().trust.messages_sent_today, 0, "numbers are no messages");
}

/// R170: what a lost connection left unanswered is not asked again, and stays counted.
#[tokio::test]
async fn numbers_are_not_asked_for_again_by_themselves() {
    let (scene, anna, device) = ready().await;
    scene.server.faults_of(&device).swallow_requests(Some("usync"));
    let asking = tokio::spawn({
        let anna = anna.clone();
        async move { check(&anna, &strangers(2)).await }
    });
    let is_usync = |node: &Node| node.to_xml().contains("<contact>+");
    soon("the question", scene.server.wait_for(&device, Direction::FromClient, is_usync)).await;
    scene.server.disconnect(&device);
    let lost = soon("the end", asking).await.unwrap().unwrap_err();
    assert!(matches!(lost, CheckError::Client(CallError::Request(RequestError::ConnectionLost))), "{lost:?}");
    stands(&anna, AccountStatus::Ready).await;
    scene.server.faults_of(&device).clear();
    assert_eq!(asked(&scene, &device), 2);
    let over = check(&anna, &strangers(19)).await.unwrap_err();
    let CheckError::Limit(SendError::Limited(limit)) = over else { panic!("{over:?}") };
    assert_eq!((limit.scope, limit.used), (Scope::Lookups, 2));
}

/// 3.1: too many questions close their sort, and what was asked stays counted.
#[tokio::test]
async fn a_server_that_has_had_enough_is_not_asked_again() {
    let (scene, anna, device) = ready().await;
    scene.server.faults_of(&device).refuse_request("usync", 429);
    let refused = check(&anna, &strangers(2)).await.unwrap_err();
    assert!(matches!(refused, CheckError::Client(_)), "{refused:?}");
    let questions = asked(&scene, &device);
    let closed = check(&anna, &strangers(2)).await.unwrap_err();
    let CheckError::Limit(SendError::Limited(limit)) = closed else { panic!("{closed:?}") };
    assert!(matches!(limit.source, wa_manager::trust::LimitSource::Server { code: Some(429) }));
    assert!(limit.retry_at.is_some());
    assert_eq!(asked(&scene, &device), questions);
    anna.stop().await.unwrap();
    scene.server.faults_of(&device).clear();
    let stopped = check(&anna, &strangers(3)).await.unwrap_err();
    assert!(matches!(stopped, CheckError::Limit(_)), "{stopped:?}");
}
