//! The built binary as an operator meets it: ready line, exit status, orders to stop.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .env("FIELDPOOL_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready");
        let address = ready["url"]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    fn stop(mut self) -> i32 {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_says_when_it_is_ready_answers_and_ends_with_0_when_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let answer = get(&server.address, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let metrics = get(&server.address, "/metrics");
    assert!(metrics.contains("http_request_seconds"), "{metrics}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_order_to_stop_lets_an_idle_connection_go_and_does_not_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut idle = TcpStream::connect(&server.address).unwrap();
    write!(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut status = String::new();
    let mut reader = BufReader::new(idle.try_clone().unwrap());
    reader.read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    assert_eq!(server.stop(), 0);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
}

#[test]
fn t112_a_second_server_on_the_same_folder_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path());
    let second = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stdout.is_empty());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another fieldpool server is running"), "{said}");
    assert!(get(&first.address, "/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!(first.stop(), 0);
    // After it has stopped, the folder is free.
    assert_eq!(Server::start(folder.path()).stop(), 0);
}

#[test]
fn a_port_in_use_is_a_failure_that_names_the_option() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(folder.path());
    let second = run(&[
        "serve",
        "--listen",
        &server.address,
        "--data",
        other.path().to_str().unwrap(),
    ]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("--listen"));
}

#[test]
fn t101_somebody_added_while_the_server_runs_can_sign_in_and_is_not_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(["admin", "--data"])
            .arg(folder.path())
            .args(arguments)
            .env("FIELDPOOL_PASSWORD", "correct horse")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let org = admin(&["org", "add", "--name", "A"])["org"]
        .as_str()
        .unwrap()
        .to_owned();
    admin(&[
        "user", "add", "--org", &org, "--login", "wang", "--name", "W", "--role", "rep",
    ]);
    let body = r#"{"login":"wang","password":"correct horse"}"#;
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"token\""),
        "{answer}"
    );
    let token = answer
        .split("\"token\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    get(&server.address, "/api/v1/customers?q=Schmidt");
    let wrong = body.replace("horse", "mouse");
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{wrong}",
        wrong.len()
    )
    .unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(server.stop(), 0);
    // Whatever happened, nobody's words are in the log.
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("sign-in failed"), "{log}");
    for word in ["wang", "correct", "Schmidt", token.as_str()] {
        assert!(!log.contains(word), "{word} in {log}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    assert_eq!(run(&["serve"]).status.code(), Some(2));
    assert_eq!(run(&["dance"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["serve", "--help"]).status.code(), Some(0));
}
