//! The one way out: the macro that emits every exported function, and what each of them
//! does around its body.
//!
//! An exported function never unwinds into its caller, never trusts a pointer, a length
//! or a handle, and tells what went wrong by a negative number; the details wait in the
//! thread, as with `errno`, until `dipper_last_error` takes them. The caller is the one
//! thread of an isolate, so nobody else can overwrite them in between.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use dipper_core::{Error, Status, interrupt};
use dipper_wire::{Borrowed, Handle};

use crate::messages::ErrorDetails;

thread_local! {
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
    static LAST_ERROR: RefCell<Option<ErrorDetails>> = const { RefCell::new(None) };
}

/// What may be returned: converted to the double that crosses.
pub trait Answer {
    /// The number, zero or more.
    fn to_number(self) -> f64;
}

impl Answer for () {
    fn to_number(self) -> f64 {
        0.0
    }
}

impl Answer for f64 {
    fn to_number(self) -> f64 {
        self
    }
}

impl Answer for usize {
    fn to_number(self) -> f64 {
        self as f64
    }
}

impl Answer for Handle {
    fn to_number(self) -> f64 {
        Handle::to_number(self)
    }
}

/// Runs a body so that neither an error nor a panic leaves it.
pub fn guarded<A: Answer>(name: &'static str, body: impl FnOnce() -> Result<A, Error>) -> f64 {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let error = match outcome {
        Ok(Ok(answer)) => return answer.to_number(),
        Ok(Err(error)) => error,
        Err(panic) => panicked(name, &*panic),
    };
    if error.status == Status::Stopped {
        // JavaScript learns of Stop by this error.
        interrupt::answer();
        crate::signals::acknowledge();
    }
    let number = -f64::from(error.status as u32);
    LAST_ERROR.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(ErrorDetails::of(error, name));
        }
    });
    number
}

/// Keeps panics from writing to the standard error of a program that is not ours: where
/// one happened travels in the error instead. The hook is this library's own, as it links
/// its own copy of Rust's standard library.
pub fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
            PANICKED_AT.with(|at| {
                if let Ok(mut at) = at.try_borrow_mut() {
                    *at = place;
                }
            });
        }));
    });
}

/// The error for a panic, whatever it was raised with. Called on the thread that caught it.
pub fn panicked(operation: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let place = PANICKED_AT.with(|at| at.try_borrow_mut().ok().and_then(|mut at| at.take()));
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Error::internal(format!("dipper has a defect: {operation} panicked{place}: {said}"))
}

/// Takes the details of this thread's last error.
pub fn take_last_error() -> Option<ErrorDetails> {
    LAST_ERROR.with(|last| last.try_borrow_mut().ok().and_then(|mut last| last.take()))
}

/// Puts details back that did not fit.
pub fn put_last_error(details: ErrorDetails) {
    LAST_ERROR.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(details);
        }
    });
}

/// A handle from the other side, which may be any number.
///
/// # Errors
/// `StaleHandle` for what cannot be a handle.
pub fn handle(number: f64) -> Result<Handle, Error> {
    Handle::from_number(number).ok_or_else(|| dipper_wire::StaleHandle.into())
}

fn without_memory() -> Error {
    Error::invalid("a byte range without memory crossed the boundary")
}

/// A length as it crosses: a double, because JavaScript's lengths are doubles.
fn sane(length: f64) -> Result<usize, Error> {
    // 2^47 bytes are all that a process can address on the systems that Deno runs on.
    let possible = (0.0..=140_737_488_355_328.0).contains(&length) && length.fract() == 0.0;
    if possible { Ok(length as usize) } else { Err(without_memory()) }
}

/// Bytes of the caller, to be read during the call.
///
/// # Errors
/// `InvalidInput` for a null pointer with a length, or a length no memory has.
///
/// # Safety
/// `pointer` is null, or valid for reads of `length` bytes until the caller's stack frame
/// returns, and no other thread writes to them meanwhile.
pub unsafe fn bytes<'a>(pointer: *const u8, length: f64) -> Result<&'a [u8], Error> {
    let length = sane(length)?;
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(without_memory());
    }
    // SAFETY: checked above as far as it can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Room of the caller, to be written during the call.
///
/// # Errors
/// As [`bytes`].
///
/// # Safety
/// As [`bytes`], for writes, and nobody else reads or writes meanwhile.
pub unsafe fn room<'a>(pointer: *mut u8, length: f64) -> Result<&'a mut [u8], Error> {
    let length = sane(length)?;
    if length == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(without_memory());
    }
    // SAFETY: checked above as far as it can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, length) })
}

/// Memory that a user lent for the call.
///
/// # Errors
/// As [`bytes`].
///
/// # Safety
/// As [`Borrowed::new`], until the caller's stack frame returns.
pub unsafe fn memory<'a>(pointer: *mut u8, length: f64) -> Result<Borrowed<'a>, Error> {
    let length = sane(length)?;
    if pointer.is_null() && length > 0 {
        return Err(without_memory());
    }
    // SAFETY: checked above as far as it can be; the rest is the caller's promise.
    Ok(unsafe { Borrowed::new(pointer, length) })
}

