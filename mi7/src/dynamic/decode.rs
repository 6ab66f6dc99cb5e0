//! From bincode to a value, in bounded time, memory and stack: a serde [`Deserializer`] over bincode's numbers and texts.
//!
//! It reads what [`bincode::serde`] reads. The bytes may be forged, and what they can do is bounded:
//!
//! - **Time.** Each element of a list has bytes of its own, or is counted: `Vec<()>` is a length only, and nine bytes can say
//!   that there are 2⁶⁴ elements. Elements that have no bytes may be [`MAX_EMPTY`] in one message.
//! - **Memory.** A text is no longer than the bytes that are left. Lists in one another ask in advance for no more elements, all
//!   together, than the message has bytes (and each for no more than a megabyte, by serde's own caution).
//! - **Stack.** Values that are nested in one another are decoded by calls that are nested in one another. [`depth`](super::depth)
//!   bounds how many.

use bincode::config::Configuration;
use bincode::de::read::{BorrowReader, Reader};
use bincode::de::{BorrowDecode, BorrowDecoder, Decode, DecoderImpl};
use bincode::error::DecodeError;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::config;
use super::depth::{Depth, MAX_TOTAL};
use super::fault::{Fault, Result};

/// How many elements of lists and maps in one message may have no bytes of their own. One that takes more than 64 bytes of memory
/// counts as several.
pub(super) const MAX_EMPTY: usize = 1 << 16;

/// Decodes the one value that these bytes are.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut decoder = Decoder::new(bytes);
    let value = T::deserialize(&mut decoder)?;
    match decoder.rest() {
        0 => Ok(value),
        rest => Err(Fault::from(format!("{rest} more bytes behind the value"))),
    }
}

struct Decoder<'de> {
    bincode: DecoderImpl<Rest<'de>, Configuration, ()>,
    depth: Depth,
    /// How many more elements without bytes there may be.
    empty: usize,
    /// How many more elements may be announced by the lists around the present value and in it. In honest bytes, all elements but
    /// those that have the present value in them have bytes before or behind it.
    announced: usize,
}

/// The bytes that have not been read.
struct Rest<'de>(&'de [u8]);

impl Reader for Rest<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        bytes.copy_from_slice(self.take_bytes(bytes.len())?);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, len: usize) -> Option<&[u8]> {
        self.0.get(..len)
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        self.0 = self.0.get(len..).unwrap_or_default();
    }
}

impl<'de> BorrowReader<'de> for Rest<'de> {
    #[inline]
    fn take_bytes(&mut self, len: usize) -> Result<&'de [u8], DecodeError> {
        match self.0.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.0 = rest;
                Ok(bytes)
            }
            None => Err(DecodeError::UnexpectedEnd { additional: len - self.0.len() }),
        }
    }
}

impl<'de> Decoder<'de> {
    fn new(bytes: &'de [u8]) -> Self {
        Decoder {
            bincode: DecoderImpl::new(Rest(bytes), config(), ()),
            depth: Depth::default(),
            empty: MAX_EMPTY,
            announced: bytes.len() + MAX_TOTAL,
        }
    }

    /// How many bytes are left.
    #[inline]
    fn rest(&mut self) -> usize {
        self.bincode.borrow_reader().0.len()
    }

    /// A number, or anything else that bincode has one form for.
    #[inline]
    fn get<T: Decode<()>>(&mut self) -> Result<T> {
        Ok(T::decode(&mut self.bincode)?)
    }

