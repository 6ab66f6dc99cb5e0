//! Building archives and native values piece by piece: `mi7/src/archive.rs` says what for.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;

use super::Expansion;
use crate::input::{Body, Field, Variant};

impl Expansion<'_> {
    /// What overrides the trait's methods and constant for large types.
    pub(super) fn pieces(&self) -> TokenStream {
        match &self.input.body {
            Body::Struct(fields) => self.struct_pieces(fields),
            Body::Enum(variants) => self.enum_pieces(variants),
        }
    }

    fn struct_pieces(&self, fields: &[Field<'_>]) -> TokenStream {
        let Self { private, archived, .. } = self;
        let types: Vec<_> = fields.iter().map(|field| field.ty).collect();
        let members: Vec<_> = fields.iter().map(|field| &field.member).collect();
        let largest = fields.iter().map(|field| self.fact(field.ty, "LARGEST_PIECE"));
        quote! {
            const LARGEST_PIECE: #private::core::primitive::usize = #private::largest(&[#(#largest),*]);

            #[inline]
            #[allow(deprecated)]
            unsafe fn archive_at(&self, __mi7_archive: #private::core::ptr::NonNull<#private::core::primitive::u8>) {
                #(unsafe {
                    #private::Measure::<#types>::__mi7_archive_field(
                        &self.#members,
                        __mi7_archive,
                        #private::core::mem::offset_of!(#archived, #members),
                    )
                };)*
            }

            #[inline]
            #[allow(deprecated)]
            unsafe fn native_at(
                __mi7_archive: #private::core::ptr::NonNull<#private::core::primitive::u8>,
                __mi7_native: #private::core::ptr::NonNull<Self>,
            ) {
                #(unsafe {
                    #private::Measure::<#types>::__mi7_native_field(
                        __mi7_archive,
                        #private::core::mem::offset_of!(#archived, #members),
                        __mi7_native.cast(),
                        #private::core::mem::offset_of!(Self, #members),
                    )
                };)*
            }
        }
    }

    /// Nobody knows where the fields of a native enum's variant lie: its native value is built as a whole.
    fn enum_pieces(&self, variants: &[Variant<'_>]) -> TokenStream {
        let Self { krate, private, .. } = self;
        let arms = variants.iter().enumerate().map(|(number, variant)| {
            let ident = variant.ident;
            let layouts = self.layouts(variant);
            let types = variant.fields.iter().map(|field| field.ty);
            let members = variant.fields.iter().map(|field| &field.member);
            let names: Vec<Ident> =
                (0..variant.fields.len()).map(|i| format_ident!("__mi7_{i}", span = Span::call_site())).collect();
            let indices = 0..variant.fields.len();
            quote! {
                Self::#ident { #(#members: #names),* } => {
                    unsafe {
                        // The user's discriminant stands once in the expansion, so that its mistakes are reported once.
                        #private::archive_tag(
                            __mi7_archive,
                            const { #private::tag_of(&<Self as #krate::ShmMessage>::SCHEMA, #number) },
                        )
                    };
                    #(unsafe {
                        #private::Measure::<#types>::__mi7_archive_field(
                            #names,
                            __mi7_archive,
                            const { #krate::schema::variant_offset(#layouts, #indices) },
                        )
                    };)*
                }
            }
        });
        quote! {
            #[inline]
            #[allow(deprecated)]
            unsafe fn archive_at(&self, __mi7_archive: #private::core::ptr::NonNull<#private::core::primitive::u8>) {
                match self {
                    #(#arms)*
                }
            }
        }
    }
}
