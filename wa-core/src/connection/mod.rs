//! One connection: handshake, frames, requests, keep-alive. No socket, no clock: bytes and times are handed in
//! (`handle_*`), and what came of them is asked for (`poll_*`).
//!
//! ```text
//! Xx ──┐
//!      ├─ server hello ──> Open ── stream end, failure, dead socket ──> Closed
//! Ik ──┘
//! ```
//!
//! Protocol: transport.

pub mod close;
mod keep_alive;
mod requests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smol_str::SmolStr;
use wa_types::{Jid, KeyPair, MessageId, UnixSeconds};

pub use close::{CloseReason, NextStep};
pub use requests::RequestId;

use crate::crypto::Random;
use crate::noise::{
    HandshakeError, Header, KnownServer, RoutingInfo, Transport, TransportError, TrustRoot, ik, xx,
};
use crate::stanza::ack::{self, MessageAck, nack};
use crate::stanza::call::{self, InboundCall};
use crate::stanza::ib::Ib;
use crate::stanza::iq::{self, IqRefusal};
use crate::stanza::message::InboundMessage;
use crate::stanza::notification::Notification;
use crate::stanza::pairing::PairingRequest;
use crate::stanza::presence::{InboundChatState, InboundPresence};
use crate::stanza::receipt::InboundReceipt;
use crate::stanza::stream::{Failure, StreamError, Success};
use crate::stanza::{Reader, StanzaError};
use crate::wire::frame::{FrameBuffer, FrameStart, write_frame};
use crate::wire::{self, DecodeError, Document, EncodeError, Node, NodeRef};
use keep_alive::{Due, KeepAlive};
use requests::{Answers, Requests};

/// The handshake, and the first stanza after it, must be through by then.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

/// How long a request waits for its answer.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// What a connection needs to know of the account. `Debug` shows no payload: it holds a phone number.
#[non_exhaustive]
pub struct Credentials {
    /// The account's key for handshakes.
    pub noise: KeyPair,
    /// The encoded client payload: registration, or login.
    pub payload: Vec<u8>,
    /// Whom the server's certificates must lead to.
    pub trust_root: TrustRoot,
    /// What the server gave us to come back to the same edge.
    pub routing: Option<RoutingInfo>,
    /// The server of an earlier connection, for a shorter handshake.
    pub known_server: Option<KnownServer>,
    /// Our own devices' addresses, phone number and LID, when paired.
    pub own: Vec<Jid>,
}

impl Credentials {
    /// What an unpaired account connects with; the other fields are empty.
    #[must_use]
    pub const fn new(noise: KeyPair, payload: Vec<u8>, trust_root: TrustRoot) -> Self {
        Self { noise, payload, trust_root, routing: None, known_server: None, own: Vec::new() }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("own", &self.own).finish_non_exhaustive()
    }
}

/// One connection to the server.
pub struct Connection {
    frames: FrameBuffer,
    open: Inner,
}

/// What a connection has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// The server proved who it is. Worth keeping for the next handshake.
    Established(KnownServer),
    /// A stanza for us.
    Stanza(Incoming),
    /// The answer to a request or a message, or why none came.
    Answer(RequestId, Result<Answer, RequestError>),
}

/// A stanza that is somebody's to handle. What carries an `ack` is to be acknowledged with it, once handled.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// The login succeeded.
    Success(Success),
    /// Pairing.
    Pairing {
        /// The id that the answer must carry.
        iq_id: String,
        /// What the server wants.
        request: PairingRequest,
    },
    /// A message; answered with a receipt or an ack.
    Message(Box<InboundMessage>),
    /// A receipt.
    Receipt {
        /// What it says.
        receipt: Box<InboundReceipt>,
        /// Its ack.
        ack: Node,
        /// It is of the backlog of the time away.
        is_backlog: bool,
    },
    /// A notification.
    Notification {
        /// What it says.
        notification: Notification,
        /// Its ack.
        ack: Node,
        /// It is of the backlog of the time away.
        is_backlog: bool,
    },
    /// The server has our request for this message of somebody else.
    RetryAck(MessageId),
    /// Whether somebody is there.
    Presence(InboundPresence),
    /// Somebody writes, or stopped.
    ChatState(InboundChatState),
    /// A step of a call.
    Call {
        /// What it says.
        call: Box<InboundCall>,
        /// Its answer.
        answer: Node,
        /// It is of the backlog of the time away.
        is_backlog: bool,
    },
    /// What the server tells about the connection.
    Ib(Vec<Ib>),
    /// A stanza without a handler here; it is acknowledged already where that is due.
    Other(Node),
}

