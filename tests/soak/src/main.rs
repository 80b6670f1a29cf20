//! Four accounts, each a phone and a linked client on SQLite, write to each other and in two groups while the server
//! lets faults happen by a seed. At the end every device must have every message once, and memory must not have grown.
//!
//! Server and clients are one process, so that its resident size is that of all of them: what any of them piles up
//! shows. The run fails with its seed; the same seed decides the same faults for the same stanzas.
//!
//! | File | Subject |
//! |---|---|
//! | `options` | the command line |
//! | `account` | one account: who writes, who reads, who reconnects |
//! | `groups` | the groups, and a guest who comes and goes |
//! | `tally` | which messages are where |
//! | `memory` | the resident size over time |

mod account;
mod groups;
mod memory;
mod options;
mod tally;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use wa_test_server::{Config, FaultPlan, TestServer};

use crate::account::Account;
use crate::groups::Groups;
use crate::memory::Memory;
use crate::options::{Options, USAGE};
use crate::tally::{Chat, Tally};

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            let _nobody_reads = writeln!(std::io::stderr(), "soak: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let seed = options.seed;
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(std::io::stderr(), "soak: seed {seed}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Fallible<()> {
    let directory = TempDir::new()?;
    let server =
        TestServer::with(Config { journal: 64, low_pre_keys: 30, memory: MEMORY, ..Config::default() }).await;
    let tally = Arc::new(Tally::new(ACCOUNTS));
    let mut accounts = Vec::new();
    for index in 0..ACCOUNTS {
        accounts.push(Account::link(&server, index, directory.path()).await?);
    }
    let groups = Groups::create(&server, &accounts)?;
    let (stop_writing, stop) = (CancellationToken::new(), CancellationToken::new());
    let plan = options
        .off
        .iter()
        .fold(FaultPlan::new(options.seed).times(options.times), |plan, fault| plan.rate(*fault, 0));
    let chaos = server.chaos(plan);
    let start = Instant::now();
    let direct = accounts.iter().enumerate();
    let mut chats: Vec<_> =
        direct.map(|(index, account)| (Chat::Account(index), account.phone.pn().clone())).collect();
    chats.extend(groups.jids().enumerate().map(|(index, jid)| (Chat::Group(index), jid.clone())));
    let mut tasks = vec![groups.live(&tally, options.pause * GUEST, &stop_writing)];
    let clients: Vec<_> = accounts.iter().map(|account| account.client_jid().clone()).collect();
    for account in accounts {
        tasks.extend(account.live(&tally, &chats, options.pause, &stop_writing, &stop));
    }

    let mut memory = Memory::default();
    let mut seconds = interval(Duration::from_secs(1));
    while start.elapsed() < options.duration && tally.problem().is_none() {
        seconds.tick().await;
        if let Some(minute) = memory.sample() {
            let waiting: Vec<_> = clients.iter().map(|client| server.queued_for(client)).collect();
            say(&format!("{minute}; {} stanzas wait, of the clients {waiting:?}", server.metrics().queued));
        }
    }
    stop_writing.cancel();
    chaos.calm();
    let missing = settle(&tally).await;
    stop.cancel();
    let metrics = server.metrics();
    say(&format!(
        "seed {}, {} s: {} messages sent, {} copies read; {} stanzas routed, {} redelivered, {} messages deduped, \
         {} logins",
        options.seed,
        start.elapsed().as_secs(),
        tally.sent(),
        tally.read(),
        metrics.routed,
        metrics.redelivered,
        metrics.deduped,
        metrics.logins
    ));
    say(&format!("faults: {:?}", chaos.counts()));
    say(&memory.to_string());
    if let Some(problem) = tally.problem() {
        return Err(problem.into());
    }
    if !missing.is_empty() {
        return Err(format!("lost:\n{}", missing.join("\n")).into());
    }
    if tally.sent() == 0 {
        return Err("nothing was sent".into());
    }
    for task in tasks {
        timeout(SHUTDOWN, task).await.map_err(|_| "a task does not end")??;
    }
    match options.flat {
        Some(percent) => memory.check(percent),
        None => Ok(()),
    }
}

/// Waits until every message is everywhere, or nothing moves any more. What is missing then.
async fn settle(tally: &Tally) -> Vec<String> {
    let (mut read, mut since) = (tally.read(), Instant::now());
    let mut looks = interval(Duration::from_millis(200));
    loop {
        looks.tick().await;
        let missing = tally.missing();
        if missing.is_empty() || tally.problem().is_some() || since.elapsed() > PATIENCE {
            return missing;
        }
        if tally.read() != read {
            (read, since) = (tally.read(), Instant::now());
        }
    }
}

fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}

const ACCOUNTS: usize = 4;
/// What the server and its phones remember, in messages: more than any repair looks back, and filled within minutes.
const MEMORY: usize = 2500;
/// So many messages of a device later the guest comes or goes.
const GUEST: u32 = 20;
/// Longer than a client needs to find out that its connection is dead, and to repair what it could not read.
const PATIENCE: Duration = Duration::from_secs(180);
const SHUTDOWN: Duration = Duration::from_secs(30);
