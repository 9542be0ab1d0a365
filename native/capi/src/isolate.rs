//! The Node-API module: what plain FFI cannot do.
//!
//! Deno calls `napi_register_module_v1` once for each isolate that loads the library. The
//! functions here own memory through V8's backing stores (`adopt`), wake the event loop
//! through a thread-safe function, and notice the end of the isolate.
//!
//! The Node-API functions are looked up in the running program when the module is
//! registered; a program without them (a Rust test, a fuzzer) never gets here.
//!
//! Why the memory is right: a mapping's finalizer belongs to V8's backing store. It runs
//! exactly once, after the last `ArrayBuffer` over the store is gone, in whatever isolate
//! and on whatever thread that is, and it drops one Rust reference and touches nothing of
//! Node-API. So a mapping survives transfers, streams, and operations of Deno in flight.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Once};

use dipper_core::{Buffer, Error, Status};
use dipper_wire::Handle;
use napi_sys as napi;

use crate::export::{guarded, handle, silence_panics};
use crate::queue::{Queue, Waker};
use crate::{asks, handles, operations, tables};

/// One loading of the library: the instance data of a Node-API environment.
struct Isolate {
    queue: Arc<Queue>,
    wake: napi::napi_threadsafe_function,
    /// The engine was told to hurry, and not yet that it need not.
    hurried: Cell<bool>,
    /// How often the engine was told to hurry.
    hurries: Cell<i64>,
}

/// Wakes an isolate from any thread.
struct EventLoop(napi::napi_threadsafe_function);

// SAFETY: a thread-safe function may be called from any thread until it is released. The
// queue lets go of its waker, under the lock that every wake holds, before that happens.
unsafe impl Send for EventLoop {}
// SAFETY: as above.
unsafe impl Sync for EventLoop {}

