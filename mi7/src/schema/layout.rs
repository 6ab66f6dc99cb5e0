//! Where the fields of an archived enum lie.
//!
//! rkyv archives an enum as `#[repr(u8)]`. RFC 2195 lays it out as a union of `#[repr(C)]` structs, one for each variant,
//! whose first field is the tag. Stable Rust has `offset_of!` for structs but not for variants, so the offsets are
//! computed here as `repr(C)` computes them; the resulting size is compared with the compiler's where the enum's `CHECKED`
//! is evaluated.
//!
//! Source: <https://rust-lang.github.io/rfcs/2195-really-tagged-unions.html>,
//! <https://doc.rust-lang.org/reference/type-layout.html#reprc-structs>.

/// The bytes of an archived enum's tag.
const TAG_SIZE: usize = 1;

/// The offset of field `index` from the beginning of the enum, where `fields` are the sizes and alignments of the fields of
/// its variant.
///
/// ```
/// use mi7::schema::variant_offset;
///
/// // The tag, three bytes of padding, a `u32`, a `u16`.
/// assert_eq!(variant_offset(&[(4, 4), (2, 2)], 0), 4);
/// assert_eq!(variant_offset(&[(4, 4), (2, 2)], 1), 8);
/// ```
///
/// # Panics
///
/// When there is no field `index`.
#[must_use]
pub const fn variant_offset(fields: &[(usize, usize)], index: usize) -> usize {
    let (mut end, mut i) = (TAG_SIZE, 0);
    loop {
        let (size, align) = fields[i];
        let offset = end.next_multiple_of(align);
        if i == index {
            return offset;
        }
        end = offset + size;
        i += 1;
    }
}

/// The size of an enum, where `variants` are the sizes and alignments of the fields of each of its variants.
///
/// ```
/// use mi7::schema::enum_size;
///
/// assert_eq!(enum_size(&[&[], &[(4, 4), (2, 2)]]), 12);
/// ```
#[must_use]
pub const fn enum_size(variants: &[&[(usize, usize)]]) -> usize {
    let (mut size, mut align, mut v) = (TAG_SIZE, 1, 0);
    while v < variants.len() {
        let fields = variants[v];
        let mut i = 0;
        while i < fields.len() {
            let end = variant_offset(fields, i) + fields[i].0;
            if end > size {
                size = end;
            }
            if fields[i].1 > align {
                align = fields[i].1;
            }
            i += 1;
        }
        v += 1;
    }
    size.next_multiple_of(align)
}
