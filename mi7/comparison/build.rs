//! Compiles the few lines of C++ for Boost's message queue, where Boost and a compiler are installed.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(boost)");
    println!("cargo::rerun-if-changed=boost.cpp");
    const HEADER: &str = "boost/interprocess/ipc/message_queue.hpp";
    if !["/usr/include", "/usr/local/include"].iter().any(|include| Path::new(include).join(HEADER).exists()) {
        return;
    }
    let built =
        cc::Build::new().cpp(true).std("c++14").opt_level(3).warnings(false).file("boost.cpp").try_compile("boost");
    match built {
        Ok(()) => println!("cargo::rustc-cfg=boost"),
        Err(error) => println!("cargo::warning=Boost is left out: {error}"),
    }
}
