//! The fingerprint of a schema: FNV-1a with 128 bits.
//!
//! # What is hashed
//!
//! The tree from the root down. Of each node its name, size, alignment, the number of its kind, and what the kind holds; of
//! each list its length before its items. A text is hashed as its length and its bytes, a number as eight bytes, little
//! end first. So no two different trees feed the hash the same bytes.
//!
//! # Why this hash
//!
//! It is a dozen lines that run in a constant, and is spread well enough to tell types apart that differ by mistake.
//! It is no defence against types that are made to collide; nothing is trusted on its word either, since attaching
//! compares the texts as well.
//!
//! Source of the algorithm, its constants and the test's vectors: Fowler, Noll, Vo, Eastlake, Hansen, "The FNV
//! Non-Cryptographic Hash Algorithm", <https://datatracker.ietf.org/doc/draft-eastlake-fnv/> (the 128-bit prime and offset
//! basis); <http://www.isthe.com/chongo/tech/comp/fnv/>.

use super::{Field, Kind, Schema};

/// The offset basis of the 128-bit FNV.
const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

/// The prime of the 128-bit FNV: 2^88 + 2^8 + 0x3b.
const PRIME: u128 = (1 << 88) + (1 << 8) + 0x3b;

/// The fingerprint of a schema: equal for equal schemas, and different for schemas that differ in anything.
///
/// ```
/// use mi7::ShmMessage;
/// use mi7::schema::fingerprint;
///
/// const PAIR: [u8; 16] = fingerprint(&<(u8, u32)>::SCHEMA);
/// assert_eq!(PAIR, fingerprint(&<(u8, u32)>::SCHEMA));
/// assert_ne!(PAIR, fingerprint(&<(u32, u8)>::SCHEMA));
/// ```
#[must_use]
pub const fn fingerprint(schema: &Schema) -> [u8; 16] {
    absorb_schema(BASIS, schema).to_le_bytes()
}

/// The hash of plain bytes, for types without a schema.
pub(crate) const fn hash(bytes: &[u8]) -> [u8; 16] {
    absorb(BASIS, bytes).to_le_bytes()
}

/// FNV-1a itself.
const fn absorb(mut hash: u128, bytes: &[u8]) -> u128 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u128).wrapping_mul(PRIME);
        i += 1;
    }
    hash
}

const fn absorb_number(hash: u128, number: usize) -> u128 {
    absorb(hash, &(number as u64).to_le_bytes())
}

const fn absorb_text(hash: u128, text: &str) -> u128 {
    absorb(absorb_number(hash, text.len()), text.as_bytes())
}

const fn absorb_schema(mut hash: u128, schema: &Schema) -> u128 {
    hash = absorb_text(hash, schema.name);
    hash = absorb_number(hash, schema.size);
    hash = absorb_number(hash, schema.align);
    match schema.kind {
        Kind::Scalar(scalar) => absorb_text(absorb_number(hash, 0), scalar.name()),
        Kind::Struct(fields) => absorb_fields(absorb_number(hash, 1), fields),
        Kind::Enum(variants) => {
            hash = absorb_number(absorb_number(hash, 2), variants.len());
            let mut i = 0;
            while i < variants.len() {
                hash = absorb_text(hash, variants[i].name);
                hash = absorb_number(hash, variants[i].tag as usize);
                hash = absorb_fields(hash, variants[i].fields);
                i += 1;
            }
            hash
        }
        Kind::Array { length, element } => absorb_schema(absorb_number(absorb_number(hash, 3), length), element),
        Kind::String { capacity, offset } => absorb_number(absorb_number(absorb_number(hash, 4), capacity), offset),
        Kind::Vec { capacity, offset, element } => {
            absorb_schema(absorb_number(absorb_number(absorb_number(hash, 5), capacity), offset), element)
        }
        Kind::Opaque => absorb_number(hash, 6),
    }
}

const fn absorb_fields(mut hash: u128, fields: &[Field]) -> u128 {
    hash = absorb_number(hash, fields.len());
    let mut i = 0;
    while i < fields.len() {
        hash = absorb_text(hash, fields[i].name);
        hash = absorb_number(hash, fields[i].offset);
        hash = absorb_schema(hash, fields[i].schema);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the authors' page.
    #[test]
    fn the_hash_is_fnv_1a_128() {
        assert_eq!(absorb(BASIS, b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(absorb(BASIS, b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(absorb(BASIS, b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
