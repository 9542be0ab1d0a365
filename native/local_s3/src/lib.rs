//! An S3 server inside the process, for notebooks, examples and tests.
//!
//! [`Server::start`] binds 127.0.0.1 and answers the S3 protocol over a directory. `s3s` reads and
//! writes the protocol and checks signatures; everything below it is here:
//!
//! | layer | knows | does not know |
//! |---|---|---|
//! | `server` | sockets, start and stop | S3 |
//! | `front` | HTTP requests and answers as a whole | operations |
//! | `service` | S3 operations, one file per family | files |
//! | `storage` | directories, files, the index | HTTP, `s3s`' types |
//!
//! ```
//! use dipper_local_s3::{Options, Server};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let server = Server::start(Options::default()).await?;
//! assert!(server.endpoint().starts_with("http://127.0.0.1:"));
//! // … a client with server.access_key_id(), server.secret_access_key(), server.region() …
//! server.stop().await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! The access key is random for every start, and every request must be signed with it.

mod credentials;
mod front;
mod host;
mod rechunk;
mod server;
mod service;
mod start_error;
mod storage;

pub use server::{Options, Server};
pub use start_error::StartError;