/// An answer of the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To a request: the whole `<iq type="result">`.
    Iq(Document<'static>),
    /// To a message.
    Ack(MessageAck),
}

/// Why a request has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused it; mind its back-off.
    #[error(transparent)]
    Refused(#[from] IqRefusal),
    /// The answer lacks what it must have.
    #[error("the answer is malformed")]
    Malformed(#[from] StanzaError),
    /// No answer in time. It may have been carried out all the same.
    #[error("no answer in time")]
    Timeout,
    /// The connection was lost before an answer came. It may have been carried out all the same.
    #[error("the connection was lost, and the request not answered")]
    ConnectionLost,
    /// There is no connection. Nothing was sent.
    #[error("not connected")]
    NotConnected,
    /// The stanza is longer than a frame may be. Nothing was sent.
    #[error("the request is too long for a frame")]
    TooLong,
    /// The request has no form on the wire. Nothing was sent.
    #[error("the request cannot be encoded")]
    Encode(#[from] EncodeError),
}

struct Inner {
    state: State,
    credentials: Secrets,
    outgoing: Vec<u8>,
    outputs: VecDeque<Output>,
    requests: Requests,
    next_request: u64,
    id_prefix: String,
    keep_alive: KeepAlive,
    handshake_deadline: Option<Instant>,
    has_succeeded: bool,
    random: Box<dyn Random + Send>,
}

struct Secrets {
    payload: Vec<u8>,
    trust_root: TrustRoot,
    own: Vec<Jid>,
    wall_clock: UnixSeconds,
}

enum State {
    Xx(xx::AwaitingServerHello),
    Ik(Box<ik::AwaitingAnswer>),
    Open(Transport),
    Closed,
}

impl Connection {
    /// Begins a connection: the hello waits in [`Self::poll_transmit`]. `wall_clock` is for certificates.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        now: Instant,
        wall_clock: UnixSeconds,
        mut random: Box<dyn Random + Send>,
    ) -> Self {
        let Credentials { noise, payload, trust_root, routing, known_server, own } = credentials;
        let mut source = &mut *random;
        let resumed = known_server
            .and_then(|server| ik::start(noise.clone(), server, &payload, wall_clock, &mut source).ok())
            .map(|(hello, state)| (hello, State::Ik(Box::new(state))));
        let (hello, state) = resumed.unwrap_or_else(|| {
            let (hello, state) = xx::start(noise, &mut source);
            (hello, State::Xx(state))
        });
        let mut outgoing = Vec::with_capacity(256);
        Header::new(routing).write(&mut outgoing);
        write_frame(&hello, &mut outgoing).expect("a hello is far shorter than a frame may be");
        let mut prefix = [0; 3];
        random.fill(&mut prefix);
        let [a, b, c] = prefix;
        let open = Inner {
            state,
            credentials: Secrets { payload, trust_root, own, wall_clock },
            outgoing,
            outputs: VecDeque::new(),
            requests: Requests::default(),
            next_request: 1,
            id_prefix: format!("{}.{c}-", u16::from_be_bytes([a, b])),
            keep_alive: KeepAlive::new(now, &mut *random),
            handshake_deadline: Some(now + HANDSHAKE_LIMIT),
            has_succeeded: false,
            random,
        };
        Self { frames: FrameBuffer::new(), open }
    }

    /// Takes bytes as they came from the socket.
    ///
    /// # Errors
    /// Why the connection is over. Outputs that came before it are still there to be polled.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), CloseReason> {
        self.open.keep_alive.received(now);
        self.frames.push(bytes).map_err(|_| CloseReason::BadFrame)?;
        while let Some(frame) = self.frames.next_frame().map_err(|_| CloseReason::BadFrame)? {
            self.open.handle_frame(frame)?;
        }
        Ok(())
    }

    /// To be called when the time of [`Self::poll_timeout`] has come.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), CloseReason> {
        let open = &mut self.open;
        while let Some(request) = open.requests.take_overdue(now) {
            open.outputs.push_back(Output::Answer(request, Err(RequestError::Timeout)));
        }
        if open.handshake_deadline.is_some_and(|deadline| now >= deadline) {
            return Err(CloseReason::DeadSocket);
        }
        if !matches!(open.state, State::Open(_)) {
            return Ok(());
        }
        match open.keep_alive.due(now, &mut *open.random) {
            Due::Nothing => Ok(()),
            Due::Dead => Err(CloseReason::DeadSocket),
            Due::Ping => {
                let id = open.next_id();
                let ping = iq::IqRequest::to_node(&iq::ping::Ping, &id);
                open.write(&ping).map_err(|_| CloseReason::BadFrame)?;
                open.keep_alive.sent(now);
                Ok(())
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let open = &self.open;
        let next = open.keep_alive.next();
        let next = open.requests.next_deadline().map_or(next, |deadline| next.min(deadline));
        open.handshake_deadline.map_or(next, |deadline| next.min(deadline))
    }

    /// What is to be written to the socket, all frames in one piece.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.open.outgoing.is_empty()).then(|| std::mem::take(&mut self.open.outgoing))
    }

    /// What came of it all, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.open.outputs.pop_front()
    }

    /// Whether the handshake is through and stanzas can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.open.state, State::Open(_))
    }

    /// Sends a stanza that nobody answers.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::Encode`].
    pub fn send(&mut self, node: &Node) -> Result<(), RequestError> {
        self.open.write(node)
    }

    /// Sends a request; its answer comes as [`Output::Answer`] under the id returned here, within `limit`.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::Encode`]: no answer will come.
    pub fn request(
        &mut self,
        now: Instant,
        build: impl FnOnce(&str) -> Node,
        limit: Duration,
    ) -> Result<RequestId, RequestError> {
        let id = self.open.next_id();
        let node = build(&id);
        self.open.ask(now, &node, Answers::Iq, SmolStr::new(id), limit)
    }

    /// Sends a message; the server's ack comes as [`Output::Answer`] under the id returned here, within `limit`.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::Encode`]: no answer will come.
    pub fn send_message(
        &mut self,
        now: Instant,
        id: &str,
        node: &Node,
        limit: Duration,
    ) -> Result<RequestId, RequestError> {
        self.open.ask(now, node, Answers::Ack, SmolStr::new(id), limit)
    }
}