impl Waker for EventLoop {
    fn wake(&self) {
        // SAFETY: see the type. A failure means that the isolate is ending: nobody waits.
        let _ = unsafe {
            napi::napi_call_threadsafe_function(
                self.0,
                ptr::null_mut(),
                napi::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
    }
}

type Callback = unsafe extern "C" fn(napi::napi_env, napi::napi_callback_info) -> napi::napi_value;

/// What the module exports, beside the C functions: name and function.
const EXPORTS: &[(&CStr, Callback)] = &[
    (c"open", open),
    (c"adopt", adopt),
    (c"hold", hold),
    (c"release", release),
    (c"nudge", nudge),
];

/// The entry point that Deno calls when `process.dlopen` loads the library.
///
/// # Safety
/// Called by the engine alone, with a live environment and an object of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: napi::napi_env,
    exports: napi::napi_value,
) -> napi::napi_value {
    static FOUND: Once = Once::new();
    silence_panics();
    let found = catch_unwind(|| {
        FOUND.call_once(|| {
            // SAFETY: called once, before any other function of the crate. The program
            // that holds the functions is never unloaded, so the handle may be forgotten.
            std::mem::forget(unsafe { napi::setup() });
        });
    });
    if found.is_err() {
        return exports;
    }
    for (name, callback) in EXPORTS {
        let mut function = ptr::null_mut();
        // SAFETY: env and exports are live for the duration of this call; the name is a
        // C string that outlives it.
        unsafe {
            napi::napi_create_function(
                env,
                name.as_ptr(),
                name.to_bytes().len() as isize,
                Some(*callback),
                ptr::null_mut(),
                &raw mut function,
            );
            napi::napi_set_named_property(env, exports, name.as_ptr(), function);
        }
    }
    exports
}

/// `open(wake: () => void): number` opens the isolate's queue. `wake` is called on the
/// event loop whenever completions are ready. Returns the queue, or minus a status.
unsafe extern "C" fn open(env: napi::napi_env, info: napi::napi_callback_info) -> napi::napi_value {
    let answer = guarded("open", || {
        let [wake] = arguments::<1>(env, info)?;
        let queue = Queue::open()?;
        let mut function = ptr::null_mut();
        let name = string(env, c"dipper completions")?;
        // SAFETY: env, wake and name are live values of this call. No finalizer, no
        // context, and the default way to call: `wake` without arguments.
        check(unsafe {
            napi::napi_create_threadsafe_function(
                env,
                wake,
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                None,
                &raw mut function,
            )
        })?;
        let isolate = Box::into_raw(Box::new(Isolate {
            queue: Arc::clone(&queue),
            wake: function,
            hurried: Cell::new(false),
            hurries: Cell::new(0),
        }));
        // SAFETY: the box is freed by `ended`, which the environment runs once, after the
        // last call of any function here. The program does not wait for an idle queue.
        unsafe {
            check(napi::napi_set_instance_data(env, isolate.cast(), None, ptr::null_mut()))?;
            check(napi::napi_add_env_cleanup_hook(env, Some(ended), isolate.cast()))?;
            check(napi::napi_unref_threadsafe_function(env, function))?;
        }
        queue.listen(Arc::new(EventLoop(function)));
        Ok(queue.handle())
    });
    number(env, answer)
}

/// The isolate ends: its operations stop, its buffers and clients go, nothing is woken.
unsafe extern "C" fn ended(isolate: *mut c_void) {
    let _ = catch_unwind(|| {
        // SAFETY: the pointer is the box of `open`, and the hook runs once.
        let isolate = unsafe { Box::from_raw(isolate.cast::<Isolate>()) };
        let queue = isolate.queue.handle();
        // Operations first: they may be writing into the isolate's memory.
        operations::release_of(queue);
        isolate.queue.close();
        // What ended between the two came too late to be told, and is released like the rest.
        operations::release_of(queue);
        asks::release_of(queue);
        handles::release_of(queue);
        tables::release_of(queue);
        // SAFETY: nobody wakes any more: `close` waited for it and took the waker.
        unsafe {
            napi::napi_release_threadsafe_function(
                isolate.wake,
                napi::ThreadsafeFunctionReleaseMode::abort,
            );
        }
    });
}

/// What a mapping owns.
struct Mapping {
    handle: Handle,
    buffer: Arc<Buffer>,
}

/// `adopt(buffer: number): ArrayBuffer` maps a buffer. Returns minus a status on failure.
unsafe extern "C" fn adopt(
    env: napi::napi_env,
    info: napi::napi_callback_info,
) -> napi::napi_value {
    let mut mapped = ptr::null_mut();
    let answer = guarded("adopt", || {
        let [buffer] = arguments::<1>(env, info)?;
        let name = handle(double(env, buffer)?)?;
        let buffer = handles::take_for_mapping(name)?;
        let memory = buffer.memory();
        let (address, length) = (memory.address(), memory.len());
        if length == 0 {
            // Nothing to own: an ordinary empty buffer, and the handle ends here.
            let mut nowhere = ptr::null_mut();
            handles::unmapped(name);
            // SAFETY: env is live; both results are written before they are read.
            return check(unsafe {
                napi::napi_create_arraybuffer(env, 0, &raw mut nowhere, &raw mut mapped)
            });
        }
        let mapping = Box::into_raw(Box::new(Mapping { handle: name, buffer }));
        // SAFETY: the memory lives as long as `mapping`, which the finalizer frees after
        // the last holder is gone. Address and length are those of the allocation.
        let status = unsafe {
            napi::napi_create_external_arraybuffer(
                env,
                address.cast(),
                length,
                Some(unmap),
                mapping.cast(),
                &raw mut mapped,
            )
        };
        check(status).inspect_err(|_| {
            // SAFETY: the engine refused the mapping, so it never runs the finalizer.
            unsafe { free(mapping) };
        })
    });
    if answer < 0.0 || mapped.is_null() { number(env, answer.min(-1.0)) } else { mapped }
}

/// The finalizer of a mapping's backing store. May run on any thread.
unsafe extern "C" fn unmap(_env: napi::napi_env, _data: *mut c_void, mapping: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the pointer is the box that `adopt` made for this backing store.
        unsafe { free(mapping.cast()) };
    }));
}

/// Ends a mapping.
///
/// # Safety
/// `mapping` comes from `Box::into_raw`, and nobody uses it afterwards.
unsafe fn free(mapping: *mut Mapping) {
    // SAFETY: the caller's promise.
    let mapping = unsafe { Box::from_raw(mapping) };
    handles::unmapped(mapping.handle);
    drop(mapping.buffer);
}

