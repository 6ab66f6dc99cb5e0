//! The memory of a channel: touched in advance, and in huge pages, where that was asked for.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mi7::{SharedChannel, Wait};
use mi7_tests::Stage;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// A field of this process's mapping of a file, in bytes.
fn mapped(file: &Path, field: &str) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("there is /proc");
    // By its number: it got its name later than it was mapped, and Linux has not noticed.
    let number = format!(" {} ", std::fs::metadata(file).expect("it is there").ino());
    let mapping = maps.split_once(&number).expect("it is mapped").1;
    let value = mapping.lines().find_map(|line| line.strip_prefix(field)).expect("Linux has that field");
    let kilobytes: u64 = value.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

type Block = [u64; 1 << 14];

#[test]
fn what_is_touched_in_advance_is_there() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Block>().capacity(64);
    let file = stage.file("blocks");
    let lazy = options.clone().create("blocks").expect("there is room");
    let size = mapped(&file, "Size");
    assert!(size > 8 << 20);
    assert!(mapped(&file, "Rss") < size / 2, "nothing was touched yet");
    drop(lazy);
    // By one who makes it, and one who opens it.
    let eager = options.clone().prefault().open("blocks").expect("it is there");
    assert_eq!(mapped(&file, "Rss"), size);
    drop(eager);
    mi7::remove_in(stage.path(), "blocks").expect("it is there");
    let _eager = options.prefault().create("blocks").expect("there is room");
    assert_eq!(mapped(&file, "Rss"), size);
}

#[test]
fn huge_pages_are_used_where_the_system_has_them() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Block>().capacity(64).huge_pages().prefault().wait(Wait::Park);
    let channel: SharedChannel<Block> = options.create("blocks").expect("they are a wish, no condition");
    let (tx, rx) = channel.split();
    for number in 0..200 {
        let mut loan = tx.loan().expect("there is room");
        loan.write(&[number; 1 << 14]).expect("it fits");
        loan.send().expect("it was written");
        assert_eq!(rx.recv().expect("it was sent")[(1 << 14) - 1].to_native(), number);
    }
    let mounts = std::fs::read_to_string("/proc/mounts").expect("there is /proc");
    // The last one hides those before.
    let options =
        mounts.lines().filter_map(|line| line.strip_prefix("tmpfs /dev/shm tmpfs ")).next_back().unwrap_or_default();
    let huge = mapped(&stage.file("blocks"), "ShmemPmdMapped");
    if ["huge=always", "huge=within_size", "huge=advise"].iter().any(|setting| options.contains(setting)) {
        assert!(huge >= 4 << 20, "{options}: {huge} bytes");
    } else {
        eprintln!("/dev/shm has no huge pages here: {options}; {huge} bytes are in some");
    }
}
