//! `daemon [PATH]`: digests a directory tree with many processes. See [`mi7_examples::daemon`], or `daemon --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mi7_examples::finish("daemon", mi7_examples::daemon::main(std::env::args_os()))
}
