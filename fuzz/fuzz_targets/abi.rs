//! The boundary of the built library: every exported function, with garbage handles, lengths and
//! messages, null pointers, and with sound ones, in any order.
//!
//! Each run is the life of an isolate. Whatever it does: every function answers with a number of
//! the agreed kind, nothing panics inside, every operation ends exactly once, and afterwards the
//! library holds nothing. What the contract forbids is not done: a pointer is null or valid for
//! the length that is said, unless the length is one that no memory has.
//!
//! The library itself is not instrumented, so the fuzzer learns little from it; the messages are
//! made up from their types instead. AddressSanitizer sees its allocations and its copies.

#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use dipper_fuzz::boundary::{self, ABI_HASH, FUNCTIONS, Function, STATUSES, kind, record};
use dipper_fuzz::engine::{Isolate, Value, signals_as_in_deno, wait_for_wake};
use dipper_fuzz::messages::{Messages, Places, rarely};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use libloading::Library;
use serde_json::{Value as Json, json};

/// How long the library may take to end what was cancelled.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kinds of handles, as their upper bits tell them.
const KINDS: [(&str, u8); 9] = [
    ("UploadHandle", 0),
    ("QueueHandle", 1),
    ("BufferHandle", 2),
    ("ClientHandle", 3),
    ("ServerHandle", 4),
    ("OperationHandle", 5),
    ("AskHandle", 6),
    ("StreamHandle", 7),
    ("TableHandle", 8),
];

struct World {
    library: Library,
    messages: Messages,
    /// A message that makes a sound client.
    client: Vec<u8>,
}

thread_local! {
    static WORLD: World = World::load();
}

fuzz_target!(|input: &[u8]| {
    WORLD.with(|world| {
        let mut run = Run::new(world);
        let input = &mut Unstructured::new(input);
        if !input.ratio(1, 3).unwrap_or(true) {
            run.learn(world.client(run.isolate.queue));
        }
        let _ = run.go(input);
        match input.int_in_range(0..=3_u8) {
            Ok(3) => run.finish(true),
            Ok(2) => run.finish(false),
            _ => {
                run.wait_for_operations();
                run.finish(false);
            }
        }
    });
});

