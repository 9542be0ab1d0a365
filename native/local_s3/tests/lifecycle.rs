//! A server from start to stop, as its user sees it. What it answers is tested from boto3.

// The exception for tests covers test functions, not what they share.
#![allow(clippy::unwrap_used)]

use dipper_local_s3::{Options, Server, StartError};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn address(server: &Server) -> String {
    server.endpoint().strip_prefix("http://").unwrap().to_owned()
}

async fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Directories of servers below the system's directory for temporary files.
fn temporary_directories() -> BTreeSet<PathBuf> {
    std::fs::read_dir(std::env::temp_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("dipper-local-s3-"))
        .collect()
}

fn own_directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("lifecycle-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

// One test for all that looks at the temporary directories, because they are shared.
#[tokio::test(flavor = "multi_thread")]
async fn temporary_directories_come_and_go() {
    let before = temporary_directories();
    let servers = [
        Server::start(Options::default()).await.unwrap(),
        Server::start(Options::default()).await.unwrap(),
    ];
    assert_eq!(temporary_directories().len(), before.len() + 2);
    assert_ne!(servers[0].endpoint(), servers[1].endpoint());
    assert_ne!(servers[0].access_key_id(), servers[1].access_key_id());
    assert_ne!(servers[0].secret_access_key(), servers[1].secret_access_key());
    for server in &servers {
        assert!(server.endpoint().starts_with("http://127.0.0.1:"), "{}", server.endpoint());
        assert_eq!(server.region(), "us-east-1");
        let shown = format!("{server:?}");
        assert!(
            shown.contains(server.endpoint()) && !shown.contains(server.secret_access_key()),
            "{shown}"
        );
    }
    let [stopped, dropped] = servers;
    let (first, second) = (address(&stopped), address(&dropped));
    stopped.stop().await;
    assert!(TcpStream::connect(first).await.is_err());
    assert_eq!(temporary_directories().len(), before.len() + 1);
    drop(dropped);
    // Dropping does not wait; the end follows at once.
    let deadline = Instant::now() + Duration::from_secs(5);
    while temporary_directories() != before {
        assert!(Instant::now() < deadline, "the directory of a dropped server stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(TcpStream::connect(second).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_unsigned_requests_with_a_request_id() {
    let directory = own_directory("unsigned");
    let server =
        Server::start(Options { directory: Some(directory.clone()), port: 0 }).await.unwrap();
    let request = "GET /bucket/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = ask(&address(&server), request).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(
        answer.contains("x-amz-request-id: ") && answer.contains("<Code>AccessDenied</Code>"),
        "{answer}"
    );
    let answer = ask(&address(&server), "nonsense\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.stop().await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_in_time_with_stuck_connections() {
    let directory = own_directory("stuck");
    let server =
        Server::start(Options { directory: Some(directory.clone()), port: 0 }).await.unwrap();
    let mut idle = TcpStream::connect(address(&server)).await.unwrap();
    let mut half = TcpStream::connect(address(&server)).await.unwrap();
    half.write_all(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    server.stop().await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap_or(0), 0);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_and_a_port_are_taken_once() {
    let directory = own_directory("taken");
    let server =
        Server::start(Options { directory: Some(directory.clone()), port: 0 }).await.unwrap();
    let port = address(&server).rsplit(':').next().unwrap().parse().unwrap();

    let error = Server::start(Options { directory: None, port }).await.unwrap_err();
    assert!(matches!(error, StartError::PortInUse { .. }));
    assert!(error.to_string().contains(&port.to_string()), "{error}");

    let error =
        Server::start(Options { directory: Some(directory.clone()), port: 0 }).await.unwrap_err();
    assert!(matches!(error, StartError::DirectoryInUse { .. }));
    assert!(
        error.to_string().contains(directory.file_name().unwrap().to_str().unwrap()),
        "{error}"
    );

    server.stop().await;
    let again = Server::start(Options { directory: Some(directory.clone()), port }).await.unwrap();
    again.stop().await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_directories_are_named() {
    let directory = own_directory("unusable");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("file"), "x").unwrap();
    for (path, part) in [
        (directory.join("file"), "file"),
        (directory.join("file/below"), "below"),
        (directory.clone(), "unusable"),
    ] {
        let error = Server::start(Options { directory: Some(path), port: 0 }).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(std::fs::read(directory.join("file")).unwrap(), b"x");
    std::fs::remove_dir_all(directory).unwrap();
}
