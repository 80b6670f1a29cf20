// swift-tools-version:5.9
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
        .target(name: "Wa", dependencies: ["WaFFI"]),
        .executableTarget(name: "EchoBot", dependencies: ["Wa"], path: "Examples/EchoBot"),
        .executableTarget(name: "QuickStart", dependencies: ["Wa"], path: "Examples/QuickStart"),
        .executableTarget(name: "Border", dependencies: ["Wa"], path: "Benches/Border"),
        // What concerns a whole process runs in one of its own.
        .executableTarget(name: "Processes", dependencies: ["Wa"], path: "Tests/Processes"),
        .testTarget(name: "WaTests", dependencies: ["Wa", "Processes"]),
    ]
)
