//! The texts of errors: the channel, what was found, what was expected, what to do.

use std::process::Command;

use mi7::{Bincode, CrossProcessQueue, Error, Message, SharedChannel, SharedMemoryError};
use mi7_tests::{Parcel, Stage, variant};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const QUEUE: &str = env!("CARGO_BIN_EXE_queue");

#[track_caller]
fn error<T>(result: mi7::Result<T>) -> Error {
    match result {
        Err(error) => error,
        Ok(_) => panic!("no error"),
    }
}

/// The text of the error, which is in one line, is of that variant, and has all these words.
#[track_caller]
fn says<T>(result: mi7::Result<T>, name: &str, words: &[&str]) -> String {
    let error = error(result);
    let text = error.to_string();
    assert_eq!(variant(&error), name, "{text}");
    assert!(!text.contains('\n') && text.len() < 1000, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    text
}

#[test]
fn an_error_names_its_channel_and_says_what_to_do() {
    let stage = Stage::new(ACTOR);
    let file = stage.file("numbers").display().to_string();
    let options = || stage.options::<u64>().capacity(4);
    says(options().open("numbers"), "NotFound", &[&file, "no channel", "create it first, or use open_or_create"]);
    says(mi7::remove_in(stage.path(), "numbers"), "NotFound", &[&file, "no channel"]);
    says(options().open("num/bers"), "InvalidName", &["`num/bers`", "not allowed", "use 1 to 200"]);
    says(options().max_deliveries(1).create(&"x".repeat(199)), "InvalidName", &["xx.dead`", "too long"]);
    for (options, option, found, expected) in [
        (options().capacity(0), "capacity", "is 0", "1 to 1073741824"),
        (options().mode(0o1600), "mode", "is 1600", "let the owner read and write"),
        (options().max_deliveries(33), "max_deliveries", "is 33", "1 to 32"),
        (options().max_message_size(9), "max_message_size", "is 9", "left out"),
    ] {
        let result = options.create("numbers");
        says(result, "InvalidOption", &[&file, option, found, expected]);
    }
    let channel = options().single_sender().create("numbers").expect("a channel");
    says(options().create("numbers"), "AlreadyExists", &[&file, "open it, or remove it first"]);
    let (first, second) = (channel.sender(), channel.sender());
    first.send(&1).expect("room");
    let me = std::process::id().to_string();
    says(second.send(&2), "EndTaken", &[&file, &me, "wait until it is dropped or dies"]);
    std::fs::write(stage.file("text"), "not a channel").expect("a file");
    let text = stage.file("text").display().to_string();
    says(options().open("text"), "NotAChannel", &[&text, "13 bytes", "at least 256 bytes", "remove it if nobody"]);
    says(options().create("text"), "AlreadyExists", &[&text]);
}

#[test]
fn what_differs_may_be_a_leftover_that_can_be_removed() {
    let stage = Stage::new(ACTOR);
    let file = stage.file("numbers").display().to_string();
    let _channel = stage.options::<u64>().capacity(4).create("numbers").expect("a channel");
    let way_out = ["remove it (mi7::remove)", "from one definition", "another channel name"];
    let with = |words: &[&'static str]| [words, &way_out].concat();
    for text in [
        says(stage.options::<u32>().open("numbers"), "Mismatch", &with(&["`u64`", "`u32`"])),
        says(stage.options::<Message>().open_or_create("numbers"), "Mismatch", &with(&["`u64`", "bytes"])),
        says(stage.options::<Bincode<String>>().open("numbers"), "Mismatch", &with(&["`u64`", "String"])),
        says(
            stage.options::<u64>().capacity(5).open("numbers"),
            "Mismatch",
            &with(&["capacity", "has 4", "expects 5"]),
        ),
        says(stage.options::<u64>().max_deliveries(3).open("numbers"), "Mismatch", &with(&["no limit", "expects 3"])),
        says(stage.options::<u64>().single_receiver().open("numbers"), "Mismatch", &with(&["single_receiver"])),
    ] {
        assert!(text.contains(&file), "{text}");
    }
}

#[test]
fn dead_letters_of_another_type_are_told_by_the_first_field_that_differs() {
    #[mi7::message]
    struct Order {
        id: u64,
        price: f64,
    }

    mod before {
        #[mi7::message]
        pub struct Order {
            pub id: u64,
            pub price: f32,
        }
    }

    let stage = Stage::new(ACTOR);
    let _letters = stage.options::<before::Order>().capacity(1).create("orders.dead").expect("a channel");
    let file = stage.file("orders.dead").display().to_string();
    let options = stage.options::<Order>().capacity(1).max_deliveries(2);
    for result in [options.create("orders"), options.open_or_create("orders")] {
        let words = [&*file, "Order.price", "f32", "f64", "remove it (mi7::remove)"];
        let text = says(result, "Mismatch", &words);
        assert!(!text.contains("mi7 schema"), "a raw schema: {text}");
    }
    assert!(!stage.file("orders").exists());
    let _letters = stage.options::<Message>().capacity(1).create("bytes.dead").expect("a channel");
    let result = stage.options::<Order>().max_deliveries(2).create("bytes");
    says(result, "Mismatch", &["bytes.dead", "of bytes", "`Order`"]);
    // Of the same type, but too small.
    let _letters = stage.options::<Message>().capacity(1).max_message_size(10).create("small.dead").expect("a channel");
    let result = stage.options::<Message>().max_deliveries(2).max_message_size(20).create("small");
    says(result, "Mismatch", &["small.dead", "the size of a message"]);
    let result = stage.options::<Message>().max_deliveries(2).max_message_size(10).create("small");
    assert!(result.is_ok(), "one that fits is used");
}

#[test]
fn a_type_whose_schema_is_too_long_is_told_so() {
    type Two<T> = (T, T);
    type Sixteen<T> = Two<Two<Two<Two<T>>>>;
    type Many = Sixteen<Sixteen<Sixteen<Sixteen<u8>>>>;

    let stage = Stage::new(ACTOR);
    let file = stage.file("many").display().to_string();
    for result in [stage.options::<Many>().create("many"), stage.options::<Many>().open_or_create("many")] {
        let text = says(result, "InvalidOption", &[&file, "message type", "at most 1048576 bytes", "fewer fields"]);
        assert!(!text.contains("geometry"), "{text}");
    }
    assert!(!stage.file("many").exists());
    // So large that no file can be: by the number of messages.
    let result = stage.options::<[[u8; 1 << 20]; 1 << 15]>().capacity(1 << 30).create("many");
    let text = says(result, "InvalidOption", &[&file, "capacity", "1073741824", "34359738368 bytes each"]);
    assert!(!text.contains("geometry"), "{text}");
}

#[test]
fn one_runtime_too_many_is_told_of_runtimes() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().capacity(1).create("numbers").expect("a channel");
    let rx = channel.receiver();
    let watches: Vec<_> = (0..256).map(|_| rx.watch().expect("there is room")).collect();
    let file = stage.file("numbers").display().to_string();
    let text = says(rx.watch(), "TooManyRuntimes", &[&file, "256 async runtimes", "drop a watch"]);
    assert!(!text.contains("participants"), "{text}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { says(rx.recv_async().await.map(drop), "TooManyRuntimes", &[&file]) });
    drop(watches);
    assert!(rx.watch().is_ok());
}

#[test]
fn one_participant_too_many_is_told_how_often_the_channel_is_open() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(1).create("parcels").expect("a channel");
    let open = || stage.options::<Parcel>().open("parcels");
    let held: Vec<_> = (1..254).map(|_| open().expect("there is room")).collect();
    let file = stage.file("parcels").display().to_string();
    says(open(), "TableFull", &[&file, "254 times", "close it somewhere, or clone"]);
    drop((held, channel));
}

#[test]
fn debug_shows_the_variant_and_the_text() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().capacity(1).create("numbers").expect("a channel");
    channel.close();
    let closed = error(channel.sender().send(&1));
    assert_eq!(format!("{closed:?}"), format!("Closed: {closed}"));
    assert_eq!(format!("{:#?}", Some(&closed)), format!("Some(\n    Closed: {closed},\n)"));
    let missing = error(stage.options::<u64>().open("missing"));
    assert_eq!(format!("{missing:?}"), format!("NotFound: {missing}"));
    let unwrapped = std::panic::catch_unwind(|| Err::<(), _>(Error::Timeout).expect("in time"));
    let message = unwrapped.expect_err("it panics").downcast::<String>().expect("a text");
    assert_eq!(*message, format!("in time: Timeout: {}", Error::Timeout));
    let other = SharedMemoryError::from(missing);
    assert_eq!(format!("{other:?}"), format!("AccessFailed: {other}"));
    assert!(SharedMemoryError::QueueClosed.to_string().contains("remove it and make it anew"));
}

#[test]
fn a_program_whose_main_returns_the_error_shows_its_text() {
    let name = format!("missing-{}", std::process::id());
    let output = Command::new(QUEUE).args(["worker", &name]).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "Error: AccessFailed: access to the queue failed: there is no channel /dev/shm/mi7-";
    assert!(said.starts_with(expected) && said.contains(&name), "{said}");
}

#[test]
fn a_queue_is_told_of_its_own_options() {
    let name = format!("queue-{}", std::process::id());
    for (result, option) in [
        (CrossProcessQueue::create(&name, 0, 10), "max_messages is 0"),
        (CrossProcessQueue::create(&name, 10, 1 << 32), "max_message_size is 4294967296"),
    ] {
        match result {
            Err(SharedMemoryError::CreationFailed(text)) => {
                assert!(text.contains(option) && text.contains(&name), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    let _other: SharedChannel<u64> = SharedChannel::create(&name).expect("a channel");
    let text = match CrossProcessQueue::connect(&name) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it is none"),
    };
    mi7::remove(&name).expect("it is there");
    assert!(text.contains(&name) && text.contains("`u64`") && text.contains("remove it"), "{text}");
}
