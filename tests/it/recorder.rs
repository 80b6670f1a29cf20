//! A connector that remembers how its connections began.

use std::sync::{Arc, Mutex, PoisonError};

use wa_core::transport::{Connector, Socket, TransportFuture};

/// How one connection began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beginning {
    /// What the server gave us to come back to the same edge.
    pub routing: Option<Vec<u8>>,
    /// The first bytes that were sent.
    pub first: Vec<u8>,
}

/// Opens connections through another connector, and remembers them.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Connector>,
    beginnings: Arc<Mutex<Vec<Beginning>>>,
}

impl Recorder {
    /// A recorder of this connector.
    pub fn new(inner: Arc<dyn Connector>) -> Self {
        Self { inner, beginnings: Arc::default() }
    }

    /// The connections so far, refused ones included.
    pub fn beginnings(&self) -> Vec<Beginning> {
        self.beginnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connector for Recorder {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let index = {
                let mut all = self.beginnings.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(Beginning { routing: routing_info.map(<[u8]>::to_vec), first: Vec::new() });
                all.len() - 1
            };
            let inner = self.inner.connect(routing_info).await?;
            let socket = Recorded { inner, beginnings: Arc::clone(&self.beginnings), index };
            Ok(Box::new(socket) as Box<dyn Socket>)
        })
    }
}

#[derive(Debug)]
struct Recorded {
    inner: Box<dyn Socket>,
    beginnings: Arc<Mutex<Vec<Beginning>>>,
    index: usize,
}

impl Socket for Recorded {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        if let Some(beginning) =
            self.beginnings.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.index)
            && beginning.first.is_empty()
        {
            beginning.first.clone_from(&bytes);
        }
        self.inner.send(bytes)
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.inner.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        self.inner.close()
    }
}
