//! An S3 server that fails as a test tells it: which request, at which byte, and how. It serves
//! objects that follow from a seed, so that no test has to store what it expects. It keeps what it is
//! sent, and compares it with what a test expects to be written.
//!
//! It writes one line of JSON when it is ready: where S3 is (`endpoint`, and `endpoint6` where the
//! machine has IPv6) and where tests talk to it (`control`, see `control.rs`). It ends when its
//! standard input closes, so it never outlives whoever started it.

#![allow(clippy::print_stdout)]

mod answer;
mod bucket;
mod buckets;
mod checksum;
mod chunked;
mod connection;
mod content;
mod control;
mod date;
mod listing;
mod request;
mod script;
mod store;
mod writing;
mod xml;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use buckets::Buckets;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let buckets = Arc::new(Buckets::default());
    let ready = runtime.block_on(start(&buckets))?;
    println!("{ready}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Connections that are silent for ever end with the process.
    runtime.shutdown_background();
    Ok(())
}

async fn start(buckets: &Arc<Buckets>) -> std::io::Result<serde_json::Value> {
    let control = TcpListener::bind("127.0.0.1:0").await?;
    let plain = TcpListener::bind("127.0.0.1:0").await?;
    let mut ready = serde_json::json!({
        "control": format!("http://{}", control.local_addr()?),
        "endpoint": format!("http://{}", plain.local_addr()?),
    });
    accept(control, buckets, control::serve);
    accept(plain, buckets, connection::serve);
    if let Ok(listener) = TcpListener::bind("[::1]:0").await {
        ready["endpoint6"] = format!("http://{}", listener.local_addr()?).into();
        accept(listener, buckets, connection::serve);
    }
    Ok(ready)
}

fn accept<F>(listener: TcpListener, buckets: &Arc<Buckets>, serve: fn(TcpStream, Arc<Buckets>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let buckets = Arc::clone(buckets);
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&buckets)))),
                // Out of file descriptors, most likely: some will be free again.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
}
