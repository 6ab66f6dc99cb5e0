//! Text and lists inside of a message, in place: the capacity is part of the type.

use std::error::Error;

use mi7::{FixedString, FixedVec};
use mi7_examples::Scratch;

#[mi7::message]
#[derive(Clone, Debug, PartialEq)]
struct Book {
    symbol: FixedString<8>,
    levels: FixedVec<Level, 16>,
}

#[mi7::message]
#[derive(Clone, Debug, PartialEq)]
struct Level {
    price: f64,
    quantity: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = Scratch::new("fixed");
    let (tx, rx) = mi7::channel::<Book>(&name)?;

    let mut book = Book { symbol: "EURUSD".parse()?, levels: FixedVec::new() };
    for step in 1..=3 {
        book.levels.try_push(Level { price: 1.0 + f64::from(step) / 8.0, quantity: 100 * step })?;
    }
    tx.send(&book)?;

    // Read in place: as `&str` and as a slice.
    let received = rx.recv()?;
    let symbol: &str = received.symbol.as_str();
    println!("{symbol}");
    for level in received.levels.as_slice() {
        println!("{:>5} at {}", level.quantity, level.price);
    }
    assert_eq!((symbol, received.levels.len()), ("EURUSD", 3));
    assert_eq!(received.to_owned(), book);

    // What does not fit is an error that says so.
    let refused = book.symbol.push_str(" spot").expect_err("it does not fit");
    println!("refused: {refused}");
    assert_eq!(book.symbol, "EURUSD");
    Ok(())
}
