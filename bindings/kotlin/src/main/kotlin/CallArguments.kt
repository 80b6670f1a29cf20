package io.github.wa

/**
 * What is made of the arguments of a call for the library: copies of handles, and bytes. The library takes all of them or none. Where
 * one cannot be passed (a negative duration, half a character, an object that was closed), those before it are freed here: the copy of
 * the handle of the object itself is one of them, and a client of which one is left never ends. `generate` puts this into the calls.
 */
internal object CallArguments {
    /** How what was made so far is freed. Null when nothing is being called, or the library has all of it. */
    private val current = ThreadLocal<MutableList<Runnable>?>()

    /** Makes a call. One within it, by which an argument is made, leaves to it what was made. */
    inline fun <R> of(call: () -> R): R {
        val outer = begin()
        try {
            return call()
        } catch (failure: Throwable) {
            free()
            throw failure
        } finally {
            end(outer)
        }
    }

    /** Something was made, which is freed so if the library does not get it. */
    fun made(free: Runnable) {
        current.get()?.add(free)
    }

    /** With the last argument the library has all of them, and frees them, whatever comes of the call. */
    fun <T> taken(last: T): T {
        current.set(null)
        return last
    }

    fun begin(): MutableList<Runnable>? = current.get().also { current.set(mutableListOf()) }

    fun free() {
        current.get()?.forEach(Runnable::run)
        current.set(null)
    }

    fun end(outer: MutableList<Runnable>?) {
        current.get()?.let { outer?.addAll(it) }
        current.set(outer)
    }
}
