package io.github.wa

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import org.slf4j.LoggerFactory

/**
 * What happens to an account.
 *
 * A durable event counts as dealt with when the collector returns from it: after a crash, or when the collecting ends at it (by an
 * exception, by cancelling, by `first`), it comes again after a restart. With [confirm] false, that is said with [EventStream.confirm]
 * and the event's [number], by whoever deals with events elsewhere; so it must be behind `buffer`, `flowOn` and other operators that
 * take events before they are dealt with.
 *
 * Collecting again goes on where it ended: an account has one stream, and each event comes out of it once. While nobody collects,
 * nothing more is received once a thousand events wait. The flow ends with the client.
 */
public fun Client.events(confirm: Boolean = true): Flow<Event> = flow {
    keepThreadsAttached()
    eventStream().use { stream ->
        // One at a time: what was taken and not dealt with would come again only after a restart.
        while (stream.ready()) {
            for (event in stream.drain(1u)) {
                emit(event)
                if (confirm) event.number?.let(stream::confirm)
            }
        }
    }
}

/** The number of a durable event, for [EventStream.confirm]; null for those that are told once. */
public val Event.number: ULong?
    // Without an `else`: whoever adds an event decides.
    get() = when (this) {
        is Event.Message -> message.number
        is Event.Opened -> message.number
        is Event.OwnDevice -> message.number
        is Event.MessageLost -> number
        is Event.Undecodable -> number
        is Event.ChatsMerged -> number
        is Event.Unknown -> number
        is Event.PairingQr, is Event.PairingCode, is Event.PairingCodeVoid, is Event.PasskeyChallenge, is Event.PasskeyCode,
        is Event.PasskeyFailed, is Event.Paired, is Event.PairingFailed, Event.Connected, is Event.Disconnected, is Event.Closed,
        is Event.LoggedOut, is Event.Backlog, is Event.BacklogDone, is Event.Undecryptable, is Event.Send, is Event.Receipt,
        is Event.IdentityChanged, is Event.Presence, is Event.Typing, is Event.Profile, is Event.Account, is Event.Call,
        is Event.Group, is Event.State, is Event.StateSynced, is Event.StateRefused, is Event.StateBroken, is Event.StateKeysMissing,
        is Event.Newsletter, is Event.History, is Event.HistoryFailed, is Event.Reuploaded, is Event.StoreFailed,
        -> null
    }

/**
 * Has [listener] hear what happens to the account, from one thread of the library, instead of collecting [events]. What it throws, an
 * [Error] too, is in the log of the SLF4J logger `wa`, and is told by [Subscription.failed] and [Subscription.failures]; the durable
 * event that it threw over comes again after a restart, and the next event comes in any case.
 *
 * Hold what is returned, and close it to end the listening; then events wait for the next listener, or for who collects them. It keeps
 * the account, too, whoever holds the client; and a listener that holds it itself keeps it until [Subscription.stop]. There is one
 * listener at a time: another one is a [WaException.Conflict].
 */
public fun Client.listen(listener: (Event) -> Unit): Subscription {
    keepThreadsAttached()
    return listen(
        object : EventListener {
            override fun onEvent(event: Event) {
                try {
                    listener(event)
                } catch (failure: Throwable) {
                    try {
                        // Whoever does not ask for failures would never know. The library has the text alone.
                        LoggerFactory.getLogger("wa").error("a listener failed", failure)
                    } catch (logging: Throwable) {
                        failure.addSuppressed(logging)
                    }
                    throw failure
                }
            }
        },
    )
}

/**
 * The past that the phone sends after linking, for a client that was connected with [ClientOptions.readsHistory]. A part counts as
 * taken when the next one is asked for. Collecting again goes on where it ended; what was not taken comes again after a restart.
 */
public fun Client.history(): Flow<HistoryPart> = flow {
    keepThreadsAttached()
    historyStream()?.use { stream ->
        while (stream.ready()) {
            stream.take()?.let { emit(it) }
        }
    }
}

/**
 * Events of a manager, from the event after the one with the number [after] on, or else from now on. Each collecting begins there:
 * keep the `seq` of the last event that was dealt with, and go on with a flow after it. Without [after], what happens between two
 * collectings is not told.
 *
 * The event of a message has it: [ManagerEvent.message] is what [Account.reply], [Account.markRead] and [download] take.
 *
 * @param tenant those of this tenant's accounts only
 * @param account those of this account only
 * @param kinds those of these kinds only, such as `message.received`
 */
public fun ClientManager.events(
    after: ULong? = null,
    tenant: String? = null,
    account: String? = null,
    kinds: List<String>? = null,
): Flow<ManagerUpdate> = flow {
    keepThreadsAttached()
    eventStream(EventSelection(tenant = tenant, account = account, kinds = kinds, after = after)).use { stream ->
        while (stream.ready()) {
            for (update in stream.drain(64u)) emit(update)
        }
    }
}

/**
 * What happens while a phone is linked. Collecting again goes on with the update after the one at which it ended: a ticket tells each
 * update once.
 */
public fun PairingTicket.updates(): Flow<PairingUpdate> = flow {
    keepThreadsAttached()
    // One at a time: what was taken and not told would never come again.
    while (ready()) {
        for (update in drain(1u)) emit(update)
    }
}
