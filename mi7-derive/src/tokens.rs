//! Tokens: where they are shown, and what they name.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{GenericParam, Generics};

/// The same tokens, shown where `span` is. They mean what they meant: names are looked up as
/// before.
pub fn at(span: Span, tokens: TokenStream) -> TokenStream {
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

/// The spans of the first and of the last token.
pub fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut tokens = tokens.clone().into_iter();
    let Some(first) = tokens.next() else {
        return (Span::call_site(), Span::call_site());
    };
    (first.span(), tokens.last().map_or_else(|| first.span(), |last| last.span()))
}

/// The same tokens, with the type's own name for `Self`.
///
/// In blocks nothing is replaced: an impl in there has a `Self` of its own. rkyv's derive does the
/// same.
pub fn without_self(tokens: TokenStream, ident: &Ident, generics: &Generics) -> TokenStream {
    let each = |token: TokenTree| match token {
        TokenTree::Ident(found) if found == "Self" => {
            // Not the user's token, so that no lint tells the user to write `Self`. The raw form,
            // because what is a keyword depends on the edition that the token is from.
            let span = Span::call_site().located_at(found.span());
            let name = Ident::new_raw(&ident.unraw().to_string(), span);
            let (_, arguments, _) = generics.split_for_impl();
            let arguments = at(found.span(), arguments.as_turbofish().to_token_stream());
            std::iter::once(TokenTree::Ident(name)).chain(arguments).collect()
        }
        TokenTree::Group(group) if group.delimiter() != proc_macro2::Delimiter::Brace => {
            let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), ident, generics));
            replaced.set_span(group.span());
            vec![TokenTree::Group(replaced)]
        }
        token => vec![token],
    };
    tokens.into_iter().flat_map(each).collect()
}

/// Whether a type depends on the parameters of the type that it is a field of.
///
/// What a macro makes of its arguments cannot be seen here, so its result counts as dependent.
pub fn depends_on(tokens: &TokenStream, generics: &Generics) -> bool {
    let is_parameter = |ident: &Ident| {
        *ident == "Self"
            || generics.params.iter().any(|parameter| match parameter {
                GenericParam::Type(parameter) => parameter.ident == *ident,
                GenericParam::Const(parameter) => parameter.ident == *ident,
                GenericParam::Lifetime(_) => false,
            })
    };
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let depends = match token {
            TokenTree::Ident(ident) => is_parameter(&ident),
            TokenTree::Group(group) => depends_on(&group.stream(), generics),
            TokenTree::Punct(punct) => punct.as_char() == '!' && matches!(tokens.peek(), Some(TokenTree::Group(_))),
            TokenTree::Literal(_) => false,
        };
        if depends {
            return true;
        }
    }
    false
}

/// Whether a name occurs in the tokens.
pub fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}
