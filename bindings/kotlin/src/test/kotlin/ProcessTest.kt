package io.github.wa.tests

import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** What concerns the whole process, each in one of its own: see ProcessPrograms.kt. */
class ProcessTest {
    @Test
    fun shutdownEndsEverything() = runs("shutDown", "closed shutdown\n")

    @Test
    fun aProcessThatEndsWithStreamsOpen() = runs("endWithStreamsOpen", "done\n")

    private fun runs(program: String, says: String) {
        val java = ProcessHandle.current().info().command().orElse("java")
        val main = "io.github.wa.tests.ProcessProgramsKt"
        val process = ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), main, program)
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        try {
            assertTrue(process.waitFor(120, TimeUnit.SECONDS), "it does not end")
            assertEquals(0 to says, process.exitValue() to process.inputStream.reader().readText())
        } finally {
            process.destroyForcibly()
        }
    }
}
