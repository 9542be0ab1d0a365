//! What is known of an exported function, for whoever must call it from elsewhere.

/// What a parameter or a result means, and so how it crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A number.
    Number,
    /// An address, as a number.
    Address,
    /// Bytes to read during the call: a pointer and a length.
    Bytes,
    /// Room to write during the call: a pointer and a length.
    Room,
    /// Memory that users lent, to be read and changed during the call, and which others may
    /// use meanwhile where a parameter says so: a pointer and a length.
    Memory,
    /// The queue of an isolate.
    QueueHandle,
    /// A buffer.
    BufferHandle,
    /// A client.
    ClientHandle,
    /// An embedded server.
    ServerHandle,
    /// An object that is read in order.
    StreamHandle,
    /// Something that takes bytes piece by piece.
    UploadHandle,
    /// A table of vectors.
    TableHandle,
    /// An operation under way.
    OperationHandle,
    /// A question that waits for its answer.
    AskHandle,
}

impl Role {
    /// Every role that is a handle.
    pub const HANDLES: &'static [Self] = &[
        Self::QueueHandle,
        Self::BufferHandle,
        Self::ClientHandle,
        Self::ServerHandle,
        Self::StreamHandle,
        Self::UploadHandle,
        Self::TableHandle,
        Self::OperationHandle,
        Self::AskHandle,
    ];
}

/// The kinds of handles, one for each table.
pub mod kind {
    /// Uploads.
    pub const UPLOAD: u8 = 0;
    /// Queues.
    pub const QUEUE: u8 = 1;
    /// Buffers.
    pub const BUFFER: u8 = 2;
    /// Clients.
    pub const CLIENT: u8 = 3;
    /// Embedded servers.
    pub const SERVER: u8 = 4;
    /// Operations.
    pub const OPERATION: u8 = 5;
    /// Questions.
    pub const ASK: u8 = 6;
    /// Streams.
    pub const STREAM: u8 = 7;
    /// Tables.
    pub const TABLE: u8 = 8;
}

/// One exported function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The symbol.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Its parameters in order.
    pub parameters: &'static [(&'static str, Role)],
    /// What it returns. Every function returns a double: zero or more is the answer, less
    /// than zero is minus the status of an error.
    pub result: Role,
}

/// A number that changes whenever the boundary does: FNV-1a over the declaration and over
/// the source of the messages, folded to 52 bits so that JavaScript holds it exactly.
pub fn hash(functions: &[Function], messages: &str) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for function in functions {
        feed(function.name);
        for (name, role) in function.parameters {
            feed(name);
            feed(&format!("{role:?}"));
        }
        feed(&format!("{:?}", function.result));
    }
    feed(messages);
    for status in dipper_core::Status::ALL {
        feed(&format!("{} {} {}", *status as u32, status.code(), status.class().0));
    }
    ((hash ^ (hash >> 52)) & ((1 << 52) - 1)) as f64
}
