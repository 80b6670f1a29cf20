//! The parent: the server, the peers, and one life of the child after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::time::timeout;
use wa_store::{InboxReader as _, SqliteStore, Store as _};
use wa_test_server::{Config, GroupMode, Phone, TestServer};
use wa_types::Jid;

use crate::Fallible;
use crate::deadly::Death;
use crate::ledger::Ledger;
use crate::life::{Life, Said};

/// How many messages each way, and where chance begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    messages: u64,
    seed: u64,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Fallible<Self> {
        let mut options = Self { messages: 1000, seed: 1 };
        for pair in arguments.chunks(2) {
            match pair {
                [name, value] if name == "--messages" => options.messages = value.parse()?,
                [name, value] if name == "--seed" => options.seed = value.parse()?,
                other => return Err(format!("what is {}? --messages N --seed N", other.join(" ")).into()),
            }
        }
        Ok(options)
    }
}

/// How many messages each way belong to one life.
const PER_LIFE: u64 = 5;

/// In the first lives the account's key of the group goes out anew, and each dies at one of the commits on the way.
const KEY_COMMITS: u64 = 2;
const KEY_LIVES: u64 = KEY_COMMITS * 2;

/// Every write up to this one is died at in turn, before chance takes over.
const EACH_WRITE: u64 = 24;

/// In how many ways a write ends a life.
const KINDS: u64 = 6;

/// With chance, the last write that a life may reach.
const LAST_WRITE: u64 = 120;

/// A quiet end: everything has arrived long before.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const PEERS: [&str; 3] = ["alice", "bob", "carol"];

pub(crate) fn main(options: Options) -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let start = Instant::now();
    let Outcome { wrongs, lives, at_keys, redelivered } = runtime.block_on(Run::play(options))?;
    println!(
        "seed {}, {} messages each way, {lives} lives, {at_keys} of them ended amid a group's keys, {redelivered} delivered again unconfirmed, {} s",
        options.seed,
        options.messages,
        start.elapsed().as_secs()
    );
    for wrong in wrongs.iter().take(50) {
        eprintln!("{wrong}");
    }
    if wrongs.is_empty() {
        Ok(())
    } else {
        Err(format!("seed {}: {} faults", options.seed, wrongs.len()).into())
    }
}

struct Outcome {
    wrongs: Vec<String>,
    lives: u64,
    at_keys: u64,
    redelivered: u32,
}

struct Run {
    server: TestServer,
    endpoint: wa_test_server::Endpoint,
    phone: Phone,
    peers: Vec<Phone>,
    /// All of them and the account.
    group: Jid,
    store: PathBuf,
    random: ChaCha8Rng,
    ledger: Ledger,
    /// How many lives ended amid the distribution of the group's key.
    ended_at_keys: u64,
    _directory: tempfile::TempDir,
}

impl Run {
    async fn play(options: Options) -> Fallible<Outcome> {
        let mut run = Self::new(options.seed).await?;
        run.pair().await?;
        let (mut reached, mut lives) = (0, 0);
        while reached < options.messages {
            let upto = (reached + PER_LIFE).min(options.messages);
            for number in reached..upto {
                run.send_in(number).await?;
                run.ledger.will_send(number, &run.readers(number));
            }
            reached = upto;
            if let Err(error) = run.live(lives, reached).await {
                let missing = run.ledger.missing(reached);
                return Err(format!("seed {}, life {lives}: {error}; {missing}", options.seed).into());
            }
            lives += 1;
        }
        run.last_life(reached).await?;
        let mut wrongs = run.reused_keys();
        let Self { ledger, ended_at_keys: at_keys, .. } = run;
        if lives >= KEY_LIVES && at_keys < KEY_COMMITS {
            wrongs.push(format!("only {at_keys} lives ended amid the distribution of the group's keys"));
        }
        let redelivered = ledger.redelivered;
        wrongs.extend(ledger.verdict());
        Ok(Outcome { wrongs, lives: lives + 1, at_keys, redelivered })
    }

