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
        self.on("tmpfs", &format!("size={kib}k"), directory, program)
    }

    /// `program`, to be started where `directory` is a new file system of that kind, mounted with
    /// these options.
    pub fn on(self, kind: &str, options: &str, directory: &Path, program: &str) -> Command {
        let mut command = self.command(r#"mount -t "$1" -o "$2" none "$3"; shift 3; exec "$@""#);
        command.args(["sh", kind, options]).arg(directory).arg(program);
        command
    }

    /// `program`, to be started where the file system in the file `image` is mounted on
    /// `directory`.
    pub fn on_image(self, image: &Path, directory: &Path, program: &str) -> Command {
        let mut command = self.command(r#"mount -o loop "$1" "$2"; shift 2; exec "$@""#);
        command.arg("sh").arg(image).arg(directory).arg(program);
        command
    }

    /// `program`, to be started where `directory` exists, is empty, and cannot be written to.
    pub fn without(self, directory: &Path, program: &str) -> Command {
        self.on("tmpfs", "ro", directory, program)
    }
}