/// Declares the boundary. For each line it emits the `extern "C"` function, with panic
/// capture and checked arguments, and its [`Function`](crate::declaration::Function).
///
/// The roles of [`Role`](crate::declaration::Role) are the types of this little language.
/// `Bytes`, `Room` and `Memory` become a pointer and a length; all else is a double.
macro_rules! abi {
    ($(
        #[doc = $doc:literal]
        fn $name:ident($($parameter:ident: $role:ident),* $(,)?) -> $result:ident = $body:path;
    )+) => {
        /// Every exported function, in the order of the declaration.
        pub const FUNCTIONS: &[$crate::declaration::Function] = &[$(
            $crate::declaration::Function {
                name: stringify!($name),
                doc: $doc.trim_ascii(),
                parameters: &[$((
                    stringify!($parameter),
                    $crate::declaration::Role::$role,
                )),*],
                result: $crate::declaration::Role::$result,
            },
        )+];
        $($crate::export::export! {
            @next [$doc] $name $body; [] [] []; $($parameter: $role,)*
        })+
    };
}

/// Emits one function: takes the parameters one by one, each role in its own way.
macro_rules! export {
    (@next $meta:tt $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];
     $parameter:ident: Bytes, $($rest:tt)*) => {
        $crate::export::export! { @next $meta $name $body;
            [$($c)* $parameter: *const u8, length: f64,]
            // SAFETY: the declaration's contract, which `ffi/symbols.ts` keeps: pointer and
            // length are those of one view that JavaScript does not touch during the call.
            [$($let)* let $parameter = unsafe { $crate::export::bytes($parameter, length) }?;]
            [$($given)* $parameter,]; $($rest)* }
    };
    (@next $meta:tt $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];
     $parameter:ident: Room, $($rest:tt)*) => {
        $crate::export::export! { @next $meta $name $body;
            [$($c)* $parameter: *mut u8, length: f64,]
            // SAFETY: as for `Bytes`.
            [$($let)* let $parameter = unsafe { $crate::export::room($parameter, length) }?;]
            [$($given)* $parameter,]; $($rest)* }
    };
    (@next $meta:tt $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];
     $parameter:ident: Memory, $($rest:tt)*) => {
        $crate::export::export! { @next $meta $name $body;
            [$($c)* $parameter: *mut u8, length: f64,]
            // SAFETY: `ffi/borrowed.ts` keeps it: pointer and length are those of one view of
            // JavaScript's, whose thread waits here. Whether others use the memory is said
            // by another parameter.
            [$($let)* let $parameter = unsafe { $crate::export::memory($parameter, length) }?;]
            [$($given)* $parameter,]; $($rest)* }
    };
    (@next $meta:tt $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];
     $parameter:ident: Number, $($rest:tt)*) => {
        $crate::export::export! { @next $meta $name $body;
            [$($c)* $parameter: f64,] [$($let)*] [$($given)* $parameter,]; $($rest)* }
    };
    (@next $meta:tt $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];
     $parameter:ident: $handle:ident, $($rest:tt)*) => {
        $crate::export::export! { @next $meta $name $body;
            [$($c)* $parameter: f64,]
            [$($let)* let $parameter = $crate::export::handle($parameter)?;]
            [$($given)* $parameter,]; $($rest)* }
    };
    (@next [$doc:literal] $name:ident $body:path; [$($c:tt)*] [$($let:tt)*] [$($given:tt)*];) => {
        #[doc = $doc]
        ///
        /// # Safety
        /// Each pointer is null or valid for its length until the function returns.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($c)*) -> f64 {
            $crate::export::guarded(stringify!($name), || {
                $($let)*
                $body($($given)*)
            })
        }
    };
}

pub(crate) use {abi, export};

/// The error for a handle that names nothing of its kind.
pub fn stale(kind: &str) -> Error {
    Error::new(
        Status::StaleHandle,
        format!("this {kind} was released, or belongs to another process"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_that_names_the_function() {
        let number = guarded("dipper_example", || -> Result<(), Error> { panic!("boom") });
        assert_eq!(number, -f64::from(Status::Internal as u32));
        let details = take_last_error().unwrap();
        assert!(details.message.contains("dipper_example") && details.message.contains("boom"));
        assert!(take_last_error().is_none());
    }

    #[test]
    fn ranges_without_memory_are_refused() {
        // SAFETY: both calls return before they would touch the memory.
        unsafe {
            assert!(bytes(std::ptr::null(), 1.0).is_err());
            assert!(room(std::ptr::null_mut(), 1.0).is_err());
            for length in [f64::NAN, -1.0, 0.5, 1e300, f64::INFINITY] {
                assert!(bytes(std::ptr::dangling(), length).is_err());
            }
            assert!(bytes(std::ptr::null(), 0.0).unwrap().is_empty());
            assert!(memory(std::ptr::null_mut(), 1.0).is_err());
            assert!(memory(std::ptr::null_mut(), 0.0).unwrap().is_empty());
        }
    }
}
