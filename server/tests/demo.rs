//! `fieldpool demo` as a stranger meets it: it comes up, one of its phones works in a second terminal, it stops when it
//! is told to, and what cannot be is refused with a sentence that says what to do.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");
/// A company small enough for a test.
const SMALL: [&str; 4] = ["--customers", "60", "--days", "5"];

/// A running demonstration. Where it puts temporary files is the test's own, so that tests do not find each other's.
struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    temporary: PathBuf,
}

impl Demo {
    fn start(temporary: &Path, arguments: &[&str]) -> Self {
        let mut child = command(temporary)
            .arg("demo")
            .args(sized(arguments))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            temporary: temporary.to_owned(),
        }
    }

    /// Waits for the one JSON line.
    fn ready(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}"))
    }

    /// Waits until the line that contains these words; gives all lines up to it.
    fn read_until(&mut self, words: &str) -> String {
        let mut text = String::new();
        while !text.contains(words) {
            let read = self.stdout.read_line(&mut text).unwrap();
            assert!(read > 0, "it ended before {words:?}: {text}");
        }
        text
    }

    fn stop(mut self, signal: &str) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }

    fn rep(&self, words: &[&str]) -> Output {
        run(&self.temporary, &[&["rep"], words].concat())
    }

    fn rep_json(&self, words: &[&str]) -> Value {
        let output = self.rep(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words:?}: {output:?}"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With the size of a small company, unless the test has one of its own.
fn sized<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    if arguments.contains(&"--days") {
        arguments.to_vec()
    } else {
        [&SMALL[..], arguments].concat()
    }
}

