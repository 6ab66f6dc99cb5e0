//! Forged bytes of a `Bincode` are refused in bounded time, memory and stack.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fs::File;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::thread;

use mi7::{Bincode, Error, Receiver, Sender};
use mi7_tests::Stage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

// ---- forged bytes --------------------------------------------------------------------------------------------------

/// The most memory that a thread has had at once.
struct Measuring;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    let _ = NOW.try_with(|now| {
        now.set((now.get() + more).saturating_sub(less));
        MOST.try_with(|most| most.set(most.get().max(now.get())))
    });
}

// SAFETY: all is passed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static MEASURING: Measuring = Measuring;

/// Bytes of a message, at the most.
const ROOM: usize = 1 << 20;
/// Bytes of the stack of a thread that receives. An optimized program needs a fifth.
const STACK: usize = 512 << 10;

/// A channel of one slot, and where in the file that lies.
struct Victim<T: Serialize + DeserializeOwned + 'static> {
    tx: Sender<Bincode<T>>,
    rx: Receiver<Bincode<T>>,
    file: File,
    at: u64,
    // Last: the file is in it.
    _stage: Stage,
}

impl<T: Serialize + DeserializeOwned + 'static> Victim<T> {
    fn new() -> Self {
        let stage = Stage::new(ACTOR);
        let options = stage.options::<Bincode<T>>().capacity(1).max_message_size(ROOM);
        let (tx, rx) = options.create("victim").expect("a channel").split();
        let file = File::options().read(true).write(true).open(stage.file("victim")).expect("its file");
        let mut schema = [0; 4];
        file.read_exact_at(&mut schema, 36).expect("its length");
        let slots = (41_728 + 8 + u64::from(u32::from_le_bytes(schema))).next_multiple_of(4096);
        Victim { tx, rx, file, at: slots + 8, _stage: stage }
    }

    /// Sends an honest message, puts these bytes in its place, and receives it.
    fn forged(&self, honest: T, bytes: &[u8]) -> mi7::Result<T> {
        self.tx.try_send(&Bincode(honest)).expect("room");
        self.file.write_all_at(&(bytes.len() as u32).to_le_bytes(), self.at).expect("the file takes it");
        self.file.write_all_at(bytes, self.at + 4).expect("the file takes it");
        NOW.set(0);
        MOST.set(0);
        let received = self.rx.try_recv().map(|received| received.into_inner().0);
        assert!(MOST.get() < 16 * bytes.len() + (24 << 20), "{} bytes for {}", MOST.get(), bytes.len());
        received
    }
}

/// These bytes are refused, in a thread with little stack, and the channel goes on.
#[track_caller]
fn refuses<T: Serialize + DeserializeOwned + Default + 'static>(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let test = move || {
        let victim = Victim::<T>::new();
        for _ in 0..2 {
            match victim.forged(T::default(), &bytes) {
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{error}"),
                Ok(_) => panic!("{} was received", std::any::type_name::<T>()),
            }
        }
        victim.tx.try_send(&Bincode(T::default())).expect("its room is free");
        assert!(victim.rx.try_recv().is_ok(), "the channel goes on");
    };
    let thread = thread::Builder::new().stack_size(STACK).spawn(test).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A number as bincode has it.
fn varint(number: u64) -> Vec<u8> {
    [&[253], &number.to_le_bytes()[..]].concat()
}

#[derive(Serialize, Deserialize, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Debug)]
struct Nothing {}

/// Takes no bytes, but memory.
#[derive(Serialize, Deserialize, Clone)]
struct Skipped {
    #[serde(skip, default = "zeros")]
    _numbers: [u64; 1000],
}

#[derive(Serialize, Deserialize, Default)]
enum Either {
    #[default]
    Nothing,
    Nothings(Vec<()>),
}

fn zeros() -> [u64; 1000] {
    [0; 1000]
}

#[test]
fn forged_lengths_of_lists_of_nothing_are_refused() {
    for length in [1 << 17, 1 << 32, 1 << 60, u64::MAX] {
        let length = varint(length);
        refuses::<Vec<()>>(&length);
        refuses::<VecDeque<()>>(&length);
        refuses::<LinkedList<()>>(&length);
        refuses::<BinaryHeap<()>>(&length);
        refuses::<HashSet<Nothing>>(&length);
        refuses::<HashMap<(), ()>>(&length);
        refuses::<BTreeSet<()>>(&length);
        refuses::<BTreeMap<(), Nothing>>(&length);
        refuses::<Vec<PhantomData<u64>>>(&length);
        refuses::<Vec<[(); 32]>>(&length);
        refuses::<Vec<((), [Nothing; 3])>>(&length);
        refuses::<Vec<[[u64; 32]; 0]>>(&length);
        refuses::<Vec<Skipped>>(&length);
        refuses::<Option<Vec<()>>>(&[&[1], &length[..]].concat());
        refuses::<Vec<Vec<()>>>(&[&[1], &length[..]].concat());
        refuses::<(u8, HashMap<u8, Vec<()>>)>(&[&[7, 1, 9], &length[..]].concat());
        refuses::<Either>(&[&[1], &length[..]].concat());
    }
    // As much as is allowed in each list, over and over.
    let lists = [varint(60_000), varint(60_000).repeat(60_000)].concat();
    refuses::<Vec<Vec<()>>>(&lists);
    refuses::<Vec<HashMap<(), ()>>>(&lists);
}