impl World {
    /// Loads the library, and lets it serve a bucket with an object.
    fn load() -> Self {
        signals_as_in_deno();
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../build/libdipper.so");
        let path = std::env::var("DIPPER_LIBRARY").unwrap_or_else(|_| beside.to_owned());
        // SAFETY: a library of ours; loading it runs nothing.
        let library = unsafe { Library::new(&path) };
        let library = library.unwrap_or_else(|error| panic!("{path}: {error}; deno task build"));
        let folder = std::env::temp_dir().join(format!("dipper-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("folder")).unwrap();
        std::fs::write(folder.join("file"), vec![0x5A; 100_000]).unwrap();
        let places = Places { folder: folder.to_str().unwrap().to_owned(), ..Places::default() };
        let messages = Messages::declared(places);
        let mut world = Self { library, messages, client: Vec::new() };
        let hash = world.call("dipper_abi_hash", &[]);
        assert_eq!(hash, ABI_HASH, "{path} is not of these sources; deno task build");

        // What serves is an isolate that never ends.
        let queue = Box::leak(Isolate::new(&world.library)).queue;
        let start = json!({ "operation": "startLocalS3", "port": 0 });
        let server = world.one(queue, &[], &start);
        let text = |name: &str| server[name].as_str().expect(name).to_owned();
        let places = &mut world.messages.places;
        places.endpoint = text("endpoint").trim_end_matches('/').to_owned();
        places.region = text("region");
        places.access_key = text("accessKeyId");
        places.secret_key = text("secretAccessKey");
        let credentials = json!({
            "kind": "explicit",
            "accessKeyId": places.access_key,
            "secretAccessKey": places.secret_key,
        });
        let client = json!({
            "endpoint": places.endpoint, "region": places.region, "credentials": credentials,
            "surroundings": { "variables": {}, "files": {}, "skipped": [] }, "look": 0,
        });
        world.client = serde_json::to_vec(&client).expect("JSON");

        let host = world.messages.places.host().to_owned();
        let granted = [host.as_str()];
        let name = world.client(queue);
        let create = json!({ "operation": "createBucket", "client": name, "bucket": "bucket" });
        world.one(queue, &granted, &create);
        let buffer = world.call("dipper_buffer_new", &[queue, 300_000.0]);
        for (key, buffer) in [("key", Some(buffer)), ("empty", None)] {
            let object = json!({ "client": name, "bucket": "bucket", "key": key });
            let put = json!({
                "operation": "put", "object": object, "buffer": buffer,
                "write": { "metadata": {} }, "progress": false,
            });
            world.one(queue, &granted, &put);
        }
        assert_eq!(world.call("dipper_buffer_release", &[buffer]), 0.0);
        assert_eq!(world.call("dipper_client_release", &[name]), 0.0);
        world
    }

    /// Calls a function of numbers alone.
    fn call(&self, name: &str, numbers: &[f64]) -> f64 {
        let index = FUNCTIONS.iter().position(|function| function.name == name).expect(name);
        let bytes = |(_, role): &(&str, &str)| role.starts_with("Uint8Array");
        assert!(!FUNCTIONS[index].parameters.iter().any(bytes));
        // SAFETY: no pointers.
        unsafe { boundary::call(&self.library, index, numbers, &[]) }
    }

    /// Calls a function whose parameters are numbers, then bytes.
    fn call_with(&self, name: &str, numbers: &[f64], bytes: &mut [&mut [u8]]) -> f64 {
        let index = FUNCTIONS.iter().position(|function| function.name == name).expect(name);
        let lengths = bytes.iter().map(|bytes| bytes.len() as f64);
        let numbers: Vec<f64> = numbers.iter().copied().chain(lengths).collect();
        let pointers: Vec<*mut u8> = bytes.iter_mut().map(|bytes| bytes.as_mut_ptr()).collect();
        // SAFETY: the bytes are live during the call, and exclusively borrowed.
        unsafe { boundary::call(&self.library, index, &numbers, &pointers) }
    }

    /// A sound client.
    fn client(&self, queue: f64) -> f64 {
        let name = self.call_with("dipper_client_new", &[queue], &mut [&mut self.client.clone()]);
        assert!(name > 0.0, "{:?}", self.last_error());
        name
    }

    /// Does one thing, which must succeed, and returns what it brings.
    fn one(&self, queue: f64, granted: &[&str], request: &Json) -> Json {
        let requests = json!([{ "granted": granted, "request": request }]);
        let mut requests = serde_json::to_vec(&requests).expect("JSON");
        let mut handles = [0; 8];
        let count = self.call_with("dipper_submit", &[queue], &mut [&mut requests, &mut handles]);
        assert_eq!(count, 1.0, "{request} {:?}", self.last_error());
        let mut room = vec![0_u8; 64 * 1024];
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let written = self.call_with("dipper_drain", &[queue], &mut [&mut room]);
            if written > 0.0 {
                let length = word(&room, record::PAYLOAD) as usize;
                let payload = &room[record::SIZE..record::SIZE + length];
                let done = word(&room, record::KIND) == kind::DONE;
                assert!(done, "{request} {}", String::from_utf8_lossy(payload));
                return if length == 0 { Json::Null } else { details(payload) };
            }
            wait_for_wake(Duration::from_millis(10));
        }
        panic!("{request} does not end");
    }

    /// Bytes, buffers, adopted buffers and operations.
    fn held(&self) -> [f64; 4] {
        let mut room = [0_u8; 48];
        assert_eq!(self.call_with("dipper_memory", &[], &mut [&mut room]), 48.0);
        std::array::from_fn(|at| double(&room, at * 8))
    }

    fn last_error(&self) -> Option<Json> {
        let mut room = vec![0_u8; 64 * 1024];
        let length = self.call_with("dipper_last_error", &[], &mut [&mut room]);
        assert!(length >= 0.0 && length as usize <= room.len());
        (length > 0.0).then(|| details(&room[..length as usize]))
    }
}

/// The life of one isolate.
struct Run<'a> {
    world: &'a World,
    isolate: Box<Isolate>,
    /// Handles that were given out, by kind; some are stale by now.
    known: HashMap<u8, Vec<f64>>,
    /// Operations that have not ended, by the bits of their handles, and what began them.
    under_way: HashMap<u64, String>,
    /// What crossed as a pointer: kept until no operation can write to it.
    lent: RefCell<Vec<Box<[u8]>>>,
}

impl<'a> Run<'a> {
    fn new(world: &'a World) -> Self {
        let isolate = Isolate::new(&world.library);
        // An earlier run may have taken it away.
        let file = std::path::Path::new(&world.messages.places.folder).join("file");
        if !file.is_file() {
            let _ = std::fs::write(file, vec![0x5A; 100_000]);
        }
        let known = HashMap::from([(1, vec![isolate.queue])]);
        let (under_way, lent) = (HashMap::new(), RefCell::default());
        Self { world, isolate, known, under_way, lent }
    }

