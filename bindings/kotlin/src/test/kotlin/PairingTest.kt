package io.github.wa.tests

import io.github.wa.*
import java.nio.file.Path
import java.time.Duration
import java.time.Instant
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlinx.coroutines.flow.filterIsInstance
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

    @Test
    fun anAccountIsLinkedByPasskey() = onTestServer {
        ClientManager.open(folder, testServer = server).use { manager ->
            val (account, anna) = manager.create() to phone("anna")
            account.pair(PairRequest()).use { ticket ->
                val updates = ticket.updates()
                val asked = anna.askPasskey(updates.filterIsInstance<PairingUpdate.Qr>().first().text)
                val challenge = updates.filterIsInstance<PairingUpdate.PasskeyChallenge>().first()
                val signed = anna.signWithPasskey(challenge.options)
                ticket.respondPasskey(signed.credentialId, signed.assertion)
                val shown = updates.filterIsInstance<PairingUpdate.PasskeyConfirm>().first()
                assertEquals(asked.code() to true, shown.code to shown.isAsked)
                ticket.confirmPasskey(true)
                val device = asked.confirm()
                account.reached(AccountStatus.READY)
                assertEquals(listOf(device), anna.linkedDevices())
            }
        }
    }

    @Test
    fun whatIsSecretIsNotPrinted() {
        val (secret, soon, at) = Triple("SECRET", Duration.ofSeconds(20), Instant.EPOCH)
        val shown = mapOf(
            Event.PairingQr(secret, soon) to "PairingQr(text=..., expiresIn=PT20S)",
            Event.PairingCode(secret, soon) to "PairingCode(code=..., expiresIn=PT20S)",
            Event.PasskeyChallenge(secret) to "PasskeyChallenge(options=...)",
            Event.PasskeyCode(secret, true) to "PasskeyCode(code=..., isAsked=true)",
            Event.Reuploaded("chat", "ID", secret) to "Reuploaded(chat=chat, id=ID, place=...)",
            PairingUpdate.Qr(secret, at) to "Qr(text=..., expiresAt=1970-01-01T00:00:00Z)",
            PairingUpdate.Code(secret, at) to "Code(code=..., expiresAt=1970-01-01T00:00:00Z)",
            PairingUpdate.PasskeyChallenge(secret) to "PasskeyChallenge(options=...)",
            PairingUpdate.PasskeyConfirm(secret, true) to "PasskeyConfirm(code=..., isAsked=true)",
            GroupInvitation(secret, at) to "GroupInvitation(code=..., expires=1970-01-01T00:00:00Z)",
            Content.GroupInvite("group", secret, "Crew", at, null) to
                "GroupInvite(group=group, code=..., name=Crew, expires=1970-01-01T00:00:00Z, caption=null)",
            PasskeySignature(secret.encodeToByteArray(), secret) to "PasskeySignature(credentialId=..., assertion=...)",
        )
        shown.forEach { (told, text) -> assertEquals(text, "$told") }
        // All else is as in any data class.
        assertEquals("Connected", "${Event.Connected}")
        assertEquals(Event.PasskeyCode(secret, true), Event.PasskeyCode(secret, true))
        assertNotEquals(Event.PasskeyCode(secret, true), Event.PasskeyCode("another", true))
    }
}
