#!/bin/bash
# Plants one bug after the other in a copy of mi7-core, and sees that the model named beside it fails.
#
#   tests/planted.sh           all of them (some five minutes)
#   tests/planted.sh NAME…     some of them
#
# A plant is a substitution (perl, over the whole file). One that changes nothing, because the code has moved on, is an error
# too. Found is what a model says by panicking; a model that does not come to its end in time has found nothing.
set -u
cd "$(dirname "$0")/.."
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/planted
wrong=0

# plant NAME FILE SUBSTITUTION MODEL…: each of the models has to fail.
plant() {
    local name=$1 file=$2 substitution=$3 model out begun
    shift 3
    if [ -n "$wanted" ] && [[ " $wanted " != *" $name "* ]]; then return; fi
    fresh
    perl -0pi -e "$substitution" "$copy/$file"
    if cmp -s "$file" "$copy/$file"; then
        echo "$name: nothing to plant it in: $file has changed"
        wrong=1
        return
    fi
    if ! out=$(models --no-run 2>&1); then
        echo "$name: does not compile: $out"
        wrong=1
        return
    fi
    for model in "$@"; do
        begun=$SECONDS
        out=$(models "$model" 2>&1)
        # After a panic come others, of what the first one left.
        out=$(grep -m 1 -A 1 "panicked at" <<<"$out" | tail -n 1 | cut -c 1-110)
        if [ -n "$out" ]; then
            echo "$name: found by $model in $((SECONDS - begun)) s: $out"
        else
            echo "$name: NOT found by $model in $((SECONDS - begun)) s"
            wrong=1
        fi
    done
}

models() {
    (cd "$copy" && RUST_BACKTRACE=0 RUSTFLAGS="--cfg loom" CARGO_PROFILE_RELEASE_DEBUG=0 \
        timeout 120 cargo test -q --release -p mi7-core --lib "$@")
}

