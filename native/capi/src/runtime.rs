//! The one tokio runtime of the process, made when it is first needed.
//!
//! It is never shut down: a process that exits with operations in flight must not wait
//! for them, and its threads end with it.

use std::sync::OnceLock;

use dipper_core::Error;
use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

/// The runtime's handle.
pub fn handle() -> Result<&'static Handle, Error> {
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .thread_name("dipper")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(Error::internal(format!("no threads can be started: {error}"))),
    }
}
