//! All mistakes of one type, collected before any is reported.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Error;

/// The mistakes found so far, in the order they were found.
#[derive(Default)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// Adds a mistake, shown on `tokens`.
    pub fn add(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mistakes as `compile_error!`s: all but the last as items, and the last one as a type.
    ///
    /// A type that does not exist makes the compiler believe whatever is said of it. See `Refused` in mi7.
    pub fn into_items_and_type(mut self) -> (TokenStream, TokenStream) {
        let last = self.0.pop();
        let items = self.0.iter().map(Error::to_compile_error);
        let last = last.map(|error| error.to_compile_error());
        (quote!(#(#items)*), quote!(#last))
    }
}
