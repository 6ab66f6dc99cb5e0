//! `#[mi7::message]`: all derives in one attribute.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput};

use crate::check::check;
use crate::errors::Errors;
use crate::expand::refuse;
use crate::input::Input;

/// The item with all derives; or, if there are mistakes that rkyv would report once more, without any.
pub fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error =
                syn::Error::new(error.span(), "`#[mi7::message]` goes on a struct or an enum").to_compile_error();
            return quote!(#error #item);
        }
    };
    let mut errors = Errors::default();
    // The arguments become part of the type's own `#[shm(…)]`, where the derive finds them.
    if !arguments.is_empty() {
        item.attrs.insert(0, syn::parse_quote!(#[shm(#arguments)]));
    }
    let original = item.clone();
    let input = Input::read(&original, &mut errors);
    check(&input, &mut errors);
    let krate = &input.krate;
    let rkyv_crate = (!input.rkyv.has_crate).then(|| quote!(#[rkyv(crate = #krate::rkyv)]));
    let rkyv_derives = quote!(#krate::rkyv::Archive, #krate::rkyv::Serialize, #krate::rkyv::Deserialize);
    if !errors.is_empty() {
        let is_unarchivable = errors.is_unarchivable;
        let refusal = refuse(&input, errors);
        strip(&mut item, if is_unarchivable { &["shm", "rkyv"] } else { &["shm"] });
        let derives = (!is_unarchivable).then(|| quote!(#[derive(#rkyv_derives)] #rkyv_crate));
        return quote!(#derives #item #refusal);
    }
    let shm = input.shm.to_arguments(krate);
    item.attrs.retain(|attribute| !attribute.path().is_ident("shm"));
    quote! {
        #[derive(#rkyv_derives, #krate::ShmMessage)]
        #rkyv_crate
        #[shm(#shm)]
        #item
    }
}

/// Removes the attributes that mean nothing without the derives.
fn strip(item: &mut DeriveInput, names: &[&str]) {
    let keep = |attributes: &mut Vec<Attribute>| {
        attributes.retain(|attribute| !names.iter().any(|name| attribute.path().is_ident(name)));
    };
    keep(&mut item.attrs);
    match &mut item.data {
        Data::Struct(data) => data.fields.iter_mut().for_each(|field| keep(&mut field.attrs)),
        Data::Enum(data) => data.variants.iter_mut().for_each(|variant| {
            keep(&mut variant.attrs);
            variant.fields.iter_mut().for_each(|field| keep(&mut field.attrs));
        }),
        Data::Union(data) => data.fields.named.iter_mut().for_each(|field| keep(&mut field.attrs)),
    }
}
