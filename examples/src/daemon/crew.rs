//! The daemon's children: started, restarted, ended.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::GAVE_UP;
use crate::names::Names;

/// The first argument of a child that is an [`entry`](crate::entry).
pub const ENTRY: &str = "@entry";
/// The first argument of a child that is a [`worker`](crate::worker).
pub const WORKER: &str = "@worker";

/// So many deaths for each child, with no news in between, and the daemon gives up. More than there are workers that die
/// with the same file before that file is given up.
const DEATHS: usize = 50;

/// Where an entry takes over.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The last file of which it is known where it stands in the walk,
    pub after: Option<PathBuf>,
    /// the number of the next,
    pub number: u64,
    /// and a number below which all were sent.
    pub from: u64,
}

/// All children. They are killed when it is dropped.
pub struct Crew {
    root: PathBuf,
    queue: String,
    reports: String,
    entry: Post,
    workers: Vec<Post>,
    /// Deaths since the last news.
    deaths: usize,
}

/// A child's place, taken by one process after the other.
struct Post {
    name: String,
    child: Option<Child>,
    restarts: u64,
}

impl Post {
    fn new(name: impl Into<String>) -> Self {
        Post { name: name.into(), child: None, restarts: 0 }
    }

    /// How the child ended, if it has.
    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let status = child.try_wait().with_context(|| format!("cannot watch {}", self.name))?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Whether the child of this status is to be replaced. One that said what is wrong would say it again.
    fn is_to_be_replaced(&self, status: ExitStatus) -> anyhow::Result<bool> {
        if status.code() == Some(GAVE_UP.into()) || status.code() == Some(2) {
            bail!("{} gave up ({status}); what it said stands above", self.name);
        }
        Ok(!status.success())
    }
}

impl Crew {
    /// Starts an entry and so many workers.
    pub fn start(root: &Path, names: &Names, workers: usize) -> anyhow::Result<Self> {
        let mut crew = Crew {
            root: root.to_path_buf(),
            queue: names.paths.clone(),
            reports: names.reports.clone(),
            entry: Post::new("entry"),
            workers: (1..=workers).map(|number| Post::new(format!("worker{number}"))).collect(),
            deaths: 0,
        };
        crew.start_entry(&Resume::default())?;
        (0..workers).try_for_each(|index| crew.start_worker(index))?;
        Ok(crew)
    }

    /// The workers' names, and how often each was restarted.
    pub fn workers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.workers.iter().map(|post| (post.name.as_str(), post.restarts))
    }

    /// How often children were restarted.
    pub fn restarts(&self) -> u64 {
        self.entry.restarts + self.workers().map(|(_, restarts)| restarts).sum::<u64>()
    }

    /// How many workers are alive.
    pub fn alive(&self) -> usize {
        self.workers.iter().filter(|post| post.child.is_some()).count()
    }

    /// Notes that somebody did something.
    pub fn is_getting_on(&mut self) {
        self.deaths = 0;
    }

    /// Puts a new child in the place of each that died; an entry only as long as the walk has not come to its end.
    pub fn restart_the_dead(&mut self, resume: &Resume, walked: bool) -> anyhow::Result<()> {
        if let Some(status) = self.entry.ended()?
            && self.entry.is_to_be_replaced(status)?
            && !walked
        {
            self.note_death("entry", status)?;
            self.entry.restarts += 1;
            self.start_entry(resume)?;
        }
        for index in 0..self.workers.len() {
            let post = &mut self.workers[index];
            let Some(status) = post.ended()? else { continue };
            // Workers do not end by themselves, so one that was successful is to be replaced too.
            post.is_to_be_replaced(status)?;
            post.restarts += 1;
            let name = post.name.clone();
            self.note_death(&name, status)?;
            self.start_worker(index)?;
        }
        Ok(())
    }

    fn note_death(&mut self, name: &str, status: ExitStatus) -> anyhow::Result<()> {
        self.deaths += 1;
        let most = DEATHS * (1 + self.workers.len());
        anyhow::ensure!(
            self.deaths <= most,
            "{most} children died and nothing got done, lastly {name} ({status}); giving up"
        );
        Ok(())
    }

    fn start_entry(&mut self, resume: &Resume) -> anyhow::Result<()> {
        let mut command = self.command(ENTRY);
        command.args(["--number", &resume.number.to_string(), "--from", &resume.from.to_string()]);
        if let Some(after) = &resume.after {
            command.arg("--after").arg(after);
        }
        command.arg("--").arg(&self.root);
        self.entry.child = Some(command.spawn().context("cannot start an entry")?);
        Ok(())
    }

    fn start_worker(&mut self, index: usize) -> anyhow::Result<()> {
        let name = &self.workers[index].name;
        let child = self.command(WORKER).arg(name).spawn().with_context(|| format!("cannot start {name}"))?;
        self.workers[index].child = Some(child);
        Ok(())
    }

    /// This executable, whatever has become of its file.
    fn command(&self, role: &str) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("daemon").arg(role);
        command.args(["--queue", &self.queue, "--reports", &self.reports]);
        command.args(["--parent", &std::process::id().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn posts(&mut self) -> impl Iterator<Item = &mut Post> {
        self.workers.iter_mut().chain([&mut self.entry])
    }

    /// Waits for the children, which have been given the sign to end, and kills those that have not done so in time.
    pub fn end_within(&mut self, time: Duration) {
        let started = Instant::now();
        while started.elapsed() < time
            && self.posts().any(|post| matches!(post.ended(), Ok(None)) && post.child.is_some())
        {
            thread::sleep(Duration::from_millis(1));
        }
        self.kill();
    }

    fn kill(&mut self) {
        for post in self.posts() {
            if let Some(mut child) = post.child.take() {
                // One that has ended meanwhile cannot be killed, and need not be.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.kill();
    }
}
