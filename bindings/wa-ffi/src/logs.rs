//! Log records of the library, for the host's own log. They wait in a queue that one thread empties: code of the host is
//! never called from where something is logged.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::callbacks;
use crate::listener::CallbackError;

/// How many records wait. Further ones are dropped and counted.
const CAPACITY: usize = 1000;

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, uniffi::Enum)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What somebody should look at.
    Warn,
    /// What went wrong.
    Error,
}

impl LogLevel {
    fn of(level: Level) -> Self {
        match level {
            Level::TRACE => Self::Trace,
            Level::DEBUG => Self::Debug,
            Level::INFO => Self::Info,
            Level::WARN => Self::Warn,
            Level::ERROR => Self::Error,
        }
    }
}

/// A log record. Without messages, keys and codes.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogRecord {
    /// How grave it is.
    pub level: LogLevel,
    /// Which part of the library speaks, such as `wa_core::driver`.
    pub target: String,
    /// What it says.
    pub text: String,
    /// When.
    pub at: SystemTime,
    /// How many records were dropped before this one, as the host was slow.
    pub dropped: u64,
}

/// Where log records go. Called from one thread of the library.
#[uniffi::export(foreign)]
pub trait LogSink: Send + Sync {
    /// Takes a record. An error ends nothing; the record is lost.
    fn log(&self, record: LogRecord) -> Result<(), CallbackError>;
}

struct ToSink {
    level: LogLevel,
    records: SyncSender<LogRecord>,
    dropped: AtomicU64,
}

impl<S: Subscriber> Layer<S> for ToSink {
    /// What nobody is told costs nothing.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = LogLevel::of(*metadata.level());
        let is_ours = metadata.target().starts_with("wa_");
        // Others speak up only when something is wrong.
        if level < self.level || (!is_ours && level < LogLevel::Warn) {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let record = LogRecord {
            level,
            target: metadata.target().to_owned(),
            text: text.0,
            at: SystemTime::now(),
            dropped: self.dropped.swap(0, Ordering::Relaxed),
        };
        let dropped = record.dropped;
        if let Err(TrySendError::Full(_)) = self.records.try_send(record) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let gap = if self.0.is_empty() { "" } else { " " };
        let _ = match field.name() {
            "message" => write!(self.0, "{gap}{value:?}"),
            name => write!(self.0, "{gap}{name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Sends log records of this level and above to the host. Once: later calls say false and change nothing.
#[uniffi::export]
pub fn init_logging(level: LogLevel, sink: Arc<dyn LogSink>) -> bool {
    let (records, waiting) = sync_channel(CAPACITY);
    let layer = ToSink { level, records, dropped: AtomicU64::new(0) };
    let subscriber = tracing_subscriber::registry().with(layer);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        return false;
    }
    let hand_on = move || {
        for record in waiting {
            // Whoever fails to write a log has nowhere to say so.
            if callbacks::call(|| sink.log(record)).is_none() {
                break;
            }
        }
        callbacks::let_go(sink);
    };
    std::thread::Builder::new().name("wa-log".to_owned()).spawn(hand_on).is_ok()
}