impl Inner {
    fn next_id(&mut self) -> String {
        self.next_request += 1;
        format!("{}{}", self.id_prefix, self.next_request)
    }

    fn ask(
        &mut self,
        now: Instant,
        node: &Node,
        answers: Answers,
        stanza: SmolStr,
        limit: Duration,
    ) -> Result<RequestId, RequestError> {
        self.write(node)?;
        self.keep_alive.sent(now);
        self.next_request += 1;
        let request = RequestId(self.next_request);
        if let Some(replaced) = self.requests.add(answers, stanza, request, now, limit) {
            // The same message sent twice: the second sending's answer answers both.
            self.outputs.push_back(Output::Answer(replaced, Err(RequestError::Timeout)));
        }
        Ok(request)
    }

    fn write(&mut self, node: &Node) -> Result<(), RequestError> {
        let State::Open(transport) = &mut self.state else { return Err(RequestError::NotConnected) };
        let frame = FrameStart::new(&mut self.outgoing);
        if let Err(error) = wire::encode_into(node, &mut self.outgoing) {
            frame.abandon(&mut self.outgoing);
            return Err(error.into());
        }
        match transport.sender.seal(frame, &mut self.outgoing) {
            Ok(()) => Ok(()),
            Err(TransportError::Frame(_)) => Err(RequestError::TooLong),
            Err(_) => Err(RequestError::NotConnected),
        }
    }

