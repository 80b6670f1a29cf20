//! A connector that notes when large messages were handed to the socket.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wa_core::transport::{Connector, Socket, TransportFuture};

/// Messages of this size and more are noted: acks, receipts and short texts are smaller.
pub(super) const LARGE: usize = 2048;

/// When the last large message was written.
#[derive(Debug, Default, Clone)]
pub(super) struct Written(Arc<Mutex<Option<Instant>>>);

impl Written {
    /// When the last one was written, if any was since this was asked before.
    pub(super) fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Opens connections as another does, and notes what is written on them.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) inner: Arc<dyn Connector>,
    pub(super) written: Written,
}

impl Connector for Tap {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let inner = self.inner.connect(routing_info).await?;
            Ok(Box::new(Tapped { inner, written: self.written.clone() }) as Box<dyn Socket>)
        })
    }
}

#[derive(Debug)]
struct Tapped {
    inner: Box<dyn Socket>,
    written: Written,
}

impl Socket for Tapped {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        let is_large = bytes.len() >= LARGE;
        let sending = self.inner.send(bytes);
        let written = &self.written;
        Box::pin(async move {
            sending.await?;
            if is_large {
                written.note();
            }
            io::Result::Ok(())
        })
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.inner.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        self.inner.close()
    }
}
