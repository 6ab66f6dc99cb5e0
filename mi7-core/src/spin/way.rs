//! The ways of waiting among which a program chooses.

/// How the ends of a channel wait.
///
/// # Which to choose
///
/// | | choose it | what it costs while no message comes |
/// |---|---|---|
/// | [`Adaptive`](Wait::Adaptive) | when in doubt | less than 0.2 % of a core |
/// | [`Spin`](Wait::Spin) | if every microsecond counts, and each waiter has a processor to itself | a core for each waiter |
/// | [`Park`](Wait::Park) | if messages are rare, and processor time or power matters | nothing |
///
/// `Adaptive` receives messages as fast as `Spin` if they follow one another faster than about
/// twice the time that it takes to wake a thread (2 to 50 µs). Messages further apart cost a
/// wake-up each, as with `Park`.
///
/// # When to pin
///
/// Latency is lowest if each end runs on a processor of its own, and the two processors share a
/// cache. Pin them there with `taskset -c 2 program` or `sched_setaffinity`, if the machine does
/// nothing else. Do not pin both ends to one processor. If you have to, use `Park`: with `Spin`,
/// each message waits for the scheduler, up to some milliseconds. Two threads of one core are two
/// processors to the system, but they slow each other down when both spin.
///
/// A container with a limit on processor time (`docker run --cpus 0.5`) is stopped for the rest of
/// a period of 100 ms once it has used its share. Spinning counts. Use `Park` there.
///
/// # What virtual machines do to wake-ups
///
/// A virtual processor with nothing to do halts, and then the hypervisor runs something else. To
/// wake a thread there, the guest has to call the hypervisor, which has to schedule the processor
/// again. That takes 10 to 50 µs instead of 2 to 5, and longer if the host is busy. `Adaptive`
/// measures the wake-ups, and spins for longer if they are slow. The guest wakes up faster if it
/// polls for a moment before it halts: load the driver `cpuidle_haltpoll`, or have the host poll
/// (`kvm.halt_poll_ns`).
///
/// `Spin` never halts. But if the host gives the processor to another guest, spinning does not
/// bring it back: do not spin in a guest with more virtual processors than it has real ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// Spins without end, and never parks. This gives the lowest latency, and each waiter takes a
    /// whole processor. Do not use it for more waiters than there are processors.
    Spin,
    /// Spins for as long as that has helped lately, at most for about twice the time that it takes
    /// to wake a thread on this machine, and then parks. In a fast stream of messages, a receiver
    /// now and then lets the sender run ahead for some microseconds, for more messages a second.
    #[default]
    Adaptive,
    /// Parks at once. Costs nothing while no message comes, and a system call on both sides when
    /// one does.
    Park,
}
