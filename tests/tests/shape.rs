//! The shape of the code, as `docs/ARCHITECTURE.md` draws it, read from the sources themselves.
//!
//! These tests read `use` lines, paths and manifests; they compile nothing and know nothing about behaviour. A rule
//! that turns out to be wrong is changed there and in the picture together, with the reason written down.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file longer than this is several rooms without doors. Longer ones need an entry in [`LONG_FILES`].
const FILE_LINES_MAX: usize = 600;
/// A file of tests is a list of cases, read one at a time; it may be longer.
const TEST_FILE_LINES_MAX: usize = 1_200;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Folders that hold no sources of the project: version control, what the build makes, what a server keeps.
const SKIPPED_FOLDERS: &[&str] = &[".git", "target", "node_modules"];

#[test]
fn the_core_has_no_io_no_runtime_and_no_randomness() {
    let forbidden = [
        "tokio",
        "sqlx",
        "rusqlite",
        "reqwest",
        "ureq",
        "hyper",
        "axum",
        "rand",
        "getrandom",
        "server",
        "mobile-ffi",
    ];
    let manifest = read("sync-core/Cargo.toml");
    let dependencies = dependencies(&manifest);
    assert!(
        dependencies.contains(&"automerge".to_owned()),
        "the manifest was not understood: {dependencies:?}"
    );
    let found: Vec<_> = dependencies
        .iter()
        .filter(|name| forbidden.contains(&name.as_str()))
        .collect();
    assert!(
        found.is_empty(),
        "sync-core depends on {found:?}; pass what it needs as an argument instead"
    );
}

#[test]
fn the_core_touches_no_file_socket_process_or_environment() {
    refuse_paths(
        &sources("sync-core/src"),
        &["std::fs", "std::net", "std::env", "std::process"],
        "sync-core has no IO; let the server or the phone do it and hand in the result",
    );
}

