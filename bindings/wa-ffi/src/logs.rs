//! Log records of the library, for the host's own log. They wait in a queue that one thread empties: code of the host is
//! never called from where something is logged.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

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
    /// The account that it is about, where it is about one: an account's id in a manager, a client's `alias`.
    pub account: Option<String>,
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

/// What the spans of an account call it: kept beside such a span.
struct Account(String);

impl Visit for Account {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // A manager has an id for it, a client its alias.
        if matches!(field.name(), "id" | "alias") {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

struct ToSink {
    level: LogLevel,
    records: SyncSender<LogRecord>,
    dropped: AtomicU64,
}

impl ToSink {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = LogLevel::of(*metadata.level());
        let is_ours = metadata.target().starts_with("wa_");
        if metadata.is_span() {
            // These say whose connection and task it is, whatever is told of them.
            return is_ours && level >= LogLevel::Info;
        }
        // Others speak up only when something is wrong.
        level >= self.level && (is_ours || level >= LogLevel::Warn)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToSink {
    /// What nobody is told costs nothing.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info | LogLevel::Warn | LogLevel::Error => LevelFilter::INFO,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.name() == "account") else { return };
        let mut account = Account(String::new());
        attributes.record(&mut account);
        span.extensions_mut().insert(account);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text(String::new());
        event.record(&mut text);
        let account = context
            .event_scope(event)
            .into_iter()
            .flatten()
            .find_map(|span| span.extensions().get().map(|account: &Account| account.0.clone()));
        let record = LogRecord {
            level: LogLevel::of(*metadata.level()),
            target: metadata.target().to_owned(),
            account,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The spans that tell it are less grave than what is said in them.
    #[test]
    fn a_record_says_its_account_at_every_level() {
        for level in [LogLevel::Trace, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
            let (records, told) = sync_channel(CAPACITY);
            let layer = ToSink { level, records, dropped: AtomicU64::new(0) };
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::info_span!("account", id = %"7").in_scope(|| {
                    tracing::info_span!("connection").in_scope(|| tracing::error!("of a manager's"));
                });
                tracing::info_span!("account", alias = Some("desk")).in_scope(|| {
                    tracing::error!("of a client");
                });
                tracing::error!("of nobody");
            });
            let all: Vec<_> = told.try_iter().filter(|record| record.level == LogLevel::Error).collect();
            let said: Vec<_> =
                all.iter().map(|record| (record.account.as_deref(), record.text.as_str())).collect();
            let wanted = [(Some("7"), "of a manager's"), (Some("desk"), "of a client"), (None, "of nobody")];
            assert_eq!(said, wanted, "{level:?}");
        }
    }

    #[test]
    fn what_is_less_grave_than_asked_for_is_not_told() {
        let (records, told) = sync_channel(CAPACITY);
        let layer = ToSink { level: LogLevel::Warn, records, dropped: AtomicU64::new(0) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("a milestone");
            tracing::warn!(target: "others", "odd");
            tracing::info!(target: "others", "usual");
        });
        assert_eq!(told.try_iter().map(|record| record.text).collect::<Vec<_>>(), ["odd"]);
    }
}