/// `hold(): number` keeps the program running while operations are under way.
unsafe extern "C" fn hold(
    env: napi::napi_env,
    _info: napi::napi_callback_info,
) -> napi::napi_value {
    let answer = guarded("hold", || {
        let isolate = isolate(env)?;
        // SAFETY: env is live and the function is released only when it ends.
        check(unsafe { napi::napi_ref_threadsafe_function(env, isolate.wake) })
    });
    number(env, answer)
}

/// `release(): number` lets the program end.
unsafe extern "C" fn release(
    env: napi::napi_env,
    _info: napi::napi_callback_info,
) -> napi::napi_value {
    let answer = guarded("release", || {
        let isolate = isolate(env)?;
        // SAFETY: as for `hold`.
        check(unsafe { napi::napi_unref_threadsafe_function(env, isolate.wake) })
    });
    number(env, answer)
}

/// `nudge(hurry: number): number` tells the engine that external memory is short while
/// `hurry` is not zero, so that it looks for dropped buffers. By itself V8 counts external
/// memory but does not hurry. It looks when JavaScript next runs, so the caller ends the
/// hurry with a second call, after some.
unsafe extern "C" fn nudge(
    env: napi::napi_env,
    info: napi::napi_callback_info,
) -> napi::napi_value {
    let answer = guarded("nudge", || {
        let [hurry] = arguments::<1>(env, info)?;
        let wanted = double(env, hurry)? != 0.0;
        let isolate = isolate(env)?;
        if isolate.hurried.replace(wanted) == wanted {
            return Ok(());
        }
        if wanted {
            isolate.hurries.set(isolate.hurries.get() % MOST_HURRIES + 1);
        }
        let shortage = HURRY * isolate.hurries.get();
        let bytes = if wanted { shortage } else { -shortage };
        let mut total = 0;
        // SAFETY: env is live; the total is written by the call. What was added is taken away
        // again, once, so the engine's sum stays right and never overflows.
        check(unsafe { napi::napi_adjust_external_memory(env, bytes, &raw mut total) })
    });
    number(env, answer)
}

/// How short of memory the engine is told to be, in bytes: so much that it collects at once.
/// It remembers the sum at which it last did and waits for a larger one, so each time asks
/// for more than the time before.
const HURRY: i64 = 1 << 36;
/// The engine's sum has 63 bits; after so many times the shortage starts anew.
const MOST_HURRIES: i64 = 1 << 24;

fn check(status: napi::napi_status) -> Result<(), Error> {
    if status == napi::Status::napi_ok {
        Ok(())
    } else {
        Err(Error::new(Status::Internal, format!("the engine answered with status {status}")))
    }
}

fn isolate<'a>(env: napi::napi_env) -> Result<&'a Isolate, Error> {
    let mut data = ptr::null_mut();
    // SAFETY: env is live; the data is null or what `open` set, freed only as env ends.
    unsafe {
        check(napi::napi_get_instance_data(env, &raw mut data))?;
        data.cast::<Isolate>().as_ref().ok_or_else(|| Error::internal("the queue is not open"))
    }
}

fn arguments<const N: usize>(
    env: napi::napi_env,
    info: napi::napi_callback_info,
) -> Result<[napi::napi_value; N], Error> {
    let mut values = [ptr::null_mut(); N];
    let mut count = N;
    // SAFETY: env and info are those of the running call; the engine fills at most `count`
    // values, and missing ones with `undefined`.
    check(unsafe {
        napi::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })?;
    Ok(values)
}

fn double(env: napi::napi_env, value: napi::napi_value) -> Result<f64, Error> {
    let mut number = 0.0;
    // SAFETY: env and value are live; the number is written before it is read.
    check(unsafe { napi::napi_get_value_double(env, value, &raw mut number) })?;
    Ok(number)
}

fn string(env: napi::napi_env, text: &CStr) -> Result<napi::napi_value, Error> {
    let mut value = ptr::null_mut();
    let start: *const c_char = text.as_ptr();
    // SAFETY: env is live and the text outlives the call.
    check(unsafe {
        napi::napi_create_string_utf8(env, start, text.to_bytes().len() as isize, &raw mut value)
    })?;
    Ok(value)
}

fn number(env: napi::napi_env, number: f64) -> napi::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: env is live. On failure the value stays null, which reads as `undefined`.
    unsafe { napi::napi_create_double(env, number, &raw mut value) };
    value
}