    async fn new(seed: u64) -> Fallible<Self> {
        let config = Config { journal: 0, detect_key_reuse: true, ..Config::default() };
        let server = TestServer::with(config).await;
        let endpoint = server.listen("127.0.0.1:0", false).await?;
        let phone = server.phone("owner");
        let peers: Vec<Phone> = PEERS.map(|name| server.phone(name)).into();
        let first = peers.first().ok_or("no peers")?;
        let members: Vec<&Jid> = peers.iter().skip(1).chain([&phone]).map(Phone::pn).collect();
        let group = first.create_group("Everybody", &members, GroupMode::Lid);
        let directory = tempfile::tempdir()?;
        let store = directory.path().join("account.db");
        let random = ChaCha8Rng::seed_from_u64(seed);
        let ledger = Ledger::default();
        Ok(Self {
            server,
            endpoint,
            phone,
            peers,
            group,
            store,
            random,
            ledger,
            ended_at_keys: 0,
            _directory: directory,
        })
    }

    /// The first life, which nothing disturbs.
    async fn pair(&mut self) -> Fallible<()> {
        let mut life = Life::begin(&self.endpoint, &self.store, Death::Never)?;
        while !life.is_ready() {
            if life.hear(&mut self.ledger, &self.phone).await? == Said::Nothing {
                return Err("the child ended while it was linked".into());
            }
        }
        life.stop(&mut self.ledger, &self.phone).await
    }

    /// A peer writes to the account.
    async fn send_in(&mut self, number: u64) -> Fallible<()> {
        let text = format!("in-{number}");
        let peer = self.peers.get(place(number, self.peers.len())).ok_or("no such peer")?;
        // Every other round goes to the group.
        let is_for_group = number / 3 % 2 == 1;
        peer.send_text(if is_for_group { &self.group } else { self.phone.pn() }, &text).await?;
        self.ledger.will_receive(text);
        Ok(())
    }

    /// A life with an end that was chosen for it.
    async fn live(&mut self, number: u64, ordered: u64) -> Fallible<()> {
        let (death, lines) = self.choose(number);
        let is_about_keys = matches!(death, Death::BeforeKeys(_) | Death::AfterKeys(_));
        if is_about_keys {
            self.change_members()?;
        }
        self.look_inside().await?;
        let mut life = Life::begin(&self.endpoint, &self.store, death)?;
        self.order(&mut life, ordered).await?;
        let mut heard = 0;
        while heard < lines && !self.is_through(ordered) {
            if life.hear(&mut self.ledger, &self.phone).await? == Said::Nothing {
                self.ended_at_keys += u64::from(is_about_keys);
                return life.mourn(&mut self.ledger, &self.phone).await;
            }
            heard += 1;
        }
        life.kill(&mut self.ledger, &self.phone).await
    }

    /// Whether the application has all that was sent to it, and all acks.
    fn is_through(&self, ordered: u64) -> bool {
        self.ledger.undelivered() == 0 && self.ledger.unacked(ordered).is_empty()
    }

    /// When a life ends: by its own hand at a write, or by ours after so many lines that it said.
    fn choose(&mut self, number: u64) -> (Death, u64) {
        let Some(number) = number.checked_sub(KEY_LIVES) else {
            let at = number / 2 + 1;
            let death = if number.is_multiple_of(2) { Death::BeforeKeys(at) } else { Death::AfterKeys(at) };
            return (death, u64::MAX);
        };
        let is_in_turn = number < EACH_WRITE * KINDS;
        let at = if is_in_turn { number / KINDS + 1 } else { 1 + self.below(LAST_WRITE) };
        let kind = if is_in_turn { number % KINDS } else { self.below(KINDS + 3) };
        match kind {
            0 => (Death::BeforeCommit(at), u64::MAX),
            1 => (Death::AfterCommit(at), u64::MAX),
            2 => (Death::BeforeWrite(at), u64::MAX),
            3 => (Death::WithinWrite(at), u64::MAX),
            4 => (Death::AfterWrite(at), u64::MAX),
            5 => (Death::FailedCommit(at), u64::MAX),
            6 => (Death::BeforeKeys(1 + at % KEY_COMMITS), u64::MAX),
            7 => (Death::AfterKeys(1 + at % KEY_COMMITS), u64::MAX),
            _ => (Death::Never, self.below(200)),
        }
    }

