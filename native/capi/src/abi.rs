//! The boundary, declared once.
//!
//! Change a line here and a test rewrites `ffi/symbols.ts`; TypeScript then does not
//! compile until it follows. A library and a `symbols.ts` that differ refuse to work
//! together, because `dipper_abi_hash` differs.

// The macro emits the `extern "C"` functions here; what they do is argued in `export.rs`.
#![allow(unsafe_code)]

use dipper_core::{Buffer, Error, interrupt, ledger};
use dipper_wire::Handle;

use crate::declaration::hash;
use crate::export::{abi, put_last_error, take_last_error};
use crate::{asks, handles, lines, numbers, operations, queue, signals, streams, tables, uploads};

abi! {
    /// A number that changes whenever the boundary does.
    fn dipper_abi_hash() -> Number = abi_hash;
    /// Writes the details of this thread's last error as JSON; returns their length, and writes nothing when the room is too small.
    fn dipper_last_error(room: Room) -> Number = last_error;
    /// Writes the process-wide memory report as six doubles.
    fn dipper_memory(room: Room) -> Number = memory;

    /// Makes every kernel of the process take its portable path, or with zero no longer: for tests.
    fn dipper_force_portable(on: Number) -> Number = force_portable;

    /// Writes the FNV-1a sum of lent bytes as eight bytes. `shared`: others may write to them meanwhile.
    fn dipper_checksum_bytes(data: Memory, shared: Number, sum: Room) -> Number = numbers::checksum_bytes;
    /// Multiplies lent numbers of `width` bytes each.
    fn dipper_scale(data: Memory, shared: Number, width: Number, factor: Number) -> Number = numbers::scale;
    /// Replaces lent numbers of `width` bytes each by their natural logarithms.
    fn dipper_log(data: Memory, shared: Number, width: Number) -> Number = numbers::log;
    /// Normalises each `dimension` of lent numbers of `width` bytes each, by norm 0 (l2), 1 (minmax) or 2 (zscore).
    fn dipper_normalize(data: Memory, shared: Number, width: Number, norm: Number, dimension: Number) -> Number = numbers::normalize;

    /// Reserves a zeroed buffer of so many bytes.
    fn dipper_buffer_new(queue: QueueHandle, length: Number) -> BufferHandle = buffer_new;
    /// Where a buffer's bytes start.
    fn dipper_buffer_address(buffer: BufferHandle) -> Address = handles::buffer_address;
    /// From here on the collector owns the buffer: its bytes leave the budget.
    fn dipper_buffer_adopt(buffer: BufferHandle) -> Number = handles::buffer_adopt;
    /// A second handle that keeps the memory alive until it is released; it cannot be mapped.
    fn dipper_buffer_hold(queue: QueueHandle, buffer: BufferHandle) -> BufferHandle = handles::buffer_hold;
    /// Releases a handle that was never mapped.
    fn dipper_buffer_release(buffer: BufferHandle) -> Number = handles::buffer_release;

    /// Makes a client from `ClientRequest` JSON.
    fn dipper_client_new(queue: QueueHandle, request: Bytes) -> ClientHandle = operations::client_new;
    /// Forgets a client; its operations end as cancelled.
    fn dipper_client_release(client: ClientHandle) -> Number = operations::client_release;

    /// Starts the operations that `Submission[]` JSON describes; writes their handles as doubles, in order.
    fn dipper_submit(queue: QueueHandle, requests: Bytes, handles: Room) -> Number = operations::submit;
    /// Starts a read into memory that stays valid and untouched until the completion.
    fn dipper_submit_into(queue: QueueHandle, request: Bytes, target: Room) -> OperationHandle = operations::submit_into;
    /// Forgets a stream; what it reads ahead ends.
    fn dipper_stream_release(stream: StreamHandle) -> Number = streams::release;
    /// Takes the next batch of lines if it is there or will be in a moment: writes its buffer or 0, its bytes, its elements and how many bytes the source gave so far, as four doubles; returns whether there was one. The buffer is adopted.
    fn dipper_lines_take(queue: QueueHandle, stream: StreamHandle, room: Room) -> Number = lines::take;
    /// Writes where each element of the last batch of lines ends, as 32-bit numbers behind a zero; returns how many fit.
    fn dipper_lines_offsets(stream: StreamHandle, room: Room) -> Number = lines::offsets;
    /// Copies bytes into an upload, as many as there is room for; returns how many, zero when `uploadRoom` is to be asked.
    fn dipper_upload_write(upload: UploadHandle, bytes: Bytes) -> Number = uploads::write;
    /// Forgets an upload; what is not finished is aborted.
    fn dipper_upload_release(upload: UploadHandle) -> Number = uploads::release;
    /// Makes an empty table of vectors with so many numbers each.
    fn dipper_table_new(queue: QueueHandle, dimension: Number) -> TableHandle = tables::new;
    /// A second handle, which keeps the table until it is released.
    fn dipper_table_hold(queue: QueueHandle, table: TableHandle) -> TableHandle = tables::hold;
    /// Releases a handle; a table is gone with its last one.
    fn dipper_table_release(table: TableHandle) -> Number = tables::release;
    /// A number that finds the table as long as some isolate holds it.
    fn dipper_table_share(table: TableHandle) -> Number = tables::share;
    /// A handle to the table of a token.
    fn dipper_table_find(queue: QueueHandle, token: Number) -> TableHandle = tables::find;
    /// How many vectors a table has.
    fn dipper_table_count(table: TableHandle) -> Number = tables::count;
    /// How many numbers each of them has.
    fn dipper_table_dimension(table: TableHandle) -> Number = tables::dimension;
    /// Adds vectors, `f32` after `f32`, all or none; returns the number of the first.
    fn dipper_table_append(table: TableHandle, rows: Bytes) -> Number = tables::append;
    /// Copies a vector out.
    fn dipper_table_row(table: TableHandle, index: Number, place: Room) -> Number = tables::row;
    /// Writes the dot product of a vector and a query, an `f32`.
    fn dipper_table_dot(table: TableHandle, index: Number, query: Bytes, place: Room) -> Number = tables::dot;
    /// Writes the dot products of the first vectors with a query, as many `f32` as there is room for.
    fn dipper_table_scores(table: TableHandle, query: Bytes, scores: Room) -> Number = tables::scores;
    /// Writes the numbers and scores of the nearest among the first `rows` vectors to each query, as many for each as there is room for. Metrics: 0 dot, 1 cosine, 2 Euclidean.
    fn dipper_table_nearest(table: TableHandle, metric: Number, rows: Number, queries: Bytes, indices: Room, scores: Room) -> Number = tables::nearest;
    /// Ends all that an isolate has under way and waits until nothing is left of its uploads, two seconds at most: for the end of the program.
    fn dipper_end_of_program(queue: QueueHandle) -> Number = operations::end_of_program;
    /// Listens to Stop in a notebook and wakes this isolate for each; a zero ends that.
    fn dipper_stop_watch(queue: QueueHandle, on: Number) -> Number = signals::stop_watch;
    /// Tells that the isolate heard every Stop so far, and whether that ended something; returns whether one is left that ended nothing: the next then ends the process.
    fn dipper_stop_heard(queue: QueueHandle, ended: Number) -> Number = signals::stop_heard;
    /// Ends an operation early. Unknown operations have ended already: no error.
    fn dipper_cancel(operation: OperationHandle) -> Number = operations::cancel;
    /// Writes completion records that are ready; returns the bytes written.
    fn dipper_drain(queue: QueueHandle, room: Room) -> Number = queue::drain;
    /// How many bytes the next completion record needs; zero when none is ready.
    fn dipper_next_record(queue: QueueHandle) -> Number = queue::next_record;
    /// Stops an embedded server and waits until its directory is gone, two seconds at most: for the end of the program.
    fn dipper_server_stop(server: ServerHandle) -> Number = operations::server_stop;
    /// Answers a question: zero refuses, anything else grants.
    fn dipper_answer(ask: AskHandle, granted: Number) -> Number = asks::answer;
    /// Answers a question that asks for a message, with `AnswerMessage` JSON.
    fn dipper_answer_with(ask: AskHandle, message: Bytes) -> Number = asks::answer_with;
}

