//! What `#[shm(…)]` on a type says.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitInt, Meta, Path, Token};

use crate::errors::Errors;

/// The largest alignment that a slot gives: `mi7::message::MAX_ALIGN`.
const MAX_ALIGN: usize = 4096;

/// What `#[shm(…)]` says.
#[derive(Default)]
pub struct ShmAttributes {
    pub max_size: Option<LitInt>,
    pub align: Option<LitInt>,
    pub krate: Option<Path>,
    /// Whether the archived form gets `Debug`. `#[mi7::message]` says so; it is not for users.
    pub has_debug: bool,
}

/// The argument for [`ShmAttributes::has_debug`].
pub const DEBUG: &str = "__debug";

impl ShmAttributes {
    /// Reads the `#[shm(…)]` among the attributes of a type.
    pub fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut result = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("shm")) {
            match &attribute.meta {
                Meta::List(list) => result.read_arguments(list.tokens.clone(), errors),
                _ => {
                    errors.add(attribute, "expected `#[shm(max_size = …)]`, `#[shm(align = …)]` or `#[shm(crate = …)]`")
                }
            }
        }
        result
    }

    /// Reads `max_size = 64, align = 64, crate = path`, each mistake on its own.
    fn read_arguments(&mut self, arguments: TokenStream, errors: &mut Errors) {
        let parser = syn::meta::parser(|meta| match self.read_one(&meta, errors) {
            Ok(()) => Ok(()),
            Err(error) => {
                errors.push(error);
                skip_value(meta.input);
                Ok(())
            }
        });
        if let Err(error) = parser.parse2(arguments) {
            errors.push(error);
        }
    }

    fn read_one(&mut self, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<()> {
        if meta.path.is_ident("max_size") {
            set(&mut self.max_size, meta, integer(meta)?)
        } else if meta.path.is_ident("align") {
            let align = integer(meta)?;
            match align.base10_parse::<usize>() {
                Ok(number) if number.is_power_of_two() && number <= MAX_ALIGN => {}
                _ => {
                    errors.add(&align, format!("expected a power of two of at most {MAX_ALIGN}, the most a slot gives"))
                }
            }
            set(&mut self.align, meta, align)
        } else if meta.path.is_ident("crate") {
            let path = value(meta, "the path to mi7, as in `crate = other::mi7`")?.call(Path::parse_mod_style)?;
            set(&mut self.krate, meta, path)
        } else if meta.path.is_ident(DEBUG) {
            self.has_debug = true;
            Ok(())
        } else {
            let path = meta.path.to_token_stream().to_string().replace(' ', "");
            Err(meta.error(format!("unknown attribute `{path}`; `shm` knows `max_size`, `align` and `crate`")))
        }
    }
}

/// Sets `place` unless it is set already.
fn set<T>(place: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> syn::Result<()> {
    if place.is_some() {
        let name = meta.path.to_token_stream().to_string();
        return Err(syn::Error::new_spanned(&meta.path, format!("`{name}` is given twice; keep one of them")));
    }
    *place = Some(value);
    Ok(())
}

/// What stands behind `=`.
fn value<'a>(meta: &ParseNestedMeta<'a>, expected: &str) -> syn::Result<ParseStream<'a>> {
    meta.value().map_err(|_| syn::Error::new_spanned(&meta.path, format!("expected {expected}")))
}

/// A number behind `=`.
fn integer(meta: &ParseNestedMeta<'_>) -> syn::Result<LitInt> {
    let name = meta.path.to_token_stream().to_string();
    let expected = format!("a number of bytes, as in `{name} = 64`");
    let input = value(meta, &expected)?;
    let literal: LitInt =
        input.parse().map_err(|error| syn::Error::new(error.span(), format!("expected {expected}")))?;
    match literal.base10_parse::<usize>() {
        Ok(_) if matches!(literal.suffix(), "" | "usize") => Ok(literal),
        _ => Err(syn::Error::new_spanned(literal, format!("expected {expected}"))),
    }
}

/// Goes on to the next comma, so that one mistake does not hide the next.
pub fn skip_value(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<proc_macro2::TokenTree>();
    }
}

/// Refuses `#[shm(…)]` where it has no meaning: on fields and variants.
pub fn refuse_misplaced(attributes: &[Attribute], place: &str, errors: &mut Errors) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("shm")) {
        errors.add(attribute, format!("`#[shm(…)]` has no meaning on a {place}; put it on the type"));
    }
}

/// Where mi7 is under the name that Cargo.toml gives it.
pub fn krate() -> Path {
    use proc_macro_crate::FoundCrate;

    let name = match proc_macro_crate::crate_name("mi7") {
        Ok(FoundCrate::Name(name)) => name,
        // mi7 itself, its examples and tests: it is `::mi7` in all of them. Without a Cargo.toml
        // that says otherwise, too.
        Ok(FoundCrate::Itself) | Err(_) => "mi7".into(),
    };
    let name = Ident::new(&name, Span::call_site());
    syn::parse_quote!(::#name)
}
