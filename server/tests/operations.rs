//! `docs/OPERATIONS.md`, run as it is printed: its files are written, its commands run in their order, its unit started.
//!
//! The whole of a machine lies in a temporary folder. What needs root and systemd is played by functions of the shell:
//! `systemctl` runs what the unit's `ExecStart` says. Blocks marked `postgres` run where `FIELDPOOL_TEST_POSTGRES` names
//! a server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");
/// Folders of the machine that the page speaks of.
const FOLDERS: [&str; 5] = [
    "/usr/local/bin",
    "/var/lib/fieldpool",
    "/var/backups/fieldpool",
    "/etc/fieldpool",
    "/etc/systemd/system",
];
/// Where the page says the server listens; the test's picks a port each time it starts.
const PRINTED_ADDRESS: &str = "127.0.0.1:8420";
const PRINTED_POSTGRES: &str = "postgres://postgres@db.example";

/// Plays the operating system.
const SYSTEM: &str = r#"
set -euo pipefail
PID=
trap '[ -z "$PID" ] || kill -9 "$PID" 2>/dev/null || true' EXIT
useradd() { :; }
chown() { :; }
journalctl() { cat "$ROOT/journal"; }
runuser() { [ "$1 $2 $3" = "-u fieldpool --" ]; shift 3; "$@"; }
start() {
  local command ready
  command=$(sed -n 's/^ExecStart=//p' "$ROOT/etc/systemd/system/fieldpool.service")
  rm -f "$ROOT/ready"
  mkfifo "$ROOT/ready"
  $command >"$ROOT/ready" 2>>"$ROOT/journal" &
  PID=$!
  read -r ready <"$ROOT/ready"
  ADDRESS=$(sed -E 's/.*"url":"https?:\/\/([^"]*)".*/\1/' <<<"$ready")
}
stop() { kill "$PID"; wait "$PID"; PID=; }
systemctl() {
  case $1 in
    daemon-reload) ;;
    enable) [ "$2" = --now ]; start ;;
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    reload)
      kill -HUP "$PID"
      # Until the journal says so.
      timeout 60 grep -q -m1 'certificate read again' <(tail -n +1 -f --pid="$PID" "$ROOT/journal")
      ;;
    *) return 1 ;;
  esac
}
"#;

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let machine = tempfile::tempdir().unwrap();
    let root = machine.path();
    for folder in ["usr/local/bin", "etc/systemd/system", "var/lib"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let postgres = std::env::var("FIELDPOOL_TEST_POSTGRES").ok();
    let database = format!("operations_{}", std::process::id());
    let page = page();
    let mut script = format!(
        "ROOT='{}'\nPATH=\"$ROOT/usr/local/bin:$PATH\"\n{SYSTEM}",
        root.display()
    );
    for block in blocks(&page) {
        if block.words.contains(&"build") || block.words.contains(&"postgres") && postgres.is_none() {
            continue;
        }
        script.push_str(&block.as_commands(root, postgres.as_deref(), &database));
    }
    script.push_str("systemctl stop\n");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if let Some(url) = &postgres {
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        assert!(
            Command::new("psql")
                .args([url, "-q", "-c", &drop])
                .status()
                .unwrap()
                .success()
        );
    }

    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let journal = fs::read_to_string(root.join("journal")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{complained}\n{journal}");
    for words in [
        "\"status\":\"ready\"",
        "\"ok\":true",
        "http_request_seconds_count",
        "\"items\"",
    ] {
        assert!(said.contains(words), "nothing showed {words}:\n{said}\n{complained}");
    }
    assert!(!said.contains("\"ok\":false"), "{said}");
    assert_eq!(said.contains("\"database\":\"postgres\""), postgres.is_some(), "{said}");
    assert!(!journal.contains("\"level\":\"ERROR\""), "{journal}");
}

#[test]
fn the_lines_and_figures_that_the_page_names_are_those_that_the_server_writes() {
    let mut sources = String::new();
    collect(&top().join("server/src"), &mut sources);
    let page = page();
    let table = page.split("| line | what to do |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut named: Vec<String> = rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap())).collect();
    named.extend(["http_request_seconds", "tls_certificate_expires_seconds"].map(str::to_owned));
    assert!(named.len() > 10, "{named:?}");
    for words in named {
        assert!(sources.contains(&words), "the server writes no {words:?}");
        assert!(page.contains(&words), "the page does not say {words:?}");
    }
}

struct Block<'a> {
    /// What stands behind the opening fence.
    words: Vec<&'a str>,
    body: &'a str,
}

impl Block<'_> {
    fn as_commands(&self, root: &Path, postgres: Option<&str>, database: &str) -> String {
        let mut body = self.body.replace("target/release/fieldpool", BINARY);
        for folder in FOLDERS {
            body = body.replace(folder, &format!("{}{folder}", root.display()));
        }
        if let Some(url) = postgres {
            let server = url.rsplit_once('/').map_or(url, |(server, _)| server);
            body = body
                .replace(
                    &format!("{PRINTED_POSTGRES}/fieldpool"),
                    &format!("{server}/{database}"),
                )
                .replace(&format!("{PRINTED_POSTGRES}/postgres"), url)
                .replace("CREATE DATABASE fieldpool", &format!("CREATE DATABASE {database}"));
        }
        match (self.words.first(), self.words.iter().find(|word| word.starts_with('/'))) {
            (Some(&"sh"), _) => format!("{}\n", body.replace(PRINTED_ADDRESS, "$ADDRESS")),
            (Some(&("toml" | "ini")), Some(file)) => {
                let body = body.replace(PRINTED_ADDRESS, "127.0.0.1:0");
                format!("cat >'{}{file}' <<'END OF FILE'\n{body}END OF FILE\n", root.display())
            }
            // A piece of somebody else's settings.
            _ => String::new(),
        }
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```") {
        let (info, after) = after.split_once('\n').unwrap();
        let (body, after) = after.split_once("```").expect("a block that ends");
        blocks.push(Block {
            words: info.split_whitespace().collect(),
            body,
        });
        rest = after;
    }
    assert!(blocks.len() > 20, "the page was not understood");
    blocks
}

/// What stands between back quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn collect(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn page() -> String {
    fs::read_to_string(top().join("docs/OPERATIONS.md")).unwrap()
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
