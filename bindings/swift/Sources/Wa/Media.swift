import Foundation

/// `for try await` over the pieces of a file that is downloaded. That it is whole is proven by its end only: after an error,
/// what came is worth nothing. Breaking out of the loop calls the download off once nobody holds the reader.
extension MediaReader: AsyncSequence {
    public typealias Element = Data

    public func makeAsyncIterator() -> MediaIterator {
        MediaIterator(reader: self)
    }
}

/// Takes the pieces of a file one by one.
public struct MediaIterator: AsyncIteratorProtocol {
    let reader: MediaReader

    /// The next piece; nothing when that was all, and it is whole.
    public mutating func next() async throws -> Data? {
        while try await reader.ready() {
            let piece = reader.take()
            if !piece.isEmpty {
                return piece
            }
        }
        return nil
    }
}

/// What uploads files: a client, and an account of a manager, which says `WaError.Unavailable` while it is not ready. What
/// comes back is for a message.
public protocol MediaUploader {
    func upload(kind: MediaKind) throws -> MediaWriter
    func uploadBytes(bytes: Data, kind: MediaKind) async throws -> Attachment
    func uploadFile(path: String, kind: MediaKind) async throws -> Attachment
}

extension MediaUploader {
    /// Encrypts a file and uploads it. It is read in pieces, and never held whole.
    public func upload(contentsOf file: URL, kind: MediaKind) async throws -> Attachment {
        try await uploadFile(path: file.path, kind: kind)
    }

    /// Encrypts bytes and uploads them. For small files.
    public func upload(_ bytes: Data, kind: MediaKind) async throws -> Attachment {
        try await uploadBytes(bytes: bytes, kind: kind)
    }

    /// Encrypts a file that comes in pieces of any size, and uploads it. No more than half a MiB of it waits here.
    public func upload<Pieces: AsyncSequence>(pieces: Pieces, kind: MediaKind) async throws -> Attachment
    where Pieces.Element == Data {
        try await upload(kind: kind).feed(pieces)
    }

    /// Encrypts a file whose pieces are made as they are asked for, and uploads it.
    public func upload<Pieces: Sequence>(pieces: Pieces, kind: MediaKind) async throws -> Attachment
    where Pieces.Element == Data {
        try await upload(kind: kind).feed(pieces)
    }
}

extension Client: MediaUploader {
    /// Downloads a file to this place. It is there when it is whole and proven, in place of what was there before.
    public func download(_ file: Attachment, to place: URL) async throws {
        try await downloadFile(file: file, path: place.path)
    }

    /// Downloads a file of at most `limit` bytes. For small files.
    public func download(_ file: Attachment, limit: UInt64) async throws -> Data {
        try await downloadBytes(file: file, limit: limit)
    }

    /// Downloads a file in pieces: `for try await piece in try client.download(file)`.
    public func download(_ file: Attachment) throws -> MediaReader {
        try download(file: file)
    }
}

/// A message that came stands for its file: that is taken from where the account's settings keep files, or else is fetched
/// and kept there.
extension Account: MediaUploader {
    /// Writes the file of a message to this place. It is there when it is whole, in place of what was there before. One that
    /// the service has no more is asked of the phone, which may take a minute.
    public func download(_ message: InboundMessage, to place: URL) async throws {
        try await downloadFile(message: message, path: place.path)
    }

    /// The file of a message, of at most `limit` bytes. For small files.
    public func download(_ message: InboundMessage, limit: UInt64) async throws -> Data {
        try await downloadBytes(message: message, limit: limit)
    }

    /// Takes the file of a message in pieces: `for try await piece in try account.download(message)`. It is proven before the
    /// first of them comes.
    public func download(_ message: InboundMessage) throws -> MediaReader {
        try download(message: message)
    }
}

extension MediaWriter {
    /// Writes all of it, and waits for room where there is none.
    public func writeAll(_ bytes: Data) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            rest = rest.dropFirst(Int(try write(bytes: rest)))
            if !rest.isEmpty {
                try await ready()
            }
        }
    }

    fileprivate func feed<Pieces: AsyncSequence>(_ pieces: Pieces) async throws -> Attachment
    where Pieces.Element == Data {
        try await finishing {
            for try await piece in pieces {
                try await writeAll(piece)
            }
        }
    }

    fileprivate func feed<Pieces: Sequence>(_ pieces: Pieces) async throws -> Attachment where Pieces.Element == Data {
        try await finishing {
            for piece in pieces {
                try await writeAll(piece)
            }
        }
    }

    private func finishing(_ write: () async throws -> Void) async throws -> Attachment {
        do {
            try await write()
            return try await finish()
        } catch {
            cancel()
            throw error
        }
    }
}
