//! The impl, and the assertions beside it.
//!
//! A type without parameters is looked at through `Measure`, which never fails, and each of its mistakes has an assertion of
//! its own; how that works stands in `mi7/src/message/private.rs`. A type with parameters is a message if its fields are,
//! by bounds on the impl, and its assertions are evaluated for each instance, where a channel is made.

mod pieces;

use std::collections::HashSet;

use proc_macro2::{Group, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Path, Type, parse_quote};

use crate::check::check;
use crate::errors::Errors;
use crate::input::{Body, Field, Input, Variant};

/// The expansion of `#[derive(ShmMessage)]`.
pub fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::read(input, &mut errors);
    check(&input, &mut errors);
    if errors.is_empty() { Expansion::new(&input).implement() } else { refuse(&input, errors) }
}

/// The mistakes, and an impl that keeps them from spreading to where the type is used.
pub fn refuse(input: &Input<'_>, errors: Errors) -> TokenStream {
    let Input { ident, generics, krate, .. } = input;
    let (items, mistake) = errors.into_items_and_expression();
    let (impl_generics, ty_generics, _) = generics.split_for_impl();
    let mut generics = (*generics).clone();
    let bound = parse_quote!(for<'any> Self: #krate::__private::Refused<'any, { #mistake }>);
    generics.make_where_clause().predicates.push(bound);
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

/// A type without mistakes of syntax.
struct Expansion<'a> {
    input: &'a Input<'a>,
    krate: &'a Path,
    /// The name in the schema.
    name: String,
    has_parameters: bool,
    /// The archived type.
    archived: TokenStream,
}

impl<'a> Expansion<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let krate = &input.krate;
        let has_parameters = !input.generics.params.is_empty();
        let archived =
            if has_parameters { quote!(<Self as #krate::rkyv::Archive>::Archived) } else { quote!(__Mi7Archived) };
        Self { input, krate, name: input.ident.unraw().to_string(), has_parameters, archived }
    }

    fn implement(&self) -> TokenStream {
        let Self { input, krate, name, archived, .. } = self;
        let ident = input.ident;
        let (impl_generics, ty_generics, _) = input.generics.split_for_impl();
        let where_clause = self.where_clause();
        let kind = match &input.body {
            Body::Struct(fields) => self.struct_kind(fields),
            Body::Enum(variants) => self.enum_kind(variants),
        };
        let align = input.shm.align.as_ref().map(|align| quote!(const ALIGN: ::core::primitive::usize = #align;));
        let checked = self.checked();
        let pieces = self.pieces();
        let implementation = quote! {
            #[automatically_derived]
            unsafe impl #impl_generics #krate::ShmMessage for #ident #ty_generics #where_clause {
                const SCHEMA: #krate::schema::Schema = #krate::schema::Schema {
                    name: #name,
                    size: ::core::mem::size_of::<#archived>(),
                    align: <Self as #krate::ShmMessage>::ALIGN,
                    kind: #kind,
                };
                #align
                #checked
                #pieces
            }
        };
        if self.has_parameters {
            return implementation;
        }
        let verdict = self.verdict();
        let assertions = self.assertions();
        quote! {
            const _: () = {
                use #krate::__private::Unmeasured as _;
                #verdict
                #assertions
                #implementation
            };
        }
    }

    /// The user's bounds, and those that make the type a message.
    fn where_clause(&self) -> TokenStream {
        let Self { input, krate, .. } = self;
        let mut generics = input.generics.clone();
        let predicates = &mut generics.make_where_clause().predicates;
        if self.has_parameters {
            let mut seen = HashSet::new();
            for Field { ty, .. } in input.fields() {
                if seen.insert(ty.to_token_stream().to_string()) {
                    let bound = at(ty.span(), quote!(#krate::ShmMessage));
                    predicates.push(parse_quote!(#ty: #bound));
                }
            }
        } else {
            predicates.push(parse_quote!(for<'any> Self: #krate::__private::Derived<'any, __MI7_IS_FINE>));
        }
        generics.where_clause.into_token_stream()
    }

    /// A fact about the type of a field.
    fn fact(&self, ty: &Type, of: &str) -> TokenStream {
        let krate = self.krate;
        let fact = syn::Ident::new(of, Span::call_site());
        match (self.has_parameters, of) {
            (false, _) => quote!(#krate::__private::Measure::<#ty>::#fact),
            (true, "SIZE") => {
                quote!(::core::mem::size_of::<<#ty as #krate::rkyv::Archive>::Archived>())
            }
            (true, "ALIGN") => {
                quote!(::core::mem::align_of::<<#ty as #krate::rkyv::Archive>::Archived>())
            }
            (true, _) => quote!(<#ty as #krate::ShmMessage>::#fact),
        }
    }

    fn struct_kind(&self, fields: &[Field<'_>]) -> TokenStream {
        let Self { krate, archived, .. } = self;
        let fields = fields.iter().map(|field| {
            let name = field.name();
            let member = &field.member;
            let schema = self.fact(field.ty, "SCHEMA");
            quote! {
                #krate::schema::Field {
                    name: #name,
                    offset: ::core::mem::offset_of!(#archived, #member),
                    schema: &#schema,
                }
            }
        });
        quote!(#krate::schema::Kind::Struct(&[#(#fields),*]))
    }

    fn enum_kind(&self, variants: &[Variant<'_>]) -> TokenStream {
        let krate = self.krate;
        let variants = variants.iter().map(|variant| {
            let name = variant.ident.unraw().to_string();
            let tag = tag(variant);
            let layouts = self.layouts(variant);
            let fields = variant.fields.iter().enumerate().map(|(i, field)| {
                let name = field.name();
                let schema = self.fact(field.ty, "SCHEMA");
                quote! {
                    #krate::schema::Field {
                        name: #name,
                        offset: #krate::schema::variant_offset(#layouts, #i),
                        schema: &#schema,
                    }
                }
            });
            quote!(#krate::schema::Variant { name: #name, tag: #tag, fields: &[#(#fields),*] })
        });
        quote!(#krate::schema::Kind::Enum(&[#(#variants),*]))
    }

    /// The sizes and alignments of a variant's archived fields.
    fn layouts(&self, variant: &Variant<'_>) -> TokenStream {
        let layouts = variant.fields.iter().map(|field| {
            let (size, align) = (self.fact(field.ty, "SIZE"), self.fact(field.ty, "ALIGN"));
            quote!((#size, #align))
        });
        quote!(&[#(#layouts),*])
    }

    /// All assertions, evaluated where a channel is made.
    fn checked(&self) -> TokenStream {
        let Self { input, krate, archived, .. } = self;
        let fields = input.fields().map(|field| self.fact(field.ty, "CHECKED"));
        let size = quote!(::core::mem::size_of::<#archived>());
        let align = quote!(::core::mem::align_of::<#archived>());
        let limits = self.limits(&size, &align);
        let layout = match &input.body {
            Body::Struct(_) => None,
            Body::Enum(variants) => {
                let layouts = variants.iter().map(|variant| self.layouts(variant));
                let computed = quote!(#krate::schema::enum_size(&[#(#layouts),*]));
                Some(quote!(#krate::__private::assert_enum_layout(#size, #align, #computed);))
            }
        };
        let message = at(input.ident.span(), quote!(#krate::__private::assert_message::<Self>()));
        quote! {
            const CHECKED: () = {
                #(let () = #fields;)*
                #(#limits;)*
                #layout
                #message;
            };
        }
    }

    /// Assertions of what `#[shm(…)]` says, on the numbers in there.
    fn limits(&self, size: &TokenStream, align: &TokenStream) -> Vec<TokenStream> {
        let Self { input, krate, name, .. } = self;
        let max_size = input
            .shm
            .max_size
            .as_ref()
            .map(|limit| at(limit.span(), quote!(#krate::__private::assert_max_size(#name, #size, #limit))));
        let align = input
            .shm
            .align
            .as_ref()
            .map(|asked| at(asked.span(), quote!(#krate::__private::assert_align(#name, #align, #asked))));
        max_size.into_iter().chain(align).collect()
    }

    /// What is known of a type without parameters, and of its fields.
    fn verdict(&self) -> TokenStream {
        let Self { input, krate, .. } = self;
        let ident = input.ident;
        let measure = quote!(#krate::__private::Measure::<#ident>);
        let fields: Vec<_> = input.fields().map(|field| self.fact(field.ty, "IS_MESSAGE")).collect();
        quote! {
            const __MI7_FIELDS_ARE_FINE: ::core::primitive::bool = true #(&& #fields)*;
            const __MI7_IS_FINE: ::core::primitive::bool = __MI7_FIELDS_ARE_FINE
                && #measure::IS_ARCHIVE
                && #measure::IS_SERIALIZE
                && #measure::IS_DESERIALIZE;
            type __Mi7Archived = <#ident as #krate::__private::Form<{ #measure::IS_ARCHIVE }>>::Form;
        }
    }

    /// The assertions on a type without parameters, evaluated where it is defined.
    fn assertions(&self) -> TokenStream {
        let Self { input, krate, name, .. } = self;
        let ident = input.ident;
        let measure = quote!(#krate::__private::Measure::<#ident>);
        let fields = input.fields().map(|field| field.ty);
        let mut assertions = vec![
            quote!(#krate::__private::assert_derives(
                #name,
                #measure::IS_ARCHIVE,
                #measure::IS_SERIALIZE,
                #measure::IS_DESERIALIZE,
            )),
            quote!(#krate::__private::assert_no_drop::<#ident>(#name)),
            quote!(#krate::__private::assert_fits_slot(#name, #measure::ALIGN)),
        ];
        assertions = assertions.into_iter().map(|assertion| at(ident.span(), assertion)).collect();
        assertions.extend(self.limits(&quote!(#measure::SIZE), &quote!(#measure::ALIGN)));
        quote! {
            const _: fn() = || {
                #(#krate::__private::assert_field::<#fields>();)*
            };
            // With a field that is no message, the rest follows from it.
            #(#krate::__private::static_assertions::const_assert!(!__MI7_FIELDS_ARE_FINE || #assertions);)*
        }
    }
}

/// The byte that rkyv gives to a variant: the discriminant of an enum of `repr(u8)`.
fn tag(variant: &Variant<'_>) -> TokenStream {
    let (written, since) = variant.discriminant;
    let since = Literal::usize_unsuffixed(since);
    match written {
        Some(expression) => quote!({
            const WRITTEN: ::core::primitive::u8 = #expression;
            WRITTEN + #since
        }),
        None => quote!(#since),
    }
}

/// The same tokens, shown where `span` is. They mean what they meant: names are looked up as before.
fn at(span: Span, tokens: TokenStream) -> TokenStream {
    let respan = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            let mut respanned = Group::new(group.delimiter(), at(span, group.stream()));
            respanned.set_span(group.span().located_at(span));
            return TokenTree::Group(respanned);
        }
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(respan).collect()
}
