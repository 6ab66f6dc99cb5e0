//! From a value to bincode: a serde [`Serializer`] over bincode's numbers and texts.
//!
//! It writes what [`bincode::serde`] writes, and refuses what that cannot write so that it can be read: fields that are left out
//! (nothing would say so), lists that have another length than they said, lists that do not say how long they are. And what is
//! nested so deep that [`decode`](super::decode) refuses it: the stack is bounded here too.

use bincode::config::Configuration;
use bincode::enc::write::Writer;
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::EncodeError;
use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use super::config;
use super::depth::{Depth, Weight};
use super::fault::{Fault, Result};

/// Where the bytes go.
pub(super) trait Sink: Writer {
    /// What the bytes that follow are, if there are any: a number for each kind. The bytes alone do not tell a `1u8` from the
    /// beginning of a `Some`.
    fn note(&mut self, kind: u8);

    /// The name of a variant or a field. It is not written.
    fn name(&mut self, name: &'static str);

    /// The bytes of a text, or plain bytes. Their length was written before.
    fn blob(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.write(bytes)
    }

    /// A list or a map begins.
    fn begin(&mut self) {}

    /// An element, or an entry, ends.
    fn next(&mut self) {}

    /// The list or the map ends.
    fn end(&mut self) {}
}

/// Encodes a value.
pub(super) fn encode<T: Serialize, S: Sink>(value: &T, sink: S) -> Result<S> {
    let mut encoder = Encoder { bincode: EncoderImpl::new(sink, config()), depth: Depth::default() };
    value.serialize(&mut encoder)?;
    Ok(encoder.bincode.into_writer())
}

struct Encoder<S: Sink> {
    bincode: EncoderImpl<S, Configuration>,
    depth: Depth,
}

impl<S: Sink> Encoder<S> {
    #[inline]
    fn note(&mut self, kind: u8) {
        self.sink().note(kind);
    }

    /// The number of a variant, which stands for its name.
    #[inline]
    fn variant(&mut self, number: u32, name: &'static str) -> Result<()> {
        self.sink().name(name);
        self.put(number)
    }

    #[inline]
    fn put<T: Encode>(&mut self, value: T) -> Result<()> {
        Ok(value.encode(&mut self.bincode)?)
    }

    fn blob(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes.len() as u64)?;
        Ok(self.sink().blob(bytes)?)
    }

    #[inline]
    fn sink(&mut self) -> &mut S {
        use bincode::enc::Encoder as _;
        self.bincode.writer()
    }

    /// The value in an option or a newtype.
    #[inline]
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let weight = self.depth.enter_thin::<()>()?;
        value.serialize(&mut *self)?;
        self.depth.leave(weight);
        Ok(())
    }

    #[inline]
    fn fields(&mut self) -> Result<Fields<'_, S>> {
        let weight = self.depth.enter::<()>()?;
        Ok(Fields { encoder: self, weight })
    }

    fn elements(&mut self, len: Option<usize>) -> Result<Elements<'_, S>> {
        let Some(len) = len else {
            return Err(Fault::from(
                "a list or a map that does not say how long it is (`flatten` makes a struct such a map), and bincode begins \
                 with the length",
            ));
        };
        self.put(len as u64)?;
        let weight = self.depth.enter::<()>()?;
        self.sink().begin();
        Ok(Elements { encoder: self, len, left: len, weight })
    }
}

macro_rules! numbers {
    ($($kind:literal $method:ident $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<()> {
            self.note($kind);
            self.put(value)
        }
    )*};
}