#[test]
fn sql_of_the_server_stands_in_its_storage_only() {
    // Test support makes and drops whole databases, and tests tamper with rows, which no part of the product does.
    let allowed = ["server/src/storage", "server/src/testing"];
    let others: Vec<_> = sources("server/src")
        .into_iter()
        .filter(|file| !file.is_test() && !allowed.iter().any(|module| file.is_below(module)))
        .collect();
    let mut found = Vec::new();
    for file in &others {
        for (number, line) in file.code_lines() {
            if is_sql(line) || line.contains("sqlx::query") || line.contains("sqlx::raw_sql") {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "SQL belongs below server/src/storage:\n{}",
        found.join("\n")
    );
}

#[test]
fn sql_of_the_phone_stands_in_its_store_only() {
    let mut found = Vec::new();
    for file in sources("mobile-ffi/src")
        .iter()
        .filter(|file| !file.is_below("mobile-ffi/src/store"))
    {
        for (number, line) in file.code_lines() {
            if is_sql(line) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "SQL belongs below mobile-ffi/src/store:\n{}",
        found.join("\n")
    );
}

#[test]
fn storage_knows_no_http() {
    let storage: Vec<_> = sources("server/src")
        .into_iter()
        .filter(|file| file.is_below("server/src/storage"))
        .collect();
    refuse_paths(
        &storage,
        &["crate::http", "crate::actions", "axum", "hyper"],
        "storage is called by actions and knows nobody above it",
    );
}

#[test]
fn actions_know_neither_http_nor_sql() {
    let actions: Vec<_> = sources("server/src")
        .into_iter()
        .filter(|file| file.is_below("server/src/actions"))
        .collect();
    refuse_paths(
        &actions,
        &[
            "crate::http",
            "axum",
            "hyper",
            "sqlx::query",
            "sqlx::query_as",
            "sqlx::query_scalar",
        ],
        "an action takes checked values and calls storage functions; HTTP is above it, SQL below",
    );
}

#[test]
fn http_knows_no_sql() {
    let http: Vec<_> = sources("server/src")
        .into_iter()
        .filter(|file| file.is_below("server/src/http"))
        .collect();
    refuse_paths(
        &http,
        &["sqlx", "rusqlite"],
        "a route calls one action; the action calls storage",
    );
}

#[test]
fn only_rep_bench_and_demo_drive_the_phone_from_the_server_crate() {
    let allowed = [
        "server/src/cli/rep",
        "server/src/cli/bench",
        "server/src/bench",
        "server/src/cli/demo",
        "server/src/demo",
    ];
    let others: Vec<_> = sources("server/src")
        .into_iter()
        .filter(|file| !allowed.iter().any(|folder| file.is_below(folder)))
        .collect();
    refuse_paths(&others, &["mobile_ffi"], "the server itself does not know the phone");
}

#[test]
fn modules_stand_beside_their_folders() {
    let found: Vec<_> = all_files()
        .into_iter()
        .filter(|path| path.ends_with("/mod.rs"))
        .collect();
    assert!(
        found.is_empty(),
        "name the file after its folder (sync.rs beside sync/), not mod.rs: {found:?}"
    );
}

#[test]
fn panics_unwind_in_every_profile() {
    for path in all_files().into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        for line in read(&path).lines() {
            let words: String = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            assert!(
                !words.contains("panic=\"abort\""),
                "{path}: the airlock contains panics, so they must unwind"
            );
        }
    }
}

#[test]
fn files_are_short_enough_to_be_read_in_one_go() {
    let mut too_long = Vec::new();
    for path in all_files().into_iter().filter(|path| path.ends_with(".rs")) {
        let lines_max = if is_test(&path) {
            TEST_FILE_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        let lines = read(&path).lines().count();
        let listed = LONG_FILES.iter().any(|(long, _)| *long == path);
        if lines > lines_max && !listed {
            too_long.push(format!("{path}: {lines} lines, at most {lines_max}"));
        }
        assert!(
            !listed || lines > lines_max,
            "{path} is short again: take it off the list of long files"
        );
    }
    assert!(
        too_long.is_empty(),
        "too long to be read in one go; split by what they do:\n{}",
        too_long.join("\n")
    );
    for (path, reason) in LONG_FILES {
        assert!(
            root().join(path).is_file(),
            "{path} is on the list of long files but does not exist"
        );
        assert!(
            !reason.is_empty(),
            "{path} is on the list of long files without a reason"
        );
    }
}

#[test]
fn no_statement_has_a_bare_bound_limit() {
    // SQLite reads the value of one to plan by it, and so plans the statement anew at every use.
    let mut found = Vec::new();
    for Source { path, text } in sources("server/src/storage") {
        let bound = text.match_indices("LIMIT $").map(|(at, mark)| at + mark.len());
        let pushed = text.match_indices(" LIMIT \")").map(|(at, mark)| at + mark.len());
        for at in bound {
            let rest = text[at..].trim_start_matches(|letter: char| letter.is_ascii_digit());
            if !rest.starts_with(" + 0") {
                found.push(format!("{path}: LIMIT ${}", &text[at..at + 1]));
            }
        }
        for at in pushed {
            let statement = text[at..].split(';').next().unwrap_or_default();
            if statement.contains("push_bind") && !statement.contains("\" + 0") {
                found.push(format!("{path}: {}", statement.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "write LIMIT … + 0 (migrations/README.md):\n{}",
        found.join("\n")
    );
}

#[test]
fn the_repository_names_no_place_of_the_machine_it_was_written_on() {
    // Put together here so that this file does not contain them.
    let forbidden = [["/wo", "rk/"].concat(), ["shared/", "design"].concat()];
    let mut found = Vec::new();
    for path in all_files() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            if forbidden.iter().any(|words| line.contains(words.as_str())) {
                found.push(format!("{path}:{}", index + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "paths of one machine mean nothing to others: {found:?}"
    );
}

#[test]
fn a_grouped_use_is_read_as_the_paths_it_stands_for() {
    let file = Source {
        path: "example.rs".to_owned(),
        text:
            "use crate::{\n    actions::{claim, release as let_go},\n    http, // not storage\n};\nuse axum::Router;\n"
                .to_owned(),
    };
    let paths = [
        "crate::actions::claim",
        "crate::actions::release",
        "crate::http",
        "axum::Router",
    ];
    assert_eq!(file.used_paths(), paths);
}

/// Known defects are for the simulator: what is built for people has none of them, whatever it is told.
#[test]
fn only_the_tests_build_with_known_defects() {
    let manifests = [
        ("Cargo.toml", 0),
        ("server/Cargo.toml", 0),
        ("mobile-ffi/library/Cargo.toml", 0),
        ("mobile-ffi/bindgen/Cargo.toml", 0),
        // The feature and what it switches on.
        ("sync-core/Cargo.toml", 1),
        ("mobile-ffi/Cargo.toml", 2),
        ("tests/Cargo.toml", 2),
    ];
    for (path, times) in manifests {
        assert_eq!(read(path).matches("seeded-bugs").count(), times, "{path}");
    }
    for path in ["sync-core/Cargo.toml", "mobile-ffi/Cargo.toml"] {
        assert!(
            read(path).contains("seeded-bugs = ["),
            "{path}: it is a feature that must be asked for"
        );
        assert!(!read(path).contains("default = ["), "{path}");
    }
    // A build of the whole workspace would take what the tests ask for.
    assert!(read("Cargo.toml").contains("default-members = [\"server\"]"));
    let build = read("deploy/Containerfile");
    assert!(build.contains("cargo build --release") && !build.contains("--workspace") && !build.contains("--all"));
}

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Whether this is the module `module` (a path without `.rs`) or a file in its folder.
    fn is_below(&self, module: &str) -> bool {
        self.path
            .strip_prefix(module)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    fn is_test(&self) -> bool {
        is_test(&self.path)
    }

    /// Lines with their numbers, without those that are comments.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !is_comment(line))
    }

    /// Every path that a `use` brings in, groups written out.
    fn used_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut statement = String::new();
        for (_, line) in self.code_lines() {
            let line = line.split(" //").next().unwrap_or_default().trim();
            let opens = line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "));
            if statement.is_empty() && !opens {
                continue;
            }
            statement.push(' ');
            statement.push_str(line);
            if let Some((whole, _)) = statement.split_once(';') {
                let path = whole.split_once("use ").map(|(_, path)| path).unwrap_or_default();
                expand("", path.trim(), &mut paths);
                statement.clear();
            }
        }
        paths
    }

    /// Where `path` is used or written out, as lines of text.
    fn mentions(&self, path: &str) -> Vec<String> {
        let mut found: Vec<_> = self
            .used_paths()
            .into_iter()
            .filter(|used| used == path || used.starts_with(&format!("{path}::")))
            .map(|used| format!("{}: use {used}", self.path))
            .collect();
        for (number, line) in self.code_lines() {
            if !line.trim_start().starts_with("use ") && has_path(line, path) {
                found.push(format!("{}:{number}: {}", self.path, line.trim()));
            }
        }
        found
    }
}

/// Whether a file holds nothing but tests.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn refuse_paths(files: &[Source], paths: &[&str], reason: &str) {
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| paths.iter().flat_map(|path| file.mentions(path)))
        .collect();
    assert!(found.is_empty(), "{reason}:\n{}", found.join("\n"));
}

/// `a::{b, c::{d}}` as `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        if !name.is_empty() {
            paths.push(format!("{prefix}{name}"));
        }
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let prefix = format!("{prefix}{}", head.trim());
    let mut depth = 0_usize;
    let mut from = 0;
    for (index, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                expand(&prefix, inner[from..index].trim(), paths);
                from = index + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, inner[from..].trim(), paths);
}

/// Whether `line` writes `path` out: as a whole word, followed by `::`.
fn has_path(line: &str, path: &str) -> bool {
    let full = format!("{path}::");
    line.match_indices(&full).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && before != '_' && before != ':')
    })
}

