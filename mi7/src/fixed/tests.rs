//! What fits, what does not, and what a hostile archive cannot do.

use core::fmt::Write;
use core::ptr::NonNull;

use proptest::prelude::*;

use super::*;
use crate::archive;
use crate::message::ShmMessage;

/// Bytes with the alignment of a small slot.
#[repr(C, align(16))]
struct Slot([u8; 64]);

impl Slot {
    fn at(&mut self) -> NonNull<u8> {
        NonNull::from(&mut self.0).cast()
    }

    fn write<T: ShmMessage>(&mut self, value: &T) {
        assert!(size_of::<T::Archived>() <= 64 && T::ALIGN <= 16);
        // SAFETY: the bytes are initialized, aligned, enough, and lent to nobody else.
        unsafe { archive::write(value, self.at()) }
    }

    fn check<T: ShmMessage>(&mut self) -> Result<&T::Archived, String> {
        assert!(size_of::<T::Archived>() <= 64 && T::ALIGN <= 16);
        // SAFETY: the bytes are initialized, aligned, enough, and borrowed as long as the reference.
        unsafe { archive::check::<T>(self.at()) }.map_err(|error| error.to_string())
    }
}

#[test]
fn what_does_not_fit_is_an_error_with_both_sizes_and_changes_nothing() {
    let mut text = FixedString::<4>::try_from("abc").unwrap();
    assert_eq!(text.push_str("de"), Err(CapacityError { found: 5, capacity: 4, unit: "bytes" }));
    assert_eq!(text.try_push('é'), Err(CapacityError { found: 5, capacity: 4, unit: "bytes" }));
    assert_eq!(text, "abc");
    assert!(FixedString::<4>::try_from("12345").is_err());

    let mut list = FixedVec::<u8, 2>::try_from(&[1][..]).unwrap();
    assert_eq!(list.extend_from_slice(&[2, 3]), Err(CapacityError { found: 3, capacity: 2, unit: "elements" }));
    assert_eq!(list, [1]);
    list.try_push(2).unwrap();
    assert_eq!(list.try_push(9), Err(PushError { value: 9, capacity: 2 }));
    assert_eq!(
        list.try_push(9).unwrap_err().to_string(),
        "found 3 elements, expected at most 2; raise the capacity in the type"
    );
}

#[test]
fn a_fixed_string_is_a_text() {
    let mut text = FixedString::<16>::new();
    write!(text, "{}-{:?}", 7, Some('x')).unwrap();
    assert_eq!(text, "7-Some('x')");
    assert!(write!(text, "more than fits").is_err());
    assert_eq!((text.len(), text.capacity(), text.pop()), (11, 16, Some(')')));
    text.truncate(2);
    assert_eq!((&*text, format!("{text:?}")), ("7-", "\"7-\"".to_string()));
    text.clear();
    assert!(text.is_empty() && text == FixedString::<3>::default());
    assert!(FixedString::<2>::try_from("b").unwrap() > FixedString::try_from("a").unwrap());
    let map = std::collections::HashMap::from([(FixedString::<4>::try_from("key").unwrap(), 1)]);
    assert_eq!(map.get("key"), Some(&1));
}

#[test]
#[should_panic(expected = "byte 1 is in the middle of a character")]
fn a_text_is_not_cut_within_a_character() {
    FixedString::<4>::try_from("é").unwrap().truncate(1);
}

#[test]
fn a_fixed_vec_is_a_slice() {
    let mut list = FixedVec::<(u8, bool), 3>::new();
    list.try_push((1, true)).unwrap();
    list.try_push((2, false)).unwrap();
    list[0].0 = 9;
    for (number, _) in &mut list {
        *number += 1;
    }
    assert_eq!(list, [(10, true), (3, false)]);
    assert_eq!(list.clone().into_iter().map(|(number, _)| u32::from(*number)).sum::<u32>(), 13);
    assert_eq!((list.pop(), list.len(), list.capacity()), (Some((3, false)), 1, 3));
    list.clear();
    assert_eq!(list.pop(), None);
    assert_eq!(format!("{:?}", FixedVec::<u8, 2>::try_from(&[1, 2][..]).unwrap()), "[1, 2]");
}

#[test]
fn archives_are_read_in_place() {
    let mut slot = Slot([0xEE; 64]);
    slot.write(&FixedString::<8>::try_from("grüße").unwrap());
    let text = slot.check::<FixedString<8>>().unwrap();
    assert_eq!((text.as_str(), text.len(), text.capacity()), ("grüße", 7, 8));
    assert_eq!(archive::native::<FixedString<8>>(text), *text);

    let list = FixedVec::<Option<u16>, 4>::try_from(&[None, Some(7)][..]).unwrap();
    slot.write(&list);
    let archived = slot.check::<FixedVec<Option<u16>, 4>>().unwrap();
    assert_eq!(archived[1].as_ref().map(|number| number.to_native()), Some(7));
    assert_eq!((archived.len(), archived.iter().count(), archived.capacity()), (2, 2, 4));
    assert_eq!(archive::native::<FixedVec<Option<u16>, 4>>(archived), list);
}

