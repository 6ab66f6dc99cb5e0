//! The impl, and the assertions beside it.
//!
//! How mistakes are found without second errors stands in `mi7/src/message/private.rs`. In short: a
//! type without parameters is looked at through `Measure`, which never fails. A type with
//! parameters is a message if its fields are, by bounds on the impl, and its assertions are
//! evaluated for each instance, where a channel is made.
//!
//! Nothing here declares a name, and the user's tokens stand only where `Self` is the user's type,
//! or has been replaced.

mod pieces;

use std::collections::HashSet;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::visit_mut::VisitMut;
use syn::{DeriveInput, Generics, Ident, Path, Type, WherePredicate, parse_quote};

use crate::check::{check, is_refused};
use crate::debug::debug;
use crate::errors::Errors;
use crate::input::{Body, Field, Input, Variant};
use crate::tokens::{at, depends_on, ends, mentions, without_self};

/// The expansion of `#[derive(ShmMessage)]`.
pub fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::read(input, &mut errors);
    check(&input, &mut errors);
    let expansion = Expansion::new(&input);
    if errors.is_empty() { expansion.implement() } else { expansion.refuse(errors) }
}

/// A type, and what is said of it again and again.
pub struct Expansion<'a> {
    pub input: &'a Input<'a>,
    krate: &'a Path,
    /// What the expansion leans on: `mi7::__private`.
    pub private: TokenStream,
    /// The name in the schema.
    pub name: String,
    has_parameters: bool,
    /// The archived type.
    archived: TokenStream,
}

