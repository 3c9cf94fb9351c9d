//! A server process with a small company in it, and phones in folders.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use mobile_ffi::{HttpTransport, Phone, Request, Response, Seam, Store, Traffic, Transport, TransportError};
use serde_json::Value;
use sync_core::time::Timestamp;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");
const PASSWORD: &str = "correct-horse-battery";

pub(crate) struct Company {
    child: Child,
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
    /// `--data DIR` or `--database-url URL`.
    database: [String; 2],
    pub(crate) org: String,
    pub(crate) pool: String,
    pub(crate) south: String,
}

impl Company {
    /// Li and Han sell in the north and share a pool; Zhou sells in the south; Bo is the back office, Ada administers.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        Self::on(folder, ["--data".to_owned(), data.display().to_string()])
    }

    /// On a database that is there already.
    pub(crate) fn on(folder: tempfile::TempDir, database: [String; 2]) -> Self {
        let (child, url) = serve(&database, "127.0.0.1:0", &folder.path().join("log"));
        let admin = |words: &[&str]| made(&administer(&database, words));
        let org = admin(&["org", "add", "--name", "Acme"]);
        let north = admin(&["team", "add", "--org", &org, "--name", "North"]);
        let south = admin(&["team", "add", "--org", &org, "--name", "South"]);
        let pool = admin(&["pool", "add", "--org", &org, "--name", "Pool"]);
        let add = |login: &str, role: &str, team: &str| {
            let words = [
                "user", "add", "--org", &org, "--login", login, "--name", login, "--role", role, "--team", team,
            ];
            let with_pool = ["--pool", &pool];
            let pools: &[&str] = if team == north { &with_pool } else { &[] };
            admin(&[&words[..], pools].concat())
        };
        add("li", "rep", &north);
        add("han", "rep", &north);
        let zhou = add("zhou", "rep", &south);
        add("bo", "back_office", &south);
        add("ada", "admin", &south);
        Self {
            child,
            url,
            folder,
            database,
            org,
            pool,
            south: zhou,
        }
    }

    /// `fieldpool admin …`, which must work.
    pub(crate) fn admin(&self, words: &[&str]) -> Value {
        administer(&self.database, words)
    }

    /// Whether a person works here, from now on.
    pub(crate) fn set_state(&self, login: &str, state: &str) {
        self.admin(&[
            "user",
            "set-state",
            "--org",
            &self.org,
            "--user",
            login,
            "--state",
            state,
        ]);
    }

    /// A request of a person to the API: the status, and what came back.
    pub(crate) fn api(&self, login: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let signed_in = serde_json::json!({"login": login, "password": PASSWORD});
        let (_, token) = self.call("POST", "/api/v1/tokens", Some(&signed_in), "");
        let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
        self.call(method, &format!("/api/v1{path}"), body, &bearer)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>, bearer: &str) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", bearer)
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        let mut answer = agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap_or_default(),
        )
    }

    /// The devices of a person, as the administrator sees them.
    pub(crate) fn devices_of(&self, login: &str) -> Vec<Value> {
        let (_, page) = self.api("ada", "GET", "/devices", None);
        let items = page["items"].as_array().unwrap().iter();
        items
            .filter(|device| device["user"]["login"] == login)
            .cloned()
            .collect()
    }

    /// Saves everything as it is now; [`Company::restore`] puts it back.
    pub(crate) fn backup(&self) {
        let mut backup = Command::new(BINARY);
        backup.args(["backup", "--data"]).arg(self.folder.path().join("data"));
        backup.arg("--out").arg(self.folder.path().join("backup"));
        assert!(backup.output().unwrap().status.success());
    }

    /// The server dies.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The server dies, if it has not yet, and comes back, at the same address, from the backup.
    pub(crate) fn restore(&mut self) {
        self.kill();
        let data = self.folder.path().join("restored");
        let mut restore = Command::new(BINARY);
        restore.args(["restore", "--data"]).arg(&data);
        restore.arg("--from").arg(self.folder.path().join("backup"));
        assert!(restore.output().unwrap().status.success());
        let address = self.url.strip_prefix("http://").unwrap().to_owned();
        self.database = ["--data".to_owned(), data.display().to_string()];
        (self.child, _) = serve(&self.database, &address, &self.folder.path().join("log2"));
    }

    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A phone of this person in the terminal.
    pub(crate) fn terminal(&self, store: &str, login: &str) -> Terminal {
        let terminal = Terminal {
            store: self.store(store),
        };
        let output = terminal.run(&["enroll", "--server", &self.url, "--login", login, "--json"]);
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    /// A phone of this person as a library, over a wire that can be cut.
    pub(crate) fn phone(&self, store: &str, login: &str, seed: u64) -> Phone<Wire> {
        let mut phone = self.open_phone(&self.store(store), seed);
        phone.enroll(&self.url, login, PASSWORD, "phone").unwrap();
        phone
    }

    pub(crate) fn open_phone(&self, store: &Path, seed: u64) -> Phone<Wire> {
        let seam = Seam::simulated(seed, now());
        let wire = Wire {
            http: HttpTransport::new(&self.url),
            lose_answers: 0,
            double: false,
            sent: Vec::new(),
        };
        let mut phone = Phone::new(Store::open(store).unwrap(), wire, seam);
        phone.set_patience(1);
        phone
    }
}

