//! A child process: this program in another role. It is told what to do, and answers, in lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

use crate::Fallible;
use crate::usage::Usage;

/// It ends when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program with other arguments.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(arguments: &[&str]) -> Fallible<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        Ok(Self { process, commands, answers })
    }

    /// Tells it to do something; the answer is to be read later.
    ///
    /// # Errors
    /// It ended.
    pub fn tell(&mut self, command: &str) -> Fallible<()> {
        let commands = self.commands.as_mut().ok_or("the child was let go")?;
        Ok(writeln!(commands, "{command}")?)
    }

    /// Waits for its next line.
    ///
    /// # Errors
    /// It ended.
    pub fn answer(&mut self) -> Fallible<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err("a child process ended early".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Tells it to do something, and waits for the answer.
    ///
    /// # Errors
    /// It ended.
    pub fn ask(&mut self, command: &str) -> Fallible<String> {
        self.tell(command)?;
        self.answer()
    }

    /// Tells it to do something, and what that used.
    ///
    /// # Errors
    /// It ended, or failed.
    pub fn usage(&mut self, command: &str) -> Fallible<Usage> {
        Ok(self.ask(command)?.parse()?)
    }
}

impl Drop for Child {
    /// A child that failed may wait for what never comes; a store of ours survives being killed.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