impl<'a, S: Sink> Serializer for &'a mut Encoder<S> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Elements<'a, S>;
    type SerializeMap = Elements<'a, S>;
    type SerializeTuple = Fields<'a, S>;
    type SerializeTupleStruct = Fields<'a, S>;
    type SerializeTupleVariant = Fields<'a, S>;
    type SerializeStruct = Fields<'a, S>;
    type SerializeStructVariant = Fields<'a, S>;

    numbers! {
        1 serialize_bool bool;
        2 serialize_i8 i8;
        3 serialize_i16 i16;
        4 serialize_i32 i32;
        5 serialize_i64 i64;
        6 serialize_i128 i128;
        7 serialize_u8 u8;
        8 serialize_u16 u16;
        9 serialize_u32 u32;
        10 serialize_u64 u64;
        11 serialize_u128 u128;
        12 serialize_f32 f32;
        13 serialize_f64 f64;
        14 serialize_char char;
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<()> {
        self.note(15);
        self.blob(text.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        self.note(16);
        self.blob(bytes)
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.note(17);
        self.put(0u8)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.note(18);
        self.put(1u8)?;
        self.inner(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<()> {
        self.note(19);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.note(20);
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, number: u32, name: &'static str) -> Result<()> {
        self.note(21);
        self.variant(number, name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        self.note(22);
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        number: u32,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.note(23);
        self.variant(number, name)?;
        let weight = self.depth.enter::<()>()?;
        value.serialize(&mut *self)?;
        self.depth.leave(weight);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'a, S>> {
        self.note(24);
        self.elements(len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'a, S>> {
        self.note(25);
        self.elements(len)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Fields<'a, S>> {
        self.note(26);
        self.fields()
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Fields<'a, S>> {
        self.note(27);
        self.fields()
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        number: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields<'a, S>> {
        self.note(28);
        self.variant(number, name)?;
        self.fields()
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a, S>> {
        self.note(29);
        self.fields()
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        number: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields<'a, S>> {
        self.note(30);
        self.variant(number, name)?;
        self.fields()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a list, or the entries of a map.
struct Elements<'a, S: Sink> {
    encoder: &'a mut Encoder<S>,
    /// How many there are, and how many are still to come.
    len: usize,
    left: usize,
    weight: Weight,
}

impl<S: Sink> Elements<'_, S> {
    #[cold]
    fn miscounted(&self, found: &str) -> Fault {
        format!("a list or a map that said it had {} elements, and has {found}", self.len).into()
    }

    #[inline]
    fn count(&mut self) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.miscounted("more"))?;
        Ok(())
    }
}

impl<S: Sink> SerializeSeq for Elements<'_, S> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.count()?;
        value.serialize(&mut *self.encoder)?;
        self.encoder.sink().next();
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<()> {
        if self.left > 0 {
            return Err(self.miscounted(&(self.len - self.left).to_string()));
        }
        self.encoder.sink().end();
        self.encoder.depth.leave(self.weight);
        Ok(())
    }
}

impl<S: Sink> SerializeMap for Elements<'_, S> {
    type Ok = ();
    type Error = Fault;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.count()?;
        key.serialize(&mut *self.encoder)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.encoder)?;
        self.encoder.sink().next();
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<()> {
        SerializeSeq::end(self)
    }
}

/// The fields of a struct or a variant, or the elements of a tuple.
struct Fields<'a, S: Sink> {
    encoder: &'a mut Encoder<S>,
    weight: Weight,
}

impl<S: Sink> Fields<'_, S> {
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.encoder)
    }

    #[cold]
    fn skip(name: &str) -> Result<()> {
        Err(Fault::from(format!(
            "the field `{name}` is left out of it (`skip_serializing_if`), and bincode has no names to tell which one is missing"
        )))
    }

    #[inline]
    fn end(self) -> Result<()> {
        self.encoder.depth.leave(self.weight);
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident $method:ident ($($name:ident: $key:ty,)?) { $($skip:tt)* })*) => {$(
        impl<S: Sink> $trait for Fields<'_, S> {
            type Ok = ();
            type Error = Fault;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $key,)? value: &T) -> Result<()> {
                $(self.encoder.sink().name($name);)?
                self.field(value)
            }

            $($skip)*

            #[inline]
            fn end(self) -> Result<()> {
                Fields::end(self)
            }
        }
    )*};
}

fields! {
    SerializeTuple serialize_element () {}
    SerializeTupleStruct serialize_field () {}
    SerializeTupleVariant serialize_field () {}
    SerializeStruct serialize_field (name: &'static str,) {
        fn skip_field(&mut self, name: &'static str) -> Result<()> {
            Self::skip(name)
        }
    }
    SerializeStructVariant serialize_field (name: &'static str,) {
        fn skip_field(&mut self, name: &'static str) -> Result<()> {
            Self::skip(name)
        }
    }
}
