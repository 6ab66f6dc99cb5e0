//! What a channel is like before the calls begin.

/// A channel as the checker makes it.
#[derive(Debug)]
pub struct Scene {
    pub name: &'static str,
    pub capacity: usize,
    /// Messages that wait in it.
    pub messages: u64,
    pub end: Exclusive,
    pub letters: Letters,
    /// The checker makes no channel: the actors do.
    pub is_fresh: bool,
    /// A process that waits while the others act, and is not stepped.
    pub sleeper: Option<&'static str>,
}

/// The end that belongs to one handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exclusive {
    Neither,
    Sending,
    Receiving,
}

/// Whether there are dead letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letters {
    No,
    /// The oldest message is about to become one.
    Room,
    /// The same, and there is no room for it.
    NoRoom,
}

/// How often a message is delivered where there are dead letters.
pub const MAX_DELIVERIES: u32 = 2;

const fn plain(name: &'static str, capacity: usize, messages: u64) -> Scene {
    let (end, letters) = (Exclusive::Neither, Letters::No);
    Scene { name, capacity, messages, end, letters, is_fresh: false, sleeper: None }
}

pub static SCENES: &[Scene] = &[
    plain("half", 8, 3),
    plain("full", 2, 2),
    plain("empty", 4, 0),
    plain("one", 1, 0),
    plain("one-full", 1, 1),
    Scene { is_fresh: true, ..plain("none", 2, 0) },
    Scene { end: Exclusive::Sending, ..plain("one-sender", 8, 3) },
    Scene { end: Exclusive::Receiving, ..plain("one-receiver", 8, 3) },
    Scene { letters: Letters::Room, ..plain("letters", 4, 2) },
    Scene { letters: Letters::NoRoom, ..plain("letters-full", 4, 2) },
    Scene { sleeper: Some("receive"), ..plain("receiver-sleeps", 4, 0) },
    Scene { sleeper: Some("send"), ..plain("sender-sleeps", 2, 2) },
    Scene { sleeper: Some("receive-task"), ..plain("task-sleeps", 4, 0) },
];

/// The scene of this name, as an index.
pub fn scene(name: &str) -> usize {
    SCENES.iter().position(|scene| scene.name == name).unwrap_or_else(|| panic!("no scene is called {name}"))
}