#[derive(Serialize, Deserialize, Default)]
struct Lists(Vec<Lists>);

#[test]
fn forged_lengths_ask_for_no_memory() {
    for length in [1 << 20, 1 << 32, 1 << 62, u64::MAX] {
        let length = varint(length);
        refuses::<Vec<u8>>(&length);
        refuses::<Vec<[u64; 32]>>(&length);
        refuses::<String>(&length);
        refuses::<Box<str>>(&length);
        refuses::<std::ffi::CString>(&length);
        refuses::<std::path::PathBuf>(&length);
        refuses::<HashMap<u64, [u64; 32]>>(&length);
        refuses::<BTreeMap<String, String>>(&length);
        refuses::<Vec<(String, Vec<u8>)>>(&length);
        // A thousand lists of lists in one another, of which each says that it is long.
        refuses::<Lists>(&length.repeat(1000));
        refuses::<Vec<Vec<Vec<Vec<[u64; 32]>>>>>(&length.repeat(4));
    }
}

#[test]
fn what_is_no_value_is_refused() {
    refuses::<bool>(&[2]);
    refuses::<Option<u8>>(&[2, 0]);
    refuses::<char>(&[0xFF]);
    refuses::<char>(&[0xED, 0xA0, 0x80]);
    refuses::<char>(&[0xF4, 0x90, 0x80, 0x80]);
    refuses::<String>(&[2, 0xC3, 0x28]);
    refuses::<u16>(&[252, 0, 0, 1, 0]);
    refuses::<u64>(&[254; 17]);
    refuses::<u128>(&[255]);
    refuses::<Either>(&[2, 0]);
    refuses::<(u32, String)>(&[]);
    refuses::<()>(&[0]);
    refuses::<u8>(&[1, 2]);
}

/// Values that are nested in values of their own type, in each way that there is.
#[derive(Serialize, Deserialize, Default)]
enum Chain {
    #[default]
    End,
    Newtype(Box<Chain>),
    Tuple(u8, Box<Chain>),
    Struct {
        next: Box<Chain>,
    },
    List(Vec<Chain>),
    Map(HashMap<u8, Chain>),
    Option(Option<Box<Chain>>),
}

#[derive(Serialize, Deserialize, Default)]
struct Options(Option<Box<Options>>);

#[derive(Serialize, Deserialize, Default)]
struct Node {
    numbers: [u64; 16],
    next: Option<Box<Node>>,
}

/// There is no such value, and no byte is needed to go on looking for it.
#[derive(Serialize, Deserialize)]
struct Endless(Box<Endless>);

const DEEP: usize = 100_000;

#[test]
fn what_is_nested_too_deep_is_refused() {
    for level in [&[1][..], &[2, 7], &[3], &[4, 1], &[5, 1, 9], &[6, 1]] {
        refuses::<Chain>(&level.repeat(DEEP));
        refuses::<Chain>(&[&level.repeat(DEEP)[..], &[0]].concat());
        refuses::<Vec<Chain>>(&[&[1], &level.repeat(DEEP)[..]].concat());
    }
    refuses::<Options>(&[1; DEEP]);
    refuses::<Lists>(&[1; DEEP]);
    refuses::<Node>(&[&[0; 16][..], &[1]].concat().repeat(DEEP / 10));
    refuses::<Option<Endless>>(&[1]);
}

// ---- values nested deep, at the sender -----------------------------------------------------------------------------

fn chain(depth: usize) -> Chain {
    (0..depth).fold(Chain::End, |inner, _| Chain::Tuple(1, Box::new(inner)))
}

/// Without a call for each level, which the compiler's way of dropping it has.
fn unchain(mut chain: Chain) {
    while let Chain::Tuple(_, next) = chain {
        chain = *next;
    }
}

#[test]
fn what_is_nested_too_deep_is_not_sent() {
    let test = || {
        let stage = Stage::new(ACTOR);
        let (tx, rx) =
            stage.options::<Bincode<Chain>>().capacity(1).max_message_size(ROOM).create("c").unwrap().split();
        for depth in [DEEP, 1000, 129] {
            let deep = Bincode(chain(depth));
            match tx.send(&deep) {
                Err(Error::Encoding { why }) => assert!(why.contains("more than 128 levels deep"), "{why}"),
                other => panic!("{other:?}"),
            }
            unchain(deep.0);
        }
        tx.try_send(&Bincode(chain(128))).expect("no slot was taken");
        let received = rx.try_recv().expect("it");
        let (mut link, mut depth) = (&*received, 0);
        while let Chain::Tuple(1, next) = link {
            link = next;
            depth += 1;
        }
        assert_eq!(depth, 128);
    };
    thread::Builder::new().stack_size(STACK).spawn(test).unwrap().join().unwrap();
}
