package io.github.wa

import java.nio.file.Path
import java.time.Duration
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext

/**
 * One account, kept in this SQLite file, which is made if there is none. It asks which version the service wants; then the client connects by itself, comes
 * back by itself, and tells of it in its events.
 *
 * ```
 * Client.connect(Path.of("account.db")).use { client ->
 *     client.events().collect { event -> … }
 * }
 * ```
 */
public suspend fun Client.Companion.connect(path: Path, options: ClientOptions? = null): Client {
    keepThreadsAttached()
    return Store.sqlite(path.toString()).use { store -> connect(store, options) }
}

/**
 * Many accounts, with their files in this folder.
 *
 * @param database where the manager keeps what it knows; without one that is forgotten with the process
 * @param template where below the folder an account's files are
 * @param testServer this test server instead of the real service
 * @param deviceName what phones show in their lists of linked devices
 * @param maxAccounts how many accounts there may be
 */
public suspend fun ClientManager.Companion.open(
    folder: Path,
    database: Path? = null,
    template: String? = null,
    testServer: TestServer? = null,
    deviceName: String? = null,
    maxAccounts: UInt? = null,
): ClientManager {
    keepThreadsAttached()
    return open(
        ManagerOptions(
            folder = folder.toString(),
            database = database?.toString(),
            template = template,
            testServer = testServer,
            deviceName = deviceName,
            maxAccounts = maxAccounts,
        ),
    )
}

/**
 * Runs [block], and then ends the client in order, also after an exception and when the coroutine is cancelled: what was received
 * and confirmed is stored, and the connection is closed.
 */
public suspend inline fun <R> Client.use(block: (Client) -> R): R {
    var failure: Throwable? = null
    try {
        return block(this)
    } catch (error: Throwable) {
        failure = error
        throw error
    } finally {
        end(this, failure) { shutdown() }
    }
}

/** Runs [block], and then ends the manager and its accounts in order, also after an exception and when the coroutine is cancelled. */
public suspend inline fun <R> ClientManager.use(block: (ClientManager) -> R): R {
    var failure: Throwable? = null
    try {
        return block(this)
    } catch (error: Throwable) {
        failure = error
        throw error
    } finally {
        end(this, failure) { shutdown(IN_ORDER) }
    }
}

/** How long accounts may take to end in order. */
@PublishedApi
internal val IN_ORDER: Duration = Duration.ofSeconds(10)

/** Ends it although the coroutine may be cancelled. After a failure, that one is what the caller hears of. */
@PublishedApi
internal suspend fun end(opened: AutoCloseable, failure: Throwable?, inOrder: suspend () -> Unit) {
    try {
        opened.use { withContext(NonCancellable) { inOrder() } }
    } catch (error: Throwable) {
        failure?.addSuppressed(error) ?: throw error
    }
}
