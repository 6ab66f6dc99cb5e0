//! What the attributes on a type say: `#[shm(…)]`, and of `#[rkyv(…)]` what matters here.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitInt, Meta, Path, Token, parenthesized};

use crate::errors::Errors;

/// The largest alignment that a slot gives: `mi7::message::MAX_ALIGN`.
const MAX_ALIGN: usize = 4096;

/// What `#[shm(…)]` says.
#[derive(Default)]
pub struct ShmAttributes {
    pub max_size: Option<LitInt>,
    pub align: Option<LitInt>,
    pub krate: Option<Path>,
}

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
    pub fn read_arguments(&mut self, arguments: TokenStream, errors: &mut Errors) {
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
        } else {
            let path = meta.path.to_token_stream().to_string().replace(' ', "");
            Err(meta.error(format!("unknown attribute `{path}`; `shm` knows `max_size`, `align` and `crate`")))
        }
    }

    /// The tokens that say the same again.
    pub fn to_arguments(&self, krate: &Path) -> TokenStream {
        let max_size = self.max_size.iter();
        let align = self.align.iter();
        quote!(crate = #krate #(, max_size = #max_size)* #(, align = #align)*)
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
fn skip_value(input: ParseStream<'_>) {
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

/// What `#[rkyv(…)]` on a type says, as far as the attribute macro must know.
#[derive(Default)]
pub struct RkyvAttributes {
    /// Whether there is `crate = …`.
    pub has_crate: bool,
}

impl RkyvAttributes {
    /// Reads the `#[rkyv(…)]` of a type, and refuses what would put an archive there that mi7 cannot see into. Mistakes that
    /// are rkyv's to find are left to it.
    pub fn read(attributes: &[Attribute], is_enum: bool, errors: &mut Errors) -> Self {
        let mut result = Self::default();
        for_each_rkyv(attributes, |meta| {
            if meta.path.is_ident("crate") {
                result.has_crate = true;
            } else if meta.path.is_ident("as") {
                let message = "`as` puts an archived type there that mi7 cannot see into; let rkyv generate it, and choose \
                               its name with `archived = Name`";
                errors.push(meta.error(message));
            } else if meta.path.is_ident("remote") {
                let message = "`remote` makes no message of this type; write a type of your own, and convert";
                errors.push(meta.error(message));
                errors.is_unarchivable = true;
            } else if meta.path.is_ident("attr") {
                refuse_repr(meta, is_enum, errors)?;
                return Ok(());
            }
            skip_value(meta.input);
            Ok(())
        });
        result
    }

    /// Refuses what has no place in the `#[rkyv(…)]` of a field.
    pub fn check_field(attributes: &[Attribute], errors: &mut Errors) {
        for_each_rkyv(attributes, |meta| {
            if meta.path.is_ident("with") {
                let message = "`with` archives the field as something that mi7 cannot see into; give the field a type that is \
                               a `ShmMessage` itself";
                errors.push(meta.error(message));
            }
            skip_value(meta.input);
            Ok(())
        });
    }
}

/// Calls `read` for each argument of each `#[rkyv(…)]`.
fn for_each_rkyv(attributes: &[Attribute], mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("rkyv")) {
        // What cannot be parsed is rkyv's to complain about.
        let _ = attribute.parse_nested_meta(|meta| read(&meta));
    }
}

/// Refuses `attr(repr(…))`, unless it only raises the alignment.
fn refuse_repr(meta: &ParseNestedMeta<'_>, is_enum: bool, errors: &mut Errors) -> syn::Result<()> {
    let content;
    parenthesized!(content in meta.input);
    for attribute in Punctuated::<Meta, Token![,]>::parse_terminated(&content)? {
        let Meta::List(list) = &attribute else {
            continue;
        };
        if !list.path.is_ident("repr") {
            continue;
        }
        let hints = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone())?;
        if is_enum || !hints.iter().all(|hint| hint.path().is_ident("align")) {
            errors.add_unarchivable(
                &attribute,
                "this changes the layout that mi7 counts on; remove it, or use `#[shm(align = …)]`",
            );
        }
    }
    Ok(())
}

/// Where mi7 is: as the user says, or under the name that Cargo.toml gives it.
pub fn krate(attributes: &ShmAttributes) -> Path {
    use proc_macro_crate::FoundCrate;

    if let Some(path) = &attributes.krate {
        return path.clone();
    }
    let name = match proc_macro_crate::crate_name("mi7") {
        Ok(FoundCrate::Name(name)) => name,
        // mi7 itself, its examples and tests: it is `::mi7` in all of them. Without a Cargo.toml that says otherwise, too.
        Ok(FoundCrate::Itself) | Err(_) => "mi7".into(),
    };
    let name = Ident::new(&name, Span::call_site());
    syn::parse_quote!(::#name)
}
