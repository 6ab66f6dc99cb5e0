//! Many small messages: sent, received and let go of in batches, with one look for sleepers each.

use std::error::Error;
use std::thread;

use mi7::SharedChannel;
use mi7_examples::Scratch;

const SAMPLES: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let name = Scratch::new("batch");
    let channel = SharedChannel::<u64>::options().capacity(1024).create(&name)?;
    let rx = channel.receiver();

    let producer = thread::spawn(move || -> mi7::Result<()> {
        let tx = channel.sender();
        // From an iterator, of as many as there are: it waits for room whenever the channel is full.
        tx.send_many(0..SAMPLES / 2)?;
        // Or in place, slot by slot.
        let mut next = SAMPLES / 2;
        while next < SAMPLES {
            let mut slots = tx.loan_many((SAMPLES - next).min(64) as usize)?;
            for slot in slots.iter_mut() {
                slot.write(&next)?;
                next += 1;
            }
            slots.send()?;
        }
        channel.close();
        Ok(())
    });

    let (mut count, mut sum, mut batches) = (0, 0, 0);
    loop {
        // As many as there are, up to 64; it waits for the first.
        let batch = match rx.recv_many(64) {
            Ok(batch) => batch,
            Err(mi7::Error::Closed) => break,
            Err(error) => return Err(error.into()),
        };
        sum += batch.iter().map(|sample| sample.to_native()).sum::<u64>();
        count += batch.len() as u64;
        batches += 1;
        // Here all of them are done with, together.
    }
    producer.join().map_err(|_| "the producer panicked")??;
    println!("{count} samples, whose sum is {sum}");
    assert_eq!((count, sum), (SAMPLES, SAMPLES * (SAMPLES - 1) / 2));
    assert!(batches <= SAMPLES);
    Ok(())
}