    fn go(&mut self, input: &mut Unstructured) -> Result<()> {
        for _ in 0..40 {
            if input.is_empty() {
                break;
            }
            match input.int_in_range(0..=19_u8)? {
                17 => self.drain(),
                18 => self.isolate.collect(),
                19 => {
                    let names = self.isolate.names();
                    let name = input.choose(&names)?;
                    if name != "open" {
                        self.call_module(name, input)?;
                    }
                }
                _ => {
                    let index = input.choose_index(FUNCTIONS.len())?;
                    self.call(index, input)?;
                }
            }
        }
        Ok(())
    }

    fn call_module(&mut self, name: &str, input: &mut Unstructured) -> Result<()> {
        let argument = match input.int_in_range(0..=9_u8)? {
            8 => Value::Other,
            9 => Value::Number(input.arbitrary()?),
            _ => Value::Number(self.handle("BufferHandle", input)?),
        };
        let arguments = if rarely(input, 20)? { Vec::new() } else { vec![argument] };
        if let Value::Number(answer) = self.isolate.call(name, arguments) {
            let answer = *answer;
            self.judge(answer, name);
        }
        Ok(())
    }

    fn call(&mut self, index: usize, input: &mut Unstructured) -> Result<()> {
        let function = &FUNCTIONS[index];
        let mut numbers = Vec::new();
        let mut pointers = Vec::new();
        let mut count = 0;
        let mut messages = String::new();
        for (name, role) in function.parameters {
            if role.starts_with("Uint8Array") {
                let (pointer, length) = match *name {
                    "request" | "requests" => {
                        let bytes;
                        (bytes, count) = self.message(function, input)?;
                        messages = String::from_utf8_lossy(&bytes).into_owned();
                        self.lend(bytes, input)?
                    }
                    "handles" if !rarely(input, 20)? => self.lend(vec![0; count * 8], input)?,
                    _ => {
                        let length = match input.int_in_range(0..=2_u8)? {
                            0 => input.int_in_range(0..=64)?,
                            1 => 48,
                            _ => input.int_in_range(0..=20_000)?,
                        };
                        self.lend(vec![0; length], input)?
                    }
                };
                pointers.push(pointer);
                numbers.push(length);
            } else if *role == "number" {
                numbers.push(self.number(input)?);
            } else {
                numbers.push(self.handle(role, input)?);
            }
        }
        // SAFETY: what was lent is live until the end of the run; see `lend` for the rest.
        let answer = unsafe { boundary::call(&self.world.library, index, &numbers, &pointers) };
        if !self.judge(answer, function.name) {
            return Ok(());
        }
        if let Some((_, kind)) = KINDS.iter().find(|(role, _)| *role == function.result) {
            assert_eq!(kind_of(answer), *kind, "{} returns its kind of handle", function.name);
            self.learn(answer);
            if function.result == "OperationHandle" {
                self.began(answer, &messages);
            }
        }
        match function.name {
            "dipper_submit" => {
                let room = self.lent_bytes(pointers[1], count * 8);
                for at in 0..answer as usize {
                    let operation = double(&room, at * 8);
                    assert_eq!(kind_of(operation), 5);
                    self.learn(operation);
                    self.began(operation, &messages);
                }
            }
            "dipper_drain" => {
                let records = self.lent_bytes(pointers[0], answer as usize);
                self.read_records(&records);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it is a success; a failure must be one that is agreed on, and no panic.
    fn judge(&self, answer: f64, name: &str) -> bool {
        assert!(answer.is_finite() && answer.fract() == 0.0, "{name} answers {answer}");
        if answer >= 0.0 {
            return true;
        }
        assert!(STATUSES.contains(&(-answer as u32)), "{name} answers {answer}");
        // Told at once or never: another call of this thread may fail, too.
        if let Some(details) = self.world.last_error() {
            no_panic(&details);
            assert_eq!(details["status"].as_f64(), Some(-answer), "{name}");
        }
        false
    }

    fn learn(&mut self, handle: f64) {
        let known = self.known.entry(kind_of(handle)).or_default();
        known.push(handle);
    }

    fn handle(&self, role: &str, input: &mut Unstructured) -> Result<f64> {
        let kind = KINDS.iter().find(|(known, _)| *known == role).map_or(2, |(_, kind)| *kind);
        match input.int_in_range(0..=19_u8)? {
            19 => input.arbitrary(),
            18 => Ok(*input.choose(&[
                0.0,
                -0.0,
                -1.0,
                0.5,
                f64::NAN,
                f64::INFINITY,
                4.5e15,
                1e300,
            ])?),
            17 => {
                // One of another kind.
                let kind = input.int_in_range(0..=15_u8)?;
                self.known.get(&kind).map_or(Ok(1.0), |known| input.choose(known).copied())
            }
            16 => {
                // A neighbour: another slot, or another generation.
                let near = self.known.get(&kind).and_then(|known| known.last()).copied();
                let step = *input.choose(&[1.0, -1.0, 16_777_216.0, -16_777_216.0])?;
                Ok(near.unwrap_or(f64::from(kind)) + step)
            }
            _ => match self.known.get(&kind) {
                // The last is the likeliest to be live.
                Some(known) if input.ratio(2, 3)? => Ok(*known.last().expect("never empty")),
                Some(known) => input.choose(known).copied(),
                None => Ok(0.0),
            },
        }
    }

    fn number(&self, input: &mut Unstructured) -> Result<f64> {
        Ok(match input.int_in_range(0..=7_u8)? {
            7 => input.arbitrary()?,
            6 => *input.choose(&[
                -1.0,
                0.5,
                f64::NAN,
                f64::INFINITY,
                1e300,
                9_007_199_254_740_992.0,
            ])?,
            5 => f64::from(input.arbitrary::<u32>()?),
            _ => f64::from(input.int_in_range(0..=300_000)?),
        })
    }

    /// A message for a function, mostly a sound one, and how many requests it holds.
    fn message(&self, function: &Function, input: &mut Unstructured) -> Result<(Vec<u8>, usize)> {
        let handles = |field: &str, input: &mut Unstructured| {
            let role = KINDS.iter().find(|(role, _)| role.to_lowercase().starts_with(field));
            self.handle(role.map_or("ClientHandle", |(role, _)| role), input)
        };
        let named = function.doc.split('`').nth(1).unwrap_or("Submission");
        let (name, many) = match named.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (named, false),
        };
        let mut count = 1;
        let mut message = if many {
            count = input.int_in_range(0..=4)?;
            let messages = (0..count).map(|_| self.world.messages.message(name, input, &handles));
            Json::Array(messages.collect::<Result<_>>()?)
        } else {
            self.world.messages.message(name, input, &handles)?
        };
        self.world.messages.tame(&mut message);
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        if rarely(input, 10)? {
            damage(&mut bytes, input)?;
            if let Ok(mut message) = serde_json::from_slice::<Json>(&bytes) {
                self.world.messages.tame(&mut message);
                bytes = serde_json::to_vec(&message).expect("JSON");
            }
        }
        Ok((bytes, count))
    }

    /// A pointer and a length: mostly those of the bytes. A length that is not theirs is one that
    /// no memory has, or the pointer is null.
    fn lend(&self, bytes: Vec<u8>, input: &mut Unstructured) -> Result<(*mut u8, f64)> {
        let length = bytes.len() as f64;
        let mut bytes = bytes.into_boxed_slice();
        let pointer = bytes.as_mut_ptr();
        self.lent.borrow_mut().push(bytes);
        Ok(match input.int_in_range(0..=39_u8)? {
            39 => (std::ptr::null_mut(), length),
            38 => (std::ptr::null_mut(), input.arbitrary()?),
            37 => {
                let lengths = [-1.0, 0.5, f64::NAN, f64::INFINITY, -f64::INFINITY, 1.5e14, 1e300];
                (pointer, *input.choose(&lengths)?)
            }
            36 => (pointer, (length / 2.0).floor()),
            _ => (pointer, length),
        })
    }

    fn lent_bytes(&self, pointer: *mut u8, length: usize) -> Vec<u8> {
        let lent = self.lent.borrow();
        let bytes = lent.iter().find(|bytes| bytes.as_ptr() == pointer.cast_const());
        bytes.map_or_else(Vec::new, |bytes| bytes[..length.min(bytes.len())].to_vec())
    }

    /// Takes all records that are ready.
    fn drain(&mut self) {
        loop {
            let size = self.world.call("dipper_next_record", &[self.isolate.queue]);
            assert!(size >= 0.0, "the queue is open");
            let mut room = vec![0_u8; (size as usize).max(4096)];
            let written =
                self.world.call_with("dipper_drain", &[self.isolate.queue], &mut [&mut room]);
            assert!(written >= 0.0 && written as usize <= room.len());
            if written == 0.0 {
                return;
            }
            self.read_records(&room[..written as usize]);
        }
    }

    fn read_records(&mut self, records: &[u8]) {
        let mut at = 0;
        while at < records.len() {
            let one = &records[at..];
            assert!(one.len() >= record::SIZE, "records are whole");
            let operation = double(one, record::OPERATION);
            let value = double(one, record::VALUE);
            let (kind, status) = (word(one, record::KIND), word(one, record::STATUS));
            let length = word(one, record::PAYLOAD) as usize;
            let payload = &one[record::SIZE..record::SIZE + length];
            at += record::SIZE + length.next_multiple_of(8);
            // Handles of kind 0 are told from plain numbers by their generation.
            if value >= 16_777_216.0 && kind_of(value) <= 15 {
                self.learn(value);
            }
            match kind {
                kind::DONE | kind::CANCELLED => self.ended(operation),
                kind::FAILED => {
                    self.ended(operation);
                    assert!(STATUSES.contains(&status), "status {status}");
                    no_panic(&details(payload));
                }
                kind::ASK => {
                    let question = details(payload);
                    let host = question["host"].as_str();
                    let granted = host.is_none_or(|host| self.world.messages.may_reach(host));
                    let numbers = [value, f64::from(u8::from(granted))];
                    let answer = self.world.call("dipper_answer", &numbers);
                    self.judge(answer, "dipper_answer");
                }
                kind::ITEM => {
                    assert!(status == 0 || STATUSES.contains(&status), "status {status}");
                    if status != 0 {
                        no_panic(&details(payload));
                    }
                }
                kind::LOG if length > 0 => no_panic(&details(payload)),
                kind::PROGRESS | kind::LOG => {}
                other => panic!("a record of kind {other}"),
            }
        }
    }

    fn began(&mut self, operation: f64, messages: &str) {
        let before = self.under_way.insert(operation.to_bits(), messages.to_owned());
        assert!(before.is_none(), "operation {operation} is begun twice");
    }

    fn ended(&mut self, operation: f64) {
        let first = self.under_way.remove(&operation.to_bits());
        assert!(first.is_some(), "operation {operation} was never started, or has ended before");
    }

    /// Ends all; afterwards nothing may be held.
    fn finish(mut self, abruptly: bool) {
        self.isolate.calm();
        if !abruptly {
            self.end_operations();
        }
        self.isolate.end();
        // What mappings held is collected by now, and nothing writes to what was lent.
        let started = Instant::now();
        while self.world.held() != [0.0; 4] {
            let held = self.world.held();
            assert!(started.elapsed() < PATIENCE, "still held: {held:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(self.world.last_error());
    }

    /// Waits a moment for operations to end by themselves.
    fn wait_for_operations(&mut self) {
        let started = Instant::now();
        while !self.under_way.is_empty() && started.elapsed() < Duration::from_millis(30) {
            self.drain();
            wait_for_wake(Duration::from_millis(5));
        }
    }

    fn end_operations(&mut self) {
        for operation in self.under_way.keys().copied().collect::<Vec<u64>>() {
            let answer = self.world.call("dipper_cancel", &[f64::from_bits(operation)]);
            self.judge(answer, "dipper_cancel");
        }
        let started = Instant::now();
        loop {
            self.drain();
            if self.under_way.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "these never end: {:?}", self.under_way);
            wait_for_wake(Duration::from_millis(100));
        }
    }
}

/// Some bytes changed, left out or put in.
fn damage(bytes: &mut Vec<u8>, input: &mut Unstructured) -> Result<()> {
    match input.int_in_range(0..=9_u8)? {
        0 => *bytes = input.arbitrary::<&[u8]>()?.to_vec(),
        1 => *bytes = b"[".repeat(input.int_in_range(0..=20_000)?),
        2 => bytes.truncate(input.int_in_range(0..=bytes.len())?),
        _ => {
            for _ in 0..input.int_in_range(1..=4)? {
                if !bytes.is_empty() {
                    let at = input.choose_index(bytes.len())?;
                    bytes[at] = input.arbitrary()?;
                }
            }
        }
    }
    Ok(())
}

fn details(payload: &[u8]) -> Json {
    let text = std::str::from_utf8(payload).expect("what comes up is text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The one operation that panics does so on purpose.
fn no_panic(details: &Json) {
    let message = details["message"].as_str().expect("an error has a message");
    assert!(!message.is_empty());
    if details["operation"] != "panic" {
        assert!(!message.contains("panicked"), "{details}");
    }
}

fn kind_of(handle: f64) -> u8 {
    (handle / 2_f64.powi(49)).floor() as u8
}

fn double(bytes: &[u8], at: usize) -> f64 {
    f64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
