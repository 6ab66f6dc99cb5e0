//! Writes the seeds anew: `cargo run --example seeds`, in this package. They are kept beside it, in `seeds/`.

use std::fs;
use std::path::Path;

use mi7_fuzz::file::Spot;
use mi7_fuzz::for_value;
use mi7_fuzz::messages::KINDS;
use mi7_fuzz::script::{Call, Edit, Recorded, Step, Value};
use mi7_fuzz::values;

fn main() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    write(&seeds.join("attach"), attach());
    write(&seeds.join("receive"), receive());
    write(&seeds.join("bincode"), (0..values::KINDS).flat_map(|kind| for_value!(kind, bincode(kind))).collect());
}

fn write(directory: &Path, seeds: Vec<(String, Vec<u8>)>) {
    fs::create_dir_all(directory).expect("a directory");
    for (name, seed) in seeds {
        fs::write(directory.join(name), seed).expect("a file");
    }
}

fn tape<T: Recorded>(head: &[u8], steps: &[T]) -> Vec<u8> {
    let mut out = head.to_vec();
    steps.iter().for_each(|step| step.write(&mut out));
    out
}

fn attach() -> Vec<(String, Vec<u8>)> {
    // A schema with everything that a schema can have.
    let everything = "mi7 schema 1\n- 0 64 8 struct Everything\n a 0 8 8 u64\n b 8 8 4 array 2\n  - 0 4 4 char\n c 16 12 4 \
                      vec 2 4\n  - 0 4 2 enum Option\n   | 0 None\n   | 1 Some\n    0 2 2 2 u16\n d 28 8 4 string 4 4\n e 36 \
                      4 1 opaque Own\n f 40 2 1 tuple\n  0 0 1 1 bool\n  1 1 1 1 u8\n";
    let plans: [(&str, Vec<Edit>); 15] = [
        ("honest", vec![]),
        ("capacity", vec![Edit::Field(2, Value::Plain(100))]),
        ("capacity-zero", vec![Edit::Field(2, Value::Plain(0))]),
        ("payload", vec![Edit::Field(3, Value::Plain(200))]),
        ("payload-huge", vec![Edit::Field(3, Value::Edge(19)), Edit::KeepLength]),
        ("align", vec![Edit::Field(4, Value::Plain(4096))]),
        ("schema", vec![Edit::Schema(everything.into())]),
        ("schema-of-another", vec![Edit::SchemaOf(1)]),
        ("schema-spliced", vec![Edit::Splice(30, 2, b"9".to_vec())]),
        ("schema-not-utf8", vec![Edit::Schema(vec![0xFF; 9])]),
        ("checksum", vec![Edit::Field(0, Value::Flip(3)), Edit::KeepChecksum]),
        ("shorter", vec![Edit::Shorter(64)]),
        ("longer", vec![Edit::Longer(4096)]),
        ("instead", vec![Edit::Instead(1), Edit::Beside(b"other.dead".to_vec())]),
        (
            "words",
            vec![
                Edit::Lock(0),
                Edit::Poke(Spot::Entry(1, 0), Value::Plain(3)),
                Edit::Poke(Spot::Slot(0), Value::Word(0, 3, 2)),
                Edit::Poke(Spot::Shared(0), Value::Counter(4, 2)),
                Edit::Poke(Spot::Mark(1), Value::Near(4)),
                Edit::Bytes(900, vec![7; 20]),
            ],
        ),
    ];
    let mut seeds =
        vec![("raw-empty".to_owned(), vec![1]), ("raw-magic".to_owned(), b"\x01mi7 ring\x01\0\0\0".to_vec())];
    for kind in 0..KINDS {
        for (name, plan) in &plans {
            if kind == 0 || plan.len() < 2 {
                seeds.push((format!("{name}-{kind}"), tape(&[0, kind, 2], plan)));
            }
        }
    }
    seeds
}

/// Honest bytes of a type, and its bytes with a forged length in the middle, and many times over.
fn bincode<T: values::Value>(kind: u8) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (number, sample) in T::samples().iter().enumerate() {
        let bytes = bincode::serde::encode_to_vec(sample, bincode::config::standard()).expect("a sample");
        let (begin, end) = bytes.split_at(bytes.len() / 2);
        let forged = [begin, &[253], &(1u64 << 60).to_le_bytes(), end].concat();
        let bodies = [("honest", bytes.clone()), ("forged", forged), ("repeated", bytes.repeat(3000 / bytes.len()))];
        for (name, body) in bodies {
            seeds.push((format!("{name}-{number}-{kind}"), [&[kind], &body[..]].concat()));
        }
    }
    seeds
}

