//! `Debug` for the archived form.
//!
//! The impl has a bound for each field, so that a field without `Debug` is an error only where
//! somebody prints.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Member, WherePredicate, parse_quote};

use crate::expand::{Expansion, with_predicates};
use crate::input::{Body, Field};
use crate::tokens::without_self;

/// The impl.
pub fn debug(expansion: &Expansion<'_>) -> TokenStream {
    let Expansion { input, private, name, .. } = expansion;
    let archived = input.rkyv.archived(input.ident);
    let (impl_generics, ty_generics, _) = input.generics.split_for_impl();
    let bounds = input.fields().flat_map(|field| bounds(expansion, field));
    let where_clause = with_predicates(input.generics, input.rkyv.archive_bounds.iter().cloned().chain(bounds));
    // The user's bounds speak of the user's type.
    let impl_generics = without_self(impl_generics.to_token_stream(), input.ident, input.generics);
    let where_clause = without_self(where_clause, input.ident, input.generics);
    let body = match &input.body {
        Body::Struct(fields) => {
            let values: Vec<_> = fields.iter().map(|Field { member, .. }| quote!(&self.#member)).collect();
            print(private, name, fields, &values)
        }
        Body::Enum(variants) => {
            let arms = variants.iter().map(|variant| {
                let ident = variant.ident;
                let bindings: Vec<_> = (0..variant.fields.len()).map(binding).collect();
                let members = variant.fields.iter().map(|field| &field.member);
                let values: Vec<_> = bindings.iter().map(|binding| quote!(#binding)).collect();
                let print = print(private, &ident.unraw().to_string(), &variant.fields, &values);
                quote!(Self::#ident { #(#members: #bindings),* } => #print,)
            });
            quote!(match self { #(#arms)* })
        }
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics #private::core::fmt::Debug for #archived #ty_generics #where_clause {
            fn fmt(
                &self,
                __mi7_formatter: &mut #private::core::fmt::Formatter<'_>,
            ) -> #private::core::fmt::Result {
                #body
            }
        }
    }
}

/// That the archived form of a field can be printed.
fn bounds(expansion: &Expansion<'_>, field: &Field<'_>) -> Vec<WherePredicate> {
    let Expansion { input, private, .. } = expansion;
    let krate = &input.krate;
    let ty = expansion.without_self(field.ty);
    if expansion.depends(field.ty) {
        let archive = quote!(#krate::rkyv::Archive);
        vec![
            parse_quote!(#ty: #archive),
            parse_quote!(<#ty as #archive>::Archived: for<'__mi7> #private::Printable<'__mi7>),
        ]
    } else {
        let is_archive = quote!(#private::Measure::<#ty>::__MI7_IS_ARCHIVE);
        vec![parse_quote!(for<'__mi7> <#ty as #private::Form<{ #is_archive }>>::Form: #private::Printable<'__mi7>)]
    }
}

/// The name that a variant's field is bound to.
fn binding(index: usize) -> Ident {
    format_ident!("__mi7_{index}", span = Span::mixed_site())
}

/// Prints a struct or a variant.
fn print(private: &TokenStream, name: &str, fields: &[Field<'_>], values: &[TokenStream]) -> TokenStream {
    let has_names = fields.iter().any(|field| matches!(field.member, Member::Named(_)));
    if has_names {
        let names = fields.iter().map(Field::name);
        quote!(#private::debug_struct(__mi7_formatter, #name, &[#((#names, #values)),*]))
    } else {
        quote!(#private::debug_tuple(__mi7_formatter, #name, &[#(#values),*]))
    }
}
