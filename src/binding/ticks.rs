//! When a schedule came due last, found by asking it.

use napi::bindgen_prelude::{Either, Function, Null};
use napi_derive::napi;

use crate::election::run;

/// Tells the next time of a schedule after one, in ms since 1970; `null` where there is none.
type Next<'a> = Function<'a, f64, Either<f64, Null>>;

/// The last occurrence of a schedule at or before `at`; `null` where there is none in ten years.
#[napi(
    catch_unwind,
    ts_args_type = "at: number, next: (after: number) => number | null"
)]
pub fn last_occurrence(at: f64, next: Next) -> napi::Result<Option<f64>> {
    let found = run::last_occurrence(at as i64, asking(&next))?;
    Ok(found.map(|at| at as f64))
}

/// This occurrence of a schedule, after clocks were set back; or the last one before that, where it does not
/// follow from those.
#[napi(
    catch_unwind,
    ts_args_type = "found: number, setBackAt: number, next: (after: number) => number | null"
)]
pub fn not_repeated(found: f64, set_back_at: f64, next: Next) -> napi::Result<f64> {
    let first = run::not_repeated(found as i64, set_back_at as i64, asking(&next))?;
    Ok(first as f64)
}

fn asking(next: &Next) -> impl FnMut(i64) -> napi::Result<Option<i64>> {
    |after| match next.call(after as f64)? {
        Either::A(at) if at.is_finite() => Ok(Some(at as i64)),
        _ => Ok(None),
    }
}
