//! Writes the Swift source and the C header that belong to a built `wa-ffi`.

fn main() {
    uniffi::uniffi_bindgen_swift();
}