    fn handle_frame(&mut self, frame: &mut [u8]) -> Result<(), CloseReason> {
        let State::Open(transport) = &mut self.state else { return self.handle_handshake(frame) };
        let plain = transport.receiver.open(frame).map_err(|_| CloseReason::BadFrame)?;
        let body = match wire::unpack(plain) {
            Ok(body) => body,
            Err(DecodeError::StreamEnd) => return Err(CloseReason::StreamEnd),
            Err(error) => {
                // The counter has advanced and the stream is intact: the server delivers the stanza again.
                tracing::warn!(%error, bytes = plain.len(), "a frame that is no stanza was dropped");
                return Ok(());
            }
        };
        match wire::decode(&body) {
            Ok(document) => self.handle_document(document),
            Err(error) => {
                tracing::warn!(%error, bytes = body.len(), "a frame that is no stanza was dropped");
                Ok(())
            }
        }
    }

    fn handle_document(&mut self, document: Document<'_>) -> Result<(), CloseReason> {
        self.handshake_deadline = None;
        let iq = Reader::new(document.root());
        tracing::trace!(node = ?iq.node(), "received");
        if !iq.is("iq") || !(iq.attr_is("type", "result") || iq.attr_is("type", "error")) {
            return self.handle_stanza(document.root());
        }
        let id = iq.text_opt("id").unwrap_or_default();
        if let Some(request) = self.requests.take(Answers::Iq, &id) {
            let answer = match IqRefusal::read(iq) {
                Some(refusal) => Err(RequestError::Refused(refusal)),
                None => Ok(Answer::Iq(document.into_owned())),
            };
            self.outputs.push_back(Output::Answer(request, answer));
        }
        Ok(())
    }

    fn handle_handshake(&mut self, hello: &[u8]) -> Result<(), CloseReason> {
        let Secrets { payload, trust_root, wall_clock, .. } = &self.credentials;
        let finished = match std::mem::replace(&mut self.state, State::Closed) {
            State::Xx(state) => state
                .finish(hello, payload, trust_root, *wall_clock)
                .map(|(finish, established)| (Some(finish), established)),
            State::Ik(state) => {
                state.finish(hello, payload, trust_root, *wall_clock).map(|answer| match answer {
                    ik::Answer::Resumed(established) => (None, established),
                    ik::Answer::FellBack { finish, established } => (Some(finish), established),
                })
            }
            State::Open(_) | State::Closed => return Err(CloseReason::BadFrame),
        };
        let (finish, established) = finished.map_err(CloseReason::Handshake)?;
        if let Some(finish) = finish {
            write_frame(&finish, &mut self.outgoing)
                .map_err(|_| CloseReason::Handshake(HandshakeError::Malformed))?;
        }
        self.state = State::Open(established.transport);
        self.outputs.push_back(Output::Established(established.server));
        Ok(())
    }

