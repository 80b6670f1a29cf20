//! The two ways in: a pipe in memory and a WebSocket, each as a half to read and a half to write.

use std::io;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use wa_core::transport::{Connector, Socket, TransportFuture};

use crate::connection;
use crate::hub::Hub;

/// A WebSocket that came in over HTTP, plain or TLS.
pub(crate) type Web = WebSocketStream<TokioIo<Upgraded>>;

/// What arrives from a client.
pub(crate) enum Reader {
    Memory(mpsc::Receiver<Vec<u8>>),
    Web(SplitStream<Web>),
}

/// What goes to a client.
pub(crate) enum Writer {
    Memory(mpsc::Sender<io::Result<Vec<u8>>>),
    Web(SplitSink<Web, Message>),
}

impl Reader {
    /// The next message; `None` when the client is gone. Cancel safe.
    pub(crate) async fn recv(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Memory(messages) => messages.recv().await,
            Self::Web(stream) => loop {
                match stream.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Some(bytes.into()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    // Text is ignored; pings are answered by the library.
                    Some(Ok(_)) => {}
                }
            },
        }
    }
}

impl Writer {
    /// Sends one message.
    pub(crate) async fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Memory(messages) => {
                messages.send(Ok(bytes)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
            Self::Web(sink) => sink.send(Message::Binary(bytes.into())).await.map_err(io::Error::other),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        if let Self::Web(sink) = self {
            let _gone = sink.close().await;
        }
    }

    /// Breaks the connection: the client sees an error, not an end.
    pub(crate) fn abort(self) {
        if let Self::Memory(messages) = self {
            let _gone = messages.try_send(Err(io::ErrorKind::ConnectionReset.into()));
        }
    }
}

/// Opens connections to the server in memory.
#[derive(Debug)]
pub(crate) struct MemoryConnector {
    hub: Arc<Hub>,
}

impl MemoryConnector {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl Connector for MemoryConnector {
    fn connect<'a>(&'a self, _routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            if self.hub.shutdown.is_cancelled() || self.hub.state().faults.take_refused_connection() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (to_server, from_client) = mpsc::channel(CAPACITY);
            let (to_client, from_server) = mpsc::channel(CAPACITY);
            let (reader, writer) = (Reader::Memory(from_client), Writer::Memory(to_client));
            tokio::spawn(connection::serve(Arc::clone(&self.hub), reader, writer));
            let socket: Box<dyn Socket> =
                Box::new(MemorySocket { outgoing: Some(to_server), incoming: from_server });
            Ok(socket)
        })
    }
}

/// The client's end of a pipe in memory.
#[derive(Debug)]
struct MemorySocket {
    outgoing: Option<mpsc::Sender<Vec<u8>>>,
    incoming: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Socket for MemorySocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
            self.outgoing.as_ref().ok_or_else(closed)?.send(bytes).await.map_err(|_| closed())
        })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { self.incoming.recv().await.transpose() })
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            self.outgoing = None;
            self.incoming.close();
            Ok(())
        })
    }
}

/// How many messages a direction holds before its sender waits.
const CAPACITY: usize = 256;
