//! The program is killed at random while it links, sends, receives and delivers; started again, database, API and socket
//! agree, and nothing is lost, doubled or out of order.
//!
//! `WA_KILLS` says how often (12 unless set), `WA_SEED` with which dice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hyper::Method;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use wa_test_server::Phone;
use wa_types::Jid;

use crate::agreement::all_agree;
use crate::receiver::{Receiver, SECRET};
use crate::server::{Server, TestServer, soon};

const ACCOUNTS: [(&str, &str); 2] = [("shop", "anna"), ("desk", "budi")];

/// What goes on while the program lives and dies.
struct Scene {
    test_server: TestServer,
    server: Server,
    receiver: Receiver,
    friend: Phone,
    /// Texts that the friend sent, by account.
    sent: BTreeMap<&'static str, Vec<String>>,
    /// Texts that the friend is to get once, and whether somebody said that they were sent.
    answers: BTreeMap<String, (&'static str, bool)>,
    dice: ChaCha8Rng,
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test]
async fn a_program_that_is_killed_at_random_loses_nothing() {
    let (kills, seed) = (setting("WA_KILLS", 12), setting("WA_SEED", 1));
    let test_server = TestServer::start().await;
    let (server, receiver) = (test_server.server().await, Receiver::start().await);
    let hook = json!({ "url": receiver.url, "secret": SECRET });
    server.post("/whatsapp/webhooks", hook).await.expect(201);
    for (account, phone) in ACCOUNTS {
        test_server.linked(&server, account, phone).await;
    }
    let friend = test_server.server.phone("friend");
    let dice = ChaCha8Rng::seed_from_u64(seed);
    let (sent, answers) = (BTreeMap::new(), BTreeMap::new());
    let mut scene = Scene { test_server, server, receiver, friend, sent, answers, dice };
    for life in 0..kills {
        scene.live(life).await;
        scene.server.kill().await;
        scene.server.start_again().await;
        scene.agrees(life).await;
    }
    scene.end().await;
}

impl Scene {
    /// Everything at once, until the dice say that it is over.
    async fn live(&mut self, life: u64) {
        // What the program does is not ours to wait for: it is killed in the midst of it.
        let end = Duration::from_millis(20 + self.dice.next_u64() % 700);
        let (server, test_server, friend) = (&self.server, &self.test_server, &self.friend);
        let pairing = async {
            let (name, phone) = (format!("new-{life}"), format!("phone-{life}"));
            let body = json!({ "name": name, "mode": "qr" });
            server.try_send(&server.key, Method::POST, "/whatsapp/session", &[], body).await?;
            let qr = loop {
                let path = format!("/whatsapp/session/{name}/qr");
                let headers = [("accept", "text/plain")];
                let answer = server.try_send(&server.key, Method::GET, &path, &headers, Value::Null).await?;
                if answer.status == 200 {
                    break answer;
                }
            };
            let _ended_before =
                test_server.server.phone(&phone).scan(std::str::from_utf8(&qr.body).ok()?).await;
            Some(())
        };
        let mut texts = Vec::new();
        let writing = async {
            for number in 0..6 {
                for (account, phone) in ACCOUNTS {
                    let text = format!("{life}/{number} to {account}");
                    friend.send_text(test_server.server.phone(phone).pn(), &text).await.unwrap();
                    texts.push((account, text));
                }
            }
        };
        let mut answers = Vec::new();
        let answering = async {
            for (account, _) in ACCOUNTS {
                let text = format!("{life} from {account}");
                answers.push((account, text.clone(), false));
                if answer(server, friend.pn(), account, &text).await {
                    answers.last_mut().unwrap().2 = true;
                }
            }
        };
        let all = async {
            tokio::join!(pairing, answering);
            std::future::pending::<()>().await;
        };
        // The friend's messages are all sent: what the server of the service has must come.
        let _over = tokio::join!(tokio::time::timeout(end, all), writing);
        for (account, text) in texts {
            self.sent.entry(account).or_default().push(text);
        }
        for (account, text, is_sent) in answers {
            self.answers.insert(text, (account, is_sent));
        }
    }

    /// Accounts that were linked are ready again, no other one claims to be, and all who are asked say the same.
    async fn agrees(&self, life: u64) {
        for (account, _) in ACCOUNTS {
            self.server.status(account, "ready").await;
        }
        let path = format!("/whatsapp/session/new-{life}");
        let is_settled = async |account: &Value| match account["status"].as_str() {
            Some("ready") => account["isLoggedIn"] == true,
            Some("idle" | "error") => account["isLoggedIn"] == false,
            _ => false,
        };
        if self.server.get(&path).await.status == 200 {
            self.server.until(&path, is_settled).await;
        }
        all_agree(&self.server).await;
    }