    /// While the account is dead, a member leaves the group and is added again: the account's key of it is to be made
    /// anew, and to be given to all.
    fn change_members(&self) -> Fallible<()> {
        let (Some(admin), Some(member)) = (self.peers.first(), self.peers.last()) else {
            return Err("no peers".into());
        };
        let refused = |code| format!("the group's members do not change: {code}");
        admin.remove_member(&self.group, member.pn()).map_err(refused)?;
        Ok(admin.add_member(&self.group, member.pn()).map_err(refused)?)
    }

    /// The life that brings everything to its end.
    async fn last_life(&mut self, ordered: u64) -> Fallible<()> {
        self.look_inside().await?;
        let mut life = Life::begin(&self.endpoint, &self.store, Death::Never)?;
        self.order(&mut life, ordered).await?;
        let all = async {
            while self.ledger.undelivered() > 0 || !self.ledger.unacked(ordered).is_empty() {
                if life.hear(&mut self.ledger, &self.phone).await? == Said::Nothing {
                    return Err("the child ended".into());
                }
            }
            Fallible::Ok(())
        };
        // What is missing then is in the verdict.
        if let Ok(ended) = timeout(PATIENCE, all).await {
            ended?;
        }
        let arrived = async {
            loop {
                self.take_arrived();
                if self.ledger.unarrived() == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(PATIENCE, arrived).await;
        life.stop(&mut self.ledger, &self.phone).await?;
        self.take_arrived();
        self.look_inside().await?;
        Ok(())
    }

    /// All sends whose ack the application has not seen: those of earlier lives too, with the same key.
    async fn order(&mut self, life: &mut Life, ordered: u64) -> Fallible<()> {
        for number in self.ledger.unacked(ordered) {
            let chat = self.chats().nth(place(number, self.peers.len() + 1)).ok_or("no such chat")?.clone();
            life.send(number, &chat).await;
        }
        Ok(())
    }

    /// Reads the dead child's store: what is unconfirmed, and that it can be opened at all.
    async fn look_inside(&mut self) -> Fallible<()> {
        let store = SqliteStore::open(&self.store).await?;
        let mut after = 0;
        loop {
            let page = store.inbox(after, 256).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for entry in page {
                self.ledger.found(entry.seq, entry.message.id.to_string());
            }
        }
        store.close().await?;
        self.take_arrived();
        Ok(())
    }

    /// Takes what reached the peers.
    fn take_arrived(&mut self) {
        for peer in &self.peers {
            while let Some(message) = peer.try_next_message() {
                // The peers read each other in the group.
                if let Some(text) = message.text().filter(|text| text.starts_with("out-")) {
                    self.ledger.arrived(text, peer.name());
                }
            }
        }
    }

    /// The account's chats: one with each peer, and the group.
    fn chats(&self) -> impl Iterator<Item = &Jid> {
        self.peers.iter().map(Phone::pn).chain([&self.group])
    }

    /// Who is to get an outbound message.
    fn readers(&self, number: u64) -> Vec<&'static str> {
        PEERS.get(place(number, PEERS.len() + 1)).map_or(PEERS.to_vec(), |peer| vec![*peer])
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    fn reused_keys(&self) -> Vec<String> {
        self.server
            .reused_keys()
            .iter()
            .map(|reuse| format!("a message key was used twice: {reuse:?}"))
            .collect()
    }
}

/// Whose turn it is, of so many.
fn place(number: u64, of: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % of
}
