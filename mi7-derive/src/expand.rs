//! The impl, and the assertions beside it.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, WherePredicate, parse_quote, parse_quote_spanned};

use crate::check::check;
use crate::errors::Errors;
use crate::input::{Body, Field, Input, Variant};

/// The expansion of `#[derive(ShmMessage)]`.
pub fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::read(input, &mut errors);
    check(&input, &mut errors);
    if errors.is_empty() { implement(&input) } else { stub(&input, errors) }
}

/// The mistakes, and an impl that keeps them from spreading.
pub fn stub(input: &Input<'_>, errors: Errors) -> TokenStream {
    let Input { ident, generics, krate, .. } = input;
    let (items, mistake) = errors.into_items_and_type();
    let (impl_generics, ty_generics, _) = generics.split_for_impl();
    let mut generics = (*generics).clone();
    generics.make_where_clause().predicates.push(parse_quote!(Self: #krate::__private::Refused<{ #mistake }>));
    let where_clause = &generics.where_clause;
    quote! {
        #items
        #[automatically_derived]
        unsafe impl #impl_generics #krate::ShmMessage for #ident #ty_generics #where_clause {
            const SCHEMA: #krate::schema::Schema = #krate::schema::Schema {
                name: "refused",
                size: 0,
                align: 1,
                kind: #krate::schema::Kind::Opaque,
            };
        }
    }
}

/// The impl of a type without mistakes of syntax.
fn implement(input: &Input<'_>) -> TokenStream {
    let Input { ident, generics, krate, shm, .. } = input;
    let name = ident.unraw().to_string();
    let (impl_generics, ty_generics, _) = generics.split_for_impl();
    let where_clause = where_clause(input);
    let kind = match &input.body {
        Body::Struct(fields) => struct_kind(krate, fields),
        Body::Enum(variants) => enum_kind(krate, variants),
    };
    let align = shm.align.as_ref().map(|align| quote!(const ALIGN: ::core::primitive::usize = #align;));
    let checked = checked(input, &name);
    let assertions = assertions(input, &name);
    quote! {
        // The fields are messages, by the bounds; the schema is made of theirs, and of the compiler's sizes and offsets.
        #[automatically_derived]
        unsafe impl #impl_generics #krate::ShmMessage for #ident #ty_generics #where_clause {
            const SCHEMA: #krate::schema::Schema = #krate::schema::Schema {
                name: #name,
                size: ::core::mem::size_of::<<Self as #krate::rkyv::Archive>::Archived>(),
                align: <Self as #krate::ShmMessage>::ALIGN,
                kind: #kind,
            };
            #align
            #checked
        }
        #assertions
    }
}

