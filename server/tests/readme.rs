//! The README's walk-through, run as it is printed: what it shows works, or this fails.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Pictures load with the page: none is heavier than this.
const PICTURE_BYTES_MAX: u64 = 200 * 1024;
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];
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
    let top = top();
    let readme = read("README.md");
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

#[test]
fn every_link_of_the_readmes_leads_somewhere_and_pictures_are_light() {
    for readme in READMES {
        let text = read(readme);
        let mut pictures = 0;
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            if link.starts_with("http") || link.is_empty() {
                continue;
            }
            let file = fs::metadata(top().join(link))
                .unwrap_or_else(|_| panic!("{readme} links to {link}, which is not there"));
            if link.ends_with(".png") {
                pictures += 1;
                assert!(file.len() < PICTURE_BYTES_MAX, "{link} has {} bytes", file.len());
            }
        }
        assert!(pictures >= 2, "{readme} shows {pictures} pictures");
    }
}

#[test]
fn the_readmes_show_the_commands_that_there_are() {
    for readme in READMES {
        let text = read(readme);
        for command in ["demo", "rep --as liwei"] {
            assert!(
                text.contains(&format!("cargo run --release -- {command}\n")),
                "{readme}: {command}"
            );
        }
        assert!(text.contains("\ntests/run\n"), "{readme}");
    }
}

#[test]
fn what_is_shown_twice_says_the_same_twice() {
    let example = read("mobile-ffi/examples/visit.rs");
    let rust = example.split_once("\n\n").unwrap().1;
    let python = block(&read("mobile-ffi/python/README.md"), "```python\n");
    for readme in READMES {
        let text = read(readme);
        assert_eq!(
            block(&text, "```rust\n"),
            rust,
            "{readme}, mobile-ffi/examples/visit.rs"
        );
        assert_eq!(
            block(&text, "```python\n"),
            python,
            "{readme}, mobile-ffi/python/README.md"
        );
    }
    let unit = block(
        &read("docs/OPERATIONS.md"),
        "```ini /etc/systemd/system/fieldpool.service\n",
    );
    assert_eq!(
        unit,
        read("deploy/fieldpool.service"),
        "docs/OPERATIONS.md, deploy/fieldpool.service"
    );
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between a fence and its end.
fn block(text: &str, fence: &str) -> String {
    let rest = text
        .split_once(fence)
        .unwrap_or_else(|| panic!("there is no {fence:?}"))
        .1;
    rest.split("```").next().unwrap().to_owned()
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