impl<'a> Expansion<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let krate = &input.krate;
        let private = quote!(#krate::__private);
        let has_parameters = !input.generics.params.is_empty();
        let ident = input.ident;
        let archived = if has_parameters {
            quote!(<Self as #krate::rkyv::Archive>::Archived)
        } else {
            quote!(<#ident as #private::Form<{ #private::Measure::<#ident>::__MI7_IS_ARCHIVE }>>::Form)
        };
        Self { input, krate, private, name: ident.unraw().to_string(), has_parameters, archived }
    }

    /// The mistakes, and an impl that keeps them from spreading to where the type is used.
    fn refuse(&self, errors: Errors) -> TokenStream {
        let Self { input, krate, private, .. } = self;
        let ident = input.ident;
        let (items, mistake) = errors.into_items_and_expression();
        let (impl_generics, ty_generics, _) = input.generics.split_for_impl();
        let fields = self.field_assertions();
        let bound = parse_quote!(for<'__mi7> Self: #private::Refused<'__mi7, { #fields #mistake }>);
        let where_clause = with_predicates(input.generics, [bound]);
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

    fn implement(&self) -> TokenStream {
        let Self { input, krate, private, name, archived, .. } = self;
        let ident = input.ident;
        let (impl_generics, ty_generics, _) = input.generics.split_for_impl();
        let bounds = self.bounds();
        let where_clause = with_predicates(input.generics, bounds.iter().cloned());
        let kind = match &input.body {
            Body::Struct(fields) => self.struct_kind(fields),
            Body::Enum(variants) => self.enum_kind(variants),
        };
        let align =
            input.shm.align.as_ref().map(|align| quote!(const ALIGN: #private::core::primitive::usize = #align;));
        let checked = self.checked();
        let pieces = self.pieces();
        let verdict = if self.has_parameters { self.requirements(&where_clause) } else { self.verdict() };
        let as_is = input.fields().filter_map(|field| field.as_is.as_ref());
        let debug = input.shm.has_debug.then(|| debug(self));
        quote! {
            const _: () = {
                use #private::Unmeasured as _;
                const _: () = #private::Measure::<()>::__MI7_UNMEASURED;
                #(const _: () = #private::assert_as_is::<#as_is>();)*
                #verdict
                #[automatically_derived]
                unsafe impl #impl_generics #krate::ShmMessage for #ident #ty_generics #where_clause {
                    const SCHEMA: #krate::schema::Schema = #krate::schema::Schema {
                        name: #name,
                        size: #private::core::mem::size_of::<#archived>(),
                        align: <Self as #krate::ShmMessage>::ALIGN,
                        kind: #kind,
                    };
                    #align
                    #checked
                    #pieces
                }
                #debug
            };
        }
    }

    /// Whether a type depends on the type's parameters.
    pub fn depends(&self, ty: &Type) -> bool {
        self.has_parameters && depends_on(&ty.to_token_stream(), self.input.generics)
    }

    /// The tokens of a type where `Self` is not the user's.
    pub fn without_self(&self, ty: &Type) -> TokenStream {
        without_self(ty.to_token_stream(), self.input.ident, self.input.generics)
    }

    /// What makes the type a message, beside the user's bounds.
    fn bounds(&self) -> Vec<WherePredicate> {
        let Self { input, private, .. } = self;
        if !self.has_parameters {
            let ident = input.ident;
            let (fields, discriminants) = (self.field_assertions(), self.discriminant_assertions());
            let verdict = quote!(#fields #discriminants <#ident as #private::Judged>::IS_FINE);
            let bound = quote!(#private::Derived<'__mi7, { #verdict }>);
            return vec![parse_quote!(for<'__mi7> Self: #bound)];
        }
        let mut bounds = self.rkyv_bounds();
        bounds.push(parse_quote!(Self: #private::core::marker::Send + 'static));
        let mut seen = HashSet::new();
        for Field { ty, .. } in input.fields() {
            if !seen.insert(ty.to_token_stream().to_string()) {
                continue;
            }
            bounds.push(if self.depends(ty) {
                let (span, _) = ends(&ty.to_token_stream());
                let bound = at(span, quote!(#private::FieldType));
                parse_quote!(#ty: #bound)
            } else {
                let assertion = self.field_assertion(ty);
                parse_quote!(for<'__mi7> #ty: #private::Believed<'__mi7, { #assertion true }>)
            });
        }
        bounds
    }

    /// The bounds that the user gave to rkyv's impls, for mi7's serializer, deserializer and
    /// context.
    fn rkyv_bounds(&self) -> Vec<WherePredicate> {
        let Self { input, krate, .. } = self;
        let rkyv = &input.rkyv;
        let with = |bounds: &[WherePredicate], name: &'static str, to: &str| {
            let to = Ident::new(to, Span::call_site());
            let mut replace = Replace { name, to: parse_quote!(#krate::message::#to) };
            let mut bounds = bounds.to_vec();
            bounds.iter_mut().for_each(|bound| replace.visit_where_predicate_mut(bound));
            bounds
        };
        let mut bounds = rkyv.archive_bounds.clone();
        bounds.extend(with(&rkyv.serialize_bounds, "__S", "Building"));
        bounds.extend(with(&rkyv.deserialize_bounds, "__D", "Reading"));
        bounds.extend(with(&rkyv.check_bounds, "__C", "Checking"));
        bounds
    }

    /// Assertions that the fields are messages, as far as they depend on no parameters.
    fn field_assertions(&self) -> TokenStream {
        // What borrows is refused as such.
        if self.input.generics.lifetimes().next().is_some() {
            return TokenStream::new();
        }
        let fields = self.input.fields().filter(|field| !self.depends(field.ty) && !is_refused(field.ty));
        fields.map(|field| self.field_assertion(field.ty)).collect()
    }

    /// The assertion, shown where the type is, from its first token to its last.
    fn field_assertion(&self, ty: &Type) -> TokenStream {
        let private = &self.private;
        let (first, last) = ends(&ty.to_token_stream());
        let ty = self.without_self(ty);
        let (open, close) = (at(first, quote!(#private::assert_field::<)), at(last, quote!(>())));
        quote!(#open #ty #close;)
    }

    /// Assertions that the discriminants are of the type of rkyv's tag.
    fn discriminant_assertions(&self) -> TokenStream {
        let Self { private, .. } = self;
        let Body::Enum(variants) = &self.input.body else {
            return TokenStream::new();
        };
        let written = variants.iter().filter_map(|variant| match variant.discriminant {
            // What is left to be inferred, as in `3 as _`, has no type of its own.
            (Some(written), 0) if !mentions(written.to_token_stream(), "_") => Some(written),
            _ => None,
        });
        written.map(|written| quote!(#private::assert_discriminant(#written);)).collect()
    }

    /// A fact about the type of a field.
    fn fact(&self, ty: &Type, of: &str) -> TokenStream {
        let Self { krate, private, .. } = self;
        if self.has_parameters {
            let archived = quote!(<#ty as #krate::rkyv::Archive>::Archived);
            return match of {
                "SIZE" => quote!(#private::core::mem::size_of::<#archived>()),
                "ALIGN" => quote!(#private::core::mem::align_of::<#archived>()),
                _ => {
                    let fact = Ident::new(of, Span::call_site());
                    quote!(<#ty as #krate::ShmMessage>::#fact)
                }
            };
        }
        let fact = Ident::new(&format!("__MI7_{of}"), Span::call_site());
        quote!(#private::Measure::<#ty>::#fact)
    }

    fn struct_kind(&self, fields: &[Field<'_>]) -> TokenStream {
        let Self { krate, private, archived, .. } = self;
        let fields = fields.iter().map(|field| {
            let name = field.name();
            let member = &field.member;
            let schema = self.fact(field.ty, "SCHEMA");
            quote! {
                #krate::schema::Field {
                    name: #name,
                    offset: #private::core::mem::offset_of!(#archived, #member),
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
            let tag = self.tag(variant);
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

    /// The byte that rkyv gives to a variant: the discriminant of an enum of `repr(u8)`.
    fn tag(&self, variant: &Variant<'_>) -> TokenStream {
        let private = &self.private;
        let (written, since) = variant.discriminant;
        let name = variant.ident.unraw().to_string();
        match written {
            Some(written) => quote!(#private::tag(#name, #written, #since)),
            None => Literal::usize_unsuffixed(since).into_token_stream(),
        }
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
        let Self { input, krate, private, archived, .. } = self;
        let fields = input.fields().map(|field| self.fact(field.ty, "CHECKED"));
        let size = quote!(#private::core::mem::size_of::<#archived>());
        let align = quote!(#private::core::mem::align_of::<#archived>());
        let limits = self.limits(&size, &align);
        let layout = match &input.body {
            Body::Struct(_) => None,
            Body::Enum(variants) => {
                let layouts = variants.iter().map(|variant| self.layouts(variant));
                let computed = quote!(#krate::schema::enum_size(&[#(#layouts),*]));
                Some(quote!(#private::assert_enum_layout(#size, #align, #computed);))
            }
        };
        let message = at(input.ident.span(), quote!(#private::assert_message::<Self>()));
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
        let Self { input, private, name, .. } = self;
        let max_size = input
            .shm
            .max_size
            .as_ref()
            .map(|limit| at(limit.span(), quote!(#private::assert_max_size(#name, #size, #limit))));
        let align = input
            .shm
            .align
            .as_ref()
            .map(|asked| at(asked.span(), quote!(#private::assert_align(#name, #align, #asked))));
        max_size.into_iter().chain(align).collect()
    }

    /// What is asserted of a type with parameters where it is defined.
    fn requirements(&self, where_clause: &TokenStream) -> TokenStream {
        let Self { input, private, .. } = self;
        let ident = input.ident;
        let (impl_generics, ty_generics, _) = input.generics.split_for_impl();
        let derives = at(ident.span(), quote!(#private::DerivesRkyv));
        let discriminants = self.discriminant_assertions();
        quote! {
            #[automatically_derived]
            #[doc(hidden)]
            impl #impl_generics #derives for #ident #ty_generics #where_clause {}
            const _: () = { #discriminants };
        }
    }

    /// What is known of a type without parameters, and the assertions on it, evaluated where it is
    /// defined.
    fn verdict(&self) -> TokenStream {
        let Self { input, private, name, .. } = self;
        let ident = input.ident;
        let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
        let measure = quote!(#private::Measure::<#ident>);
        let boolean = quote!(#private::core::primitive::bool);
        let judged = quote!(<#ident as #private::Judged>);
        let fields: Vec<_> = input.fields().map(|field| self.fact(field.ty, "IS_MESSAGE")).collect();

        // Where the user gave bounds, a trait that is missing says nothing about the derive.
        let rkyv = &input.rkyv;
        let has = |fact: &str, bounds: &[WherePredicate]| {
            let fact = Ident::new(fact, Span::call_site());
            let is_bounded = !(rkyv.archive_bounds.is_empty() && bounds.is_empty());
            if is_bounded { quote!(true) } else { quote!((#measure::#fact || #measure::__MI7_IS_WHOLE)) }
        };
        let archive = has("__MI7_IS_ARCHIVE", &[]);
        let serialize = has("__MI7_IS_SERIALIZE", &rkyv.serialize_bounds);
        let deserialize = has("__MI7_IS_DESERIALIZE", &rkyv.deserialize_bounds);

        let mut assertions = vec![
            quote!(#private::assert_derives(#name, #archive, #serialize, #deserialize)),
            quote!(#private::assert_no_drop::<#ident>(#name)),
            quote!(#private::assert_fits_slot(#name, #measure::__MI7_ALIGN)),
        ];
        assertions = assertions.into_iter().map(|assertion| at(ident.span(), assertion)).collect();
        assertions.extend(self.limits(&quote!(#measure::__MI7_SIZE), &quote!(#measure::__MI7_ALIGN)));
        let parts = quote!(#private::assert_parts::<#ident, { #judged::HAS_DERIVES }>());
        let parts = at(ident.span(), parts);
        quote! {
            #[automatically_derived]
            #[doc(hidden)]
            impl #impl_generics #private::Judged for #ident #ty_generics #where_clause {
                const FIELDS_ARE_FINE: #boolean = true #(&& #fields)*;
                const HAS_DERIVES: #boolean =
                    <Self as #private::Judged>::FIELDS_ARE_FINE && #archive && #serialize && #deserialize;
                const IS_FINE: #boolean = <Self as #private::Judged>::FIELDS_ARE_FINE && #measure::__MI7_IS_WHOLE;
            }
            // With a field that is no message, the rest follows from it.
            #(const _: () = if #judged::FIELDS_ARE_FINE { #assertions };)*
            const _: () = #parts;
        }
    }
}

/// The user's bounds and these.
pub fn with_predicates(generics: &Generics, predicates: impl IntoIterator<Item = WherePredicate>) -> TokenStream {
    let mut generics = generics.clone();
    generics.make_where_clause().predicates.extend(predicates);
    generics.where_clause.into_token_stream()
}

/// Replaces a type that is a single name.
struct Replace {
    name: &'static str,
    to: Path,
}

impl VisitMut for Replace {
    fn visit_path_mut(&mut self, path: &mut Path) {
        syn::visit_mut::visit_path_mut(self, path);
        let is_it = path.leading_colon.is_none() && path.segments.first().is_some_and(|first| first.ident == self.name);
        if is_it {
            let rest = path.segments.iter().skip(1).cloned();
            *path = Path {
                leading_colon: self.to.leading_colon,
                segments: self.to.segments.iter().cloned().chain(rest).collect(),
            };
        }
    }
}
