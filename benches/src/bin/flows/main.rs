//! Whole flows against the test server, and what they cost. Every side is a process of its own (this program in
//! another role), so that each one's CPU time and memory are told apart.
//!
//! ```text
//! flows ──lines──┬─> server
//!                ├─> sender   ── WebSocket on loopback ──> server
//!                └─> receiver ── WebSocket on loopback ──> server
//! ```

mod bulk;
mod groups;
mod role;

use std::io::Write as _;
use std::process::ExitCode;

use tempfile::TempDir;
use wa_benches::child::Child;
use wa_benches::usage::Usage;
use wa_benches::{Fallible, say};

use crate::groups::Groups;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match words[..] {
        ["--role", "server"] => role::server(),
        ["--role", "accounts", server, directory] => role::accounts(server, directory),
        ["--role", "past", path, way] => role::past::read(path, way),
        _ => Options::parse(&words).and_then(|options| options.run()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(std::io::stderr(), "flows: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: flows [connect] [reconnect] [restart] [messages] [drain] [group] [large] [receipts] [media] [past] [idle] [--quick] [--messages N] [--window N] [--unanswered] [--members N] [--clients N,...] [--accounts N] [--mib N] [--past N] [--receipts N]

  connect        logins of a paired account, from opening its store
  reconnect      logins of an account whose client runs on
  restart        many accounts at once, from their stores to connected
  messages       texts from one client to another
  drain          texts that waited while the receiver was offline
  group          texts to a group of 500: the first one, and those after it
  large          a group of 1,024 members with two devices each, and another chat beside it
  receipts       read receipts from one client to another
  media          a large file up and down
  past           the messages that a phone hands to a new device
  idle           memory of connected clients
  --messages N   how many texts, 10,000 by default (to a group: 2,000)
  --members N    how large both groups are
  --window N     how many texts are on their way at once, 256 by default
  --unanswered   the receiver never writes back, so that every text carries the hello of its session
  --clients N,.. how many idle clients, 1,10,100,1000 by default
  --accounts N   how many accounts restart, 1000 by default
  --mib N        how large the file is, 256 by default
  --past N       how many messages the past has, 100,000 by default
  --receipts N   how many messages are read, 1,000 by default
  --quick        a few of each, to see that it works";

struct Options {
    flows: Vec<String>,
    logins: usize,
    messages: usize,
    window: usize,
    is_answered: bool,
    clients: Vec<usize>,
    accounts: usize,
    mib: u64,
    past: usize,
    receipts: usize,
    groups: Groups,
}

impl Options {
    fn parse(words: &[&str]) -> Fallible<Self> {
        let mut options = Self {
            flows: Vec::new(),
            logins: 50,
            messages: 10_000,
            window: 256,
            is_answered: true,
            clients: vec![1, 10, 100, 1000],
            accounts: 1000,
            mib: 256,
            past: 100_000,
            receipts: 1000,
            groups: Groups { members: 500, large: 1024, messages: 2000, window: 256, rounds: 50 },
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a number"));
            match word {
                "connect" | "reconnect" | "restart" | "messages" | "drain" | "group" | "large"
                | "receipts" | "media" | "past" | "idle" => options.flows.push(word.to_owned()),
                "--messages" => {
                    options.messages = value()?.parse()?;
                    options.groups.messages = options.messages;
                }
                "--window" => {
                    options.window = value()?.parse()?;
                    options.groups.window = options.window;
                }
                "--members" => {
                    options.groups.members = value()?.parse()?;
                    options.groups.large = options.groups.members;
                }
                "--accounts" => options.accounts = value()?.parse()?,
                "--mib" => options.mib = value()?.parse()?,
                "--past" => options.past = value()?.parse()?,
                "--receipts" => options.receipts = value()?.parse()?,
                "--unanswered" => options.is_answered = false,
                "--clients" => {
                    options.clients = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--quick" => {
                    (options.logins, options.messages, options.clients) = (3, 200, vec![1, 3]);
                    options.accounts = 3;
                    (options.mib, options.past, options.receipts) = (8, 2000, 50);
                    options.groups = Groups { members: 20, large: 20, messages: 100, window: 64, rounds: 3 };
                }
                _ => return Err(format!("unknown argument {word}").into()),
            }
        }
        options.clients.sort_unstable();
        Ok(options)
    }

    fn run(&self) -> Fallible<()> {
        let is_wanted = |flow: &str| self.flows.is_empty() || self.flows.iter().any(|wanted| wanted == flow);
        if is_wanted("connect") {
            self.connect()?;
        }
        if is_wanted("reconnect") {
            self.reconnect()?;
        }
        if is_wanted("restart") {
            self.restart()?;
        }
        if is_wanted("messages") {
            self.messages()?;
        }
        if is_wanted("drain") {
            self.drain()?;
        }
        if is_wanted("group") {
            self.groups.cost()?;
        }
        if is_wanted("large") {
            self.groups.delay()?;
        }
        if is_wanted("receipts") {
            self.receipts()?;
        }
        if is_wanted("media") {
            bulk::media(self.mib)?;
        }
        if is_wanted("past") {
            bulk::past(self.past)?;
        }
        if is_wanted("idle") {
            self.idle()?;
        }
        Ok(())
    }

    /// From opening the store of a paired account until messages can be sent.
    fn connect(&self) -> Fallible<()> {
        let scene = Scene::new()?;
        let mut accounts = scene.accounts("one")?;
        accounts.ask("pair 1")?;
        accounts.usage("login 1")?;
        let used = accounts.usage(&format!("login {}", self.logins))?;
        say(&format!(
            "connect   {} logins: {:.2} ms each until ready, {:.0} µs CPU, {}; {} KiB resident",
            self.logins,
            used.wall.as_secs_f64() * 1e3 / self.logins as f64,
            used.cpu_us_per(self.logins),
            used.allocations_per(self.logins),
            used.resident_kib,
        ))
    }

    /// From a connection that ended until messages can be sent again.
    fn reconnect(&self) -> Fallible<()> {
        let scene = Scene::new()?;
        let mut accounts = scene.accounts("one")?;
        accounts.ask("pair 1")?;
        accounts.ask("open 1")?;
        accounts.usage("reconnect 1")?;
        let used = accounts.usage(&format!("reconnect {}", self.logins))?;
        say(&format!(
            "reconnect {} times: {:.2} ms each until ready, {:.0} µs CPU, {}; {} KiB resident",
            self.logins,
            used.wall.as_secs_f64() * 1e3 / self.logins as f64,
            used.cpu_us_per(self.logins),
            used.allocations_per(self.logins),
            used.resident_kib,
        ))
    }

    /// A process that starts with many accounts in their stores, until all are connected.
    fn restart(&self) -> Fallible<()> {
        let mut scene = Scene::new()?;
        scene.accounts("all")?.ask(&format!("pair {}", self.accounts))?;
        let mut accounts = scene.accounts("all")?;
        scene.server.usage("usage")?;
        let answer = accounts.ask(&format!("open {}", self.accounts))?;
        let used: Usage = answer.split_once(' ').ok_or("no usage")?.1.parse()?;
        let server = scene.server.usage("usage")?;
        say(&format!(
            "restart   {} accounts: {:.2} s until all are ready; {:.0} µs CPU and {} each, the server {:.0} µs; {} KiB resident",
            self.accounts,
            used.wall.as_secs_f64(),
            used.cpu_us_per(self.accounts),
            used.allocations_per(self.accounts),
            server.cpu_us_per(self.accounts),
            used.resident_kib,
        ))
    }

    /// Texts from one client to another, with acks and delivery receipts.
    fn messages(&self) -> Fallible<()> {
        let mut scene = Scene::new()?;
        let (mut sender, mut receiver) = (scene.accounts("sender")?, scene.accounts("receiver")?);
        sender.ask("pair 1")?;
        receiver.ask("pair 1")?;
        let from = address(&sender.ask("open 1")?)?;
        let to = address(&receiver.ask("open 1")?)?;
        let run =
            |sender: &mut Child, receiver: &mut Child, to: &str, count: usize| -> Fallible<[Usage; 2]> {
                receiver.tell(&format!("receive {count}"))?;
                let sent = sender.usage(&format!("send {to} {count} {}", self.window))?;
                Ok([sent, receiver.answer()?.parse()?])
            };
        // Sessions, caches.
        let warm_up = self.messages.min(self.window);
        run(&mut sender, &mut receiver, &to, warm_up)?;
        if self.is_answered {
            run(&mut receiver, &mut sender, &from, 1)?;
            run(&mut sender, &mut receiver, &to, 1)?;
        }
        scene.server.usage("usage")?;
        let [sent, received] = run(&mut sender, &mut receiver, &to, self.messages)?;
        let server = scene.server.usage("usage")?;
        for (side, used) in [("sent", sent), ("received", received), ("server", server)] {
            say(&format!(
                "messages  {side:8} {} in {:.2} s, {:.0} per second; {:.1} µs CPU and {} each; {} KiB resident",
                self.messages,
                used.wall.as_secs_f64(),
                self.messages as f64 / used.wall.as_secs_f64(),
                used.cpu_us_per(self.messages),
                used.allocations_per(self.messages),
                used.resident_kib,
            ))?;
        }
        Ok(())
    }

    /// Texts that wait for a client while it is offline: from opening its store to the last of them.
    fn drain(&self) -> Fallible<()> {
        let mut scene = Scene::new()?;
        let (mut sender, mut receiver) = (scene.accounts("sender")?, scene.accounts("receiver")?);
        sender.ask("pair 1")?;
        receiver.ask("pair 1")?;
        sender.ask("open 1")?;
        let to = address(&receiver.ask("open 1")?)?;
        receiver.tell("receive 1")?;
        sender.ask(&format!("send {to} 1 1"))?;
        receiver.answer()?;
        // Its phone stays online, and tells that the messages are delivered.
        drop(receiver);
        let mut receiver = scene.accounts("receiver")?;
        sender.ask(&format!("send {to} {} {}", self.messages, self.window))?;
        scene.server.usage("usage")?;
        let used = receiver.usage(&format!("drain {}", self.messages))?;
        let server = scene.server.usage("usage")?;
        say(&format!(
            "drain     {} in {:.2} s from the start, {:.0} per second; {:.1} µs CPU and {} each, the server {:.1} µs; {} KiB resident",
            self.messages,
            used.wall.as_secs_f64(),
            self.messages as f64 / used.wall.as_secs_f64(),
            used.cpu_us_per(self.messages),
            used.allocations_per(self.messages),
            server.cpu_us_per(self.messages),
            used.resident_kib,
        ))
    }

    /// Messages that are read one by one: a receipt for each.
    fn receipts(&self) -> Fallible<()> {
        let mut scene = Scene::new()?;
        let (mut sender, mut receiver) = (scene.accounts("sender")?, scene.accounts("receiver")?);
        sender.ask("pair 1")?;
        receiver.ask("pair 1")?;
        sender.ask("open 1")?;
        let to = address(&receiver.ask("open 1")?)?;
        receiver.tell(&format!("collect {}", self.receipts))?;
        sender.ask(&format!("send {to} {} {}", self.receipts, self.window))?;
        receiver.answer()?;
        scene.server.usage("usage")?;
        sender.tell(&format!("await-read {}", self.receipts))?;
        let read = receiver.usage("read")?;
        let told: Usage = sender.answer()?.parse()?;
        let server = scene.server.usage("usage")?;
        for (side, used) in [("sent", read), ("received", told), ("server", server)] {
            say(&format!(
                "receipts  {side:8} {}; {:.1} µs CPU and {} each; {} KiB resident",
                self.receipts,
                used.cpu_us_per(self.receipts),
                used.allocations_per(self.receipts),
                used.resident_kib,
            ))?;
        }
        Ok(())
    }

    /// Memory of clients that are connected and have nothing to do.
    fn idle(&self) -> Fallible<()> {
        let scene = Scene::new()?;
        let most = self.clients.last().copied().unwrap_or(0);
        scene.accounts("all")?.ask(&format!("pair {most}"))?;
        // A fresh process: what pairing left behind is no part of it.
        let mut accounts = scene.accounts("all")?;
        let mut open = |count: usize| -> Fallible<Usage> {
            let answer = accounts.ask(&format!("open {count}"))?;
            Ok(answer.split_once(' ').ok_or("no usage")?.1.parse()?)
        };
        let none = open(0)?.resident_kib;
        say(&format!("idle      0 clients: {none} KiB resident"))?;
        let (mut before, mut resident) = (0, none);
        for &count in &self.clients {
            let used = open(count)?;
            let each = |more: u64, clients: usize| more as f64 / 1024.0 / clients as f64;
            say(&format!(
                "idle      {count} clients: {} KiB resident, {:.3} MiB each; {:.3} MiB for each of the last {}; {:.1} ms CPU per login",
                used.resident_kib,
                each(used.resident_kib.saturating_sub(none), count),
                each(used.resident_kib.saturating_sub(resident), count - before),
                count - before,
                used.cpu.as_secs_f64() * 1e3 / (count - before) as f64,
            ))?;
            (before, resident) = (count, used.resident_kib);
        }
        Ok(())
    }
}

/// The address in what `open` answers.
fn address(opened: &str) -> Fallible<String> {
    Ok(opened.split(' ').next().ok_or("no address")?.to_owned())
}

/// A server, and a place for stores.
struct Scene {
    server: Child,
    address: String,
    directory: TempDir,
}

impl Scene {
    fn new() -> Fallible<Self> {
        let mut server = Child::start(&["--role", "server"])?;
        let address = server.answer()?;
        Ok(Self { server, address, directory: tempfile::tempdir()? })
    }

    /// A process with accounts in a directory of this name.
    fn accounts(&self, name: &str) -> Fallible<Child> {
        let directory = self.directory.path().join(name);
        std::fs::create_dir_all(&directory)?;
        Child::start(&["--role", "accounts", &self.address, &directory.to_string_lossy()])
    }
}
