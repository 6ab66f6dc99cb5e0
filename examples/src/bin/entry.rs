//! `entry [PATH]`: sends the path of each file in a tree. See [`mi7_examples::entry`], or `entry --help`.

use std::process::ExitCode;

use clap::Parser;
use mi7_examples::entry::{Options, main as entry};

fn main() -> ExitCode {
    mi7_examples::finish("entry", entry(&Options::parse()))
}
