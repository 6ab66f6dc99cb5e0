//! Without a prelude, and with names of the prelude taken by others.

#![no_implicit_prelude]
#![deny(warnings)]
#![forbid(unsafe_code)]

mod plain {
    // rkyv's own derives name `Sized` and the derives of the standard library.
    use ::std::cmp::{PartialEq, PartialOrd};
    use ::std::marker::Sized;

    #[derive(::rkyv::Archive, ::rkyv::Serialize, ::rkyv::Deserialize, ::mi7::ShmMessage)]
    #[shm(max_size = 64, align = 64)]
    pub struct Order<T: ::mi7::ShmMessage> {
        pub id: u64,
        pub value: T,
    }

    #[::mi7::message]
    pub enum Side {
        Buy,
        Sell(u8),
    }

    #[::mi7::message]
    #[derive(::std::fmt::Debug)]
    pub enum Event<T> {
        Named { value: T, marker: ::std::marker::PhantomData<Self> },
        Numbered(::std::option::Option<u8>),
        Plain,
    }

    #[::mi7::message]
    #[derive(::std::fmt::Debug)]
    pub struct Own {
        pub marker: ::std::marker::PhantomData<fn() -> Self>,
        #[deprecated]
        pub old: bool,
    }
}

mod shadowed {
    #![allow(unused_imports, dead_code)]

    pub struct Option;
    pub struct Result;
    pub struct Some;
    pub struct Ok;
    pub struct Vec;
    pub trait Archive {}
    pub trait ShmMessage {}
    pub mod core {}
    pub mod std {}
    pub mod mi7 {}
    pub mod rkyv {}

    pub mod inner {
        use super::{Archive, Ok, Option, Result, ShmMessage, Some, Vec, core, mi7, rkyv, std};
        use ::std::cmp::{PartialEq, PartialOrd};
        use ::std::marker::Sized;

        #[::mi7::message(max_size = 4, align = 4)]
        pub struct Order {
            id: u16,
            maybe: ::std::option::Option<bool>,
        }

        #[::mi7::message]
        pub enum Side {
            Ok,
            Some(Order),
        }
    }
}

fn main() {
    const { <plain::Order<u8> as ::mi7::ShmMessage>::CHECKED }
    const { <shadowed::inner::Side as ::mi7::ShmMessage>::CHECKED }
    const { <plain::Event<plain::Own> as ::mi7::ShmMessage>::CHECKED }
    const { <plain::Side as ::mi7::ShmMessage>::CHECKED }
}
