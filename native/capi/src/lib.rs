//! The one shared library that Deno loads: a C ABI and a Node-API module.
//!
//! `abi.rs` declares every exported function once; `ffi/symbols.ts` is rendered from it.
//! Requests go down through `abi`, completions come up through `queue`, and
//! `isolate` does the three things that plain FFI cannot: own memory, wake the event
//! loop, and tell when an isolate ends. Nothing here knows S3: that is `dipper-core`.

pub mod abi;
mod asks;
mod batches;
pub mod declaration;
mod export;
mod first_steps;
mod handles;
mod isolate;
mod lines;
mod listed;
mod log_records;
mod messages;
mod numbers;
mod operations;
mod queue;
#[cfg(test)]
mod render;
mod runtime;
mod signals;
mod streams;
#[cfg(unix)]
mod system;
mod table_writes;
mod tables;
mod target;
mod trees;
mod uploads;
