//! Counts the sockets of an account at our end, where two at once are seen even when the server closed one of them.

use std::fmt;
use std::sync::{Arc, Mutex};

use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_manager::ManagerBuilder;
use wa_test_server::TestServer;

/// How many sockets there are, and how many there were at most.
#[derive(Debug, Default)]
struct Count {
    now: usize,
    most: usize,
}

/// Opens what another connector opens, and counts it until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    connector: Arc<dyn Connector>,
    count: Arc<Mutex<Count>>,
}

impl Counted {
    pub(crate) fn new(server: &TestServer) -> Self {
        Self { connector: server.connector(), count: Arc::default() }
    }

    /// The manager's clients connect through this. It is to have one account only.
    pub(crate) fn for_all(&self, builder: ManagerBuilder, server: &TestServer) -> ManagerBuilder {
        let (connector, root, http) = (self.clone(), server.trust_root(), server.media().http_client());
        builder.client(move |client, _| {
            let connector = Arc::new(connector.clone());
            client.connector(connector).trust_root(root).http_client(Arc::clone(&http))
        })
    }

    pub(crate) fn now(&self) -> usize {
        self.count.lock().unwrap().now
    }

    pub(crate) fn most(&self) -> usize {
        self.count.lock().unwrap().most
    }
}

impl Connector for Counted {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let socket = self.connector.connect(routing_info).await?;
            let mut count = self.count.lock().unwrap();
            count.now += 1;
            count.most = count.most.max(count.now);
            drop(count);
            Ok(Box::new(CountedSocket { socket, count: Arc::clone(&self.count) }) as Box<dyn Socket>)
        })
    }
}

struct CountedSocket {
    socket: Box<dyn Socket>,
    count: Arc<Mutex<Count>>,
}

impl Socket for CountedSocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        self.socket.send(bytes)
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.socket.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        self.socket.close()
    }
}

impl Drop for CountedSocket {
    fn drop(&mut self) {
        self.count.lock().unwrap().now -= 1;
    }
}

impl fmt::Debug for CountedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedSocket")
    }
}

/// Two at once are seen, also when one of them is gone again.
#[tokio::test]
async fn two_sockets_at_once_are_counted() {
    let server = TestServer::start().await;
    let counted = Counted::new(&server);
    drop(counted.connect(None).await.unwrap());
    drop(counted.connect(None).await.unwrap());
    assert_eq!((counted.now(), counted.most()), (0, 1));
    let _one = counted.connect(None).await.unwrap();
    drop(counted.connect(None).await.unwrap());
    assert_eq!((counted.now(), counted.most()), (1, 2));
}
