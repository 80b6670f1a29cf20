//! One connection's life: socket ↔ [`Connection`]. It ends with the reason why.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use wa_types::MessageId;

use super::outbox::Answered;
use super::{Pulse, clock};
use crate::connection::{
    Answer, CloseReason, Connection, Credentials, Incoming, Output, RequestError, RequestId,
};
use crate::crypto::SystemRandom;
use crate::noise::KnownServer;
use crate::transport::{Connector, Socket, is_refused_by_proxy};
use crate::wire::{Document, Node};

/// A socket that takes no bytes for this long is dead.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// Name resolution, TCP, TLS and the WebSocket handshake together.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// How many stanzas wait to be taken before the connection is given up; the server delivers them again.
const UNREAD_LIMIT: usize = 8192;

/// With so many unread stanzas nothing more is read, as long as some are being taken: the server waits then.
const UNREAD_PAUSE: usize = 1024;

/// No stanza taken for this long: whoever should take them waits for something, perhaps for an answer that is still to
/// be read. So reading goes on, up to [`UNREAD_LIMIT`].
const STALLED_AFTER: Duration = Duration::from_millis(100);

/// How many stanzas are handed over at once: one commit covers them all.
pub(super) const BATCH: usize = 64;

/// What the account's actor asks of the connection.
pub(super) enum Command {
    /// Stanzas that nobody answers, and messages, in this order.
    Write(Vec<Outgoing>),
    /// A request.
    Request { build: Build, limit: Duration, reply: oneshot::Sender<Result<Document<'static>, RequestError>> },
}

/// The stanza of a request with this id.
pub(super) type Build = Arc<dyn Fn(&str) -> Node + Send + Sync>;

/// A stanza on its way out.
pub(super) enum Outgoing {
    Stanza(Node),
    /// Its ack is awaited.
    Message {
        node: Node,
        id: MessageId,
        limit: Duration,
    },
}

/// What the connection tells the account's actor.
pub(super) enum Told {
    /// The server proved who it is.
    Established(KnownServer),
    Stanza(Incoming),
}

impl Told {
    /// Whether it belongs to the login: such stanzas are few, and are handled even while no others are taken.
    const fn is_of_login(&self) -> bool {
        matches!(self, Self::Established(_) | Self::Stanza(Incoming::Success(_) | Incoming::Pairing { .. }))
    }
}

/// Where the connection tells what came.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    /// What belongs to the login; it precedes all else.
    pub(super) login: mpsc::Sender<Told>,
    /// Answers to messages. They are taken also while stanzas are not.
    pub(super) answers: mpsc::Sender<Vec<Answered>>,
    /// All else, in order.
    pub(super) stanzas: mpsc::Sender<Vec<Told>>,
}

/// Opens a connection and drives it to its end. Owns the socket: returning, or being dropped, closes it.
pub(super) async fn run(
    connector: Arc<dyn Connector>,
    credentials: Credentials,
    commands: mpsc::Receiver<Command>,
    telling: Telling,
    pulse: Arc<Pulse>,
) -> CloseReason {
    let routing = credentials.routing.as_ref().map(|routing| routing.as_bytes().to_vec());
    let connecting = timeout(CONNECT_LIMIT, connector.connect(routing.as_deref()));
    let connected = tokio::select! {
        connected = connecting => connected,
        () = telling.stanzas.closed() => return CloseReason::Requested,
    };
    let socket = match connected {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            tracing::debug!(%error, "could not connect");
            let is_refused = is_refused_by_proxy(&error);
            return if is_refused { CloseReason::ProxyRefused } else { CloseReason::Network(error.kind()) };
        }
        Err(_) => return CloseReason::Network(std::io::ErrorKind::TimedOut),
    };
    let _stands = pulse.stands();
    let wall_clock = clock::unix_millis().to_seconds();
    let connection = Connection::new(credentials, clock::now(), wall_clock, Box::new(SystemRandom));
    Session {
        connection,
        socket,
        commands,
        telling,
        unread: Vec::new(),
        answered: Vec::new(),
        waiting: HashMap::new(),
        heard: clock::now(),
        pulse: &pulse,
    }
    .run()
    .await
}

struct Session<'p> {
    connection: Connection,
    socket: Box<dyn Socket>,
    commands: mpsc::Receiver<Command>,
    telling: Telling,
    /// Not yet handed over.
    unread: Vec<Told>,
    /// Not yet handed over; no more than there are messages under way.
    answered: Vec<Answered>,
    waiting: HashMap<RequestId, Waiting>,
    /// When bytes came last.
    heard: std::time::Instant,
    pulse: &'p Pulse,
}

enum Waiting {
    Request(oneshot::Sender<Result<Document<'static>, RequestError>>),
    Message(MessageId),
}

impl Session<'_> {
    async fn run(mut self) -> CloseReason {
        let reason = match self.drive().await {
            Ok(()) => CloseReason::Requested,
            Err(reason) => reason,
        };
        // What arrived before the end still counts; there is no waiting for room any more.
        self.collect();
        if !self.unread.is_empty() {
            let _ = self.telling.stanzas.try_send(std::mem::take(&mut self.unread));
        }
        if !self.answered.is_empty() {
            let _ = self.telling.answers.try_send(std::mem::take(&mut self.answered));
        }
        let _ = timeout(Duration::from_secs(1), self.socket.close()).await;
        reason
    }

