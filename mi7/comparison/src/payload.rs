//! What is sent: `N` words, the first of which is the message's number and each other one greater than the one before.
//!
//! Every contestant writes all of them for each message and checks all of them on receipt, so none gets away with moving
//! less than it says, and a torn or stale message is found out.

use std::mem::MaybeUninit;

/// In a number: the warm-up is over, and the receiver is to start its clock.
pub const START: u64 = 1 << 62;
/// In a number: the last message.
pub const LAST: u64 = 1 << 63;

/// Writes message `number`.
#[inline(always)]
pub fn fill<const N: usize>(to: &mut MaybeUninit<[u64; N]>, number: u64) -> &mut [u64; N] {
    let words: *mut u64 = to.as_mut_ptr().cast();
    for index in 0..N {
        // SAFETY: `index` is below the array's length, and the array is lent to this function alone.
        unsafe { words.add(index).write(number.wrapping_add(index as u64)) };
    }
    // SAFETY: all words have just been written.
    unsafe { to.assume_init_mut() }
}

/// Writes message `number` over another one.
#[inline(always)]
pub fn refill<const N: usize>(to: &mut [u64; N], number: u64) {
    for (index, word) in to.iter_mut().enumerate() {
        *word = number.wrapping_add(index as u64);
    }
}

/// Checks a message and gives its number.
///
/// # Panics
///
/// If any word is not what was sent.
#[inline(always)]
pub fn check<const N: usize>(words: &[u64; N]) -> u64 {
    let number = words[0];
    let mut wrong = 0;
    for (index, word) in words.iter().enumerate() {
        wrong |= word ^ number.wrapping_add(index as u64);
    }
    if wrong != 0 {
        torn(words);
    }
    number
}

#[cold]
#[inline(never)]
fn torn(words: &[u64]) -> ! {
    let number = words[0];
    let at = words.iter().enumerate().position(|(index, word)| *word != number.wrapping_add(index as u64));
    panic!("message {number:#x} is torn at word {at:?}")
}

/// A message's bytes.
#[inline(always)]
pub fn bytes<const N: usize>(words: &[u64; N]) -> &[u8] {
    // SAFETY: the bytes of numbers, as many as there are.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// A message's bytes, to be received into.
#[inline(always)]
pub fn bytes_mut<const N: usize>(words: &mut [u64; N]) -> &mut [u8] {
    // SAFETY: the bytes of numbers, as many as there are; whatever is written there, they stay numbers.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// Room for a message on the heap, for contestants that send from a buffer or receive into one.
pub fn buffer<const N: usize>() -> Box<[u64; N]> {
    vec![0; N].into_boxed_slice().try_into().expect("as many words as asked for")
}

/// How messages travel through channels within a process: by value, or, as anyone would send large ones, in a box.
pub trait Carry: 'static {
    type Of<const N: usize>: Message;
}

pub struct Inline;

pub struct Boxed;

impl Carry for Inline {
    type Of<const N: usize> = [u64; N];
}

impl Carry for Boxed {
    type Of<const N: usize> = Box<[u64; N]>;
}

/// A message that is moved.
pub trait Message: Send + Unpin + 'static {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl<const N: usize> Message for [u64; N] {
    #[inline(always)]
    fn new(number: u64) -> Self {
        let mut words = MaybeUninit::uninit();
        fill(&mut words, number);
        // SAFETY: `fill` has written all of it.
        unsafe { words.assume_init() }
    }

    #[inline(always)]
    fn number(&self) -> u64 {
        check(self)
    }
}

impl<const N: usize> Message for Box<[u64; N]> {
    #[inline(always)]
    fn new(number: u64) -> Self {
        let mut words = Box::new_uninit();
        fill(&mut words, number);
        // SAFETY: `fill` has written all of it.
        unsafe { words.assume_init() }
    }

    #[inline(always)]
    fn number(&self) -> u64 {
        check(self)
    }
}
