//! The values that a schema knows by name, and how their archived bytes read.

use core::fmt::{self, Write};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use core::time::Duration;

macro_rules! scalars {
    ($($name:ident $text:literal $size:literal $doc:literal,)*) => {
        /// A value that a schema knows by name.
        ///
        /// Numbers are archived little end first. What a name stands for never changes: a new layout is a new name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Scalar {
            $(#[doc = $doc] $name,)*
        }

        impl Scalar {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in schema texts: that of the Rust type.
            ///
            /// ```
            /// assert_eq!(mi7::schema::Scalar::NonZeroU8.name(), "NonZeroU8");
            /// ```
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The bytes it takes in an archive.
            #[must_use]
            pub const fn size(self) -> usize {
                match self {
                    $(Self::$name => $size,)*
                }
            }
        }
    };
}

scalars! {
    I8 "i8" 1 "An integer.", I16 "i16" 2 "An integer.", I32 "i32" 4 "An integer.", I64 "i64" 8 "An integer.",
    I128 "i128" 16 "An integer.",
    U8 "u8" 1 "An integer.", U16 "u16" 2 "An integer.", U32 "u32" 4 "An integer.", U64 "u64" 8 "An integer.",
    U128 "u128" 16 "An integer.",
    NonZeroI8 "NonZeroI8" 1 "An integer that is not 0.", NonZeroI16 "NonZeroI16" 2 "An integer that is not 0.",
    NonZeroI32 "NonZeroI32" 4 "An integer that is not 0.", NonZeroI64 "NonZeroI64" 8 "An integer that is not 0.",
    NonZeroI128 "NonZeroI128" 16 "An integer that is not 0.",
    NonZeroU8 "NonZeroU8" 1 "An integer that is not 0.", NonZeroU16 "NonZeroU16" 2 "An integer that is not 0.",
    NonZeroU32 "NonZeroU32" 4 "An integer that is not 0.", NonZeroU64 "NonZeroU64" 8 "An integer that is not 0.",
    NonZeroU128 "NonZeroU128" 16 "An integer that is not 0.",
    F32 "f32" 4 "A floating-point number.", F64 "f64" 8 "A floating-point number.",
    Bool "bool" 1 "One byte, 0 or 1.",
    Char "char" 4 "A Unicode scalar value.",
    Duration "Duration" 16 "Seconds as `u64`, then nanoseconds below 10^9 as `u32`.",
    Ipv4Addr "Ipv4Addr" 4 "Four octets.",
    Ipv6Addr "Ipv6Addr" 16 "Sixteen octets.",
    IpAddr "IpAddr" 17 "A tag, 0 for version 4 and 1 for version 6, then the address.",
    SocketAddrV4 "SocketAddrV4" 6 "The address, then the port as `u16`.",
    SocketAddrV6 "SocketAddrV6" 28 "The address, the port as `u16`, then at 20 flow information and scope as `u32`.",
    SocketAddr "SocketAddr" 32 "A tag, 0 for version 4 and 1 for version 6, then the address, at 2 or at 4.",
}

impl Scalar {
    /// The scalar of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scalar| scalar.name() == name)
    }

    /// Writes the value archived in `bytes` as Rust's `Debug` would, or `None` if they are no such value.
    pub(super) fn print(self, bytes: &[u8], out: &mut impl Write) -> Option<fmt::Result> {
        macro_rules! number {
            ($type:ty) => {
                write!(out, "{:?}", <$type>::from_le_bytes(take(bytes, 0)?))
            };
        }
        macro_rules! nonzero {
            ($type:ty) => {{
                let number = <$type>::from_le_bytes(take(bytes, 0)?);
                if number == 0 {
                    return None;
                }
                write!(out, "{number}")
            }};
        }
        Some(match self {
            Self::I8 => number!(i8),
            Self::I16 => number!(i16),
            Self::I32 => number!(i32),
            Self::I64 => number!(i64),
            Self::I128 => number!(i128),
            Self::U8 => number!(u8),
            Self::U16 => number!(u16),
            Self::U32 => number!(u32),
            Self::U64 => number!(u64),
            Self::U128 => number!(u128),
            Self::NonZeroI8 => nonzero!(i8),
            Self::NonZeroI16 => nonzero!(i16),
            Self::NonZeroI32 => nonzero!(i32),
            Self::NonZeroI64 => nonzero!(i64),
            Self::NonZeroI128 => nonzero!(i128),
            Self::NonZeroU8 => nonzero!(u8),
            Self::NonZeroU16 => nonzero!(u16),
            Self::NonZeroU32 => nonzero!(u32),
            Self::NonZeroU64 => nonzero!(u64),
            Self::NonZeroU128 => nonzero!(u128),
            Self::F32 => number!(f32),
            Self::F64 => number!(f64),
            Self::Bool => match bytes.first()? {
                0 => out.write_str("false"),
                1 => out.write_str("true"),
                _ => return None,
            },
            Self::Char => write!(out, "{:?}", char::from_u32(u32::from_le_bytes(take(bytes, 0)?))?),
            Self::Duration => {
                let nanos = u32::from_le_bytes(take(bytes, 8)?);
                if nanos >= 1_000_000_000 {
                    return None;
                }
                write!(out, "{:?}", Duration::new(u64::from_le_bytes(take(bytes, 0)?), nanos))
            }
            Self::Ipv4Addr => write!(out, "{}", ipv4(bytes, 0)?),
            Self::Ipv6Addr => write!(out, "{}", ipv6(bytes, 0)?),
            Self::IpAddr => match bytes.first()? {
                0 => write!(out, "{}", ipv4(bytes, 1)?),
                1 => write!(out, "{}", ipv6(bytes, 1)?),
                _ => return None,
            },
            Self::SocketAddrV4 => write!(out, "{}", socket4(bytes)?),
            Self::SocketAddrV6 => write!(out, "{}", socket6(bytes)?),
            Self::SocketAddr => match bytes.first()? {
                0 => write!(out, "{}", socket4(bytes.get(2..)?)?),
                1 => write!(out, "{}", socket6(bytes.get(4..)?)?),
                _ => return None,
            },
        })
    }
}

/// The `N` bytes at `offset`.
fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn ipv4(bytes: &[u8], offset: usize) -> Option<Ipv4Addr> {
    take::<4>(bytes, offset).map(Ipv4Addr::from)
}

fn ipv6(bytes: &[u8], offset: usize) -> Option<Ipv6Addr> {
    take::<16>(bytes, offset).map(Ipv6Addr::from)
}

fn socket4(bytes: &[u8]) -> Option<SocketAddrV4> {
    Some(SocketAddrV4::new(ipv4(bytes, 0)?, u16::from_le_bytes(take(bytes, 4)?)))
}

fn socket6(bytes: &[u8]) -> Option<SocketAddrV6> {
    Some(SocketAddrV6::new(
        ipv6(bytes, 0)?,
        u16::from_le_bytes(take(bytes, 16)?),
        u32::from_le_bytes(take(bytes, 20)?),
        u32::from_le_bytes(take(bytes, 24)?),
    ))
}