fn administer(database: &[String; 2], words: &[&str]) -> Value {
    let mut command = Command::new(BINARY);
    command.arg("admin").args(database).args(words);
    let output = told(&mut command, PASSWORD);
    assert!(output.status.success(), "{words:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn made(made: &Value) -> String {
    let id = made.as_object().unwrap().values().next().unwrap();
    id.as_str().unwrap().to_owned()
}

fn serve(database: &[String; 2], listen: &str, log: &Path) -> (Child, String) {
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", listen])
        .args(database)
        .stdout(Stdio::piped())
        .stderr(File::create(log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    (child, ready["url"].as_str().unwrap().to_owned())
}

impl Drop for Company {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The time of the machine: the server's tokens are judged by it.
pub(crate) fn now() -> Timestamp {
    Seam::real().now()
}

/// `fieldpool rep --store …`
pub(crate) struct Terminal {
    pub(crate) store: PathBuf,
}

impl Terminal {
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("rep").arg("--store").arg(&self.store).args(words);
        command.env_remove("LANG").env_remove("LC_ALL");
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        told(&mut self.command(words), PASSWORD)
    }

    /// What a command prints, which must have worked.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words:?}: {output:?}"))
    }

    /// The id of what a command made.
    pub(crate) fn made(&self, words: &[&str]) -> String {
        self.json(words)["id"].as_str().unwrap().to_owned()
    }

    /// The exit status and what stands on stderr.
    pub(crate) fn refused(&self, words: &[&str]) -> (i32, String) {
        let output = self.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }
}

fn told(command: &mut Command, line: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may have ended already.
    let _ = writeln!(child.stdin.take().unwrap(), "{line}");
    child.wait_with_output().unwrap()
}

/// HTTP that loses answers after the server has given them, or sends everything twice.
pub(crate) struct Wire {
    http: HttpTransport,
    pub(crate) lose_answers: u32,
    pub(crate) double: bool,
    /// The sync messages sent, to be played again.
    pub(crate) sent: Vec<Request>,
}

impl Transport for Wire {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        if request.is_sync {
            self.sent.push(request.clone());
        }
        let answer = self.http.send(request)?;
        if request.is_sync && self.lose_answers > 0 {
            self.lose_answers -= 1;
            return Err(TransportError("the answer was lost".to_owned()));
        }
        if request.is_sync && self.double {
            return self.http.send(request);
        }
        Ok(answer)
    }

    fn traffic(&self) -> Traffic {
        self.http.traffic()
    }
}
