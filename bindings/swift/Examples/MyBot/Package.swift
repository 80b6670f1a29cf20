// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "MyBot",
    platforms: [.macOS(.v12)],
    dependencies: [.package(name: "wa", path: "../..")],
    targets: [
        .executableTarget(name: "MyBot", dependencies: [.product(name: "Wa", package: "wa")]),
    ]
)
