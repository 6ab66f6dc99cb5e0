#!/bin/bash
# Takes a mend out of a copy of the workspace, and sees that the program `instructions` finds what it was for.
#
#   tests/planted_instructions.sh     some five minutes, most of them to build it
#
# As in planted.sh, a substitution that changes nothing, because the code has moved on, is an error too.
set -u
cd "$(dirname "$0")/.."
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/planted
wrong=0

# plant NAME FILE SUBSTITUTION ARGUMENT…: the program, with these arguments, has to find something.
plant() {
    local name=$1 file=$2 substitution=$3 begun=$SECONDS out
    shift 3
    rm -rf "${copy:?}"/*
    cp -a Cargo.lock mi7-core mi7-derive mi7 tests "$copy"
    sed 's|^members = .*|members = ["mi7-core", "mi7-derive", "mi7", "tests"]|' Cargo.toml >"$copy/Cargo.toml"
    cp README.md "$copy"
    perl -0pi -e "$substitution" "$copy/$file"
    if cmp -s "$file" "$copy/$file"; then
        echo "$name: nothing to plant it in: $file has changed"
        wrong=1
        return
    fi
    if ! out=$(cd "$copy" && cargo build -q --release -p mi7-tests --bin instructions 2>&1); then
        echo "$name: does not compile: $out"
        wrong=1
        return
    fi
    out=$(timeout 600 "$CARGO_TARGET_DIR/release/instructions" --until-wrong "$@" 2>&1)
    if [[ ${out##*$'\n'} =~ ^kills=.*\ stuck=[1-9] ]]; then
        echo "$name: found in $((SECONDS - begun)) s: $(grep -m 1 -o -e '--replay .*' <<<"$out")"
    else
        echo "$name: NOT found in $((SECONDS - begun)) s: ${out##*$'\n'}"
        wrong=1
    fi
}

# One is dead and busy with the bias; a second, who recovers it, is held still before its exchange; a third revokes the bias, so that
# the exchange fails, and is killed. If the second lets it be, the dead one's entry goes to a newcomer, who is taken for the holder.
plant failed_exchange_let_be mi7-core/src/bias.rs \
    's|(if self.word.compare_exchange\(word, 0, Ordering::AcqRel, Ordering::Relaxed\).is_ok\(\) \{\s*return;\s*\})|$1 return;|' \
    --quick --call status --scene half --no-singles --random --pairs 20000 --seed 1

exit $wrong