/// The hash of this declaration and of the messages.
#[must_use]
pub fn current_hash() -> f64 {
    hash(FUNCTIONS, include_str!("messages.rs"))
}

fn abi_hash() -> Result<f64, Error> {
    Ok(current_hash())
}

fn last_error(room: &mut [u8]) -> Result<usize, Error> {
    let Some(details) = take_last_error() else { return Ok(0) };
    let Ok(json) = serde_json::to_vec(&details) else { return Ok(0) };
    match room.get_mut(..json.len()) {
        Some(room) => room.copy_from_slice(&json),
        None => put_last_error(details),
    }
    Ok(json.len())
}

fn memory(room: &mut [u8]) -> Result<usize, Error> {
    end_if_stopped("memory")?;
    let report = ledger().report();
    let numbers = [
        report.bytes,
        report.buffers,
        report.adopted,
        report.operations,
        report.pooled,
        report.budget,
    ];
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| (*number as f64).to_le_bytes()).collect();
    let target = room
        .get_mut(..bytes.len())
        .ok_or_else(|| Error::internal("the memory report needs room for six doubles"))?;
    target.copy_from_slice(&bytes);
    Ok(bytes.len())
}

fn force_portable(on: f64) -> Result<(), Error> {
    dipper_wire::simd::force_portable(on != 0.0);
    Ok(())
}

/// Short calls look once, so that a loop over them ends too.
fn end_if_stopped(what: &str) -> Result<(), Error> {
    if interrupt::Watch::begin().stopped() { Err(interrupt::stopped(what)) } else { Ok(()) }
}

fn buffer_new(queue: Handle, length: f64) -> Result<Handle, Error> {
    if !(length >= 0.0 && length.fract() == 0.0 && length <= 9_007_199_254_740_991.0) {
        return Err(Error::invalid(format!("a buffer cannot have {length} bytes"))
            .hint("pass a whole number of bytes, zero or more"));
    }
    end_if_stopped("making a buffer")?;
    let queue = queue::of(queue)?;
    handles::insert_buffer(&queue, Buffer::zeroed(length as usize)?)
}
