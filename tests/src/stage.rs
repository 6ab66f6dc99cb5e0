//! A place of one's own for channels.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use mi7::{Options, Payload, SharedChannel};
use tempfile::TempDir;

use crate::Actor;

/// The longest a test program runs.
const LIMIT: Duration = Duration::from_secs(120);

/// A directory that is gone with its test, and the program of its actors.
pub struct Stage {
    directory: TempDir,
    actor: PathBuf,
}

impl Stage {
    /// A stage in memory. `actor` is `env!("CARGO_BIN_EXE_actor")`.
    pub fn new(actor: &str) -> Self {
        Self::in_directory("/dev/shm", actor)
    }

    /// A stage on some other file system.
    pub fn in_directory(parent: impl AsRef<Path>, actor: &str) -> Self {
        static WATCHDOG: Once = Once::new();
        WATCHDOG.call_once(|| end_after(LIMIT));
        let directory =
            tempfile::Builder::new().prefix("mi7-test-").tempdir_in(parent).expect("a directory for the test");
        Stage { directory, actor: actor.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A channel's file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Options for channels on this stage.
    pub fn options<T: Payload>(&self) -> Options<T> {
        SharedChannel::options().directory(self.path())
    }

    /// A new process for messages of this kind (`parcel`, `message`, `bincode`, `slab`).
    pub fn actor(&self, kind: &str) -> Actor {
        let mut command = Command::new(&self.actor);
        command.arg(self.path()).arg(kind);
        Actor::spawn(command)
    }

    /// Several of them.
    pub fn actors(&self, kind: &str, count: usize) -> Vec<Actor> {
        (0..count).map(|_| self.actor(kind)).collect()
    }

    /// The program of the actors where every user can run it: a copy on the stage, which it opens to all.
    pub fn actor_for_everybody(&self) -> PathBuf {
        let copy = self.path().join("everybody").join("actor");
        fs::create_dir(copy.parent().unwrap_or(&copy)).expect("a directory for the program");
        // By another process: a child that is forked while this one writes to it could not run it.
        let copied = Command::new("cp").arg(&self.actor).arg(&copy).status();
        assert!(copied.expect("cp").success());
        for path in [self.path(), copy.parent().unwrap_or(&copy), &copy] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions for all");
        }
        copy
    }
}

/// Ends this process, as a failure, if it still runs after so long.
pub fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("process {} ran for more than {limit:?}: something hangs", std::process::id());
        std::process::abort();
    });
}

/// The name of an error's variant.
pub fn variant(error: &mi7::Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Runs a future on this thread, which sleeps while it waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
