//! Limits of connections, over TCP.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use sync_core::visibility::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::sign_in::sign_in,
    config::Limits,
    http::Server,
    testing::{self, PASSWORD, TestApp},
};

struct Running {
    test: TestApp,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<()>,
}

async fn serve(change: impl FnOnce(&mut Limits)) -> Running {
    let mut test = testing::sqlite_app().await;
    let mut config = (*test.app.config).clone();
    config.listen = "127.0.0.1:0".parse().unwrap();
    change(&mut config.limits);
    test.app.config = Arc::new(config);
    let server = Server::bind(test.app.clone()).await.unwrap();
    let (address, stop) = (server.address(), test.app.stopping.clone());
    let done = tokio::spawn(server.run(stop.clone()));
    Running {
        test,
        address,
        stop,
        done,
    }
}

async fn send(running: &Running, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn t050_a_connection_that_does_not_finish_its_header_is_closed() {
    let running = serve(|limits| limits.header_read_timeout = Duration::from_millis(50)).await;
    let slow = send(&running, "GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    let silent = TcpStream::connect(running.address).await.unwrap();
    // It ends; without the limit this would wait for ever.
    read_all(slow).await;
    read_all(silent).await;
    assert!(read_all(send(&running, HEALTH).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_header_beyond_its_bound_is_refused() {
    let running = serve(|_| ()).await;
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert!(read_all(send(&running, &long).await).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert!(read_all(send(&running, &many).await).await.starts_with("HTTP/1.1 431"));
    let not_http = read_all(send(&running, "\x16\x03\x01 hello\r\n\r\n").await).await;
    assert!(
        not_http.is_empty() || not_http.starts_with("HTTP/1.1 400"),
        "{not_http}"
    );
    assert!(read_all(send(&running, HEALTH).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_refused_before_it_is_read() {
    let running = serve(|_| ()).await;
    let head = "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    // Announced.
    let announced = format!("{head}Content-Length: 99999999\r\n\r\n");
    let answer = read_all(send(&running, &announced).await).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("\"too_large\""),
        "{answer}"
    );
    // In pieces, without saying how much.
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", piece.repeat(5));
    let answer = read_all(send(&running, &chunked).await).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let running = serve(|limits| limits.connections_max = NonZeroUsize::MIN).await;
    let mut first = send(&running, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut status = [0; 12];
    first.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let second = send(&running, HEALTH).await;
    drop(first);
    assert!(read_all(second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_in_flight_is_finished_after_the_order_to_stop() {
    let running = serve(|_| ()).await;
    let body = r#"{"login":"nobody","password":"wrong horse"}"#;
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut stream = send(&running, &head).await;
    // The handler asks for the body: the request is in flight.
    let mut wanted = [0; 21];
    stream.read_exact(&mut wanted).await.unwrap();
    assert_eq!(&wanted, b"HTTP/1.1 100 Continue");
    running.stop.cancel();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = read_all(stream).await;
    assert!(
        answer.contains("HTTP/1.1 401") && answer.contains("wrong_credentials"),
        "{answer}"
    );
    running.done.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_hangs_is_cut_at_the_end_of_the_grace_time() {
    let running = serve(|limits| limits.shutdown_grace = Duration::from_millis(50)).await;
    let head = "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let mut stream = send(&running, head).await;
    let mut wanted = [0; 21];
    stream.read_exact(&mut wanted).await.unwrap();
    running.stop.cancel();
    running.done.await.unwrap();
}

#[tokio::test]
async fn a_stream_of_pokes_ends_when_the_server_stops() {
    let running = serve(|limits| limits.shutdown_grace = Duration::from_secs(3600)).await;
    let org = running.test.organisation("A").await;
    running.test.person(org, "wang", Role::Rep, None, &[]).await;
    let address = running.address.ip();
    let token = sign_in(&running.test.app, "wang", PASSWORD, address)
        .await
        .unwrap()
        .token;
    let request = format!("GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut stream = send(&running, &request).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    running.stop.cancel();
    running.done.await.unwrap();
    read_all(stream).await;
}