#[test]
fn nothing_of_an_earlier_message_stays_behind_the_length() {
    let mut slot = Slot([0xEE; 64]);
    slot.write(&FixedString::<9>::try_from("ab").unwrap());
    assert_eq!(slot.0[..13], *b"\x02\0\0\0ab\0\0\0\0\0\0\0");

    let mut text = FixedString::<4>::try_from("secr").unwrap();
    text.truncate(1);
    slot.write(&text);
    assert_eq!(slot.0[..8], *b"\x01\0\0\0s\0\0\0");

    slot.0.fill(0xEE);
    slot.write(&FixedVec::<u16, 3>::try_from(&[0x0102][..]).unwrap());
    assert_eq!(slot.0[..10], *b"\x01\0\0\0\x02\x01\0\0\0\0");
}

#[test]
fn a_length_above_the_capacity_is_refused() {
    let mut slot = Slot([0; 64]);
    slot.0[0] = 5;
    let refused = slot.check::<FixedString<4>>().unwrap_err();
    assert_eq!(refused, "length 5 of `FixedString<4>`, expected at most 4");
    let refused = slot.check::<FixedVec<u8, 4>>().unwrap_err();
    assert_eq!(refused, "length 5 of `FixedVec<4>`, expected at most 4");
    slot.0[..4].fill(0xFF);
    assert!(slot.check::<FixedVec<(), 4>>().is_err());
}

#[test]
fn text_that_is_not_utf8_is_refused_and_the_rest_is_not_looked_at() {
    let mut slot = Slot([0; 64]);
    slot.0[..8].copy_from_slice(b"\x02\0\0\0ab\xFF\xFF");
    assert_eq!(slot.check::<FixedString<4>>().unwrap().as_str(), "ab");
    slot.0[0] = 3;
    assert!(slot.check::<FixedString<4>>().unwrap_err().contains("invalid utf-8"));
}

#[test]
fn elements_that_are_not_valid_are_refused_and_the_rest_is_not_looked_at() {
    let mut slot = Slot([0; 64]);
    slot.0[..8].copy_from_slice(b"\x02\0\0\0\x01\x00\x07\x07");
    assert_eq!(**slot.check::<FixedVec<bool, 4>>().unwrap(), [true, false]);
    slot.0[0] = 3;
    let refused = slot.check::<FixedVec<bool, 4>>().unwrap_err();
    assert!(refused.contains("invalid byte 7") && refused.contains("while checking element 2"), "{refused}");
}

#[test]
fn serde_sees_a_text_and_a_sequence() {
    let text = FixedString::<8>::try_from("abc").unwrap();
    let list = FixedVec::<u16, 4>::try_from(&[1, 2, 3][..]).unwrap();
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec((text, list), config).unwrap();
    assert_eq!(bytes, bincode::serde::encode_to_vec(("abc", vec![1u16, 2, 3]), config).unwrap());
    let ((back, again), _) =
        bincode::serde::decode_from_slice::<(FixedString<8>, FixedVec<u16, 4>), _>(&bytes, config).unwrap();
    assert_eq!((back, again), (text, list));
    assert!(bincode::serde::decode_from_slice::<(FixedString<2>, FixedVec<u16, 4>), _>(&bytes, config).is_err());
    assert!(bincode::serde::decode_from_slice::<(FixedString<8>, FixedVec<u16, 2>), _>(&bytes, config).is_err());
}

proptest! {
    #[test]
    fn what_fits_comes_back(text in "\\PC{0,6}", list in proptest::collection::vec(any::<Option<i64>>(), 0..3)) {
        let mut slot = Slot([0xEE; 64]);
        if let Ok(text) = FixedString::<20>::try_from(&*text) {
            slot.write(&text);
            prop_assert_eq!(slot.check::<FixedString<20>>().unwrap(), &text);
        }
        let list = FixedVec::<_, 3>::try_from(&*list).unwrap();
        slot.write(&list);
        prop_assert_eq!(archive::native::<FixedVec<Option<i64>, 3>>(slot.check::<FixedVec<Option<i64>, 3>>().unwrap()), list);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<[[u8; 32]; 2]>(), length in 0u8..6) {
        let mut slot = Slot([0; 64]);
        slot.0.copy_from_slice(bytes.as_flattened());
        slot.0[..4].copy_from_slice(&[length, 0, 0, 0]);
        if let Ok(text) = slot.check::<FixedString<20>>() {
            prop_assert!(text.chars().count() <= usize::from(length));
        }
        if let Ok(list) = slot.check::<FixedVec<(bool, char), 5>>() {
            prop_assert_eq!(list.len(), usize::from(length));
            prop_assert_eq!(archive::native::<FixedVec<(bool, char), 5>>(list).len(), list.len());
        }
    }
}
