package io.github.wa

import java.io.InputStream
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.file.Path
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/** How large the pieces are that files are moved in, in bytes. */
private const val PIECE = 64 * 1024

/** Encrypts a file and uploads it: what comes back is for a message. It is never held whole. */
public suspend fun Client.upload(file: Path, kind: MediaKind): Attachment = uploadFile(file.toString(), kind)

/** Encrypts bytes and uploads them. */
public suspend fun Client.upload(bytes: ByteArray, kind: MediaKind): Attachment = beginUpload(kind).fill(bytes)

/** Encrypts a file that comes in pieces of any size, and uploads it. */
public suspend fun Client.upload(pieces: Flow<ByteArray>, kind: MediaKind): Attachment = beginUpload(kind).fill(pieces)

/** Encrypts what a stream has, and uploads it. The stream is read on [Dispatchers.IO], and left open. */
public suspend fun Client.upload(source: InputStream, kind: MediaKind): Attachment = beginUpload(kind).fill(source)

/** Downloads a file to this path. It is there when it is whole and proven, in place of what was there before. */
public suspend fun Client.download(file: Attachment, path: Path): Unit = downloadFile(file, path.toString())

/** Downloads a file in pieces. That it is whole is proven by the end of the flow only: after an exception, what came is worth nothing. */
public fun Client.download(file: Attachment): Flow<ByteArray> = pieces { beginDownload(file) }

/**
 * Downloads a file into a stream, which is written on [Dispatchers.IO], and left open. That the file is whole is proven when this
 * returns: after an exception, what was written is worth nothing.
 */
public suspend fun Client.download(file: Attachment, sink: OutputStream): Unit = download(file).writeTo(sink)

/**
 * Encrypts a file and uploads it: what comes back is for a message. It is never held whole.
 *
 * @throws WaException.Unavailable while the account is not ready
 */
public suspend fun Account.upload(file: Path, kind: MediaKind): Attachment = uploadFile(file.toString(), kind)

/**
 * Encrypts bytes and uploads them.
 *
 * @throws WaException.Unavailable while the account is not ready
 */
public suspend fun Account.upload(bytes: ByteArray, kind: MediaKind): Attachment = beginUpload(kind).fill(bytes)

/**
 * Encrypts a file that comes in pieces of any size, and uploads it.
 *
 * @throws WaException.Unavailable while the account is not ready
 */
public suspend fun Account.upload(pieces: Flow<ByteArray>, kind: MediaKind): Attachment = beginUpload(kind).fill(pieces)

/**
 * Encrypts what a stream has, and uploads it. The stream is read on [Dispatchers.IO], and left open.
 *
 * @throws WaException.Unavailable while the account is not ready
 */
public suspend fun Account.upload(source: InputStream, kind: MediaKind): Attachment = beginUpload(kind).fill(source)

/**
 * Writes the file of a message to this path. It is there when it is whole and proven, in place of what was there before. A file that
 * the hosts dropped is asked of the phone, which may take a minute.
 */
public suspend fun Account.download(message: InboundMessage, path: Path): Unit = downloadFile(message, path.toString())

/** The file of a message, in pieces. It is taken from where the account's settings keep files, or else fetched and kept there. */
public fun Account.download(message: InboundMessage): Flow<ByteArray> = pieces { beginDownload(message) }

/**
 * Writes the file of a message into a stream, which is written on [Dispatchers.IO], and left open. That it is all of the file is proven
 * when this returns.
 */
public suspend fun Account.download(message: InboundMessage, sink: OutputStream): Unit = download(message).writeTo(sink)

private suspend fun MediaWriter.fill(bytes: ByteArray): Attachment = fill { write -> write(bytes, bytes.size) }

private suspend fun MediaWriter.fill(pieces: Flow<ByteArray>): Attachment =
    fill { write -> pieces.collect { piece -> write(piece, piece.size) } }

private suspend fun MediaWriter.fill(source: InputStream): Attachment = fill { write ->
    withContext(Dispatchers.IO) {
        val piece = ByteArray(PIECE)
        while (true) {
            val length = source.read(piece)
            if (length < 0) break
            write(piece, length)
        }
    }
}

private suspend fun MediaWriter.fill(writeAll: suspend (write: suspend (ByteArray, Int) -> Unit) -> Unit): Attachment {
    keepThreadsAttached()
    return use { writer ->
        // Only a direct buffer crosses without being copied, and only from its beginning.
        val buffer = ByteBuffer.allocateDirect(PIECE)
        try {
            writeAll { bytes, length ->
                var at = 0
                while (at < length) {
                    buffer.clear()
                    buffer.put(bytes, at, minOf(length - at, PIECE)).flip()
                    val taken = writer.write(buffer).toInt()
                    at += taken
                    if (taken == 0) writer.ready()
                }
            }
            writer.finish()
        } finally {
            writer.cancel()
        }
    }
}

private fun pieces(begin: () -> MediaReader): Flow<ByteArray> = flow {
    keepThreadsAttached()
    begin().use { reader ->
        while (reader.ready()) {
            while (true) {
                val piece = reader.take()
                if (piece.isEmpty()) break
                emit(piece)
            }
        }
    }
}

private suspend fun Flow<ByteArray>.writeTo(sink: OutputStream): Unit = withContext(Dispatchers.IO) { collect(sink::write) }
