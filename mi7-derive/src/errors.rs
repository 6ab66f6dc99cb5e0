//! All mistakes of one type, collected before any is reported.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Error;

/// The mistakes found so far, in the order they were found.
#[derive(Default)]
pub struct Errors {
    found: Vec<Error>,
    /// Whether rkyv's own derives cannot make anything of the type, and would report it as well.
    pub is_unarchivable: bool,
}

impl Errors {
    /// Adds a mistake, shown on `tokens`.
    pub fn add(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub fn push(&mut self, error: Error) {
        self.found.push(error);
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A mistake that rkyv's derives do not survive either.
    pub fn add_unarchivable(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.is_unarchivable = true;
        self.add(tokens, message);
    }

    /// The mistakes as `compile_error!`s: all but the last as items, and the last one as an
    /// expression.
    ///
    /// A constant that does not exist makes the compiler believe whatever is said of it. See
    /// `Refused` in mi7.
    pub fn into_items_and_expression(mut self) -> (TokenStream, TokenStream) {
        let last = self.found.pop().map(|error| error.to_compile_error());
        (self.into_items(), quote!(#last))
    }

    /// The mistakes as items.
    pub fn into_items(self) -> TokenStream {
        let items = self.found.iter().map(Error::to_compile_error);
        quote!(#(#items)*)
    }
}
