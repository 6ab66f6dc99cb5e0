//! Any serde type, of any size up to a limit, as `Bincode<T>`.

use std::collections::BTreeMap;
use std::error::Error;

use mi7::{Bincode, SharedChannel};
use mi7_examples::Scratch;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Job {
    command: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = Scratch::new("bincode");
    let channel = SharedChannel::<Bincode<Job>>::options().capacity(8).max_message_size(1024).create(&name)?;
    let (jobs, todo) = channel.split();

    let job = Job {
        command: "sort".into(),
        arguments: vec!["-n".into(), "numbers".into()],
        environment: [("LC_ALL".into(), "C".into())].into(),
    };
    jobs.send(&Bincode(job.clone()))?;
    // It derefs to the decoded value.
    let received = todo.recv()?;
    println!("{} {:?}", received.command, received.arguments);
    assert_eq!(*received, job);
    let Bincode(own) = received.into_inner();
    assert_eq!(own, job);

    // What is too large is refused, and the channel goes on.
    let large = Job { arguments: vec!["x".repeat(5000)], ..job.clone() };
    let refused = jobs.send(&Bincode(large)).expect_err("it is too large");
    println!("refused: {refused}");
    assert!(matches!(refused, mi7::Error::TooLarge { max: 1024, .. }));
    jobs.send(&Bincode(job.clone()))?;
    assert_eq!(*todo.recv()?, job);
    Ok(())
}