    /// Ends with `Ok` when the account's actor lets go.
    async fn drive(&mut self) -> Result<(), CloseReason> {
        let told = self.telling.stanzas.clone();
        let answers = self.telling.answers.clone();
        let mut commands = Vec::with_capacity(BATCH);
        let mut taken_at = clock::now();
        let wake = sleep_until(Instant::from_std(self.connection.poll_timeout()));
        tokio::pin!(wake);
        loop {
            self.flush().await?;
            self.collect();
            if self.unread.len() > UNREAD_LIMIT {
                return Err(CloseReason::Overflow);
            }
            let stalled_at = taken_at + STALLED_AFTER;
            let reads = self.unread.len() < UNREAD_PAUSE || clock::now() >= stalled_at;
            let next = self.connection.poll_timeout();
            let next = Instant::from_std(if reads { next } else { next.min(stalled_at) });
            if wake.deadline() != next {
                wake.as_mut().reset(next);
            }
            tokio::select! {
                count = self.commands.recv_many(&mut commands, BATCH), if self.connection.is_open() => {
                    if count == 0 {
                        return self.flush().await;
                    }
                    commands.drain(..).for_each(|command| self.handle_command(command));
                }
                () = told.closed() => return self.let_go().await,
                Ok(slot) = answers.reserve(), if !self.answered.is_empty() => {
                    slot.send(std::mem::take(&mut self.answered));
                }
                slot = told.reserve(), if !self.unread.is_empty() => match slot {
                    Ok(slot) => {
                        let rest = self.unread.split_off(self.unread.len().min(BATCH));
                        slot.send(std::mem::replace(&mut self.unread, rest));
                        taken_at = clock::now();
                    }
                    Err(_) => return self.let_go().await,
                },
                bytes = self.socket.recv(), if reads => {
                    self.handle_bytes(bytes)?;
                    self.read_more()?;
                }
                () = &mut wake => self.connection.handle_timeout(clock::now())?,
            }
        }
    }

    /// The account's actor let go: what it asked for before that still leaves.
    async fn let_go(&mut self) -> Result<(), CloseReason> {
        while self.connection.is_open()
            && let Ok(command) = self.commands.try_recv()
        {
            self.handle_command(command);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), CloseReason> {
        while let Some(bytes) = self.connection.poll_transmit() {
            match timeout(WRITE_LIMIT, self.socket.send(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.after_write_error(&error)),
                Err(_) => return Err(CloseReason::DeadSocket),
            }
        }
        Ok(())
    }

    /// A server that refuses us closes at once: why it did may still be there to read.
    fn after_write_error(&mut self, error: &std::io::Error) -> CloseReason {
        self.read_more().err().unwrap_or(CloseReason::Network(error.kind()))
    }

    fn handle_bytes(&mut self, bytes: std::io::Result<Option<Vec<u8>>>) -> Result<(), CloseReason> {
        match bytes {
            Ok(Some(bytes)) => {
                let now = clock::now();
                self.pulse.heard();
                super::trail::count_silence(
                    now.saturating_duration_since(std::mem::replace(&mut self.heard, now)),
                );
                self.connection.handle_bytes(now, &bytes)
            }
            Ok(None) => Err(CloseReason::Network(std::io::ErrorKind::UnexpectedEof)),
            Err(error) => Err(CloseReason::Network(error.kind())),
        }
    }

    /// Takes what is there already, so that one commit and one write cover it.
    fn read_more(&mut self) -> Result<(), CloseReason> {
        for _ in 0..BATCH {
            let mut recv = self.socket.recv();
            let polled = recv.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(recv);
            match polled {
                Poll::Ready(bytes) => self.handle_bytes(bytes)?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn handle_command(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Write(stanzas) => {
                for stanza in stanzas {
                    self.write(now, stanza);
                }
            }
            Command::Request { build, limit, reply } => {
                match self.connection.request(now, |id| build(id), limit) {
                    Ok(id) => {
                        self.waiting.insert(id, Waiting::Request(reply));
                    }
                    Err(error) => {
                        let _ = reply.send(Err(error));
                    }
                }
            }
        }
    }

    fn write(&mut self, now: std::time::Instant, stanza: Outgoing) {
        match stanza {
            Outgoing::Stanza(node) => {
                if let Err(error) = self.connection.send(&node) {
                    tracing::warn!(%error, ?node, "a stanza could not be sent");
                }
            }
            Outgoing::Message { node, id, limit } => {
                match self.connection.send_message(now, id.as_str(), &node, limit) {
                    Ok(request) => {
                        self.waiting.insert(request, Waiting::Message(id));
                    }
                    Err(error) => self.answered.push(Answered { id, ack: Err(error) }),
                }
            }
        }
    }

    fn tell(&mut self, told: Told) {
        if told.is_of_login() {
            // More logins than fit are no login; the actor is gone, or the server out of its mind.
            if self.telling.login.try_send(told).is_err() {
                tracing::warn!("too many stanzas of a login");
            }
        } else {
            self.unread.push(told);
        }
    }

    /// Hands answers to those who wait, and keeps the rest for the account's actor.
    fn collect(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Established(server) => self.tell(Told::Established(server)),
                Output::Stanza(stanza) => self.tell(Told::Stanza(stanza)),
                Output::Answer(id, answer) => match (self.waiting.remove(&id), answer) {
                    (Some(Waiting::Request(reply)), answer) => {
                        let _ = reply.send(answer.and_then(|answer| match answer {
                            Answer::Iq(document) => Ok(document),
                            Answer::Ack(_) => Err(RequestError::ConnectionLost),
                        }));
                    }
                    (Some(Waiting::Message(id)), answer) => {
                        let ack = answer.and_then(|answer| match answer {
                            Answer::Ack(ack) => Ok(ack),
                            Answer::Iq(_) => Err(RequestError::ConnectionLost),
                        });
                        self.answered.push(Answered { id, ack });
                    }
                    (None, _) => {}
                },
            }
        }
    }
}
