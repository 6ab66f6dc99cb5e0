//! Lines of code of the hello world: one struct (or, where there are no structs, its bytes) from one process to another, or
//! from one thread to another. The programs are this package's examples, so they compile and run.

const PROGRAMS: &[(&str, &str)] = &[
    ("mi7", include_str!("../../examples/hello_mi7.rs")),
    ("iceoryx2", include_str!("../../examples/hello_iceoryx2.rs")),
    ("ringfire", include_str!("../../examples/hello_ringfire.rs")),
    ("cloudtoid", include_str!("../../examples/hello_cloudtoid.rs")),
    ("ipmpsc", include_str!("../../examples/hello_ipmpsc.rs")),
    ("ipc-channel", include_str!("../../examples/hello_ipc_channel.rs")),
    ("crossbeam (threads)", include_str!("../../examples/hello_crossbeam.rs")),
    ("rtrb (threads)", include_str!("../../examples/hello_rtrb.rs")),
];

/// Programs and their lines that are neither empty nor comments.
pub fn lines() -> Vec<(&'static str, usize)> {
    let count =
        |source: &str| source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    PROGRAMS.iter().map(|(name, source)| (*name, count(source))).collect()
}
