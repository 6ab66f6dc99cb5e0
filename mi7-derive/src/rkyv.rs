//! What rkyv's own `#[rkyv(…)]` says, as far as it matters here.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Meta, Token, Type, WherePredicate, parenthesized};

use crate::attr::skip_value;
use crate::errors::Errors;

/// What `#[rkyv(…)]` on a type says.
#[derive(Default)]
pub struct RkyvAttributes {
    archived: Option<Ident>,
    /// `archive_bounds(…)`, which hold for all three of rkyv's traits.
    pub archive_bounds: Vec<WherePredicate>,
    /// `serialize_bounds(…)`, about the serializer `__S`.
    pub serialize_bounds: Vec<WherePredicate>,
    /// `deserialize_bounds(…)`, about the deserializer `__D`.
    pub deserialize_bounds: Vec<WherePredicate>,
    /// `bytecheck(bounds(…))`, about the context `__C`.
    pub check_bounds: Vec<WherePredicate>,
}

impl RkyvAttributes {
    /// Reads the `#[rkyv(…)]` of a type, and refuses what would put an archive there that mi7
    /// cannot see into. Mistakes that are rkyv's to find are left to it.
    pub fn read(attributes: &[Attribute], is_enum: bool, errors: &mut Errors) -> Self {
        let mut result = Self::default();
        for_each(attributes, |meta| {
            if meta.path.is_ident("as") {
                let message = "`as` puts an archived type there that mi7 cannot see into; let rkyv generate it, and choose \
                               its name with `archived = Name`";
                errors.push(meta.error(message));
            } else if meta.path.is_ident("remote") {
                let message = "`remote` makes no message of this type; write a type of your own, and convert";
                errors.push(meta.error(message));
                errors.is_unarchivable = true;
            } else if meta.path.is_ident("attr") {
                refuse_repr(meta, is_enum, errors)?;
            } else if meta.path.is_ident("archived") {
                result.archived = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("archive_bounds") {
                result.archive_bounds.extend(list(meta)?);
            } else if meta.path.is_ident("serialize_bounds") {
                result.serialize_bounds.extend(list(meta)?);
            } else if meta.path.is_ident("deserialize_bounds") {
                result.deserialize_bounds.extend(list(meta)?);
            } else if meta.path.is_ident("bytecheck") {
                for argument in list::<Meta>(meta)? {
                    if let Meta::List(bounds) = argument
                        && bounds.path.is_ident("bounds")
                    {
                        let parser = Punctuated::<WherePredicate, Token![,]>::parse_terminated;
                        result.check_bounds.extend(parser.parse2(bounds.tokens)?);
                    }
                }
            }
            skip_value(meta.input);
            Ok(())
        });
        result
    }

    /// The name that rkyv gives to the archived form of `ident`.
    pub fn archived(&self, ident: &Ident) -> Ident {
        self.archived.clone().unwrap_or_else(|| format_ident!("Archived{}", ident.unraw()))
    }

    /// Refuses what has no place in the `#[rkyv(…)]` of a field. Returns the wrapper that looks
    /// like mi7's own.
    pub fn check_field(attributes: &[Attribute], errors: &mut Errors) -> Option<Type> {
        let mut as_is = None;
        for_each(attributes, |meta| {
            if meta.path.is_ident("with") {
                let with: Type = meta.value()?.parse()?;
                if looks_as_is(&with) {
                    as_is = Some(with);
                } else {
                    let message = "`with` archives the field as something that mi7 cannot see into; give the field a type \
                                   that is a `ShmMessage` itself";
                    errors.push(syn::Error::new_spanned(&meta.path, message));
                }
            }
            skip_value(meta.input);
            Ok(())
        });
        as_is
    }
}

/// Whether this looks like mi7's own wrapper, which changes nothing; `#[mi7::message]` writes it.
fn looks_as_is(with: &Type) -> bool {
    with.to_token_stream().to_string().replace(' ', "").ends_with("::__private::AsIs")
}

/// Calls `read` for each argument of each `#[rkyv(…)]`.
fn for_each(attributes: &[Attribute], mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("rkyv")) {
        // What cannot be parsed is rkyv's to complain about.
        let _ = attribute.parse_nested_meta(|meta| read(&meta));
    }
}

/// What stands in parentheses behind the name of an argument.
fn list<T: Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<Punctuated<T, Token![,]>> {
    let content;
    parenthesized!(content in meta.input);
    Punctuated::parse_terminated(&content)
}

/// Refuses `attr(repr(…))`, unless it only raises the alignment.
fn refuse_repr(meta: &ParseNestedMeta<'_>, is_enum: bool, errors: &mut Errors) -> syn::Result<()> {
    for attribute in list::<Meta>(meta)? {
        let Meta::List(list) = &attribute else {
            continue;
        };
        if !list.path.is_ident("repr") {
            continue;
        }
        let hints = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone())?;
        // A struct's archive is `repr(C)` already.
        let changes_nothing = |hint: &Meta| hint.path().is_ident("align") || hint.path().is_ident("C");
        if is_enum || !hints.iter().all(changes_nothing) {
            errors.add_unarchivable(
                &attribute,
                "this changes the layout that mi7 counts on; remove it, or use `#[shm(align = …)]`",
            );
        }
    }
    Ok(())
}

/// Whether the arguments of a `#[rkyv(…)]` give `Debug` to the archived form.
pub fn derives_debug(arguments: &TokenStream) -> bool {
    let mut found = false;
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("derive") {
            found |= list::<Meta>(&meta)?.iter().any(|derived| ends_with_debug(derived.path()));
        } else if meta.path.is_ident("attr") {
            for attribute in list::<Meta>(&meta)? {
                found |= is_derive_of_debug(&attribute);
            }
        }
        skip_value(meta.input);
        Ok(())
    });
    let _ = parser.parse2(arguments.clone());
    found
}

/// Whether this is `derive(…, Debug, …)`.
pub fn is_derive_of_debug(attribute: &Meta) -> bool {
    let Meta::List(list) = attribute else {
        return false;
    };
    let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
    list.path.is_ident("derive")
        && parser
            .parse2(list.tokens.clone())
            .is_ok_and(|list| list.iter().any(|derived| ends_with_debug(derived.path())))
}

fn ends_with_debug(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == "Debug")
}
