//! `fieldpool admin` through the built binary, on both databases, beside an open one.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use server::testing::{self, TestDatabase};

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");

struct Admin<'a>(&'a TestDatabase);

impl Admin<'_> {
    /// Runs a command with a password on stdin.
    fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(BINARY)
            .arg("admin")
            .args(&self.0.arguments)
            .args(arguments)
            .env_remove("FIELDPOOL_PASSWORD")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not ask for it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn json(&self, arguments: &[&str], stdin: &str) -> Value {
        let output = self.run(arguments, stdin);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn id(&self, member: &str, arguments: &[&str]) -> String {
        self.json(arguments, "correct horse\n")[member]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn refused(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments, "correct horse\n");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }
}

fn databases() -> Vec<TestDatabase> {
    tokio::runtime::Runtime::new().unwrap().block_on(testing::databases())
}

#[test]
fn an_organisation_is_set_up_with_the_documented_commands_and_answers() {
    for database in databases() {
        let admin = Admin(&database);
        let org = admin.id("org", &["org", "add", "--name", "百货"]);
        let top = admin.id("team", &["team", "add", "--org", &org, "--name", "Top"]);
        let east = admin.id(
            "team",
            &["team", "add", "--org", &org, "--name", "East", "--parent", &top],
        );
        let (main, big) = (
            admin.id("pool", &["pool", "add", "--org", &org, "--name", "Main"]),
            admin.id("pool", &["pool", "add", "--org", &org, "--name", "Big"]),
        );
        let wang = admin.id(
            "user",
            &[
                "user", "add", "--org", &org, "--login", "wang", "--name", "王伟", "--role", "rep", "--team", &east,
                "--pool", &main, "--pool", &big,
            ],
        );
        for role in ["manager", "back_office", "service", "admin", "auditor"] {
            let arguments = [
                "user", "add", "--org", &org, "--login", role, "--name", role, "--role", role, "--team", &top,
            ];
            admin.id("user", &arguments);
        }
        let people = admin.json(&["user", "list", "--org", &org, "--json"], "");
        let people = people.as_array().unwrap();
        assert_eq!(people.len(), 6);
        let listed = people.iter().find(|person| person["login"] == "wang").unwrap();
        assert_eq!(listed["id"], wang.as_str());
        assert_eq!(listed["name"], "王伟");
        assert_eq!(listed["role"], "rep");
        assert_eq!(listed["team"], east.as_str());
        assert_eq!(listed["state"], "active");
        let teams = admin.json(&["team", "list", "--org", &org, "--json"], "");
        assert_eq!(teams.as_array().unwrap().len(), 2);
        let pools = admin.json(&["pool", "list", "--json", "--org", &org], "");
        assert_eq!(pools.as_array().unwrap().len(), 2);
        let orgs = admin.json(&["--json", "org", "list"], "");
        assert_eq!(orgs[0]["id"], org.as_str());

        admin.json(
            &[
                "user",
                "set-state",
                "--org",
                &org,
                "--user",
                "wang",
                "--state",
                "offboarding",
            ],
            "",
        );
        admin.json(
            &["user", "set-team", "--org", &org, "--user", &wang, "--team", &top],
            "",
        );
        admin.json(
            &["user", "set-role", "--org", &org, "--user", "wang", "--role", "manager"],
            "",
        );
        admin.json(
            &[
                "user",
                "set-pools",
                "--org",
                &org,
                "--user",
                "wang",
                "--pool-admin",
                &main,
            ],
            "",
        );
        admin.json(
            &["user", "set-password", "--org", &org, "--user", "wang"],
            "another horse\n",
        );
        admin.json(&["org", "set", "--org", &org, "--team-read", "false"], "");
        let people = admin.json(&["user", "list", "--org", &org, "--json"], "");
        let listed = people
            .as_array()
            .unwrap()
            .iter()
            .find(|person| person["login"] == "wang")
            .unwrap()
            .clone();
        assert_eq!(
            (&listed["state"], &listed["role"]),
            (&"offboarding".into(), &"manager".into())
        );
        assert_eq!(listed["team"], top.as_str());
        let key = admin.json(&["key", "rotate", "--purpose", "token"], "");
        assert_eq!(key["kid"], "t2");
        let table = String::from_utf8(admin.run(&["user", "list", "--org", &org], "").stdout).unwrap();
        assert!(table.contains("wang") && table.starts_with("ID"), "{table}");
    }
}

#[test]
fn refusals_end_with_1_and_wrong_usage_with_2() {
    for database in databases() {
        let admin = Admin(&database);
        let org = admin.id("org", &["org", "add", "--name", "A"]);
        let nobody = "00000000-0000-0000-0000-000000000000";
        admin.id("team", &["team", "add", "--org", &org, "--name", "East"]);
        let said = admin.refused(&["team", "add", "--org", &org, "--name", "East"], 1);
        assert!(said.contains("already_exists"), "{said}");
        let said = admin.refused(&["team", "add", "--org", nobody, "--name", "East"], 1);
        assert!(said.contains("not_found"), "{said}");
        admin.refused(&["org", "add", "--name", "B", "--timezone", "Asia/Atlantis"], 1);
        admin.refused(
            &[
                "user",
                "set-state",
                "--org",
                &org,
                "--user",
                "nobody",
                "--state",
                "disabled",
            ],
            1,
        );
        admin.refused(&["team", "add", "--org", "East", "--name", "East"], 2);
        admin.refused(&["team", "add", "--name", "East"], 2);
        let add = [
            "user", "add", "--org", &org, "--login", "wang", "--name", "W", "--role", "king",
        ];
        let said = admin.refused(&add, 2);
        assert!(said.contains("back_office"), "{said}");
        let output = admin.run(
            &[
                "user", "add", "--org", &org, "--login", "wang", "--name", "W", "--role", "rep",
            ],
            "short\n",
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn without_a_database_it_says_how_to_name_one() {
    let output = Command::new(BINARY)
        .args(["admin", "org", "list"])
        .env_remove("FIELDPOOL_DATABASE_URL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--data DIR"));
}
