//! As much of Node-API as the library uses, so that it can be loaded without Deno.
//!
//! The library looks these functions up in the running program. Values live until the end of
//! the run. What V8 decides, the fuzz target decides here: when an `ArrayBuffer` is collected,
//! and when the isolate ends.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use libloading::Library;

const OK: i32 = 0;
const INVALID: i32 = 1;
const NUMBER_EXPECTED: i32 = 6;

type Callback = unsafe extern "C" fn(*mut Isolate, *mut CallInfo) -> *mut Value;
type Finalizer = unsafe extern "C" fn(*mut Isolate, *mut c_void, *mut c_void);
type Hook = unsafe extern "C" fn(*mut c_void);

/// A JavaScript value.
pub enum Value {
    /// Anything that is not looked into.
    Other,
    /// A number.
    Number(f64),
    /// A function of the module.
    Function(Callback),
    /// An `ArrayBuffer` over memory of Rust's.
    External(External),
}

/// An `ArrayBuffer` over memory of Rust's.
pub struct External {
    data: *mut u8,
    length: usize,
    finalizer: Finalizer,
    hint: *mut c_void,
}

/// The arguments of a call.
pub struct CallInfo {
    arguments: Vec<*mut Value>,
}

/// One isolate that has loaded the library: its Node-API environment.
pub struct Isolate {
    functions: HashMap<String, Callback>,
    values: Vec<Box<Value>>,
    data: *mut c_void,
    hooks: Vec<(Hook, *mut c_void)>,
    external: i64,
    /// The queue that the module opened.
    pub queue: f64,
}

/// Signals as Deno sets them: a write to a peer that left is an error, not the end of the program.
pub fn signals_as_in_deno() {
    // SAFETY: ignoring a signal runs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

static WOKEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Waits until the library wakes the event loop, or for so long.
pub fn wait_for_wake(longest: Duration) {
    let woken = WOKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = WOKEN.1.wait_timeout_while(woken, longest, |woken| !*woken);
    *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
}

impl Isolate {
    /// Registers the module and opens its queue, as `ffi/library.ts` does.
    pub fn new(library: &Library) -> Box<Self> {
        let mut isolate = Box::new(Self {
            functions: HashMap::new(),
            values: Vec::new(),
            data: ptr::null_mut(),
            hooks: Vec::new(),
            external: 0,
            queue: 0.0,
        });
        type Register = unsafe extern "C" fn(*mut Isolate, *mut Value) -> *mut Value;
        let register = unsafe { library.get::<Register>(b"napi_register_module_v1\0") };
        let exports = isolate.value(Value::Other);
        unsafe { register.expect("a Node-API module")(&raw mut *isolate, exports) };
        let answer = isolate.call("open", vec![Value::Other]);
        let Value::Number(queue) = answer else { panic!("open returns a number") };
        assert!(*queue > 0.0, "the queue opens");
        isolate.queue = *queue;
        isolate
    }

    fn value(&mut self, value: Value) -> *mut Value {
        self.values.push(Box::new(value));
        &raw mut **self.values.last_mut().expect("just pushed")
    }

    /// Calls a function of the module.
    pub fn call(&mut self, name: &str, arguments: Vec<Value>) -> &Value {
        let arguments = arguments.into_iter().map(|value| self.value(value)).collect();
        let function = *self.functions.get(name).expect("an export of the module");
        let mut info = CallInfo { arguments };
        let result = unsafe { function(&raw mut *self, &raw mut info) };
        assert!(!result.is_null(), "{name} returns a value");
        unsafe { &*result }
    }

    /// The names of the module's functions.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.keys().cloned().collect();
        names.sort();
        names
    }

    /// Touches the memory of every mapping, then collects them, on another thread as V8 may.
    pub fn collect(&mut self) {
        let isolate = &raw mut *self as usize;
        for value in &mut self.values {
            let Value::External(external) = std::mem::replace(&mut **value, Value::Other) else {
                continue;
            };
            let bytes = unsafe { std::slice::from_raw_parts_mut(external.data, external.length) };
            if let Some(first) = bytes.first_mut() {
                *first ^= 1;
            }
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            let (data, hint) = (external.data as usize, external.hint as usize);
            let finalizer = external.finalizer;
            let finalize = move || unsafe {
                finalizer(isolate as *mut Isolate, data as *mut c_void, hint as *mut c_void);
            };
            std::thread::spawn(finalize).join().expect("the finalizer returns");
        }
    }

    /// Ends the isolate; mappings outlive it.
    pub fn end(&mut self) {
        for (hook, argument) in std::mem::take(&mut self.hooks).into_iter().rev() {
            unsafe { hook(argument) };
        }
        self.data = ptr::null_mut();
        assert_eq!(self.external, 0, "what was added to the engine's sum is taken away");
        self.collect();
    }

    /// Ends the engine's hurry, if it was told to, so that its sum can be checked.
    pub fn calm(&mut self) {
        self.call("nudge", vec![Value::Number(0.0)]);
    }
}

unsafe fn text(start: *const c_char, length: usize) -> String {
    if length == usize::MAX {
        return unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned();
    }
    let bytes = unsafe { std::slice::from_raw_parts(start.cast(), length) };
    String::from_utf8_lossy(bytes).into_owned()
}