    /// What nobody knows is asked again with its key; then everything has arrived, once and in order.
    async fn end(mut self) {
        let open: Vec<(String, &'static str)> = self
            .answers
            .iter()
            .filter(|(_, (_, is_sent))| !is_sent)
            .map(|(text, (account, _))| (text.clone(), *account))
            .collect();
        for (text, account) in open {
            let is_sent = answer(&self.server, self.friend.pn(), account, &text).await;
            self.answers.insert(text, (account, is_sent));
        }
        // Everything the friend sent is an event, once.
        let wanted: BTreeSet<String> = self.sent.values().flatten().cloned().collect();
        let events = soon("all messages", async {
            loop {
                let events = self.events().await;
                let texts = events.iter().filter_map(|event| event["data"]["text"].as_str());
                let texts: BTreeSet<String> = texts.map(str::to_owned).collect();
                if wanted.is_subset(&texts) {
                    break events;
                }
                let after = events.last().map_or(0, |event| event["seq"].as_u64().unwrap());
                self.server.get(&format!("/whatsapp/events?since={after}&wait=5")).await.expect(200);
            }
        })
        .await;
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for event in events.iter().filter(|event| event["type"] == "message.received") {
            *counts.entry(event["data"]["text"].as_str().unwrap()).or_default() += 1;
        }
        for text in &wanted {
            assert_eq!(counts[text.as_str()], 1, "{text}");
        }
        // In the order in which they were sent, for each account.
        for (account, texts) in &self.sent {
            let id = self.server.get(&format!("/whatsapp/session/{account}")).await.expect(200)["id"].clone();
            let came: Vec<&str> = events
                .iter()
                .filter(|event| event["type"] == "message.received" && event["accountId"] == id)
                .filter(|event| event["data"]["fromMe"] == false)
                .map(|event| event["data"]["text"].as_str().unwrap())
                .collect();
            assert_eq!(&came, texts, "{account}");
        }
        self.delivered(&events).await;
        // What somebody said was sent is there once; what nobody said that it was, at most once.
        let mut got: HashMap<String, u32> = HashMap::new();
        let said = self.answers.values().filter(|(_, is_sent)| *is_sent).count();
        while got.len() < said {
            let message = soon("an answer", self.friend.next_message()).await;
            *got.entry(message.text().unwrap().to_owned()).or_default() += 1;
        }
        while let Some(message) = self.friend.try_next_message() {
            *got.entry(message.text().unwrap().to_owned()).or_default() += 1;
        }
        for (text, (_, is_sent)) in &self.answers {
            let times = got.get(text).copied().unwrap_or(0);
            assert!(times <= 1 && (times == 1 || !is_sent), "{text}: {times} times, said: {is_sent}");
        }
        assert!(said > 0, "nothing was answered");
    }

    async fn events(&self) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page =
                self.server.get(&format!("/whatsapp/events?limit=1000&since={after}")).await.expect(200);
            let events = page["events"].as_array().unwrap().clone();
            if events.is_empty() {
                return all;
            }
            after = page["next"].as_u64().unwrap();
            all.extend(events);
        }
    }

    /// The webhook was sent each event of the log, as it is there, and none before the one before it.
    async fn delivered(&self, events: &[Value]) {
        let mut log: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for event in events.iter().filter(|event| event["accountId"].is_string()) {
            log.entry(event["accountId"].as_str().unwrap()).or_default().push(event);
        }
        assert!(log.len() >= ACCOUNTS.len());
        for (account, events) in log {
            let last = events.last().unwrap()["accountSeq"].as_u64().unwrap();
            let numbers: Vec<u64> =
                events.iter().map(|event| event["accountSeq"].as_u64().unwrap()).collect();
            assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "{account}: the log has no gaps");
            let mut count = self.receiver.count.subscribe();
            let all = count.wait_for(|_| self.receiver.of(account).contains(&last));
            soon("all deliveries", all).await.unwrap();
            let mut highest = 0;
            for body in self.receiver.bodies(account) {
                let seq = body["accountSeq"].as_u64().unwrap();
                // What was under way when it was killed comes again: the same, and what comes after it follows once more.
                assert!(seq <= highest + 1, "{account}: {seq} after {highest}");
                highest = highest.max(seq);
                // What happened while the deliveries were awaited is not in this log.
                let Some(event) = usize::try_from(seq - 1).ok().and_then(|at| events.get(at)) else {
                    continue;
                };
                for field in ["id", "seq", "accountSeq", "type", "tenant", "timestamp", "data"] {
                    assert_eq!(body[field], event[field], "{account}: {field} of {seq}");
                }
            }
            assert!(highest >= last);
        }
    }
}

/// Whether somebody says that it was sent. Limits and a program that is killed say nothing.
async fn answer(server: &Server, to: &Jid, account: &str, text: &str) -> bool {
    let path = format!("/whatsapp/session/{account}/messages");
    let body = json!({ "to": to.user(), "content": { "text": text } });
    let headers = [("idempotency-key", &*text.replace(' ', "-"))];
    let answer = server.try_send(&server.key, Method::POST, &path, &headers, body).await;
    answer.is_some_and(|answer| answer.status == 200)
}
