package io.github.wa.tests

import io.github.wa.*
import java.time.Duration
import java.time.Instant
import java.util.Base64
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test

/** A delivery, signed here as the documents say. */
class WebhooksTest {
    private val key = ByteArray(32) { it.toByte() }
    private val secret = "whsec_" + base64(key)
    private val other = "another secret of someone"
    private val body = """{"event":"message.received"}""".encodeToByteArray()

    @Test
    fun aDeliveryIsChecked() {
        val now = Instant.now()
        verifyWebhook(signed(now), body, listOf(other, secret))
        verifyWebhook(signed(now.minusSeconds(400)), body, listOf(secret), Duration.ofMinutes(10))

        assertEquals("webhook_signature", refusal(signed(now), body + ' '.code.toByte(), secret))
        assertEquals("webhook_signature", refusal(signed(now), body, other))
        assertEquals("webhook_time", refusal(signed(now.minusSeconds(400)), body, secret))
        assertEquals("webhook_header", refusal(emptyMap(), body, secret))
        assertEquals("invalid_secret", refusal(signed(now), body, "short"))
    }

    private fun refusal(headers: Map<String, String>, body: ByteArray, secret: String): String =
        assertFailsWith<WaException.Invalid> { verifyWebhook(headers, body, listOf(secret)) }.code

    private fun signed(at: Instant): Map<String, String> {
        val mac = Mac.getInstance("HmacSHA256").apply { init(SecretKeySpec(key, algorithm)) }
        val signature = mac.doFinal("msg_1.${at.epochSecond}.".encodeToByteArray() + body)
        return mapOf(
            "Webhook-Id" to "msg_1",
            "Webhook-Timestamp" to "${at.epochSecond}",
            "Webhook-Signature" to "v1," + base64(signature),
        )
    }

    private fun base64(bytes: ByteArray): String = Base64.getEncoder().encodeToString(bytes)
}