/// The user's bounds, and those that make the type a message: rkyv's derives, and fields that are messages.
fn where_clause(input: &Input<'_>) -> TokenStream {
    let krate = &input.krate;
    let mut generics = input.generics.clone();
    let predicates = &mut generics.make_where_clause().predicates;
    let ident = input.ident;
    // With parameters the compiler would take this bound's word for it, and forget what the archived type is.
    if input.generics.params.is_empty() {
        predicates.push(parse_quote_spanned!(ident.span()=> #ident: #krate::__private::DerivesArchive));
    }
    let mut seen = HashSet::new();
    for field in input.fields() {
        let ty = field.ty;
        if seen.insert(ty.to_token_stream().to_string()) {
            let predicate: WherePredicate = parse_quote_spanned!(ty.span()=> #ty: #krate::ShmMessage);
            predicates.push(predicate);
        }
    }
    generics.where_clause.into_token_stream()
}

fn struct_kind(krate: &syn::Path, fields: &[Field<'_>]) -> TokenStream {
    let fields = fields.iter().map(|field| {
        let Field { member, ty } = field;
        let name = field.name();
        quote! {
            #krate::schema::Field {
                name: #name,
                offset: ::core::mem::offset_of!(<Self as #krate::rkyv::Archive>::Archived, #member),
                schema: &<#ty as #krate::ShmMessage>::SCHEMA,
            }
        }
    });
    quote!(#krate::schema::Kind::Struct(&[#(#fields),*]))
}

fn enum_kind(krate: &syn::Path, variants: &[Variant<'_>]) -> TokenStream {
    let variants = variants.iter().map(|variant| {
        let name = variant.ident.unraw().to_string();
        let tag = tag(variant);
        let layouts = layouts(krate, variant);
        let fields = variant.fields.iter().enumerate().map(|(i, field)| {
            let name = field.name();
            let ty = field.ty;
            quote! {
                #krate::schema::Field {
                    name: #name,
                    offset: #krate::schema::variant_offset(#layouts, #i),
                    schema: &<#ty as #krate::ShmMessage>::SCHEMA,
                }
            }
        });
        quote!(#krate::schema::Variant { name: #name, tag: #tag, fields: &[#(#fields),*] })
    });
    quote!(#krate::schema::Kind::Enum(&[#(#variants),*]))
}

/// The byte that rkyv gives to a variant: the discriminant of an enum of `repr(u8)`.
fn tag(variant: &Variant<'_>) -> TokenStream {
    let (written, since) = variant.discriminant;
    let since = proc_macro2::Literal::usize_unsuffixed(since);
    match written {
        Some(expression) => quote!({
            const WRITTEN: ::core::primitive::u8 = #expression;
            WRITTEN + #since
        }),
        None => quote!(#since),
    }
}

/// The sizes and alignments of a variant's archived fields.
fn layouts(krate: &syn::Path, variant: &Variant<'_>) -> TokenStream {
    let layouts = variant.fields.iter().map(|field| {
        let ty = field.ty;
        quote! {(
            ::core::mem::size_of::<<#ty as #krate::rkyv::Archive>::Archived>(),
            ::core::mem::align_of::<<#ty as #krate::rkyv::Archive>::Archived>(),
        )}
    });
    quote!(&[#(#layouts),*])
}

/// The assertions that need the type to be a message, or to have its parameters: evaluated where a channel is made.
fn checked(input: &Input<'_>, name: &str) -> TokenStream {
    let krate = &input.krate;
    let types = input.fields().map(|field| field.ty);
    let archived = quote!(<Self as #krate::rkyv::Archive>::Archived);
    let max_size = input.shm.max_size.as_ref().map(|limit| {
        let assert = spanned_path(krate, "assert_max_size", limit.span());
        quote!(#assert(#name, ::core::mem::size_of::<#archived>(), #limit);)
    });
    let align = input.shm.align.as_ref().map(|asked| {
        let assert = spanned_path(krate, "assert_align", asked.span());
        quote!(#assert(#name, ::core::mem::align_of::<#archived>(), #asked);)
    });
    let layout = match &input.body {
        Body::Struct(_) => None,
        Body::Enum(variants) => {
            let layouts = variants.iter().map(|variant| layouts(krate, variant));
            Some(quote! {
                #krate::__private::assert_enum_layout(
                    ::core::mem::size_of::<#archived>(),
                    #krate::schema::enum_size(&[#(#layouts),*]),
                );
            })
        }
    };
    quote! {
        const CHECKED: () = {
            #(let () = <#types as #krate::ShmMessage>::CHECKED;)*
            #max_size
            #align
            #layout
            #krate::__private::assert_message::<Self>();
        };
    }
}

/// The assertions on size, alignment and dropping of a type without parameters: evaluated where it is defined.
fn assertions(input: &Input<'_>, name: &str) -> TokenStream {
    let Input { ident, generics, krate, shm, .. } = input;
    if !generics.params.is_empty() {
        return TokenStream::new();
    }
    let measure = quote!(#krate::__private::Measure::<#ident>);
    let mut assertions = Vec::new();
    let assert = spanned_path(krate, "assert_no_drop", ident.span());
    assertions.push(quote_spanned!(ident.span()=> #assert::<#ident>(#name)));
    let assert = spanned_path(krate, "assert_fits_slot", ident.span());
    assertions.push(quote_spanned!(ident.span()=> #assert(#name, #measure::ALIGN)));
    if let Some(limit) = &shm.max_size {
        let assert = spanned_path(krate, "assert_max_size", limit.span());
        assertions.push(quote_spanned!(limit.span()=> #assert(#name, #measure::SIZE, #limit)));
    }
    if let Some(asked) = &shm.align {
        let assert = spanned_path(krate, "assert_align", asked.span());
        assertions.push(quote_spanned!(asked.span()=> #assert(#name, #measure::ALIGN, #asked)));
    }
    quote! {
        const _: () = {
            use #krate::__private::Unmeasured as _;
            #(#krate::__private::static_assertions::const_assert!(#assertions);)*
        };
    }
}

/// The path of an assertion, which makes the compiler show a failure at `span`.
fn spanned_path(krate: &syn::Path, name: &str, span: Span) -> TokenStream {
    let name = syn::Ident::new(name, span);
    quote_spanned!(span=> #krate::__private::#name)
}
