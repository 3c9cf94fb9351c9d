//! Settings by flag, environment and file as an operator meets them, and whose request it is behind a proxy.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use ureq::Agent;

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { child, url }
    }

    /// The status of a sign-in with a wrong password, as a proxy hands it on.
    fn sign_in(&self, forwarded_for: &str) -> u16 {
        let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let answer = agent
            .post(&format!("{}/api/v1/tokens", self.url))
            .header("content-type", "application/json")
            .header("x-forwarded-for", forwarded_for)
            .send(r#"{"login":"nobody","password":"wrong password"}"#)
            .unwrap();
        answer.status().as_u16()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, settings: &str) -> Command {
    fs::write(folder.join("fieldpool.toml"), settings).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--config", "fieldpool.toml"])
        .current_dir(folder);
    command
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_file_alone_starts_a_server_and_environment_and_flags_count_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = "data = \"from-file\"\nlisten = \"127.0.0.1:0\"\n";
    drop(Server::start(&mut serve(folder.path(), file)));
    assert!(folder.path().join("from-file").is_dir());

    // The address in the file is nobody's: what counts more is what is listened on.
    let file = "data = \"from-file\"\nlisten = \"192.0.2.1:1\"\n";
    let by_environment = Server::start(
        serve(folder.path(), file)
            .env("FIELDPOOL_LISTEN", "127.0.0.1:0")
            .env("FIELDPOOL_DATA", "from-environment"),
    );
    assert!(by_environment.url.starts_with("http://127.0.0.1:"));
    assert!(folder.path().join("from-environment").is_dir());
    drop(by_environment);

    let by_flag = Server::start(
        serve(folder.path(), file)
            .env("FIELDPOOL_LISTEN", "192.0.2.1:2")
            .env("FIELDPOOL_DATA", "not-this")
            .args(["--listen", "127.0.0.1:0", "--data", "from-flag"]),
    );
    assert!(folder.path().join("from-flag").is_dir() && !folder.path().join("not-this").exists());
    drop(by_flag);
}

#[test]
fn a_wrong_setting_is_wrong_usage_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let told = |output: Output| {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = told(run(&mut serve(
        folder.path(),
        "data = \"data\"\nlisten_to = \"127.0.0.1:0\"\n",
    )));
    assert!(
        unknown.contains("fieldpool.toml, line 2") && unknown.contains("listen_to"),
        "{unknown}"
    );
    let nothing = told(run(&mut serve(folder.path(), "")));
    assert!(
        nothing.contains("--data") && nothing.contains("--database-url"),
        "{nothing}"
    );
    let flag = told(run(serve(folder.path(), "").args(["--trusted-proxy", "proxy.example"])));
    assert!(flag.contains("10.0.0.0/8"), "{flag}");
    let missing = told(run(Command::new(BINARY).args(["serve", "--config", "/nowhere/x.toml"])));
    assert!(missing.contains("/nowhere/x.toml"), "{missing}");
    assert!(!folder.path().join("data").exists(), "nothing was begun");
}

#[test]
fn failures_are_counted_for_who_asks_where_the_proxy_is_named_and_for_the_proxy_where_it_is_not() {
    // As many as one account may fail from one address.
    const FAILURES: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let settings = "data = \"data\"\nlisten = \"127.0.0.1:0\"\ntrusted_proxy = [\"127.0.0.0/8\"]\n";
    let named = Server::start(&mut serve(folder.path(), settings));
    for _ in 0..FAILURES {
        assert_eq!(named.sign_in("203.0.113.7"), 401);
    }
    assert_eq!(named.sign_in("203.0.113.7"), 429);
    assert_eq!(
        named.sign_in("203.0.113.7, 127.0.0.2"),
        429,
        "a second named proxy changes nothing"
    );
    assert_eq!(
        named.sign_in("198.51.100.1, 203.0.113.7"),
        429,
        "what a client writes itself does not count"
    );
    assert_eq!(named.sign_in("203.0.113.8"), 401);
    drop(named);

    let folder = tempfile::tempdir().unwrap();
    let not_named = Server::start(&mut serve(folder.path(), "data = \"data\"\nlisten = \"127.0.0.1:0\"\n"));
    for number in 0..FAILURES {
        assert_eq!(not_named.sign_in(&format!("203.0.113.{number}")), 401);
    }
    assert_eq!(not_named.sign_in("203.0.113.99"), 429);
}
