//! What `cfg` removes is not looked at, and `cfg_attr` says what it says under its condition.

#![allow(dead_code)] // Nobody makes values of most of these types.

use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

use crate::{comes_back, parts, printed};

/// The same items, once with the attribute and once with the derives.
macro_rules! both {
    ($($item:item)*) => {
        mod attribute {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;
            $(#[mi7::message] #[derive(PartialEq, Eq, Debug)] $item)*
        }
        mod derives {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;
            $(#[derive(ShmMessage, Archive, Serialize, Deserialize, PartialEq, Eq, Debug)] $item)*
        }
    };
}

both! {
    pub struct Named {
        pub id: u32,
        #[cfg(any())]
        pub name: String,
        #[cfg(all())]
        pub there: bool,
        #[cfg_attr(all(), cfg(any()))]
        pub pointer: *const u8,
    }

    pub struct Tuple(
        #[cfg(any())] pub &'static str,
        pub u8,
        #[cfg(not(all()))] pub [usize],
        #[cfg(all())] pub u16,
        #[cfg(any())] pub String,
    );

    pub enum Enum {
        #[cfg(any())]
        Gone(String),
        Tuple(#[cfg(any())] Vec<u8>, u8),
        #[cfg_attr(all(), cfg(any()))]
        Pointer { pointer: *const u8 },
        #[cfg(all())]
        Named { #[cfg(any())] gone: Box<dyn Send>, there: u8 },
    }

    pub struct Parameters<#[cfg(any())] 'gone, #[cfg(any())] Gone, T, #[cfg(any())] const GONE: usize> {
        pub value: T,
        #[cfg(any())]
        pub gone: &'gone [Gone; GONE],
    }

    #[repr(u8)]
    pub enum Numbers {
        #[cfg(any())]
        TooLarge = 300,
        Three = 3,
        #[cfg(any())]
        Nine = 9,
        Four,
        #[cfg_attr(all(), cfg(any()))]
        Negative = -1,
        Five,
    }

    #[cfg_attr(all(), shm(max_size = 8))]
    #[cfg_attr(any(), shm(max_size = 1), shm(nonsense))]
    #[cfg_attr(any(), rkyv(as = u8), rkyv(remote = u8))]
    #[cfg_attr(all(), cfg_attr(all(), rkyv(archived = StoredAttributes)))]
    pub struct Attributes {
        #[cfg_attr(any(), rkyv(with = rkyv::with::AsBox))]
        #[cfg_attr(any(), shm(align = 4))]
        #[cfg_attr(all(), rkyv(attr(doc = "Documented.")))]
        pub value: u64,
    }

    pub enum Only {
        #[cfg(any())]
        Gone,
        #[cfg(all())]
        There,
    }
}

#[test]
fn what_cfg_removes_is_not_looked_at() {
    for (attribute, derives, expected) in [
        (parts::<attribute::Named>(), parts::<derives::Named>(), "- struct Named; id u32; there bool"),
        (parts::<attribute::Tuple>(), parts::<derives::Tuple>(), "- struct Tuple; 0 u8; 1 u16"),
        (parts::<attribute::Enum>(), parts::<derives::Enum>(), "- enum Enum; | 0 Tuple; 0 u8; | 1 Named; there u8"),
        (
            parts::<attribute::Parameters<bool>>(),
            parts::<derives::Parameters<bool>>(),
            "- struct Parameters; value bool",
        ),
        (parts::<attribute::Numbers>(), parts::<derives::Numbers>(), "- enum Numbers; | 3 Three; | 4 Four; | 5 Five"),
        (parts::<attribute::Attributes>(), parts::<derives::Attributes>(), "- struct Attributes; value u64"),
        (parts::<attribute::Only>(), parts::<derives::Only>(), "- enum Only; | 0 There"),
    ] {
        assert_eq!(attribute, expected);
        assert_eq!(derives, expected);
    }
    let _: (Option<attribute::StoredAttributes>, Option<derives::StoredAttributes>) = (None, None);
}

#[test]
fn what_cfg_leaves_arrives() {
    comes_back(&attribute::Named { id: 7, there: true });
    comes_back(&attribute::Tuple(1, 2));
    comes_back(&derives::Enum::Named { there: 3 });
    comes_back(&attribute::Enum::Tuple(4));
    comes_back(&attribute::Parameters { value: Some('x') });
    comes_back(&attribute::Numbers::Five);
    comes_back(&attribute::Attributes { value: u64::MAX });
}

/// Where rkyv and mi7 are may be said under a condition, too.
mod places {
    #[mi7::message]
    #[cfg_attr(all(), rkyv(crate = rkyv))]
    pub struct Given(u8);

    #[mi7::message]
    #[cfg_attr(any(), rkyv(crate = nowhere), shm(crate = nowhere))]
    pub struct NotGiven(u8);

    #[mi7::message]
    #[cfg_attr(any(), shm(crate = nowhere))]
    #[cfg_attr(all(), shm(crate = ::mi7))]
    #[cfg_attr(all(), rkyv(crate = ::mi7::rkyv))]
    pub struct Both(u8);

    #[cfg_attr(all(), mi7::message(max_size = 1))]
    pub struct Itself(u8);
}

#[test]
fn where_crates_are_may_depend_on_a_condition() {
    let all =
        [parts::<places::Given>(), parts::<places::NotGiven>(), parts::<places::Both>(), parts::<places::Itself>()];
    assert!(all.iter().all(|parts| parts.ends_with("; 0 u8")), "{all:?}");
}

/// The archived form has `Debug` if the type has it, once.
mod debug {
    #[mi7::message]
    #[derive(Debug)]
    pub struct Plain {
        pub id: u32,
        #[cfg(any())]
        pub gone: String,
    }

    #[mi7::message]
    #[cfg_attr(all(), derive(Debug))]
    #[cfg_attr(any(), rkyv(derive(Debug)))]
    pub struct UnderACondition(pub u8);

    #[mi7::message]
    #[cfg_attr(all(), cfg_attr(all(), derive(Clone, std::fmt::Debug)))]
    #[cfg_attr(all(), rkyv(derive(Debug)))]
    pub struct Given(pub u8);

    #[mi7::message]
    #[derive(Debug)]
    #[rkyv(attr(derive(Debug)))]
    pub struct GivenAsAttribute(pub u8);

    #[mi7::message]
    #[cfg_attr(any(), derive(Debug))]
    pub struct Without(pub u8);

    impl std::fmt::Debug for ArchivedWithout {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("by hand")
        }
    }
}

#[test]
fn debug_of_the_archived_form_depends_on_the_conditions_of_both() {
    assert_eq!(printed(&debug::Plain { id: 5 }), "Plain { id: 5 }");
    assert_eq!(printed(&debug::UnderACondition(5)), "UnderACondition(5)");
    assert_eq!(printed(&debug::Given(5)), "ArchivedGiven(5)");
    assert_eq!(printed(&debug::GivenAsAttribute(5)), "ArchivedGivenAsAttribute(5)");
    assert_eq!(printed(&debug::Without(5)), "by hand");
}
