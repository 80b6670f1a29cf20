package io.github.wa

import org.slf4j.LoggerFactory
import org.slf4j.event.Level

/**
 * Sends the library's log records of this level and above to SLF4J, to the loggers below `wa`, such as `wa.core.driver`; those that are
 * about an account begin with it. A thread of its own sends them, so they are late: when each was said is its key `at`, a
 * [java.time.Instant]. Once for the process: later calls return false and change nothing.
 */
public fun forwardLogs(level: LogLevel = LogLevel.INFO): Boolean {
    keepThreadsAttached()
    return initLogging(level, ToSlf4j)
}

private object ToSlf4j : LogSink {
    override fun log(record: LogRecord) {
        val logger = LoggerFactory.getLogger("wa." + record.target.removePrefix("wa_").replace("::", "."))
        if (record.dropped > 0u) logger.warn("{} records were dropped before the next one", record.dropped)
        val level = when (record.level) {
            LogLevel.TRACE -> Level.TRACE
            LogLevel.DEBUG -> Level.DEBUG
            LogLevel.INFO -> Level.INFO
            LogLevel.WARN -> Level.WARN
            LogLevel.ERROR -> Level.ERROR
        }
        logger.atLevel(level).addKeyValue("at", record.at).log(record.account?.let { "[$it] ${record.text}" } ?: record.text)
    }
}