fn command(temporary: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.env("TMPDIR", temporary).env("XDG_RUNTIME_DIR", temporary);
    for variable in ["LANG", "LC_ALL", "FIELDPOOL_LANG", "FIELDPOOL_STORE"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

fn run(temporary: &Path, arguments: &[&str]) -> Output {
    command(temporary).args(arguments).output().unwrap()
}

/// The exit status and what stands on stderr.
fn refused(temporary: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(temporary, &[&["demo"], &sized(arguments)[..]].concat());
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

fn ask(url: &str, request: &str, body: &str) -> Value {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request}Host: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

/// A manager's or the back office's session.
fn token(url: &str, data: &Path, login: &str) -> String {
    let note: Value = serde_json::from_slice(&fs::read(data.join("demo.json")).unwrap()).unwrap();
    let body = format!(r#"{{"login":"{login}","password":{}}}"#, note["password"]);
    let answer = ask(url, "POST /api/v1/tokens HTTP/1.1\r\n", &body);
    answer["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

fn get(url: &str, token: &str, path: &str) -> Value {
    ask(
        url,
        &format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
        "",
    )
}

/// Every page of a list.
fn list(url: &str, token: &str, path: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(url, token, &format!("{path}?limit=100{after}"));
        all.extend(page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

#[test]
fn a_demo_comes_up_lends_a_phone_to_a_second_terminal_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(temporary.path(), &["--listen", "127.0.0.1:0", "--json"]);
    let ready = demo.ready();
    assert_eq!(ready["event"], "ready");
    let url = ready["url"].as_str().unwrap();
    let data = PathBuf::from(ready["data"].as_str().unwrap());
    assert!(data.starts_with(temporary.path()), "{data:?}");
    assert_eq!(ready["phones"], 5);
    let roles: Vec<_> = ready["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| &link["role"])
        .collect();
    assert_eq!(roles, ["back_office", "manager", "rep", "admin"]);

    let office = token(url, &data, "office");
    assert_eq!(list(url, &office, "/api/v1/customers").len(), 60);
    // One each for the twelve reps and for the one who has left.
    let devices = list(url, &office, "/api/v1/devices");
    assert_eq!(devices.len(), 13, "{devices:?}");

    // Nothing to enrol, nothing to configure: a name is enough, in either language.
    let customers = demo.rep_json(&["--as", "Wang Fang", "customers", "--json"]);
    let own = customers
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["relation"] == "owner");
    let customer = own.expect("she has customers")["id"].as_str().unwrap().to_owned();
    demo.rep_json(&["--as", "王芳", "visit", "add", &customer, "--note", "met at the gate"]);
    let report = demo.rep_json(&["--as", "wangfang", "sync", "--json"]);
    assert_eq!(report["verdicts"]["accepted"], 1, "{report}");
    let shown = get(url, &office, &format!("/api/v1/customers/{customer}"));
    assert!(shown["visits"].to_string().contains("met at the gate"), "{shown}");

    let unknown = demo.rep(&["--as", "nobody", "status"]);
    assert_eq!(unknown.status.code(), Some(1));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(
        said.contains("unknown_name") && said.contains("liwei (Li Wei)"),
        "{said}"
    );

    assert_eq!(demo.stop("-INT"), 0);
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let gone = run(temporary.path(), &["rep", "--as", "liwei", "status"]);
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(
        gone.status.code() == Some(1) && said.contains("fieldpool demo"),
        "{said}"
    );
}

#[test]
fn people_are_told_what_there_is_in_their_language() {
    for (language, heading, stop) in [
        ("en", "In a second terminal", "Ctrl-C stops it"),
        ("zh", "在另一个终端里", "按 Ctrl-C 停止"),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let arguments = ["--listen", "127.0.0.1:0", "--language", language];
        let mut demo = Demo::start(temporary.path(), &arguments);
        let said = demo.read_until(stop);
        for words in [
            heading,
            "http://127.0.0.1:",
            "openapi.json",
            "rep --as liwei",
            "/sign-in/link/",
            "fieldpool-demo-",
        ] {
            assert!(said.contains(words), "{words:?} is not in:\n{said}");
        }
        let customers = demo.rep_json(&["--as", "liwei", "customers", "--json"]);
        let names = customers.to_string();
        assert_eq!(names.contains("有限公司"), language == "zh", "{names}");
        assert_eq!(demo.stop("-TERM"), 0);
    }
}

#[test]
fn a_kept_folder_is_gone_on_with_and_made_anew_only_when_asked() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("company");
    let arguments = ["--listen", "127.0.0.1:0", "--json", "--data", data.to_str().unwrap()];
    let mut first = Demo::start(temporary.path(), &arguments);
    let url = first.ready()["url"].as_str().unwrap().to_owned();
    let before = list(&url, &token(&url, &data, "office"), "/api/v1/customers");

    let (status, said) = refused(temporary.path(), &arguments);
    assert!(status == 1 && said.contains("demo_running"), "{status}: {said}");
    assert_eq!(first.stop("-INT"), 0);

    let mut second = Demo::start(temporary.path(), &arguments);
    let url = second.ready()["url"].as_str().unwrap().to_owned();
    let office = token(&url, &data, "office");
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&list(&url, &office, "/api/v1/customers")));
    assert_eq!(list(&url, &office, "/api/v1/devices").len(), 13);
    assert_eq!(second.stop("-INT"), 0);

    let mut third = Demo::start(temporary.path(), &[&arguments[..], &["--reset"]].concat());
    let url = third.ready()["url"].as_str().unwrap().to_owned();
    let after = list(&url, &token(&url, &data, "office"), "/api/v1/customers");
    assert_ne!(ids(&before), ids(&after));
    // The same seed: other ids, the same company.
    let names = |items: &[Value]| {
        let mut names: Vec<_> = items.iter().map(|item| item["name"].to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&before), names(&after));
    assert_eq!(third.stop("-INT"), 0);
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:8420", "[::]:0", "192.0.2.1:80"] {
        let (status, said) = refused(temporary.path(), &["--listen", address]);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains("not_loopback") && said.contains("127.0.0.1"), "{said}");
        let (status, said) = refused(temporary.path(), &["--listen", address, "--language", "zh"]);
        assert!(
            status == 1 && said.contains("not_loopback") && said.contains("本机"),
            "{said}"
        );
    }
    assert!(fs::read_dir(temporary.path()).unwrap().next().is_none());
}

#[test]
fn a_port_asked_for_that_is_taken_is_refused_before_anything_is_made() {
    let temporary = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, said) = refused(temporary.path(), &["--listen", &address]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("cannot_listen") && said.contains("--listen"), "{said}");
    assert!(fs::read_dir(temporary.path()).unwrap().next().is_none());
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_and_left_as_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    // Below a file there is no folder, whoever asks.
    let file = temporary.path().join("file");
    fs::write(&file, "x").unwrap();
    let below = file.join("data");
    let (status, said) = refused(temporary.path(), &["--data", below.to_str().unwrap()]);
    assert!(status == 1 && said.contains("folder_unusable"), "{status}: {said}");

    let letters = temporary.path().join("letters");
    fs::create_dir(&letters).unwrap();
    fs::write(letters.join("dear.txt"), "dear").unwrap();
    let letters = letters.to_str().unwrap();
    for arguments in [&["--data", letters][..], &["--data", letters, "--reset"]] {
        let (status, said) = refused(temporary.path(), arguments);
        assert!(status == 1 && said.contains("not_a_demo"), "{status}: {said}");
        let (_, said) = refused(temporary.path(), &[arguments, &["--language", "zh"]].concat());
        assert!(said.contains("not_a_demo") && said.contains("未作改动"), "{said}");
    }
    assert_eq!(fs::read_dir(letters).unwrap().count(), 1);

    let old = temporary.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::write(old.join("demo.json"), r#"{"format":0}"#).unwrap();
    let (status, said) = refused(temporary.path(), &["--data", old.to_str().unwrap()]);
    assert!(
        status == 1 && said.contains("demo_folder_old") && said.contains("--reset"),
        "{said}"
    );
}

#[test]
fn an_order_to_stop_while_the_company_is_made_is_followed_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("company");
    let arguments = ["--days", "300", "--json", "--listen", "127.0.0.1:0", "--data"];
    let mut demo = Demo::start(temporary.path(), &[&arguments[..], &[data.to_str().unwrap()]].concat());
    // The note is there before the story begins.
    while !data.join("demo.json").is_file() {
        assert!(demo.child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    assert_eq!(demo.stop("-INT"), 0);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn numbers_that_make_no_company_are_wrong_usage() {
    let temporary = tempfile::tempdir().unwrap();
    for arguments in [
        ["--customers", "3"],
        ["--customers", "999999"],
        ["--days", "0"],
        ["--language", "fr"],
    ] {
        let output = run(temporary.path(), &[&["demo"][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}
