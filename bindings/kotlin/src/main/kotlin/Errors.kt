package io.github.wa

import java.time.Duration
import java.time.Instant

/** What happened, for programs: a name that stays. */
public val WaException.code: String get() = parts.code

/** What happened, for people who look into it. Without secrets; not in the user's language. */
public val WaException.detail: String get() = parts.detail

/** How long to wait before trying again, where that is known. */
public val WaException.retryAfter: Duration? get() = parts.retryAfter

/** When what stands against it ends, where that is known. */
public val WaException.until: Instant? get() = parts.until

private class Parts(val code: String, val detail: String, val retryAfter: Duration?, val until: Instant?)

private val WaException.parts: Parts
    get() = when (this) {
        is WaException.Unavailable -> Parts(code, detail, retryAfter, until)
        is WaException.NotLinked -> Parts(code, detail, retryAfter, until)
        is WaException.Limited -> Parts(code, detail, retryAfter, until)
        is WaException.Restricted -> Parts(code, detail, retryAfter, until)
        is WaException.Refused -> Parts(code, detail, retryAfter, until)
        is WaException.Invalid -> Parts(code, detail, retryAfter, until)
        is WaException.NotFound -> Parts(code, detail, retryAfter, until)
        is WaException.Conflict -> Parts(code, detail, retryAfter, until)
        is WaException.Unknown -> Parts(code, detail, retryAfter, until)
        is WaException.Media -> Parts(code, detail, retryAfter, until)
        is WaException.Store -> Parts(code, detail, retryAfter, until)
        is WaException.Cancelled -> Parts(code, detail, retryAfter, until)
        is WaException.Closed -> Parts(code, detail, retryAfter, until)
        is WaException.Other -> Parts(code, detail, retryAfter, until)
    }
