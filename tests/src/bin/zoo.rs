//! Sends every value of every type of the zoo: `zoo DIRECTORY`.

use std::path::Path;

use mi7_tests::for_every_specimen;
use mi7_tests::zoo::Specimen;

fn main() {
    mi7_tests::end_after(std::time::Duration::from_secs(60));
    let directory = std::env::args().nth(1).expect("zoo DIRECTORY");
    let directory = Path::new(&directory);
    for_every_specimen!(send_all(directory));
}

fn send_all<T: Specimen>(directory: &Path) {
    let sender = T::channel(directory).expect(T::NAME).sender();
    for (specimen, number) in T::specimens().iter().zip(0..) {
        // One way or the other: both write the same.
        if number % 2 == 0 {
            sender.send(specimen).expect(T::NAME);
        } else {
            let mut loan = sender.loan().expect(T::NAME);
            loan.write(specimen).expect(T::NAME);
            loan.send().expect(T::NAME);
        }
    }
}
