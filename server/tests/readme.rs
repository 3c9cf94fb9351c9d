//! The README's walk-through, run as it is printed: what it shows works, or this fails.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");
/// Where the README says the server listens; the test's listens elsewhere.
const PRINTED_ADDRESS: &str = "localhost:8420";
const PRINTED_URL: &str = "http://127.0.0.1:8420";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_walk_through_of_the_readme_works_as_printed() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(top.join("README.md")).unwrap();
    let walk = readme.split("## A walk through").nth(1).unwrap();
    let walk = walk.split("\n## ").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_server, url) = start_server(folder.path());

    let script = format!(
        "set -euo pipefail\n{}\n",
        shell_blocks(walk)
            .replace("target/release/fieldpool", BINARY)
            .replace("tests/data/", &format!("{}/tests/data/", top.display()))
            .replace(PRINTED_URL, &url)
            .replace(PRINTED_ADDRESS, url.trim_start_matches("http://"))
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    for words in ["Alfreds Futterkiste", "Wants a quote for 40 cases", "Send the quote"] {
        assert!(said.contains(words), "nothing showed {words:?}:\n{said}\n{complained}");
    }
    for words in ["\"code\":", "refused\":1", "\"rejected\":1"] {
        assert!(
            !said.contains(words),
            "something was refused ({words}):\n{said}\n{complained}"
        );
    }
}

fn start_server(folder: &Path) -> (Server, String) {
    let mut child = Command::new(BINARY)
        .args(["serve", "--data", "./data", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
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
    (Server(child), ready["url"].as_str().unwrap().to_owned())
}

/// The lines between ```` ```sh ```` and its end.
fn shell_blocks(text: &str) -> String {
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .filter_map(|rest| rest.split("```").next())
        .collect::<Vec<_>>()
        .join("\n")
}
