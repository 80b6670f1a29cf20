// swift-tools-version:6.0
import PackageDescription

// The library itself: on Apple platforms what `xcframework` makes, elsewhere `libwa_ffi.so`, found by the linker (`-L`).
#if os(macOS)
let library = Target.binaryTarget(name: "WaFFI", path: "WaFFI.xcframework")
#else
let library = Target.systemLibrary(name: "WaFFI")
#endif

let package = Package(
    name: "wa",
    platforms: [.macOS(.v12), .iOS(.v15)],
    products: [.library(name: "Wa", targets: ["Wa"])],
    targets: [
        library,
        // The generated source is of Swift 5; all that uses it here is of Swift 6, and may be of either.
        .target(name: "Wa", dependencies: ["WaFFI"], swiftSettings: [.swiftLanguageMode(.v5)]),
        .executableTarget(name: "EchoBot", dependencies: ["Wa"], path: "Examples/EchoBot"),
        .executableTarget(name: "QuickStart", dependencies: ["Wa"], path: "Examples/QuickStart"),
        .executableTarget(name: "ManyAccounts", dependencies: ["Wa"], path: "Examples/ManyAccounts"),
        .executableTarget(name: "Border", dependencies: ["Wa"], path: "Benches/Border"),
        // What concerns a whole process runs in one of its own.
        .executableTarget(name: "Processes", dependencies: ["Wa"], path: "Tests/Processes"),
        .testTarget(name: "WaTests", dependencies: ["Wa", "EchoBot", "Processes"]),
    ]
)
