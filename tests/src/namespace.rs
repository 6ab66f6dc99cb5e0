//! A small file system of one's own.

use std::path::Path;
use std::process::{Command, Stdio};

/// A way to mount a file system that only one's children see.
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    /// What `unshare` (util-linux) is called with.
    flags: &'static str,
}

impl Namespace {
    /// The way this machine permits: as root, or as root of a user namespace. `None` if it permits neither.
    pub fn find() -> Option<Self> {
        ["-m", "-rm"].into_iter().map(|flags| Namespace { flags }).find(|namespace| {
            let mut trial = namespace.command("mount -t tmpfs -o size=64k none /tmp");
            trial.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        })
    }

    /// A command for `sh`, in a new mount namespace.
    fn command(self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args([self.flags, "sh", "-ec", script]);
        command
    }

    /// `program`, to be started where `directory` is a tmpfs of `kib` KiB.
    pub fn on_small_tmpfs(self, directory: &Path, kib: u32, program: &str) -> Command {
        let mut command = self.command(r#"mount -t tmpfs -o size="$1"k none "$2"; shift 2; exec "$@""#);
        command.arg("sh").arg(kib.to_string()).arg(directory).arg(program);
        command
    }
}
