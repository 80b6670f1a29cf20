package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** What a phone's linking tells. */
class PairingTest {
    @TempDir
    lateinit var folder: Path

    /** Everything waits when the collecting ends at the first of it: it must not have taken more. */
    @Test
    fun collectingUpdatesAgainGoesOn() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val account = manager.create()
            account.pair(PairRequest()).use { ticket ->
                val qr = assertIs<PairingUpdate.Qr>(ticket.updates().first { it is PairingUpdate.Qr })
                phone("anna").scan(qr.text)
                account.reached(AccountStatus.READY)
                assertEquals(PairingUpdate.Accepted, ticket.updates().first { it !is PairingUpdate.Qr })
                assertIs<PairingUpdate.Linked>(ticket.updates().first())
            }
        }
    }
}
