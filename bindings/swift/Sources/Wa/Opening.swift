import Foundation

extension Store {
    /// A SQLite file, made if there is none. Its folder must exist. It holds secret keys: whoever reads it is this device.
    public static func sqlite(_ file: URL) async throws -> Store {
        try await sqlite(path: file.path)
    }
}

/// Runs `body` with the client of one account, and ends it in order afterwards, whatever `body` does. The client connects
/// by itself, and comes back by itself. Who wants the past that the phone sends after linking opens it with `readsHistory`,
/// and takes it from `client.history()`.
///
/// `body` runs on the actor of whoever calls this.
@discardableResult
public func withClient<T>(
    _ store: Store, _ options: ClientOptions = ClientOptions(), isolation: isolated (any Actor)? = #isolation,
    _ body: (Client) async throws -> T
) async throws -> T {
    let client = try await Client.connect(store: store, options: options)
    return try await ending({ try await client.shutdown() }) { try await body(client) }
}

/// Runs `body` with a manager of many accounts, and ends it in order afterwards, whatever `body` does. They stay linked,
/// and `restore()` starts them again.
///
/// `body` runs on the actor of whoever calls this.
@discardableResult
public func withManager<T>(
    _ options: ManagerOptions, isolation: isolated (any Actor)? = #isolation, _ body: (ClientManager) async throws -> T
) async throws -> T {
    let manager = try await ClientManager.open(options: options)
    return try await ending({ try await manager.shutdown(deadline: 10) }) { try await body(manager) }
}

/// The end is not for cancelling: what was received is stored, and connections are closed, in a task of their own.
private func ending<T>(
    _ end: @escaping @Sendable () async throws -> Void, isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> T
) async throws -> T {
    let result: Result<T, Error>
    do {
        result = .success(try await body())
    } catch {
        result = .failure(error)
    }
    let ended = await Task { try await end() }.result
    let value = try result.get()
    try ended.get()
    return value
}