unsafe fn put(isolate: *mut Isolate, value: Value, result: *mut *mut Value) -> i32 {
    unsafe { *result = (*isolate).value(value) };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_create_function(
    isolate: *mut Isolate,
    name: *const c_char,
    length: usize,
    callback: Callback,
    _data: *mut c_void,
    result: *mut *mut Value,
) -> i32 {
    unsafe {
        (*isolate).functions.insert(text(name, length), callback);
        put(isolate, Value::Function(callback), result)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_set_named_property(
    _isolate: *mut Isolate,
    _object: *mut Value,
    _name: *const c_char,
    _value: *mut Value,
) -> i32 {
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_get_cb_info(
    isolate: *mut Isolate,
    info: *mut CallInfo,
    count: *mut usize,
    values: *mut *mut Value,
    _this: *mut *mut Value,
    _data: *mut *mut c_void,
) -> i32 {
    unsafe {
        let given = &(*info).arguments;
        for at in 0..*count {
            let value = match given.get(at) {
                Some(value) => *value,
                None => (*isolate).value(Value::Other),
            };
            *values.add(at) = value;
        }
        *count = given.len();
    }
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_create_string_utf8(
    isolate: *mut Isolate,
    _start: *const c_char,
    _length: usize,
    result: *mut *mut Value,
) -> i32 {
    unsafe { put(isolate, Value::Other, result) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_create_double(
    isolate: *mut Isolate,
    number: f64,
    result: *mut *mut Value,
) -> i32 {
    unsafe { put(isolate, Value::Number(number), result) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_get_value_double(
    _isolate: *mut Isolate,
    value: *mut Value,
    result: *mut f64,
) -> i32 {
    match unsafe { value.as_ref() } {
        None => INVALID,
        Some(Value::Number(number)) => {
            unsafe { *result = *number };
            OK
        }
        Some(_) => NUMBER_EXPECTED,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_create_arraybuffer(
    isolate: *mut Isolate,
    length: usize,
    _data: *mut *mut c_void,
    result: *mut *mut Value,
) -> i32 {
    assert_eq!(length, 0, "the library maps what it has");
    unsafe { put(isolate, Value::Other, result) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_create_external_arraybuffer(
    isolate: *mut Isolate,
    data: *mut u8,
    length: usize,
    finalizer: Finalizer,
    hint: *mut c_void,
    result: *mut *mut Value,
) -> i32 {
    assert!(!data.is_null() && length > 0);
    let external = External { data, length, finalizer, hint };
    unsafe { put(isolate, Value::External(external), result) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_set_instance_data(
    isolate: *mut Isolate,
    data: *mut c_void,
    _finalizer: *mut c_void,
    _hint: *mut c_void,
) -> i32 {
    unsafe { (*isolate).data = data };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_get_instance_data(
    isolate: *mut Isolate,
    result: *mut *mut c_void,
) -> i32 {
    unsafe { *result = (*isolate).data };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_add_env_cleanup_hook(
    isolate: *mut Isolate,
    hook: Hook,
    argument: *mut c_void,
) -> i32 {
    unsafe { (*isolate).hooks.push((hook, argument)) };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_adjust_external_memory(
    isolate: *mut Isolate,
    change: i64,
    result: *mut i64,
) -> i32 {
    unsafe {
        (*isolate).external =
            (*isolate).external.checked_add(change).expect("the engine's sum does not overflow");
        assert!((*isolate).external >= 0);
        *result = (*isolate).external;
    }
    OK
}

// The thread-safe function is a place that counts its life.
struct Wake {
    released: bool,
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn napi_create_threadsafe_function(
    _isolate: *mut Isolate,
    _function: *mut Value,
    _resource: *mut Value,
    _name: *mut Value,
    _most: usize,
    _threads: usize,
    _finalize_data: *mut c_void,
    _finalizer: *mut c_void,
    _context: *mut c_void,
    _call: *mut c_void,
    result: *mut *mut Wake,
) -> i32 {
    unsafe { *result = Box::into_raw(Box::new(Wake { released: false })) };
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_call_threadsafe_function(
    wake: *mut Wake,
    _data: *mut c_void,
    _mode: i32,
) -> i32 {
    assert!(!unsafe { (*wake).released }, "nobody wakes an isolate that ended");
    *WOKEN.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    WOKEN.1.notify_all();
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_release_threadsafe_function(wake: *mut Wake, _mode: i32) -> i32 {
    unsafe {
        assert!(!std::mem::replace(&mut (*wake).released, true), "it is released once");
        // Freed, so that AddressSanitizer tells of a wake that comes too late.
        drop(Box::from_raw(wake));
    }
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_ref_threadsafe_function(_isolate: *mut Isolate, wake: *mut Wake) -> i32 {
    assert!(!unsafe { (*wake).released });
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn napi_unref_threadsafe_function(
    _isolate: *mut Isolate,
    wake: *mut Wake,
) -> i32 {
    assert!(!unsafe { (*wake).released });
    OK
}

#[allow(dead_code)]
struct Exported([*const (); 17]);
// SAFETY: addresses of functions.
unsafe impl Sync for Exported {}

/// Keeps the functions above in the program: the library alone refers to them, by name.
#[used]
static EXPORTED: Exported = Exported([
    napi_create_function as *const (),
    napi_set_named_property as *const (),
    napi_get_cb_info as *const (),
    napi_create_string_utf8 as *const (),
    napi_create_double as *const (),
    napi_get_value_double as *const (),
    napi_create_arraybuffer as *const (),
    napi_create_external_arraybuffer as *const (),
    napi_set_instance_data as *const (),
    napi_get_instance_data as *const (),
    napi_add_env_cleanup_hook as *const (),
    napi_adjust_external_memory as *const (),
    napi_create_threadsafe_function as *const (),
    napi_call_threadsafe_function as *const (),
    napi_release_threadsafe_function as *const (),
    napi_ref_threadsafe_function as *const (),
    napi_unref_threadsafe_function as *const (),
]);
