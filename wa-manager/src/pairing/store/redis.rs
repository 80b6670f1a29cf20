//! Codes on show in Redis, for processes on several machines. The server removes what has expired.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError};
use wa_types::UnixMillis;

use super::PairingStore;
use super::sqlite::read;
use crate::ids::AccountId;
use crate::pairing::view::PairingView;
use crate::store::{ManagerStoreError, StoreFuture};

/// How long the server may take for a connection, or an answer.
const LIMIT: Duration = Duration::from_secs(2);

/// Keeps what is on show in Redis, under `<prefix><account>`. Give the server a password or a network of its own:
/// whoever reads it can link accounts.
#[derive(Clone)]
pub struct RedisPairingStore {
    connection: ConnectionManager,
    prefix: String,
}

impl RedisPairingStore {
    /// Connects to the server at `url`: `redis://user:password@host:port/database`, or `redis+unix:///path`. A
    /// connection that is lost is made anew by the next call.
    ///
    /// # Errors
    /// [`ManagerStoreError::Io`] when the server cannot be reached.
    pub async fn connect(url: &str, prefix: impl Into<String>) -> Result<Self, ManagerStoreError> {
        let client = redis::Client::open(url).map_err(failed)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(LIMIT))
            .set_response_timeout(Some(LIMIT));
        let connection = ConnectionManager::new_with_config(client, config).await.map_err(failed)?;
        Ok(Self { connection, prefix: prefix.into() })
    }

    fn key(&self, account: &AccountId) -> String {
        format!("{}{account}", self.prefix)
    }

    fn ask<T: FromRedisValue + Send>(&self, command: Cmd) -> StoreFuture<'_, T> {
        let mut connection = self.connection.clone();
        Box::pin(async move { command.query_async(&mut connection).await.map_err(failed) })
    }
}

fn failed(error: RedisError) -> ManagerStoreError {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
            ManagerStoreError::Corrupt { what: error.to_string() }
        }
        _ => ManagerStoreError::io(error),
    }
}

impl fmt::Debug for RedisPairingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPairingStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl PairingStore for RedisPairingStore {
    fn put(&self, account: &AccountId, view: &PairingView, now: UnixMillis) -> StoreFuture<'_, ()> {
        let left = view.expires_at.since(now).as_millis();
        // Redis knows no lifetime of nothing.
        if left == 0 {
            return self.delete(account);
        }
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        let mut command = redis::cmd("SET");
        command.arg(self.key(account)).arg(view.to_bytes().as_slice()).arg("PX").arg(left);
        self.ask(command)
    }

    fn get(&self, account: &AccountId, now: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(account));
        let kept = self.ask::<Option<Vec<u8>>>(command);
        Box::pin(async move { read(kept.await?, now) })
    }

    fn delete(&self, account: &AccountId) -> StoreFuture<'_, ()> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(account));
        self.ask(command)
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.ask(redis::cmd("PING"))
    }
}
