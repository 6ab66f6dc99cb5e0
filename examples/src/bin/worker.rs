//! `worker NAME`: digests the files whose paths an entry sends. See [`mi7_examples::worker`], or `worker --help`.

use std::process::ExitCode;

use clap::Parser;
use mi7_examples::worker::{Options, main as worker};

fn main() -> ExitCode {
    mi7_examples::finish("worker", worker(&Options::parse()))
}
