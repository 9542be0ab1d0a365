//! The data plane: pooled HTTP/1.1 connections whose bodies are read where they belong.
//!
//! The system copies the bytes of a body from its socket buffer into the destination, and
//! nobody copies them again. What this plane does not do (objects in chunks, redirects,
//! proxies) is left to the SDK's client.

mod body;
mod connection;
mod dial;
mod document;
mod pool;
mod tls;

pub(crate) use body::{Body, BodyError};
pub(crate) use connection::Request;
pub(crate) use dial::connect;
pub(crate) use document::DocumentError;
pub(crate) use pool::{Answer, ExchangeError, Host, Pool};
pub use tls::CaBundle;
pub(crate) use tls::check_certificates;
