//! How soon it is told where an account stands, through `wa-server`: its REST calls, its sockets, and SQLite.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wa_benches::times::Times;
use wa_benches::{Fallible, say};

use crate::program::{Program, Socket};
use crate::{Scene, name};

/// What was asked for: R157, R159.
const FRAME: Duration = Duration::from_millis(500);
const START_STOP: Duration = Duration::from_secs(2);

/// R157: from a change of an account to its frame on each socket. Three ways: from a call that changes an account alone
/// until its frame is there; from the moment that a status has in its event, which is before its commit; and that again
/// while all accounts stop and start at the same time.
pub(crate) fn frames(accounts: usize, sockets: usize, rounds: usize) -> Fallible<()> {
    let scene = Scene::new()?;
    scene.link(accounts)?;
    Runtime::new()?.block_on(async {
        let mut program = Program::start(scene.directory.path(), &scene.file()?).await?;
        program.connected(accounts).await?;
        let mut open = Vec::new();
        for _ in 0..sockets {
            open.push(program.socket().await?);
        }
        let called = named(&mut program, &mut open, accounts, rounds).await?;
        tell(&format!("frames     a new name, {rounds} times to {sockets} sockets: from the call"), called, FRAME)?;
        let each = one_by_one(&mut program, &mut open, accounts, rounds).await?;
        tell(&format!("frames     a status, {rounds} stops and starts to {sockets} sockets: from its event, before the commit"), each, FRAME)?;
        let together = all_at_once(&mut program, &mut open, accounts, rounds.div_ceil(accounts)).await?;
        tell(&format!("frames     the same while {accounts} accounts stop and start at the same time"), together, FRAME)?;
        say(&format!("frames     wa-server: {} KiB resident", program.resident_kib()))
    })
}

/// R159: from the call that starts or stops an account until it stands so on a socket, and until the call is answered; one
/// after the other, and all accounts at the same time.
pub(crate) fn start_stop(accounts: usize, rounds: usize) -> Fallible<()> {
    let scene = Scene::new()?;
    scene.link(accounts)?;
    Runtime::new()?.block_on(async {
        let mut program = Program::start(scene.directory.path(), &scene.file()?).await?;
        program.connected(accounts).await?;
        let mut socket = program.socket().await?;
        let ways = [("stop", "idle"), ("start", "ready")];
        let (mut told, mut answered) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for round in 0..rounds {
            let account = name(round % accounts);
            for ((way, status), (told, answered)) in ways.iter().zip(told.iter_mut().zip(&mut answered)) {
                let start = Instant::now();
                program.post(&format!("/whatsapp/session/{account}/{way}"), Value::Null).await?;
                answered.push(start.elapsed());
                let frame = socket
                    .status(|frame| frame.says("name", &account) && frame.says("status", status))
                    .await?;
                told.push(frame.at - start);
            }
        }
        for (((way, status), told), answered) in ways.iter().zip(told).zip(answered) {
            tell(&format!("start-stop {way}, {rounds} times one by one: until {status}"), told, START_STOP)?;
            tell(
                &format!("start-stop {way}, {rounds} times one by one: until the answer"),
                answered,
                START_STOP,
            )?;
        }
        let names: Vec<String> = (0..accounts).map(name).collect();
        for (way, status) in ways {
            let start = Instant::now();
            program.post(&format!("/whatsapp/sessions/{way}"), json!({ "names": names })).await?;
            let mut times = HashMap::new();
            while times.len() < accounts {
                let frame = socket.status(|frame| frame.says("status", status)).await?;
                times.entry(frame.account()).or_insert(frame.at - start);
            }
            let times = times.into_values().collect();
            tell(
                &format!("start-stop {way}, {accounts} accounts at the same time: until {status}"),
                times,
                START_STOP,
            )?;
        }
        say(&format!("start-stop wa-server: {} KiB resident", program.resident_kib()))
    })
}