    /// A length. That it may be wrong is found out by whoever reads so much.
    #[inline]
    fn length(&mut self) -> Result<usize> {
        self.get::<u64>().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// An element of a list was read, a `T`, and this many bytes were left before.
    #[inline]
    fn count<T>(&mut self, before: usize) -> Result<()> {
        if self.rest() < before {
            return Ok(());
        }
        match self.empty.checked_sub(const { 1 + size_of::<T>() / 64 }) {
            Some(left) => {
                self.empty = left;
                Ok(())
            }
            None => Err(Fault::from(format!("more than {MAX_EMPTY} elements that have no bytes"))),
        }
    }

    /// Fields, or the elements of a tuple: the type says how many.
    #[inline]
    fn fields<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Result<V::Value> {
        let weight = self.depth.enter::<V::Value>()?;
        let value = visitor.visit_seq(Fields { decoder: self, left });
        self.depth.leave(weight);
        value
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(self.get()?)
        }
    )*};
}

macro_rules! unknown {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
            Err(Fault::from(
                "a type that looks at the data to learn what it is (an enum that is `untagged` or has a `tag`, a field \
                 with `flatten`, a type such as `serde_json::Value`), and bincode does not say what it is",
            ))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Fault;

    numbers! {
        deserialize_bool visit_bool;
        deserialize_i8 visit_i8;
        deserialize_i16 visit_i16;
        deserialize_i32 visit_i32;
        deserialize_i64 visit_i64;
        deserialize_i128 visit_i128;
        deserialize_u8 visit_u8;
        deserialize_u16 visit_u16;
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
        deserialize_u128 visit_u128;
        deserialize_f32 visit_f32;
        deserialize_f64 visit_f64;
        deserialize_char visit_char;
    }

    unknown! { deserialize_any deserialize_identifier deserialize_ignored_any }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(<&str>::borrow_decode(&mut self.bincode)?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(<&[u8]>::borrow_decode(&mut self.bincode)?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.get::<u8>()? {
            0 => visitor.visit_none(),
            1 => {
                let weight = self.depth.enter_thin::<V::Value>()?;
                let value = visitor.visit_some(&mut *self);
                self.depth.leave(weight);
                value
            }
            other => Err(Fault::from(format!("{other} instead of 0 or 1 before an optional value"))),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        let weight = self.depth.enter_thin::<V::Value>()?;
        let value = visitor.visit_newtype_struct(&mut *self);
        self.depth.leave(weight);
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.length()?;
        let weight = self.depth.enter::<V::Value>()?;
        let announced = self.announced;
        let value = visitor.visit_seq(Elements::new(self, left));
        self.announced = announced;
        self.depth.leave(weight);
        value
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.length()?;
        let weight = self.depth.enter::<V::Value>()?;
        let announced = self.announced;
        let value = visitor.visit_map(Elements::new(self, left));
        self.announced = announced;
        self.depth.leave(weight);
        value
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.fields(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let number = self.get::<u32>()?;
        let deserializer: serde::de::value::U32Deserializer<Fault> = number.into_deserializer();
        Ok((seed.deserialize(deserializer)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = Fault;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        let weight = self.depth.enter::<T::Value>()?;
        let value = seed.deserialize(&mut *self);
        self.depth.leave(weight);
        value
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.fields(fields.len(), visitor)
    }
}

/// As many values as a type has.
struct Fields<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// As many elements, or entries, as the bytes say.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
    /// Whether the number may be believed, as far as asking for memory goes.
    is_likely: bool,
    /// How many bytes were left before the present entry of a map.
    before: usize,
}

impl<'a, 'de> Elements<'a, 'de> {
    #[inline]
    fn new(decoder: &'a mut Decoder<'de>, left: usize) -> Self {
        let announced = decoder.announced.checked_sub(left);
        decoder.announced = announced.unwrap_or(decoder.announced);
        Elements { decoder, left, is_likely: announced.is_some(), before: 0 }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let before = self.decoder.rest();
        let value = seed.deserialize(&mut *self.decoder)?;
        self.decoder.count::<T::Value>(before)?;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        self.is_likely.then_some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.before = self.decoder.rest();
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let value = seed.deserialize(&mut *self.decoder)?;
        self.decoder.count::<V::Value>(self.before)?;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.is_likely.then_some(self.left)
    }
}
