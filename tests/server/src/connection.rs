//! One client's connection, from its first byte to its end: handshake, login, stanzas.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wa_core::crypto::SystemRandom;
use wa_core::noise::server::{Accepted, LoggedIn, Resumption, accept};
use wa_core::noise::{Header, Receiver, Sender};
use wa_core::wire::frame::{FrameBuffer, write_frame};
use wa_core::wire::{self, Node};
use wa_proto::wa6::ClientPayload;

use crate::hub::Hub;
use crate::login::{Party, Refusal};
use crate::session::{OUTBOX, Outgoing, Resume, Session};
use crate::socket::{Reader, Writer};
use crate::stanza::not_well_formed;

/// Serves one connection until it ends.
pub(crate) async fn serve(hub: Arc<Hub>, mut reader: Reader, mut writer: Writer) {
    let mut buffer = FrameBuffer::with_max_frame_size(HANDSHAKE_FRAME);
    let handshake = handshake(&hub, &mut reader, &mut writer, &mut buffer);
    let client = tokio::select! {
        client = timeout(hub.config.handshake, handshake) => client.ok().flatten(),
        () = hub.shutdown.cancelled() => None,
    };
    let Some(client) = client else {
        tracing::debug!("no handshake");
        writer.close().await;
        return;
    };
    buffer.set_max_frame_size(wire::frame::MAX_FRAME_SIZE);
    let LoggedIn { static_key, payload, transport, .. } = client;
    let (mut sender, receiver) = (transport.sender, transport.receiver);

    let cancel = hub.shutdown.child_token();
    let (outbox, orders) = mpsc::channel(OUTBOX);
    let opened =
        ClientPayload::decode(payload.as_slice()).map_err(|_| Refusal::new(400)).and_then(|payload| {
            let mut state = hub.state();
            let admission = state.admit(payload, static_key)?;
            let id = state.next_id();
            let session = Session::new(id, outbox.clone(), cancel.clone());
            let halted = session.halted.clone();
            Ok((state.open(admission, session), id, halted))
        });
    let (party, id, halted) = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            tracing::debug!(reason = refusal.reason, "login refused");
            let mut out = Vec::new();
            if wire::encode(&refusal.node()).is_ok_and(|bytes| sender.seal_frame(&bytes, &mut out).is_ok()) {
                let _gone = writer.send(out).await;
            }
            writer.close().await;
            linger(&mut reader).await;
            return;
        }
    };
    let write = write(
        Arc::clone(&hub),
        writer,
        sender,
        orders,
        party,
        Ends { cancel: cancel.clone(), halted: halted.clone() },
    );
    let writing = tokio::spawn(write);
    let mut connection =
        Connection { hub: Arc::clone(&hub), reader, receiver, buffer, outbox, party, id, cancel, halted };
    connection.read().await;
    hub.state().connection_ended(party, id);
    // A writer that was told to close still has its last stanza to send; any other one has no reader any more.
    if !writing.is_finished() {
        connection.outbox.try_send(Outgoing::Close).ok();
    }
    drop(connection);
    if timeout(LINGER, writing).await.is_err() {
        tracing::debug!("writer did not end");
    }
}

/// The reading side of a connection that is logged in, or being paired.
struct Connection {
    hub: Arc<Hub>,
    reader: Reader,
    receiver: Receiver,
    buffer: FrameBuffer,
    outbox: mpsc::Sender<Outgoing>,
    party: Party,
    id: u64,
    cancel: CancellationToken,
    halted: CancellationToken,
}

impl Connection {
    /// Reads until the client goes away or the connection is to end.
    async fn read(&mut self) {
        if self.take_frames().is_err() {
            return;
        }
        let mut wake = self.next_wake(None);
        loop {
            // A client that does not read its answers gets no more of them.
            if self.outbox.capacity() < OUTBOX_RESERVE {
                tokio::select! {
                    () = self.cancel.cancelled() => return,
                    _ = self.outbox.reserve_many(OUTBOX_RESERVE) => {}
                }
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                () = self.halted.cancelled() => return self.cancel.cancelled().await,
                bytes = self.reader.recv() => {
                    let Some(bytes) = bytes else { return };
                    if self.buffer.push(&bytes).is_err() || self.take_frames().is_err() {
                        return;
                    }
                    self.pause().await;
                }
                () = sleep_until(wake) => {
                    if !self.wake_up() {
                        linger(&mut self.reader).await;
                        return;
                    }
                    wake = self.next_wake(Some(wake));
                }
            }
        }
    }

