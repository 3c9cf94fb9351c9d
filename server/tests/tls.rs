//! The server's own TLS: with a certificate of a test authority, from a real client, and with files that do not do.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");

/// A certificate authority of a test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes `certificate.pem` and `key.pem` for 127.0.0.1, valid between the beginnings of these years.
    fn issue(&self, folder: &Path, from: i32, until: i32) -> [PathBuf; 2] {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn client(&self) -> Agent {
        let root = Certificate::from_pem(self.pem().as_bytes()).unwrap();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[root]))
            .build();
        Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls)
            .build()
            .into()
    }
}

struct Server {
    child: Child,
    url: String,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn start(folder: &Path, files: &[PathBuf; 2]) -> Self {
        let mut child = serve(folder, files).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self {
            url: ready["url"].as_str().unwrap().to_owned(),
            log: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Sends a signal and waits until the log says what became of it.
    fn hang_up(&mut self, answer: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        let mut line = String::new();
        while !line.contains(answer) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, [certificate, key]: &[PathBuf; 2]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .arg("--tls-certificate")
        .arg(certificate)
        .arg("--tls-key")
        .arg(key)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn refused(folder: &Path, files: &[PathBuf; 2]) -> String {
    let output = serve(folder, files).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing is ready");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_client_that_trusts_the_authority_is_served_and_others_turn_away() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = Server::start(folder.path(), &authority.issue(folder.path(), 2020, 2090));
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let health = format!("{}/healthz", server.url);
    let answer = authority.client().get(&health).call().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let mut metrics = authority
        .client()
        .get(&format!("{}/metrics", server.url))
        .call()
        .unwrap();
    let metrics = metrics.body_mut().read_to_string().unwrap();
    // The first of January 2090.
    assert!(
        metrics.contains("tls_certificate_expires_seconds 3786912000"),
        "{metrics}"
    );
    let stranger = Authority::new().client().get(&health).call().unwrap_err();
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
    // Who speaks without TLS gets no answer that could be taken for one.
    let plain = health.replace("https://", "http://");
    assert!(Agent::new_with_defaults().get(&plain).call().is_err());
    assert_eq!(authority.client().get(&health).call().unwrap().status(), 200);
}

#[test]
fn a_phone_syncs_over_tls_once_it_is_told_whom_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = Server::start(folder.path(), &authority.issue(folder.path(), 2020, 2090));
    let run = |words: &[&str], trusted: Option<&Path>| -> Output {
        let mut command = Command::new(BINARY);
        command
            .args(words)
            .current_dir(folder.path())
            .env("FIELDPOOL_PASSWORD", "long enough to remember")
            .stdin(Stdio::null());
        if let Some(file) = trusted {
            command.env("FIELDPOOL_CA_FILE", file);
        }
        command.output().unwrap()
    };
    let made = run(&["admin", "--data", "data", "org", "add", "--name", "A"], None);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let org = made["org"].as_str().unwrap();
    let user = [
        "admin", "--data", "data", "user", "add", "--org", org, "--login", "li", "--name", "Li", "--role", "rep",
    ];
    assert!(run(&user, None).status.success());

    let enroll = [
        "rep",
        "--store",
        "phone",
        "enroll",
        "--server",
        &server.url,
        "--login",
        "li",
    ];
    let stranger = run(&enroll, None);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&stranger.stderr).contains("offline"),
        "{stranger:?}"
    );

    let root = folder.path().join("authority.pem");
    fs::write(&root, authority.pem()).unwrap();
    assert!(run(&enroll, Some(&root)).status.success());
    let synced = run(&["rep", "--store", "phone", "sync", "--json"], Some(&root));
    assert!(synced.status.success(), "{synced:?}");
    let wrong = run(
        &["rep", "--store", "phone", "sync"],
        Some(&folder.path().join("key.pem")),
    );
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn a_renewed_certificate_is_taken_on_sighup_and_one_that_does_not_fit_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::new();
    let files = first.issue(folder.path(), 2020, 2090);
    let mut server = Server::start(folder.path(), &files);
    let health = format!("{}/healthz", server.url);

    let second = Authority::new();
    second.issue(folder.path(), 2020, 2090);
    server.hang_up("certificate read again");
    assert_eq!(second.client().get(&health).call().unwrap().status(), 200);
    assert!(first.client().get(&health).call().is_err());

    fs::write(&files[1], "nonsense").unwrap();
    server.hang_up("keeps the one it has");
    assert_eq!(second.client().get(&health).call().unwrap().status(), 200);
}

#[test]
fn files_that_do_not_do_keep_the_server_from_starting_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), tempfile::tempdir().unwrap());
    let good = authority.issue(folder.path(), 2020, 2090);
    let [other_certificate, other_key] = authority.issue(other.path(), 2020, 2090);

    let missing = refused(folder.path(), &[folder.path().join("nowhere.pem"), good[1].clone()]);
    assert!(
        missing.contains("nowhere.pem") && missing.contains("check the path"),
        "{missing}"
    );
    let mismatch = refused(folder.path(), &[good[0].clone(), other_key]);
    assert!(mismatch.contains("does not belong"), "{mismatch}");
    let swapped = refused(folder.path(), &[good[1].clone(), good[0].clone()]);
    assert!(swapped.contains("no certificate in"), "{swapped}");
    let no_key = refused(folder.path(), &[good[0].clone(), other_certificate.clone()]);
    assert!(no_key.contains("no private key in"), "{no_key}");
    fs::write(
        &other_certificate,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let garbage = refused(folder.path(), &[other_certificate, good[1].clone()]);
    assert!(garbage.contains("cannot be used"), "{garbage}");
    let over = refused(folder.path(), &authority.issue(folder.path(), 2020, 2021));
    assert!(over.contains("ended on 2021-01-01") && over.contains("renew"), "{over}");
    let early = refused(folder.path(), &authority.issue(folder.path(), 2080, 2090));
    assert!(
        early.contains("begins on 2080-01-01") && early.contains("clock"),
        "{early}"
    );
}

#[test]
fn somebody_who_never_finishes_the_handshake_does_not_keep_the_server_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let mut server = Server::start(folder.path(), &authority.issue(folder.path(), 2020, 2090));
    let silent = std::net::TcpStream::connect(server.url.trim_start_matches("https://")).unwrap();
    assert_eq!(
        authority
            .client()
            .get(&format!("{}/healthz", server.url))
            .call()
            .unwrap()
            .status(),
        200
    );
    assert!(
        Command::new("kill")
            .arg(server.child.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let mut rest = Vec::new();
    // Ended by the server, whichever way.
    let _ = (&silent).read_to_end(&mut rest);
    assert!(rest.is_empty());
}
