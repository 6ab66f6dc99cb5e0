//! What no message can have, found by syntax: types that have no name to be deceived by, and
//! discriminants.
//!
//! Types that have a name are judged by the compiler, through the bounds on fields; see
//! `mi7/src/message/misfits.rs`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{BinOp, Expr, GenericParam, Lit, Type, UnOp};

use crate::errors::Errors;
use crate::input::{Body, Input, Variant};

/// The most variants that have tags of one byte.
const MAX_VARIANTS: usize = 256;

/// Adds all mistakes in the parameters, in the types of the fields and in the discriminants.
pub fn check(input: &Input<'_>, errors: &mut Errors) {
    for parameter in &input.generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            errors.add_unarchivable(
                &parameter.lifetime,
                "a message cannot borrow: what it borrows stays in this process; own the values",
            );
        }
    }
    for field in input.fields() {
        check_type(field.ty, errors);
    }
    if let Body::Enum(variants) = &input.body {
        check_variants(input, variants, errors);
    }
}

/// Whether the type of a field has mistakes of its own.
pub fn is_refused(ty: &Type) -> bool {
    let mut errors = Errors::default();
    check_type(ty, &mut errors);
    !errors.is_empty()
}

fn check_type(ty: &Type, errors: &mut Errors) {
    let problem = match ty {
        Type::Array(array) => return check_type(&array.elem, errors),
        Type::Tuple(tuple) => return tuple.elems.iter().for_each(|ty| check_type(ty, errors)),
        Type::Paren(paren) => return check_type(&paren.elem, errors),
        Type::Group(group) => return check_type(&group.elem, errors),
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => {
                "a reference points into the memory of one process; use `mi7::FixedString<N>`"
            }
            Type::Slice(_) => {
                "a reference points into the memory of one process; use `mi7::FixedVec<T, N>`, or an array"
            }
            _ => "a reference points into the memory of one process; hold the value itself",
        },
        Type::Ptr(_) => "a pointer points into the memory of one process; hold the value itself, or an index",
        Type::FnPtr(_) => "a function has another address in every process; use an enum of what to do",
        Type::TraitObject(_) => "`dyn` points to code and data of one process; use an enum of the cases",
        Type::ImplTrait(_) => "`impl` names no type to lay out; use a type parameter, `T: ShmMessage`",
        Type::Slice(_) => "a slice has no fixed size; use an array, or `mi7::FixedVec<T, N>`",
        Type::Never(_) => "`!` has no values to send; use `()`",
        // Left to the compiler.
        _ => return,
    };
    errors.add_unarchivable(ty, problem);
}

fn check_variants(input: &Input<'_>, variants: &[Variant<'_>], errors: &mut Errors) {
    if variants.len() > MAX_VARIANTS {
        let found = variants.len();
        let message = format!(
            "found {found} variants, and an archived enum has one byte to tell them apart; expected at most {MAX_VARIANTS}"
        );
        errors.add_unarchivable(input.ident, message);
        return;
    }
    for variant in variants {
        let (written, since) = variant.discriminant;
        let value = match written {
            Some(written) => value(written).and_then(|value| value.checked_add(since as i128)),
            None => Some(since as i128),
        };
        if let Some(value) = value
            && u8::try_from(value).is_err()
        {
            let name = variant.ident;
            let message = format!(
                "the discriminant of `{name}` is {value}, and an archived enum has one byte for it; expected 0 to 255"
            );
            let shown: TokenStream = match written {
                Some(written) if since == 0 => written.to_token_stream(),
                _ => name.to_token_stream(),
            };
            errors.add_unarchivable(shown, message);
        }
    }
}

/// The value of a constant expression that is made of plain numbers.
fn value(expression: &Expr) -> Option<i128> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            Lit::Byte(byte) => Some(byte.value().into()),
            _ => None,
        },
        Expr::Paren(paren) => value(&paren.expr),
        Expr::Group(group) => value(&group.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => value(&unary.expr)?.checked_neg(),
        Expr::Binary(binary) => {
            let (left, right) = (value(&binary.left)?, value(&binary.right)?);
            let shift = || u32::try_from(right).ok().filter(|shift| *shift < 64);
            match binary.op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                BinOp::Div(_) => left.checked_div(right),
                BinOp::Rem(_) => left.checked_rem(right),
                BinOp::Shl(_) => left.checked_mul(1 << shift()?),
                BinOp::Shr(_) => Some(left >> shift()?),
                BinOp::BitAnd(_) => Some(left & right),
                BinOp::BitOr(_) => Some(left | right),
                BinOp::BitXor(_) => Some(left ^ right),
                _ => None,
            }
        }
        _ => None,
    }
}
