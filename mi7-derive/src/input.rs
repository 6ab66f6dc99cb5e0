//! The type that is derived for, as a small tree.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Expr, Generics, Ident, Member, Path, Type};

use crate::attr::{self, ShmAttributes};
use crate::errors::Errors;
use crate::rkyv::RkyvAttributes;

/// A struct or an enum.
pub struct Input<'a> {
    pub ident: &'a Ident,
    pub generics: &'a Generics,
    pub shm: ShmAttributes,
    pub rkyv: RkyvAttributes,
    /// Where mi7 is.
    pub krate: Path,
    pub body: Body<'a>,
}

pub enum Body<'a> {
    Struct(Vec<Field<'a>>),
    Enum(Vec<Variant<'a>>),
}

pub struct Field<'a> {
    pub member: Member,
    pub ty: &'a Type,
    /// mi7's own wrapper in `#[rkyv(with = …)]`, by its looks.
    pub as_is: Option<Type>,
}

pub struct Variant<'a> {
    pub ident: &'a Ident,
    /// The nearest discriminant that is written out, in this variant or before it, and how many
    /// variants ago that is.
    pub discriminant: (Option<&'a Expr>, usize),
    pub fields: Vec<Field<'a>>,
}

impl<'a> Input<'a> {
    /// Reads a type and its attributes. A union has no fields here: it is refused.
    pub fn read(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let shm = ShmAttributes::read(&input.attrs, errors);
        let rkyv = RkyvAttributes::read(&input.attrs, matches!(input.data, Data::Enum(_)), errors);
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(fields(&data.fields, errors)),
            Data::Enum(data) => {
                if data.variants.is_empty() {
                    errors.add_unarchivable(
                        &input.ident,
                        "an enum without variants has no values to send; add a variant",
                    );
                }
                Body::Enum(variants(data, errors))
            }
            Data::Union(data) => {
                let message = "nobody can tell which field of a received union is valid; use an enum";
                errors.add_unarchivable(data.union_token, message);
                Body::Struct(Vec::new())
            }
        };
        let krate = shm.krate.clone().unwrap_or_else(attr::krate);
        Self { ident: &input.ident, generics: &input.generics, shm, rkyv, krate, body }
    }

    /// All fields, those of variants too.
    pub fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        let (fields, variants) = match &self.body {
            Body::Struct(fields) => (&fields[..], &[][..]),
            Body::Enum(variants) => (&[][..], &variants[..]),
        };
        fields.iter().chain(variants.iter().flat_map(|variant| &variant.fields))
    }
}

impl Field<'_> {
    /// The name in the schema.
    pub fn name(&self) -> String {
        match &self.member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

fn fields<'a>(fields: &'a syn::Fields, errors: &mut Errors) -> Vec<Field<'a>> {
    let read = |(field, mut member): (&'a syn::Field, Member)| {
        attr::refuse_misplaced(&field.attrs, "field", errors);
        let as_is = RkyvAttributes::check_field(&field.attrs, errors);
        // Names are the user's, numbers have no token of their own.
        if let Member::Unnamed(index) = &mut member {
            index.span = Span::call_site();
        }
        Field { member, ty: &field.ty, as_is }
    };
    fields.iter().zip(fields.members()).map(read).collect()
}

fn variants<'a>(data: &'a syn::DataEnum, errors: &mut Errors) -> Vec<Variant<'a>> {
    let mut discriminant = (None, 0);
    let read = |variant: &'a syn::Variant| {
        attr::refuse_misplaced(&variant.attrs, "variant", errors);
        if let Some((_, expression)) = &variant.discriminant {
            discriminant = (Some(expression), 0);
        }
        let this = discriminant;
        discriminant.1 += 1;
        Variant { ident: &variant.ident, discriminant: this, fields: fields(&variant.fields, errors) }
    };
    data.variants.iter().map(read).collect()
}
