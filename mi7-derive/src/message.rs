//! `#[mi7::message]`: all derives in one attribute.
//!
//! It looks only at what is there whatever `cfg` says, and leaves the rest to the derive; see
//! [`conditional`](crate::conditional).

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{Data, DeriveInput, Meta, Path};

use crate::attr::{self, DEBUG};
use crate::check::check;
use crate::conditional::{Condition, Conditional, certain, flatten, given};
use crate::errors::Errors;
use crate::input::Input;
use crate::rkyv;

/// The item with all derives; or, if there are mistakes that rkyv would report once more, with
/// mi7's alone.
pub fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error =
                syn::Error::new(error.span(), "`#[mi7::message]` goes on a struct or an enum").to_compile_error();
            return quote!(#error #item);
        }
    };
    // The arguments become part of the type's own `#[shm(…)]`, where the derive finds them.
    if !arguments.is_empty() {
        item.attrs.insert(0, syn::parse_quote!(#[shm(#arguments)]));
    }
    let attributes = flatten(&item.attrs);
    let places = places(&attributes);
    let is_archivable = is_archivable(&item);
    if is_archivable && let Some((_, krate)) = places.first() {
        excuse_deprecated(&mut item, krate);
    }
    let derives = places.iter().map(|(condition, krate)| derives(condition, krate, is_archivable, &attributes));
    let debug = is_archivable.then(|| debug(&attributes));
    quote!(#(#derives)* #debug #item)
}

/// Where mi7 may be, and under what conditions: as `crate = …` says, and else under the name in
/// Cargo.toml.
fn places(attributes: &[Conditional]) -> Vec<(Condition, Path)> {
    let mut places = Vec::new();
    let mut otherwise = Condition::Always;
    for Conditional { condition, meta } in attributes {
        let Meta::List(list) = meta else {
            continue;
        };
        if !list.path.is_ident("shm") {
            continue;
        }
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("crate") {
                let path = meta.value()?.call(Path::parse_mod_style)?;
                // A second one under the same condition is a mistake.
                places.push((condition.clone().and(otherwise.clone()), path));
                otherwise = otherwise.clone().and(condition.clone().not());
            }
            attr::skip_value(meta.input);
            Ok(())
        });
        // Mistakes are the derive's to report.
        let _ = parser.parse2(list.tokens.clone());
    }
    places.push((otherwise, attr::krate()));
    places.retain(|(condition, _)| !matches!(condition, Condition::Never));
    places
}

/// The derives, and where rkyv is, unless that is said already.
fn derives(condition: &Condition, krate: &Path, is_archivable: bool, attributes: &[Conditional]) -> TokenStream {
    if !is_archivable {
        return condition.attribute(&quote!(derive(#krate::ShmMessage)));
    }
    // mi7's comes first, and so do its errors.
    let derives = condition.attribute(&quote! {
        derive(#krate::ShmMessage, #krate::rkyv::Archive, #krate::rkyv::Serialize, #krate::rkyv::Deserialize)
    });
    let is_missing = condition.clone().and(given(attributes, gives_crate).not());
    let rkyv = is_missing.attribute(&quote!(rkyv(crate = #krate::rkyv)));
    quote!(#derives #rkyv)
}

/// Whether this is `rkyv(…, crate = …, …)`.
fn gives_crate(attribute: &Meta) -> bool {
    let Meta::List(list) = attribute else {
        return false;
    };
    let mut found = false;
    let parser = syn::meta::parser(|meta| {
        found |= meta.path.is_ident("crate");
        attr::skip_value(meta.input);
        Ok(())
    });
    let _ = parser.parse2(list.tokens.clone());
    found && list.path.is_ident("rkyv")
}

/// `Debug` for the archived form, if the type itself has it, and the archived form does not have it
/// already.
fn debug(attributes: &[Conditional]) -> TokenStream {
    let is_given = given(attributes, |attribute| match attribute {
        Meta::List(list) => list.path.is_ident("rkyv") && rkyv::derives_debug(&list.tokens),
        _ => false,
    });
    let debug = format_ident!("{DEBUG}");
    given(attributes, rkyv::is_derive_of_debug).and(is_given.not()).attribute(&quote!(shm(#debug)))
}

/// Whether rkyv's derives can make something of the item, as far as syntax tells.
fn is_archivable(item: &DeriveInput) -> bool {
    let mut errors = Errors::default();
    let certain = certain(item);
    check(&Input::read(&certain, &mut errors), &mut errors);
    !errors.is_unarchivable
}

/// Keeps rkyv's derive from using fields that are deprecated, see `AsIs` in mi7.
fn excuse_deprecated(item: &mut DeriveInput, krate: &Path) {
    let Data::Struct(data) = &mut item.data else {
        return;
    };
    for field in &mut data.fields {
        if flatten(&field.attrs).iter().any(|attribute| attribute.meta.path().is_ident("deprecated")) {
            field.attrs.push(syn::parse_quote!(#[rkyv(with = #krate::__private::AsIs)]));
        }
    }
}
