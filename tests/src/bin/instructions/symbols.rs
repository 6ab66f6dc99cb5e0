//! Names for addresses, by `addr2line` where it is installed.

use std::process::Command;

/// The function and line of an address; else how far it lies behind the start of its file.
pub fn name(address: u64) -> String {
    let Some((path, offset)) = file_of(address) else { return format!("{address:#x}") };
    let found = Command::new("addr2line").args(["-Cfpe", &path, &format!("{offset:#x}")]).output();
    let found = found.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let found = found.filter(|found| !found.is_empty() && !found.starts_with("??"));
    format!("{address:#x}: {}", found.unwrap_or_else(|| format!("{path} + {offset:#x}")))
}

/// The file that is mapped there, and the offset as the file counts addresses, which the linker begins at 0.
fn file_of(address: u64) -> Option<(String, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut start = None;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let Some(path) = words.nth(4) else { continue };
        if start.as_ref().is_none_or(|(known, _)| known != path) {
            start = Some((path.to_owned(), from));
        }
        if (from..to).contains(&address) {
            return start.map(|(path, from)| (path, address - from));
        }
    }
    None
}
