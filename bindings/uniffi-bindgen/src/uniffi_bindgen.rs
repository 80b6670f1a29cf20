//! Writes the Python and Kotlin sources that belong to a built `wa-ffi`. maturin calls it by its name.

fn main() {
    uniffi::uniffi_bindgen_main();
}
