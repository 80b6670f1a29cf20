//! A pair of sockets joined in memory, for tests and for servers in the same process.

use std::io;

use tokio::sync::mpsc;

use super::{Socket, TransportFuture};

/// How many messages a direction holds before its sender waits.
const CAPACITY: usize = 256;

/// Two sockets; what one sends the other receives.
#[must_use]
pub fn pair() -> (MemorySocket, MemorySocket) {
    let (to_right, from_left) = mpsc::channel(CAPACITY);
    let (to_left, from_right) = mpsc::channel(CAPACITY);
    let left = MemorySocket { outgoing: Some(to_right), incoming: from_right };
    let right = MemorySocket { outgoing: Some(to_left), incoming: from_left };
    (left, right)
}

/// One end of a [`pair`].
#[derive(Debug)]
pub struct MemorySocket {
    outgoing: Option<mpsc::Sender<Vec<u8>>>,
    incoming: mpsc::Receiver<Vec<u8>>,
}

impl Socket for MemorySocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
            self.outgoing.as_ref().ok_or_else(closed)?.send(bytes).await.map_err(|_| closed())
        })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.incoming.recv().await) })
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            self.outgoing = None;
            self.incoming.close();
            Ok(())
        })
    }
}