    /// Handles every complete frame. An error ends the connection.
    fn take_frames(&mut self) -> Result<(), ()> {
        loop {
            let frame = match self.buffer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "bad frame");
                    return Err(());
                }
            };
            let Ok(payload) = self.receiver.open(frame) else {
                tracing::warn!("a frame does not decrypt");
                return Err(());
            };
            match read_node(payload) {
                Ok(node) => self.handle(&node),
                Err(error) => {
                    tracing::warn!(error, "a stanza does not decode");
                    self.refuse();
                    return Ok(());
                }
            }
        }
    }

    fn handle(&self, node: &Node) {
        let mut state = self.hub.state();
        match self.party {
            Party::Unpaired(connection) => state.handle_unpaired(connection, node),
            Party::Device(key) => {
                // What a client wrote before it heard of its connection's end is lost with it.
                let session = state.device(key).and_then(|device| device.session.as_ref());
                if session.is_some_and(|session| session.connection == self.id) && !self.halted.is_cancelled()
                {
                    state.handle(key, node);
                }
            }
        }
    }

    /// Reads no further for as long as a fault says.
    async fn pause(&self) {
        let Party::Device(key) = self.party else { return };
        let pause = self.hub.state().faults.read_pause(key);
        if let Some(pause) = pause {
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Ends the connection because of what the client sent.
    fn refuse(&self) {
        let mut state = self.hub.state();
        match self.party {
            Party::Unpaired(connection) => state.end_pairing(connection, Some(not_well_formed())),
            Party::Device(key) => state.close(key, Some(not_well_formed())),
        }
    }

    /// What is due by time: new codes, or a backlog that nobody asks for. `false` ends the connection.
    fn wake_up(&self) -> bool {
        let mut state = self.hub.state();
        match self.party {
            Party::Unpaired(connection) => {
                let goes_on = state.send_refs(connection);
                if !goes_on {
                    state.end_pairing(connection, None);
                }
                goes_on
            }
            Party::Device(key) => {
                let session = state.device(key).and_then(|device| device.session.as_ref());
                if session.is_some_and(|session| matches!(session.resume, Resume::Running { .. })) {
                    state.send_backlog(key, usize::MAX);
                }
                true
            }
        }
    }

    fn next_wake(&self, last: Option<Instant>) -> Instant {
        let config = &self.hub.config;
        let start = last.unwrap_or_else(Instant::now);
        match self.party {
            Party::Unpaired(_) => {
                let others = u32::try_from(config.refs.saturating_sub(1)).unwrap_or(0);
                start + config.first_ref + config.next_ref * others
            }
            Party::Device(_) => {
                // After the first time only a client that stopped asking is left.
                if last.is_none() {
                    start + config.drain_after
                } else {
                    start + config.drain_after.max(SLOW_DRAIN)
                }
            }
        }
    }
}

async fn handshake(
    hub: &Hub,
    reader: &mut Reader,
    writer: &mut Writer,
    buffer: &mut FrameBuffer,
) -> Option<LoggedIn> {
    let header = loop {
        buffer.push(&reader.recv().await?).ok()?;
        match Header::read(buffer.unread()) {
            Ok(Some((header, size))) => {
                buffer.skip(size);
                break header;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "bad connection header");
                return None;
            }
        }
    };
    if !header.is_supported() {
        return None;
    }
    let hello = next_frame(reader, buffer).await?;
    let (identity, resumption) = {
        let mut state = hub.state();
        let fault = state.faults.take_certificate();
        let resumption = if state.faults.refuse_resume { Resumption::Decline } else { Resumption::Accept };
        (hub.authority.identity(fault), resumption)
    };
    let accepted = accept(&identity, resumption, &header.prologue, &hello, &mut SystemRandom);
    match accepted.inspect_err(|error| tracing::debug!(%error, "bad hello")).ok()? {
        Accepted::Resumed { hello, client } => {
            send_frame(writer, &hello).await?;
            Some(client)
        }
        Accepted::Full { hello, next } => {
            send_frame(writer, &hello).await?;
            let finish = next_frame(reader, buffer).await?;
            next.finish(&finish).inspect_err(|error| tracing::debug!(%error, "bad finish")).ok()
        }
    }
}

async fn next_frame(reader: &mut Reader, buffer: &mut FrameBuffer) -> Option<Vec<u8>> {
    loop {
        if let Some(frame) = buffer.next_frame().ok()? {
            return Some(frame.to_vec());
        }
        buffer.push(&reader.recv().await?).ok()?;
    }
}