/// Gives an account another name for people, again and again.
async fn named(
    program: &mut Program,
    sockets: &mut [Socket],
    accounts: usize,
    rounds: usize,
) -> Fallible<Vec<Duration>> {
    let mut times = Vec::new();
    for round in 0..rounds {
        let shown = format!("round {round}");
        let start = Instant::now();
        let path = format!("/whatsapp/session/{}", name(round % accounts));
        program.call(Method::PUT, &path, json!({ "displayName": shown })).await?;
        for socket in &mut *sockets {
            times.push(socket.status(|frame| frame.says("displayName", &shown)).await?.at - start);
        }
    }
    Ok(times)
}

/// Stops and starts an account, again and again.
async fn one_by_one(
    program: &mut Program,
    sockets: &mut [Socket],
    accounts: usize,
    rounds: usize,
) -> Fallible<Vec<Duration>> {
    let mut heard = Heard::since(program).await?;
    for round in 0..rounds {
        let account = name(round % accounts);
        for (way, status) in [("stop", "idle"), ("start", "ready")] {
            program.post(&format!("/whatsapp/session/{account}/{way}"), Value::Null).await?;
            for socket in &mut *sockets {
                heard.until(socket, status, 1).await?;
            }
        }
    }
    heard.times(program).await
}

/// Stops and starts all accounts, again and again.
async fn all_at_once(
    program: &mut Program,
    sockets: &mut [Socket],
    accounts: usize,
    rounds: usize,
) -> Fallible<Vec<Duration>> {
    let mut heard = Heard::since(program).await?;
    let names: Vec<String> = (0..accounts).map(name).collect();
    for _ in 0..rounds {
        for (way, status) in [("stop", "idle"), ("start", "ready")] {
            program.post(&format!("/whatsapp/sessions/{way}"), json!({ "names": names })).await?;
            for socket in &mut *sockets {
                heard.until(socket, status, accounts).await?;
            }
        }
    }
    heard.times(program).await
}

/// The frames that sockets had, by the events that they tell.
struct Heard {
    after: u64,
    frames: HashMap<u64, Vec<crate::program::Frame>>,
}

impl Heard {
    /// From the last event on.
    async fn since(program: &mut Program) -> Fallible<Self> {
        let list = program.call(Method::GET, "/whatsapp/sessions?limit=1", Value::Null).await?;
        let after = list.get("seq").and_then(Value::as_u64).ok_or("no number")?;
        Ok(Self { after, frames: HashMap::new() })
    }

    /// Listens until so many accounts were told to stand so.
    async fn until(&mut self, socket: &mut Socket, status: &str, count: usize) -> Fallible<()> {
        // An account may be told twice to stand so: each frame has what is so by then.
        let mut there = HashSet::new();
        while there.len() < count {
            let frame = socket.status(|_| true).await?;
            if frame.says("status", status) {
                there.insert(frame.account());
            }
            self.frames.entry(frame.seq()).or_default().push(frame);
        }
        Ok(())
    }

    /// How long after their events the statuses came, at each socket.
    async fn times(self, program: &mut Program) -> Fallible<Vec<Duration>> {
        let mut times = Vec::new();
        for (seq, happened) in program.happened(self.after, "account.status").await? {
            times.extend(self.frames.get(&seq).into_iter().flatten().map(|frame| frame.after(happened)));
        }
        Ok(times)
    }
}

/// Tells how long it took. Fails when more than one in a hundred took longer than was asked for.
fn tell(what: &str, times: Vec<Duration>, asked: Duration) -> Fallible<()> {
    let (count, times) = (times.len(), Times::of(times));
    say(&format!("{what}: {} ({count} of them)", times.spread()))?;
    if count == 0 {
        return Err(format!("{what}: nothing was measured").into());
    }
    if times.p99 > asked {
        return Err(format!("{what}: {:?} at p99, where {asked:?} were asked for", times.p99).into());
    }
    Ok(())
}
