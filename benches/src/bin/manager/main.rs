//! What `wa-manager` and the reference server cost, against the test server. Every side is a process of its own, so that
//! each one's CPU time and memory are told apart. Requirements: manager.md, 5.7.
//!
//! ```text
//! manager ──lines──┬─> server     <── WebSocket on loopback ──┐
//!         │        ├─> accounts (a manager) ──────────────────┤
//!         │        └─> receiver (of webhooks)                 │
//!         └─REST, WebSocket─> wa-server ──────────────────────┘
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `program` | `wa-server`, as its clients see it |
//! | `status` | frames, starts and stops: through `wa-server` |
//! | `many` | clients, memory, pairings: a manager alone |
//! | `webhooks` | events to a receiver |
//! | `role` | what the child processes do |

mod many;
mod program;
mod role;
mod status;
mod webhooks;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;
use wa_benches::Fallible;
use wa_benches::child::Child;
use wa_benches::usage::Usage;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match words[..] {
        ["--role", "server", file] => role::server(file),
        ["--role", "accounts", file, admin, directory] => role::accounts(file, admin, directory),
        ["--role", "receiver"] => role::receiver(),
        _ => Options::parse(&words).and_then(|options| options.run()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(std::io::stderr(), "manager: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: manager [frames] [start-stop] [clients [N]] [memory [N,...]] [pairings [N]] [webhooks [N]] [--rounds N] [--quick]

  frames         from a change of an account to the frame on a socket of wa-server: 20 accounts, 10 sockets
  start-stop     from the call to the status, the same way
  clients N      that many accounts run in one manager, 1000 by default
  memory N,..    of so many idle accounts, 100,500,1000 by default
  pairings N     that many accounts are linked at the same time, 50 by default
  webhooks N     that many events to one receiver, 10,000 by default
  --rounds N     how often frames and start-stop are measured, 300 by default
  --quick        a few of each, to see that it works, and not far from what was asked for

It fails when what was asked for is missed by far. wa-server has to be built, in the same profile: it is looked for beside this program.";

struct Options {
    subjects: Vec<String>,
    /// Of `wa-server`.
    accounts: usize,
    sockets: usize,
    rounds: usize,
    clients: usize,
    memory: Vec<usize>,
    pairings: usize,
    events: u64,
}

impl Options {
    fn parse(words: &[&str]) -> Fallible<Self> {
        let mut options = Self {
            subjects: Vec::new(),
            accounts: 20,
            sockets: 10,
            rounds: 300,
            clients: 1000,
            memory: vec![100, 500, 1000],
            pairings: 50,
            events: 10_000,
        };
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
            match word {
                "frames" | "start-stop" | "clients" | "memory" | "pairings" | "webhooks" => {
                    options.subjects.push(word.to_owned());
                    if let Some(number) = words.next_if(is_number) {
                        options.size(word, number)?;
                    }
                }
                "--rounds" => options.rounds = words.next().ok_or("--rounds needs a number")?.parse()?,
                "--quick" => {
                    (options.accounts, options.sockets, options.rounds) = (2, 2, 4);
                    (options.clients, options.memory, options.pairings) = (12, vec![2, 4], 4);
                    options.events = 200;
                }
                _ => return Err(format!("unknown argument {word}").into()),
            }
        }
        Ok(options)
    }

    fn size(&mut self, subject: &str, number: &str) -> Fallible<()> {
        match subject {
            "clients" => self.clients = number.parse()?,
            "memory" => {
                self.memory = number.split(',').map(str::parse).collect::<Result<_, _>>()?;
                self.memory.sort_unstable();
            }
            "pairings" => self.pairings = number.parse()?,
            "webhooks" => self.events = number.parse()?,
            _ => return Err(format!("{subject} has no size").into()),
        }
        Ok(())
    }

    fn run(&self) -> Fallible<()> {
        let is_wanted =
            |subject: &str| self.subjects.is_empty() || self.subjects.iter().any(|wanted| wanted == subject);
        if is_wanted("frames") {
            status::frames(self.accounts, self.sockets, self.rounds)?;
        }
        if is_wanted("start-stop") {
            status::start_stop(self.accounts, self.rounds)?;
        }
        if is_wanted("clients") {
            many::clients(self.clients)?;
        }
        if is_wanted("memory") {
            many::memory(&self.memory)?;
        }
        if is_wanted("pairings") {
            many::pairings(self.pairings)?;
        }
        if is_wanted("webhooks") {
            webhooks::throughput(self.events)?;
        }
        Ok(())
    }
}

/// The name of an account.
fn name(number: usize) -> String {
    format!("account-{number}")
}

/// The name of the phone that it is linked to.
fn phone(number: usize) -> String {
    format!("phone-{number}")
}

/// How many accounts are linked at once where only the result counts.
const LINKED_AT_ONCE: usize = 8;

/// A test server, and a directory for the accounts.
struct Scene {
    directory: TempDir,
    server: Child,
    /// Where its phones scan.
    admin: String,
}

impl Scene {
    fn new() -> Fallible<Self> {
        let directory = TempDir::new()?;
        let file = path(&directory.path().join("server.json"))?;
        let mut server = Child::start(&["--role", "server", &file])?;
        let admin = server.answer()?;
        Ok(Self { directory, server, admin })
    }

    /// The file that describes the test server.
    fn file(&self) -> Fallible<String> {
        path(&self.directory.path().join("server.json"))
    }

    /// A process with a manager; what it used before it had one, and with it.
    fn accounts(&self) -> Fallible<(Child, [Usage; 2])> {
        let directory = path(self.directory.path())?;
        let mut child = Child::start(&["--role", "accounts", &self.file()?, &self.admin, &directory])?;
        let used = [child.answer()?.parse()?, child.answer()?.parse()?];
        Ok((child, used))
    }

    /// Links so many accounts, and ends their process in good order: the next manager restores them.
    fn link(&self, count: usize) -> Fallible<()> {
        let (mut accounts, _) = self.accounts()?;
        accounts.ask(&format!("link {count} {LINKED_AT_ONCE}"))?;
        accounts.ask("end")?;
        Ok(())
    }
}

fn path(path: &Path) -> Fallible<String> {
    Ok(path.to_str().ok_or("the path of the temporary directory is no text")?.to_owned())
}