/// Statements are written in capitals everywhere, prose is not.
fn is_sql(line: &str) -> bool {
    ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "]
        .iter()
        .any(|words| line.contains(words))
        || (line.contains("UPDATE ") && line.contains(" SET "))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Names in the `[dependencies]` section of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.trim_start().starts_with('['))
        .filter_map(|line| line.split(['=', '.']).next())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

fn sources(folder: &str) -> Vec<Source> {
    let prefix = format!("{folder}/");
    let files: Vec<_> = all_files()
        .into_iter()
        .filter(|path| path.starts_with(&prefix) && path.ends_with(".rs"))
        .map(|path| Source {
            text: read(&path),
            path,
        })
        .collect();
    assert!(!files.is_empty(), "no sources in {folder}: has it moved?");
    files
}

/// Every file of the repository by its path from the top, sorted.
fn all_files() -> Vec<String> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let path = entry.expect("a folder of the repository can be read").path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if SKIPPED_FOLDERS.contains(&name.as_str()) {
            continue;
        }
        // A server started with the README's command keeps its data in ./data.
        let is_server_data = name == "data" && path.parent() == Some(root().as_path());
        if path.is_dir() && !is_server_data {
            collect(&path, files);
        } else if path.is_file() {
            let relative = path.strip_prefix(root()).expect("found below the root");
            files.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests' crate lies in the repository")
        .to_owned()
}
