//! How tests tell the server what to do: JSON over HTTP, on a port of its own.
//!
//! `PUT /NAME` makes a bucket from a script, `POST /NAME` adds faults to it, `GET /NAME` tells what
//! was asked of it, `DELETE /NAME` forgets it.

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::bucket::Bucket;
use crate::buckets::Buckets;
use crate::request::Request;

/// Serves a test's connection to its end.
pub async fn serve(mut stream: TcpStream, buckets: Arc<Buckets>) {
    let _ = stream.set_nodelay(true);
    let mut held = Vec::new();
    while let Ok(Some(request)) = Request::read(&mut stream, &mut held).await {
        let (status, body) = match obeyed(&request, &buckets) {
            Ok(body) => (200, body),
            Err(why) => (400, why),
        };
        let mut answer = format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n");
        let _ = write!(answer, "Content-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn obeyed(request: &Request, buckets: &Buckets) -> Result<String, String> {
    let name = &request.bucket;
    let known = || buckets.find(name).ok_or_else(|| format!("there is no bucket {name}"));
    let done = || Ok("{}".to_owned());
    match &*request.method {
        "PUT" => {
            let spec = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            buckets.put(name.clone(), Bucket::new(name.clone(), spec));
            done()
        }
        "POST" => {
            let faults =
                serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            known()?.add_faults(faults);
            done()
        }
        "GET" => serde_json::to_string(&known()?.report()).map_err(|error| error.to_string()),
        "DELETE" if buckets.remove(name) => done(),
        method => Err(format!("{method} {} is not understood", request.target)),
    }
}
