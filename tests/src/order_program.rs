// What the `order` programs have in common: all but the type.

use mi7::{SharedChannel, ShmMessage};

/// Sends the order, or receives one and shows it; what goes wrong is written to stderr.
pub fn run<T: ShmMessage>(order: &T, show: impl Fn(&T::Archived) -> String) {
    mi7_tests::end_after(std::time::Duration::from_secs(60));
    let arguments: Vec<String> = std::env::args().collect();
    let [_, what, directory, name] = &arguments[..] else { panic!("order send|receive DIRECTORY NAME") };
    let done = SharedChannel::<T>::options().directory(directory).open_or_create(name).and_then(|channel| {
        if what == "send" {
            return channel.sender().send(order);
        }
        println!("{}", show(&*channel.receiver().recv()?));
        Ok(())
    });
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
