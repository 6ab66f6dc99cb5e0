//! First in, first out: what can be told of it by clocks.
//!
//! A message whose `send` had returned before another's began comes before that one. So the other's receiver must not have
//! had it before the call that received the first even began. More cannot be told: calls that overlap may go either way.
//! Looked at are first deliveries only; who gets a message again is out of order by nature.

/// A message, its send and its first delivery.
#[derive(Clone, Copy, Debug)]
pub struct First {
    pub id: u64,
    /// When its send began.
    pub begun: u64,
    /// When its send had returned; never, if the sender died in it.
    pub ended: u64,
    /// When the call that received it began.
    pub start: u64,
    /// When that had returned.
    pub end: u64,
}

/// Messages, sorted by a time of their sends.
pub struct Order {
    firsts: Vec<First>,
    /// Where the one is, of those from here to the last, that was received first.
    earliest: Vec<u32>,
}

impl Order {
    /// Sorted by the beginning of the send.
    pub fn new(firsts: Vec<First>) -> Order {
        let mut order = Order { firsts, earliest: Vec::new() };
        order.sort_by_key(|first| first.begun);
        order
    }

    /// Sorted by the end of the send; those that have none are left out.
    pub fn sort_by_end_of_send(&mut self) {
        self.firsts.retain(|first| first.ended != u64::MAX);
        self.sort_by_key(|first| first.ended);
    }

    fn sort_by_key(&mut self, key: impl Fn(&First) -> u64) {
        self.firsts.sort_unstable_by_key(key);
        self.earliest = (0..self.firsts.len() as u32).collect();
        for index in (1..self.firsts.len()).rev() {
            let (here, next) = (self.earliest[index - 1], self.earliest[index]);
            if self.firsts[next as usize].end < self.firsts[here as usize].end {
                self.earliest[index - 1] = next;
            }
        }
    }

    /// Messages for which one sent after them was received before them. Needs the order of the beginnings.
    pub fn violations(&self) -> impl Iterator<Item = (First, First)> {
        self.firsts.iter().filter_map(|first| {
            let after = self.firsts.partition_point(|other| other.begun <= first.ended);
            let other = self.firsts[*self.earliest.get(after)? as usize];
            (other.end < first.start).then_some((*first, other))
        })
    }

    /// Of those whose send returned after this time, the first to be received. Needs the order of the ends.
    pub fn first_received_of_those_sent_after(&self, time: u64) -> Option<First> {
        let after = self.firsts.partition_point(|first| first.ended < time);
        Some(self.firsts[*self.earliest.get(after)? as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(begun: u64, ended: u64, start: u64, end: u64) -> First {
        First { id: begun, begun, ended, start, end }
    }

    #[test]
    fn what_was_sent_later_and_received_sooner_is_out_of_order() {
        let order = Order::new(vec![first(10, 11, 30, 31), first(12, 13, 20, 21), first(14, 15, 40, 41)]);
        let found: Vec<_> = order.violations().map(|(earlier, later)| (earlier.begun, later.begun)).collect();
        assert_eq!(found, [(10, 12)]);
    }

    #[test]
    fn what_was_sent_after_a_time_is_found_by_when_it_was_received() {
        let mut order = Order::new(vec![
            first(9, u64::MAX, 12, 13),
            first(10, 11, 14, 15),
            first(20, 21, 50, 51),
            first(22, 23, 40, 41),
        ]);
        order.sort_by_end_of_send();
        let next = |time| order.first_received_of_those_sent_after(time).map(|first| first.begun);
        assert_eq!([5, 16, 22, 24].map(next), [Some(10), Some(22), Some(22), None]);
    }

    #[test]
    fn calls_that_overlap_may_go_either_way() {
        let sends_overlap = vec![first(10, 13, 30, 31), first(12, 14, 20, 21)];
        let receives_overlap = vec![first(10, 11, 20, 31), first(12, 13, 19, 21)];
        let never_returned = vec![first(10, u64::MAX, 30, 31), first(12, 13, 20, 21)];
        for firsts in [sends_overlap, receives_overlap, never_returned] {
            assert_eq!(Order::new(firsts).violations().count(), 0);
        }
    }
}
