package io.github.wa

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native

/**
 * Keeps threads of the library attached to the JVM once they called into it, as daemons. Otherwise JNA attaches and detaches a
 * thread at every call, which makes calls that wait up to three times slower. It holds for calls to come, so it is never too late.
 */
internal fun keepThreadsAttached() = AttachedThreads.ensure()

private object AttachedThreads {
    init {
        keep(uniffiRustFutureContinuationCallbackImpl, "wa")
        keep(uniffiCallbackInterfaceEventListener.onEvent, "wa-listener")
        keep(uniffiCallbackInterfaceLogSink.log, "wa-log")
    }

    fun ensure() = Unit

    private fun keep(callback: Callback, name: String) {
        val asDaemon = true
        val detach = false
        Native.setCallbackThreadInitializer(callback, CallbackThreadInitializer(asDaemon, detach, name))
    }
}
