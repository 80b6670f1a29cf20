//! One life of the child: its orders, what it says, and its end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use wa_test_server::{Endpoint, Phone};
use wa_types::Jid;

use crate::Fallible;
use crate::deadly::Death;
use crate::ledger::Ledger;

/// A child that says nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running child.
pub(crate) struct Life {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    is_ready: bool,
}

/// What a child said last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something that the ledger has now.
    Something,
    /// Nothing more: it is dead.
    Nothing,
}

impl Life {
    pub(crate) fn begin(endpoint: &Endpoint, store: &Path, death: Death) -> Fallible<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("child")
            .arg(&endpoint.url)
            .arg(hex::encode(endpoint.root.public_key.as_bytes()))
            .arg(endpoint.root.serial.to_string())
            .arg(store)
            .arg(death.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or("the child has no stdin")?;
        let out = child.stdout.take().ok_or("the child has no stdout")?;
        Ok(Self { child, orders, lines: BufReader::new(out).lines(), is_ready: false })
    }

    /// Orders a message. An order that reaches a dead child is given to the next one.
    pub(crate) async fn send(&mut self, number: u64, chat: &Jid) {
        let _ = self.orders.write_all(format!("send {number} {chat}\n").as_bytes()).await;
    }

    /// Ends the child in good order, and waits for it; what it still says counts.
    pub(crate) async fn stop(mut self, ledger: &mut Ledger, phone: &Phone) -> Fallible<()> {
        let _ = self.orders.write_all(b"stop\n").await;
        while self.hear(ledger, phone).await? == Said::Something {}
        let status = self.child.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the child ended with {status}").into()) }
    }

    /// Kills the child from outside; what it said before counts.
    pub(crate) async fn kill(mut self, ledger: &mut Ledger, phone: &Phone) -> Fallible<()> {
        self.child.start_kill()?;
        self.mourn(ledger, phone).await
    }

    /// Waits for the end of a child that is dying.
    pub(crate) async fn mourn(mut self, ledger: &mut Ledger, phone: &Phone) -> Fallible<()> {
        while self.hear(ledger, phone).await? == Said::Something {}
        let status = self.child.wait().await?;
        // No code: a signal ended it. A code would be an error of its own, told on stderr.
        if status.code().is_some() { Err(format!("the child ended with {status}").into()) } else { Ok(()) }
    }

    /// Takes the child's next line.
    pub(crate) async fn hear(&mut self, ledger: &mut Ledger, phone: &Phone) -> Fallible<Said> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.map_err(|_| "the child hangs")??;
        let Some(line) = line else { return Ok(Said::Nothing) };
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["qr", text] => drop(phone.scan(text).await?),
            ["ready"] => self.is_ready = true,
            ["got", id, text] => ledger.got(id, text),
            ["pushed", seq, id] => ledger.pushed(seq.parse()?, id),
            ["confirmed", seq] => ledger.confirmed(seq.parse()?),
            ["acked", number] => ledger.acked(number.parse()?),
            ["failed", number, error] => ledger.wrong(format!("out-{number} failed: {error}")),
            _ => return Err(format!("the child says {line}").into()),
        }
        Ok(Said::Something)
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.is_ready
    }
}
