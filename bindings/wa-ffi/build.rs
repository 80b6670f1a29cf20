//! Leaves the names of what is inside out of the library: only those that are loaded and generated from stay.
#![allow(clippy::print_stdout, reason = "how cargo is told")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_CFG_UNIX").is_some() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-x");
    }
}