# mi7-core as it is, in a workspace of its own: what it does not need is not copied.
fresh() {
    rm -rf "${copy:?}"/*
    cp -a Cargo.lock mi7-core "$copy"
    sed 's|^members = .*|members = ["mi7-core"]|' Cargo.toml >"$copy/Cargo.toml"
}

wanted="$*"
ring=mi7-core/src/ring.rs
bell=mi7-core/src/wait.rs
waiting=mi7-core/src/ring/models/waiting.rs
bias=mi7-core/src/bias.rs
# What `ends.rs` does, as the models have it.
ends=mi7-core/src/ring/models/biased.rs

plant write_after_publish mi7-core/src/ring/models.rs \
    's|(        // SAFETY: loom checks that nobody else is at it.\n[^\n]*\n)(        self.world.ring.publish\(claim\);\n)|$2$1|' \
    two_senders_and_a_receiver_keep
plant publish_relaxed $ring 's|(Word::ready\(self.positions.lap\(claim.position\)\).0, Ordering::)Release|$1Relaxed|' \
    two_senders_and_a_receiver_keep
plant release_relaxed $ring 's|(Word::free\(lease.lap \+ 1\).0, Ordering::)Release|$1Relaxed|' \
    a_sender_and_two_receivers_share
plant put_back_relaxed $ring 's|(Owner::NOBODY, lease.deliveries\).0, Ordering::)Release|$1Relaxed|' \
    what_is_put_back
plant ringers_fence_left_out $bell 's|(fn may_be_parked[^{]*\{\n[^\n]*\n)        fence_light[^\n]*\n|$1|' \
    a_waiting_receiver_is_woken
plant waiters_fence_left_out $bell 's|(fn fence_to_look[^}]*return) fence_heavy\(\)|$1|' \
    a_waiting_receiver_is_woken
plant ring_not_passed_on $bell 's|(fn pass_on\(self\) \{\n)        self.announce\(\);\n|$1|' \
    two_waiting_receivers
plant re_ring_left_out $waiting 's|if slept && left_behind\(\) \{\n\s*bell.ring_if_parked\(\);|if slept && left_behind() {|' \
    two_waiting_receivers
plant not_announced $bell 's{self.parking.word.fetch_or\(PARKED, Ordering::AcqRel\) \| PARKED}{self.parking.word.load(Ordering::Relaxed)}' \
    a_waiting_receiver_is_woken a_waiting_task_is_woken
plant close_wakes_one $bell 's|sys::wake\(&self.parking.word, u32::MAX >> 1\)|sys::wake(\&self.parking.word, 1)|' \
    all_who_wait
plant close_knocks_at_no_door $bell 's{(fn ring_all.*?)if self.parking.take_bit\(door\)}{$1if false}s' \
    a_task_is_woken_by_a_close
plant door_not_marked $bell 's|word.fetch_or\(bit, Ordering::Release\);||' \
    a_waiting_task_is_woken
plant tasks_never_asked $bell 's|else if !tasks_first && self.knock_at_next\(\)|else if false|' \
    a_waiting_task_is_woken
plant knock_not_passed_on $waiting 's|(and knocks: nobody is here any more, so it is for the others.\n\s*fifo.read\(\);\n).*?\}\n\s*\}|$1}|s' \
    a_task_and_a_thread_that_wait_are_woken
plant sender_not_recorded $ring 's|self.record_tail\(tail\)\?;(\s*fault!\("tail recorded)|$1|' \
    a_sender_may_die_anywhere
plant receiver_not_recorded $ring 's|self.record_head\(head\)\?;(\s*fault!\("head recorded"\))|$1|' \
    a_receiver_may_die_anywhere
plant recovery_records_no_sender $ring 's|self.record_tail\(self.tail\(\)\)\?;||' \
    a_name_that_is_taken_anew
plant recovery_records_no_receiver $ring 's|self.record_head\(self.head\(\)\)\?;||' \
    whoever_recovers_may_die
plant recovery_does_not_ask_again $ring 's{ \|\| !dead\(owner\)}{}' \
    a_name_that_is_taken_anew
plant a_living_writer_freed_by_a_receiver $ring 's|if !dead\(word.owner\(\)\) \{(\s*return Err\(Blocked::Empty\))|if false {$1|' \
    two_senders_and_a_receiver_keep
plant a_living_writer_freed_by_a_sender $ring 's|if !dead\(word.owner\(\)\) \{(\s*return Ok\(Place::Taken\))|if false {$1|' \
    two_senders_and_a_receiver_keep
plant recovery_frees_what_is_leased $ring \
    's|slot.exchange\(word, Word::leased\(word.lap\(\), Owner::NOBODY, word.deliveries\(\)\)\)|slot.exchange(word, Word::free(word.lap() + 1))|' \
    whoever_recovers_may_die
plant published_and_died_not_looked_at_again $ring 's|if slot.load\(\) != word \{\s*return false;\s*\}||' \
    a_sender_may_die_anywhere
plant dead_senders_mark_after_the_free $ring \
    's|        self.pass_over\(slot, word.lap\(\)\);\n(.*?)        slot.exchange\(word, Word::free\(word.lap\(\) \+ 1\)\)|$1        let freed = slot.exchange(word, Word::free(word.lap() + 1));\n        self.pass_over(slot, word.lap());\n        freed|s' \
    a_sender_may_die_anywhere
plant mark_after_the_free $ring \
    's|        self.pass_over\(slot, lap\);\n(.*?)(        slot.word.store\(Word::free\(lap \+ 1\).0, Ordering::Release\);\n)|$1$2        self.pass_over(slot, lap);\n|s' \
    what_is_given_up
plant skip_not_marked $ring 's|Owner::SKIP => self.pass_over\(self.slot_at\(position\)\?, lap\)|Owner::SKIP => {}|' \
    two_senders_pass_over
plant hint_lost $ring 's|redeliver.compare_exchange\(hint, hint & !HINTED, Ordering::Relaxed, Ordering::Relaxed\)|redeliver.swap(hint \& !HINTED, Ordering::Relaxed)|' \
    what_two_put_back
plant put_back_not_hinted $ring 's|(not yet hinted"\);\n)        self.hint_redelivery\(\);|$1|' \
    what_is_put_back
plant lost_race_called_empty $ring 's|(if self.move_head\(head, to\) \{[^}]*\}[^}]*\})\s*continue;|$1 return Err(Blocked::Empty);|' \
    a_sender_and_two_receivers_answer
plant lost_race_called_full $ring 's|(if self.move_tail\(tail, to\) \{[^}]*\}[^}]*\})\s*continue;|$1 return Err(Blocked::Full);|' \
    two_senders_and_a_receiver_answer
plant holder_not_waited_for $bias 's|if !self.wait_for\(word & !REVOKED, dead\)|if false|' \
    a_lone_sender_is_joined a_lone_receiver_is_joined
plant revokers_fence_left_out $bias 's|        fence_heavy\(\);\n||' \
    a_lone_sender_is_joined
plant holders_fence_left_out $bias 's|(fn move_as.*?)        fence_light\(\);\n|$1|s' \
    a_lone_sender_is_joined
plant bias_not_looked_at $bias 's|\(self.word.load\(Ordering::Acquire\) == bias\).then_some|true.then_some|' \
    a_lone_sender_is_joined
plant busy_cleared_before_the_counter_is_moved $ring 's|let _moving = (self.tail_bias\(\).move_as\(bias\)\?);|drop($1);|' \
    a_lone_sender_is_joined
plant takers_fence_left_out $bias 's|(fn take\(self.*?)        fence\(Ordering::SeqCst\);\n|$1|s' \
    two_seek_the_bias
plant newcomers_fence_left_out $ends 's|(fn count_in.*?)        fence\(Ordering::SeqCst\);\n|$1|s' \
    a_bias_is_sought
plant closers_leave_relaxed $ends 's|(        act\(\);\n        self.counted\(me\).fetch_sub\(1, Ordering::)Release|$1Relaxed|' \
    what_is_closed
plant senders_leave_relaxed $ends 's|(self.end.counted\(self.hand.me\).fetch_sub\(1, Ordering::)Release|$1Relaxed|' \
    a_bias_is_sought
plant busy_cleared_relaxed $bias 's|(self.0.store\(0, Ordering::)Release|$1Relaxed|' \
    a_lone_sender_is_joined
plant dead_holder_waited_for $bias 's|if dead\(Owner\(bias as u8\)\)|if false|' \
    a_lone_sender_may_die

exit $wrong