fn receive() -> Vec<(String, Vec<u8>)> {
    use Call::*;
    let call = |call| Step::Call(call, 5);
    let plans: [(&str, Vec<Step>); 14] = [
        ("honest", [TrySend, TryRecv, SendTimeout, RecvTimeout, Take, Iterate, Status, Drain].map(call).into()),
        ("held", [Hold, Detach, TrySend, TrySend, Requeue, Release, TryRecv, Hold, Reopen, TryRecv].map(call).into()),
        ("loans", [Loan, Loan, TrySend, SendLoan, DropLoan, TryRecv, TryRecv, Clone, Close, TryRecv].map(call).into()),
        ("others", [Open, Other, Open, Other, Leave, TryRecv, Remove, Open, Status, Close].map(call).into()),
        (
            "message",
            vec![
                Step::Message(0, 0, vec![2; 40]),
                call(TryRecv),
                call(TrySend),
                Step::Poke(Spot::Payload(1, 1), Value::Flip(9)),
                call(TryRecv),
                call(TryRecv),
                call(Drain),
            ],
        ),
        (
            "length",
            vec![
                Step::Message(0, 0, 80u32.to_le_bytes().to_vec()),
                call(TryRecv),
                Step::Message(1, 0, vec![9, 0, 0, 0, 250]),
                call(TryRecv),
                call(TrySend),
            ],
        ),
        (
            // A text of 2^64 - 1 bytes in a message of 20 (of `Letter`).
            "text",
            vec![
                Step::Message(0, 0, [&[20, 0, 0, 0, 0, b'a', 0, 253], &[255; 8][..], &[0; 8]].concat()),
                call(TryRecv),
                Step::Message(1, 0, [&[20, 0, 0, 0, 0, b'a', 0, 0, 253], &[255; 8][..], &[0; 8]].concat()),
                call(TryRecv),
            ],
        ),
        (
            "letters",
            vec![
                call(Hold),
                call(Requeue),
                Step::Dead(Spot::Shared(0), Value::Counter(7, 1)),
                call(Hold),
                call(Requeue),
                Step::Dead(Spot::Slot(0), Value::Word(1, 2, 0)),
                call(TryRecv),
                call(TryRecv),
            ],
        ),
        (
            "stream",
            vec![
                call(Stream),
                call(Open),
                call(Other),
                call(Stream),
                Step::Poke(Spot::Shared(6), Value::CopyOf(Spot::Shared(8))),
                call(TrySend),
                call(Stream),
                call(Clone),
            ],
        ),
        (
            "bias",
            vec![
                Step::Lock(2),
                Step::Poke(Spot::Shared(9), Value::Bias(9, 3)),
                call(RecvTimeout),
                Step::Poke(Spot::Shared(11), Value::Edge(1)),
                Step::Unlock,
                call(RecvTimeout),
                call(SendTimeout),
            ],
        ),
        (
            "counters",
            vec![
                call(TrySend),
                Step::Poke(Spot::Shared(0), Value::Counter(9, 2)),
                call(TryRecv),
                Step::Poke(Spot::Shared(1), Value::Counter(3, 1)),
                call(TryRecv),
                Step::Poke(Spot::Shared(1), Value::CopyOf(Spot::Shared(0))),
                call(TrySend),
                call(Status),
            ],
        ),
        (
            "words",
            vec![
                Step::Poke(Spot::Slot(1), Value::Word(0, 1, 3)),
                Step::Poke(Spot::Slot(0), Value::Word(0, 3, 2)),
                Step::Poke(Spot::Entry(1, 0), Value::Plain(1)),
                call(TryRecv),
                call(TrySend),
                call(TryRecv),
                Step::Poke(Spot::Mark(0), Value::Edge(19)),
                call(RecvTimeout),
            ],
        ),
        (
            "dead",
            vec![
                Step::Lock(3),
                Step::Poke(Spot::Entry(3, 0), Value::Plain(7)),
                call(Hold),
                call(Status),
                Step::Unlock,
                call(RecvTimeout),
                call(Open),
                Step::Poke(Spot::Stat(3), Value::Edge(0)),
                call(TryRecv),
            ],
        ),
        (
            "noise",
            vec![
                Step::Bytes(0, (0..200).collect()),
                call(TrySend),
                call(TryRecv),
                Step::Bytes(700, vec![0xA5; 100]),
                call(Status),
                call(Close),
                call(RecvTimeout),
            ],
        ),
    ];
    let mut seeds = Vec::new();
    for kind in 0..KINDS {
        for (number, (name, plan)) in (0..).zip(&plans) {
            // Of each kind with another capacity and other dead letters; the first with one slot.
            let head =
                [kind, number % 3, if number < 5 { 0 } else { 1 + (number % 4) * 4 + kind * 16 + number / 5 * 64 }];
            seeds.push((format!("{name}-{kind}"), tape(&head, plan)));
        }
    }
    seeds
}
