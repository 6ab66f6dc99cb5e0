//! `cfg` and `cfg_attr`, as an attribute macro finds them.
//!
//! The compiler applies them inside an item before it calls a derive, but not before it calls an
//! attribute macro. So `#[mi7::message]` judges nothing that they may remove, and what it adds
//! beside a conditional attribute is conditional.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::{Pair, Punctuated};
use syn::{Attribute, Data, DeriveInput, Fields, GenericParam, Meta, Token};

/// What `cfg` and `cfg_attr` ask.
#[derive(Clone)]
pub enum Condition {
    Always,
    Never,
    If(TokenStream),
}

impl Condition {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always, condition) | (condition, Self::Always) => condition,
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::If(one), Self::If(other)) => Self::If(quote!(all(#one, #other))),
        }
    }

    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always, _) | (_, Self::Always) => Self::Always,
            (Self::Never, condition) | (condition, Self::Never) => condition,
            (Self::If(one), Self::If(other)) => Self::If(quote!(any(#one, #other))),
        }
    }

    pub fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::If(condition) => Self::If(quote!(not(#condition))),
        }
    }

    /// The attribute, under this condition.
    pub fn attribute(&self, attribute: &TokenStream) -> TokenStream {
        match self {
            Self::Always => quote!(#[#attribute]),
            Self::Never => TokenStream::new(),
            Self::If(condition) => quote!(#[cfg_attr(#condition, #attribute)]),
        }
    }
}

/// An attribute that is there if a condition holds.
pub struct Conditional {
    pub condition: Condition,
    pub meta: Meta,
}

/// The attributes that may be there, those inside `cfg_attr` too.
pub fn flatten(attributes: &[Attribute]) -> Vec<Conditional> {
    let mut found = Vec::new();
    for attribute in attributes {
        add(Condition::Always, attribute.meta.clone(), &mut found);
    }
    found
}

fn add(condition: Condition, meta: Meta, found: &mut Vec<Conditional>) {
    let Meta::List(list) = &meta else {
        return found.push(Conditional { condition, meta });
    };
    if !list.path.is_ident("cfg_attr") {
        return found.push(Conditional { condition, meta });
    }
    // What cannot be parsed is the compiler's to complain about.
    let Ok(arguments) = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()) else {
        return;
    };
    let mut arguments = arguments.into_iter();
    if let Some(predicate) = arguments.next() {
        let condition = condition.and(Condition::If(predicate.to_token_stream()));
        arguments.for_each(|meta| add(condition.clone(), meta, found));
    }
}

/// When one of these attributes is there.
pub fn given(attributes: &[Conditional], is_one: impl Fn(&Meta) -> bool) -> Condition {
    let found = attributes.iter().filter(|attribute| is_one(&attribute.meta));
    found.fold(Condition::Never, |given, attribute| given.or(attribute.condition.clone()))
}

/// Whether something with these attributes may be removed.
fn is_conditional(attributes: &[Attribute]) -> bool {
    flatten(attributes).iter().any(|attribute| attribute.meta.path().is_ident("cfg"))
}

/// The item without what may be removed, for finding mistakes that are there in any case.
pub fn certain(item: &DeriveInput) -> DeriveInput {
    let mut item = item.clone();
    retain(&mut item.generics.params, |parameter| {
        !is_conditional(match parameter {
            GenericParam::Type(parameter) => &parameter.attrs,
            GenericParam::Lifetime(parameter) => &parameter.attrs,
            GenericParam::Const(parameter) => &parameter.attrs,
        })
    });
    match &mut item.data {
        Data::Struct(data) => retain_fields(&mut data.fields),
        Data::Enum(data) => {
            let all = data.variants.clone();
            retain(&mut data.variants, |variant| !is_conditional(&variant.attrs));
            if data.variants.len() < all.len() {
                // Nobody knows the numbers of the others, nor whether there are any.
                data.variants.iter_mut().for_each(|variant| variant.discriminant = None);
                if data.variants.is_empty() {
                    data.variants = all;
                }
            }
            data.variants.iter_mut().for_each(|variant| retain_fields(&mut variant.fields));
        }
        Data::Union(_) => {}
    }
    item
}

fn retain_fields(fields: &mut Fields) {
    let fields = match fields {
        Fields::Named(fields) => &mut fields.named,
        Fields::Unnamed(fields) => &mut fields.unnamed,
        Fields::Unit => return,
    };
    retain(fields, |field| !is_conditional(&field.attrs));
}

fn retain<T, P: Default>(list: &mut Punctuated<T, P>, keep: impl Fn(&T) -> bool) {
    let pairs = std::mem::take(list).into_pairs().map(Pair::into_value);
    *list = pairs.filter(keep).collect();
}
