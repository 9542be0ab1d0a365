//! Serves until standard input closes; prints where and with which key as one line of JSON.
//! `cargo run --release -p dipper-local-s3 --example serve -- [DIRECTORY [PORT]]`

#![allow(clippy::print_stdout)]

use dipper_local_s3::{Options, Server};
use std::io::Read as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().filter(|path| !path.is_empty()).map(Into::into);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(Server::start(Options { directory, port }))?;
    let about = serde_json::json!({
        "endpoint": server.endpoint(),
        "region": server.region(),
        "accessKeyId": server.access_key_id(),
        "secretAccessKey": server.secret_access_key(),
    });
    println!("{about}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(server.stop());
    Ok(())
}