    fn handle_stanza(&mut self, node: NodeRef<'_>) -> Result<(), CloseReason> {
        self.handshake_deadline = None;
        let stanza = Reader::new(node);
        tracing::trace!(?node, "received");
        let is_backlog = stanza.text_opt("offline").is_some();
        match &*node.tag().as_str() {
            "message" => {
                let own = &self.credentials.own;
                match InboundMessage::read(stanza, |jid| own.contains(jid)) {
                    Ok(message) => self.push(Incoming::Message(Box::new(message))),
                    Err(error) => self.refuse(stanza, nack::PARSING, &error),
                }
            }
            "receipt" => match InboundReceipt::read(stanza) {
                Ok(receipt) => {
                    let ack = ack::for_stanza(stanza);
                    self.push(Incoming::Receipt { receipt: Box::new(receipt), ack, is_backlog });
                }
                Err(error) => self.refuse(stanza, nack::PARSING, &error),
            },
            "ack" => {
                // Receipts are acknowledged too, under the id of somebody else's message.
                let is_of_message = stanza.text_opt("class").is_none_or(|class| class == "message");
                match stanza.text_opt("id") {
                    Some(id) if is_of_message => {
                        if let Some(request) = self.requests.take(Answers::Ack, &id) {
                            let answer = Ok(Answer::Ack(MessageAck::read(stanza)));
                            self.outputs.push_back(Output::Answer(request, answer));
                        }
                    }
                    Some(id) if stanza.attr_is("type", "retry") => {
                        self.push(Incoming::RetryAck(MessageId::new(id)));
                    }
                    _ => {}
                }
            }
            "iq" => self.handle_iq(stanza),
            "notification" => match Notification::read(stanza) {
                Ok(notification) => {
                    let ack = ack::for_stanza(stanza);
                    self.push(Incoming::Notification { notification, ack, is_backlog });
                }
                Err(error) => self.refuse(stanza, nack::PARSING, &error),
            },
            "ib" => self.push(Incoming::Ib(Ib::read(stanza))),
            "success" => {
                // A second one on the same connection says nothing new.
                if !std::mem::replace(&mut self.has_succeeded, true) {
                    self.push(Incoming::Success(Success::read(stanza)));
                }
            }
            "failure" => return Err(CloseReason::Refused(Box::new(Failure::read(stanza)))),
            "stream:error" => return Err(StreamError::read(stanza).into()),
            "xmlstreamend" => return Err(CloseReason::StreamEnd),
            "presence" => self.push(match InboundPresence::read(stanza) {
                Ok(presence) => Incoming::Presence(presence),
                Err(_) => Incoming::Other(node.to_node()),
            }),
            "chatstate" => self.push(match InboundChatState::read(stanza) {
                Ok(state) => Incoming::ChatState(state),
                Err(_) => Incoming::Other(node.to_node()),
            }),
            "call" => match InboundCall::read(stanza) {
                Ok(call) => {
                    let own = self.credentials.own.iter().find(|own| own.is_lid() == call.from.is_lid());
                    let answer = call::answer(stanza, own);
                    self.push(Incoming::Call { call: Box::new(call), answer, is_backlog });
                }
                Err(_) => {
                    self.answer(&ack::for_stanza(stanza));
                    self.push(Incoming::Other(node.to_node()));
                }
            },
            _ => {
                if stanza.text_opt("id").is_some() && stanza.text_opt("from").is_some() {
                    let ack = ack::for_stanza(stanza).attr("error", u32::from(nack::UNRECOGNIZED_STANZA));
                    self.answer(&ack);
                }
                self.push(Incoming::Other(node.to_node()));
            }
        }
        Ok(())
    }

    fn handle_iq(&mut self, iq: Reader<'_>) {
        let id = iq.text_opt("id").unwrap_or_default();
        if iq.attr_is("xmlns", "urn:xmpp:ping") || iq.attr_is("xmlns", "w:p") {
            self.answer(&iq::result(&id));
            return;
        }
        match PairingRequest::read(iq) {
            Ok(Some(request)) => self.push(Incoming::Pairing { iq_id: id.into_owned(), request }),
            Ok(None) => self.answer(&iq::error(&id, 501, "feature-not-implemented")),
            Err(error) => {
                tracing::warn!(%error, "a malformed request of the server");
                self.answer(&iq::error(&id, 400, "bad-request"));
            }
        }
    }

    fn push(&mut self, stanza: Incoming) {
        self.outputs.push_back(Output::Stanza(stanza));
    }

    /// Refuses a malformed stanza for good; redelivered, it would be as malformed.
    fn refuse(&mut self, stanza: Reader<'_>, code: u16, error: &StanzaError) {
        tracing::warn!(%error, code, "a malformed stanza was refused");
        if stanza.text_opt("id").is_some() && stanza.text_opt("from").is_some() {
            self.answer(&ack::for_stanza(stanza).attr("error", u32::from(code)));
        }
    }

    fn answer(&mut self, node: &Node) {
        if let Err(error) = self.write(node) {
            tracing::warn!(%error, "an answer could not be written");
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.open.state {
            State::Xx(_) => "Xx",
            State::Ik(_) => "Ik",
            State::Open(_) => "Open",
            State::Closed => "Closed",
        };
        f.debug_struct("Connection").field("state", &state).finish_non_exhaustive()
    }
}
