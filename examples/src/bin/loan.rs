//! Large messages: the slot is borrowed, filled where it lies, and sent. Nothing is copied on either side.

use core::mem::MaybeUninit;
use core::slice;
use std::error::Error;

use mi7::{Loan, SharedChannel};
use mi7_examples::Scratch;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// A picture of two megabytes: a value of it on the stack, and then a copy, is what is to be avoided.
type Picture = [u8; WIDTH * HEIGHT];

fn main() -> Result<(), Box<dyn Error>> {
    let name = Scratch::new("loan");
    let channel = SharedChannel::<Picture>::options().capacity(4).create(&name)?;
    let (camera, screen) = channel.split();

    for number in 0..3 {
        let mut slot = camera.loan()?;
        expose(&mut slot, number);
        slot.send()?;
    }
    for number in 0..3 {
        let picture = screen.recv()?;
        println!(
            "picture {number}: {} bytes, the first is {}, the last {}",
            picture.len(),
            picture[0],
            picture[WIDTH * HEIGHT - 1]
        );
        assert!(picture.iter().enumerate().all(|(index, &pixel)| pixel == shade(index, number)));
    }

    // A loan that is dropped is not sent, and one that is sent unwritten is an error.
    drop(camera.loan()?);
    assert!(matches!(camera.loan()?.send(), Err(mi7::Error::Unwritten)));
    assert!(matches!(screen.try_recv(), Err(mi7::Error::Empty)));
    Ok(())
}

/// Fills the slot's own bytes.
fn expose(slot: &mut Loan<'_, Picture>, number: u8) {
    let picture: *mut MaybeUninit<u8> = slot.as_uninit().as_mut_ptr().cast();
    // SAFETY: a picture is `WIDTH * HEIGHT` bytes, here not known to be initialized, and they are borrowed from the loan.
    let pixels = unsafe { slice::from_raw_parts_mut(picture, WIDTH * HEIGHT) };
    for (index, pixel) in pixels.iter_mut().enumerate() {
        pixel.write(shade(index, number));
    }
    // SAFETY: all bytes have just been written, and any bytes are a picture.
    unsafe { slot.assume_written() };
}

fn shade(index: usize, number: u8) -> u8 {
    (index % 251) as u8 ^ number
}
