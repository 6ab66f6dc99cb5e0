//! Sends and receives where hardly any system call is allowed: `quiet DIRECTORY both|send|receive|park`.
//!
//! Before the loop begins, a seccomp filter is laid on the thread: the kernel kills the process (SIGSYS) at any system call
//! but those named here. So that it ends well is proof that it made none. `park` is there to show that it would be killed.

use std::io::Write;
use std::time::Duration;

use mi7::{Error, SharedChannel};
use mi7_tests::{Load, Parcel};

const COUNT: u64 = 100_000;

fn main() {
    mi7_tests::end_after(Duration::from_secs(60));
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, what] = &arguments[..] else { panic!("quiet DIRECTORY both|send|receive|park") };
    let options = SharedChannel::<Parcel>::options().directory(directory).capacity(64);
    let (tx, rx) = options.open_or_create("quiet").expect("a channel").split();
    let take = || match rx.try_recv() {
        Ok(parcel) => Parcel::unpack(&parcel),
        Err(Error::Empty) => None,
        Err(error) => panic!("{error}"),
    };
    let give = |number| match tx.try_send(&Parcel::pack(1, number)) {
        Ok(()) => true,
        Err(Error::Full) => false,
        Err(error) => panic!("{error}"),
    };
    // Two that both use the channel look every 50 ms whether the other is still alive, which is a call of fcntl.
    let fcntl = [libc::SYS_fcntl];
    match what.as_str() {
        "both" => {
            allow_only(&[]);
            // One at a time, then the whole ring at once: full and empty are met too.
            for number in 0..COUNT {
                assert!(give(number));
                assert_eq!(take(), Some((1, number)));
            }
            for _ in 0..COUNT / 64 {
                assert_eq!((0..100).filter(|number| give(*number)).count(), 64);
                assert_eq!((0..100).filter_map(|_| take()).count(), 64);
            }
        }
        "send" => {
            allow_only(&fcntl);
            for number in 0..COUNT {
                while !give(number) {
                    std::hint::spin_loop();
                }
            }
        }
        "receive" => {
            allow_only(&fcntl);
            for number in 0..COUNT {
                let taken = loop {
                    match take() {
                        Some(taken) => break taken,
                        None => std::hint::spin_loop(),
                    }
                };
                assert_eq!(taken, (1, number));
            }
        }
        "park" => {
            allow_only(&fcntl);
            rx.recv_timeout(Duration::from_millis(50)).ok();
        }
        other => panic!("no such thing: {other}"),
    }
    std::io::stdout().write_all(b"done\n").expect("somebody listens");
    // SAFETY: nothing is left to be done in this process; the ordinary way out makes system calls.
    unsafe { libc::_exit(0) }
}

/// Has this process killed if this thread makes any system call but these, `write` and `exit_group`.
fn allow_only(calls: &[libc::c_long]) {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in calls.iter().chain(&[libc::SYS_write, libc::SYS_exit_group]) {
        // If it is this call go on to the next line, else skip it.
        let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(libc::sock_filter { code: code as u16, jt: 0, jf: 1, k: *call as u32 });
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: it takes four numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: `program` names as many instructions as there are, and lives until the kernel has copied them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