async fn send_frame(writer: &mut Writer, payload: &[u8]) -> Option<()> {
    let mut out = Vec::new();
    write_frame(payload, &mut out).ok()?;
    writer.send(out).await.ok()
}

fn read_node(payload: &[u8]) -> Result<Node, String> {
    let body = wire::unpack(payload).map_err(|error| error.to_string())?;
    let document = wire::decode(&body).map_err(|error| error.to_string())?;
    Ok(document.root().to_node())
}

/// The writing side: orders to frames, many of them in one message.
async fn write(
    hub: Arc<Hub>,
    mut writer: Writer,
    mut sender: Sender,
    mut orders: mpsc::Receiver<Outgoing>,
    party: Party,
    ends: Ends,
) {
    let Ends { cancel, halted } = ends;
    let device = match party {
        Party::Device(key) => Some(key),
        Party::Unpaired(_) => None,
    };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return writer.abort(),
            () = halted.cancelled() => return lie_dead(orders, &cancel).await,
            count = orders.recv_many(&mut batch, BATCH) => if count == 0 {
                return writer.close().await;
            },
        }
        let writing = hub.state().faults.writing(device);
        let (mut out, mut end) = (Vec::new(), None);
        for order in batch.drain(..) {
            let plain = match &order {
                Outgoing::Stanza(node) => encode(node, writing.compress),
                Outgoing::HalfOf(node) => encode(node, writing.compress),
                Outgoing::Raw(bytes) => Some(bytes.clone()),
                Outgoing::Break => {
                    end = Some(End::Cut);
                    break;
                }
                Outgoing::Close => {
                    end = Some(End::Orderly);
                    break;
                }
            };
            let start = out.len();
            if plain.is_none_or(|plain| sender.seal_frame(&plain, &mut out).is_err()) {
                tracing::error!("a stanza does not encode");
                continue;
            }
            if matches!(order, Outgoing::HalfOf(_)) {
                out.truncate(start + (out.len() - start) / 2);
                end = Some(End::Cut);
                break;
            }
        }
        let dead = writing.dead && end.is_none();
        let pieces: Vec<Vec<u8>> = match (out.is_empty() || dead, writing.split) {
            (true, _) => Vec::new(),
            (false, true) => out.iter().map(|byte| vec![*byte]).collect(),
            (false, false) => vec![out],
        };
        for piece in pieces {
            let sent = tokio::select! {
                () = cancel.cancelled() => return writer.abort(),
                sent = writer.send(piece) => sent,
            };
            if sent.is_err() {
                cancel.cancel();
                return;
            }
        }
        match end {
            None => {}
            Some(End::Orderly) => return writer.close().await,
            Some(End::Cut) => {
                writer.abort();
                cancel.cancel();
                return;
            }
        }
    }
}

/// What ends a connection from outside, and what makes it half open.
struct Ends {
    cancel: CancellationToken,
    halted: CancellationToken,
}

/// A half-open connection: what is to be written is lost, until the server learns that the client is gone.
async fn lie_dead(mut orders: mpsc::Receiver<Outgoing>, cancel: &CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            order = orders.recv() => if matches!(order, None | Some(Outgoing::Close)) {
                return cancel.cancel();
            },
        }
    }
}

/// How a connection ends.
enum End {
    Orderly,
    Cut,
}

fn encode(node: &Node, compress: bool) -> Option<Vec<u8>> {
    let plain =
        wire::encode(node).inspect_err(|error| tracing::error!(%error, tag = %node.tag, "encode")).ok()?;
    if !compress {
        return Some(plain);
    }
    let (_, body) = plain.split_first()?;
    let mut packed = ZlibEncoder::new(vec![COMPRESSED], Compression::fast());
    packed.write_all(body).ok()?;
    packed.finish().ok()
}

/// Reads on for a moment, so that the last bytes to a client are not lost with the connection.
async fn linger(reader: &mut Reader) {
    let drained = timeout(LINGER, async { while reader.recv().await.is_some() {} }).await;
    tracing::trace!(peer_closed = drained.is_ok(), "connection ends");
}

/// The flag byte of a compressed stanza.
const COMPRESSED: u8 = 2;
/// More than any handshake message needs.
const HANDSHAKE_FRAME: usize = 64 * 1024;
const BATCH: usize = 256;
const OUTBOX_RESERVE: usize = 4096;
const LINGER: Duration = Duration::from_secs(2);
const SLOW_DRAIN: Duration = Duration::from_secs(5);
