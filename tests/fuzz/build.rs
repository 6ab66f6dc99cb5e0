//! Says `cfg(asan)` where the address sanitizer is there to be told what nobody may touch.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if flags.split('\x1f').any(|flag| flag.contains("sanitizer=address")) {
        println!("cargo:rustc-cfg=asan");
    }
}
