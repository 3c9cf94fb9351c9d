//! `fieldpool import` and `fieldpool export` through the built binary, on both databases, on the files as they are
//! published.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};
use server::testing::{self, TestDatabase};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_fieldpool");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");

/// One organisation on one database, and a folder for files.
struct Office {
    database: TestDatabase,
    org: String,
    folder: TempDir,
}

impl Office {
    fn run(&self, arguments: &[&str]) -> Output {
        let output = Command::new(BINARY)
            .args(arguments)
            .args(&self.database.arguments)
            .env("FIELDPOOL_PASSWORD", "correct horse")
            .output();
        output.unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Imports a file; gives `[rows, created, updated, unchanged, errors]`.
    fn import(&self, what: &str, file: &Path, options: &[&str]) -> [u64; 5] {
        let file = file.display().to_string();
        let mut arguments = vec!["import", what, &file, "--org", &self.org, "--json"];
        arguments.extend(options);
        let report = self.json(&arguments);
        ["rows", "created", "updated", "unchanged", "errors"].map(|count| report[count].as_u64().unwrap())
    }

    fn export(&self, what: &str) -> Vec<Value> {
        self.json(&["export", what, "--org", &self.org, "--json"])
            .as_array()
            .unwrap()
            .clone()
    }

    /// What `verify` finds wrong between log, documents, read model and audit.
    fn differences(&self) -> Value {
        self.json(&["verify", "--json"])["differences"].clone()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn pool(&self, name: &str) -> String {
        let pool = self.json(&["admin", "pool", "add", "--org", &self.org, "--name", name]);
        pool["pool"].as_str().unwrap().to_owned()
    }
}

/// An empty organisation on each database.
fn offices() -> Vec<Office> {
    let databases = tokio::runtime::Runtime::new().unwrap().block_on(testing::databases());
    let office = |database| {
        let mut office = Office {
            database,
            org: String::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        office.org = office.json(&["admin", "org", "add", "--name", "百货"])["org"]
            .as_str()
            .unwrap()
            .to_owned();
        office
    };
    databases.into_iter().map(office).collect()
}

fn data(path: &str) -> PathBuf {
    Path::new(DATA).join(path)
}

fn find<'a>(rows: &'a [Value], column: &str, cell: &str) -> &'a Value {
    rows.iter().find(|row| row[column] == cell).unwrap()
}

#[test]
fn northwind_goes_in_as_published_and_a_second_time_changes_nothing() {
    for office in offices() {
        let folder = data("northwind");
        assert_eq!(office.import("northwind", &folder, &["--dry-run"]), [932, 932, 0, 0, 0]);
        assert_eq!(office.export("customers").len(), 0, "a dry run stores nothing");
        assert_eq!(office.import("northwind", &folder, &[]), [932, 932, 0, 0, 0]);
        assert_eq!(office.import("northwind", &folder, &[]), [932, 0, 0, 932, 0]);

        let (users, customers) = (office.export("users"), office.export("customers"));
        let deals = office.export("opportunities");
        assert_eq!((users.len(), customers.len(), deals.len()), (9, 93, 830));
        assert_eq!(find(&users, "login", "buchanan")["team"], "Buchanan's team");
        let bonapp = find(&customers, "external_id", "BONAP");
        assert_eq!(
            (&bonapp["name"], &bonapp["owner"]),
            (&json!("Bon app'"), &json!("peacock"))
        );
        assert_eq!(
            find(&customers, "external_id", "ANATR")["contact.phone"],
            "(5) 555-4729"
        );
        let deal = find(&deals, "external_id", "10248");
        assert_eq!(
            (&deal["author"], &deal["amount"], &deal["currency"]),
            (&json!("buchanan"), &json!("440.00"), &json!("USD"))
        );
        assert_eq!(
            (&deal["close_date"], &deal["stage"]),
            (&json!("1996-07-04"), &json!("won"))
        );
        assert!(deal["at"].as_str().unwrap().starts_with("1996-07-04"));
        assert_eq!(office.differences(), json!([]));
    }
}

#[test]
fn chinese_names_go_in_as_they_come_with_regions_as_gbk_and_as_a_workbook() {
    for office in offices() {
        let pool = office.pool("公海");
        // A part of the list: the whole of it is read in the unit tests and imported once on each database below.
        let list = fs::read_to_string(data("cn/company_short_names.txt")).unwrap();
        let some: String = list.lines().take(402).map(|line| format!("{line}\r\n")).collect();
        let list = office.file("names.txt", &some);
        assert_eq!(
            office.import("customers", &list, &["--pool", &pool]),
            [400, 400, 0, 0, 0]
        );
        assert_eq!(
            office.import("customers", &list, &["--pool", &pool]),
            [400, 0, 0, 400, 0]
        );

        let names = some.lines().skip(2).enumerate();
        let rows: Vec<(String, &str)> = names
            .map(|(index, name)| (format!("甲{name}"), if index % 3 == 0 { "" } else { "北京市" }))
            .collect();
        let csv: String = rows.iter().map(|(name, region)| format!("{name},{region}\n")).collect();
        let (gbk, ..) = encoding_rs::GBK.encode(&csv);
        let gbk = office.file(
            "gbk.csv",
            [encoding_rs::GBK.encode("名称,地区\n").0.as_ref(), gbk.as_ref()].concat(),
        );
        assert_eq!(office.import("customers", &gbk, &[]), [400, 400, 0, 0, 0]);
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_row(0, 0, ["客户名称", "区域"]).unwrap();
        for (row, (name, region)) in (1..).zip(&rows) {
            sheet.write_row(row, 0, [name.as_str(), region]).unwrap();
        }
        let xlsx = office.file("names.xlsx", book.save_to_buffer().unwrap());
        assert_eq!(
            office.import("customers", &xlsx, &[]),
            [400, 0, 0, 400, 0],
            "the same rows in another format"
        );
        let customers = office.export("customers");
        assert_eq!(customers.iter().filter(|row| row["region"] == "北京市").count(), 266);
    }
}

#[test]
fn all_nineteen_thousand_names_go_in() {
    for office in offices() {
        let pool = office.pool("公海");
        let list = data("cn/company_short_names.txt");
        assert_eq!(
            office.import("customers", &list, &["--pool", &pool]),
            [19_100, 19_100, 0, 0, 0]
        );
        assert_eq!(
            office.import("customers", &list, &["--pool", &pool]),
            [19_100, 0, 0, 19_100, 0]
        );
    }
}

#[test]
fn bad_rows_come_back_with_their_reason_and_go_in_once_corrected() {
    for office in offices() {
        office.pool("公海");
        let long = "x".repeat(201);
        let file = office.file(
            "mixed.csv",
            format!("external_id,name,owner,lat,lon\nA,Good,,,\nB,,,,\nC,{long},,,\nD,X,nobody,,\nE,Half\nA,Again,,,\nF,\"Cut,,,\n"),
        );
        let errors = office.folder.path().join("errors.csv");
        let options = ["--errors", errors.to_str().unwrap()];
        assert_eq!(office.import("customers", &file, &options), [7, 1, 0, 0, 6]);
        let refused = fs::read_to_string(&errors).unwrap();
        let lines: Vec<&str> = refused.lines().collect();
        assert_eq!(lines[0], "external_id,name,owner,lat,lon,row,reason");
        assert_eq!(lines[1], "B,,,,,3,missing_name");
        assert!(lines[2].ends_with(",4,too_long"));
        assert_eq!(lines[3], "D,X,nobody,,,5,unknown_owner");
        assert_eq!(lines[4], "E,Half,,,,6,short_row");
        assert_eq!(lines[5], "A,Again,,,,7,duplicate");
        assert!(lines[6].ends_with(",8,unclosed_quote"));

        let corrected = refused
            .replace("B,,", "B,Better,")
            .replace(&long, "Shorter")
            .replace("nobody", "")
            .replace("A,Again", "G,Again");
        let corrected = office.file("corrected.csv", corrected);
        assert_eq!(office.import("customers", &corrected, &[]), [6, 6, 0, 0, 0]);
        assert_eq!(office.import("customers", &corrected, &[]), [6, 0, 0, 6, 0]);
    }
}

#[test]
fn t094_all_or_nothing_stores_nothing_while_a_row_is_refused() {
    for office in offices() {
        office.pool("公海");
        let rows: String = (0..450).map(|number| format!("E{number},客户{number}\n")).collect();
        let bad = office.file("bad.csv", format!("external_id,name\n{rows}X,\n"));
        let output = office.run(&[
            "import",
            "customers",
            bad.to_str().unwrap(),
            "--org",
            &office.org,
            "--all-or-nothing",
        ]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("rows_refused"));
        assert_eq!(office.export("customers").len(), 0);
        let good = office.file("good.csv", format!("external_id,name\n{rows}"));
        assert_eq!(
            office.import("customers", &good, &["--all-or-nothing", "--dry-run"]),
            [450, 450, 0, 0, 0]
        );
        assert_eq!(office.import("customers", &good, &["--dry-run"]), [450, 450, 0, 0, 0]);
        assert_eq!(office.export("customers").len(), 0);
        assert_eq!(
            office.import("customers", &good, &["--all-or-nothing"]),
            [450, 450, 0, 0, 0]
        );
        assert_eq!(office.export("customers").len(), 450);
    }
}

#[test]
fn wrong_usage_and_unreadable_files_say_what_to_do() {
    let office = offices().remove(0);
    let file = office.file("a.csv", "Firma,Ort\nA,B\n").display().to_string();
    let refused = |arguments: &[&str], status| {
        let output = office.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let org = office.org.as_str();
    let unknown_column = refused(&["import", "customers", &file, "--org", org, "--map", "name=Kunde"], 2);
    assert!(
        unknown_column.contains("Firma, Ort") && unknown_column.contains("contact.phone"),
        "{unknown_column}"
    );
    assert!(refused(&["import", "customers", &file, "--org", org, "--map", "nmae=Firma"], 2).contains("unknown_field"));
    assert!(refused(&["import", "customers", &file, "--org", org], 2).contains("missing_column"));
    assert!(refused(&["import", "clients", &file, "--org", org], 2).contains("follow-ups"));
    assert!(refused(&["import", "customers", "/nowhere.csv", "--org", org], 1).contains("/nowhere.csv"));
    let latin = office
        .file("latin.csv", b"name\nM\xe9xico\nLule\xe5\nM\xfcnster\n")
        .display()
        .to_string();
    assert!(refused(&["import", "customers", &latin, "--org", org], 1).contains("encoding"));
    let stranger = "00000000-0000-7000-8000-000000000000";
    assert!(
        refused(
            &["import", "customers", &file, "--org", stranger, "--map", "name=Firma"],
            1
        )
        .contains("not_found")
    );
}

#[test]
fn people_make_the_teams_they_name_and_their_managers_stand_above_them() {
    for office in offices() {
        let file = office.file(
            "people.csv",
            "login,name,role,team,manager,email,password\nli,李四,,,zhang,li@example.cn,correct horse\nzhang,张三,manager,华南,,,\nwang,王五,rep,深圳,zhang,,\nbad,X,rep,,ghost,,\nweak,X,rep,,,,123\n",
        );
        assert_eq!(office.import("users", &file, &[]), [5, 3, 0, 0, 2]);
        assert_eq!(office.import("users", &file, &[]), [5, 0, 0, 3, 2]);
        let users = office.export("users");
        assert_eq!(find(&users, "login", "li")["team"], "华南");
        let teams = office.json(&["admin", "team", "list", "--org", &office.org, "--json"]);
        let team = |name: &str| {
            teams
                .as_array()
                .unwrap()
                .iter()
                .find(|team| team["name"] == name)
                .unwrap()
        };
        assert_eq!(team("深圳")["parent"], team("华南")["id"]);
        let moved = office.file("moved.csv", "login,name,role,team,manager\nwang,王五,rep,华南,zhang\n");
        assert_eq!(office.import("users", &moved, &[]), [1, 0, 1, 0, 0]);
    }
}

#[test]
fn history_keeps_its_author_and_date_and_stages_are_known() {
    for office in offices() {
        office.pool("公海");
        let people = office.file("people.csv", "login,name,role\nli,Li,rep\nwang,Wang,rep\n");
        office.import("users", &people, &[]);
        let customers = office.file("customers.csv", "external_id,name,owner\nC1,阿爸阿妈,wang\n");
        assert_eq!(office.import("customers", &customers, &[]), [1, 1, 0, 0, 0]);
        let visits = office.file("visits.csv", "customer,at,author,note,outcome,due\nC1,2025-03-01 09:30,li,看样,ok,2025-03-08\nC9,2025-03-01,li,x,,\nC1,2025-03-01,ghost,x,,\n");
        assert_eq!(office.import("visits", &visits, &[]), [3, 1, 0, 0, 2]);
        assert_eq!(office.import("visits", &visits, &[]), [3, 0, 0, 1, 2]);
        let notes = office.file(
            "notes.csv",
            "客户编号,跟进时间,跟进人,跟进内容,跟进方式\nC1,2025-03-02,li,已报价,微信\n",
        );
        assert_eq!(office.import("follow-ups", &notes, &[]), [1, 1, 0, 0, 0]);
        let deals = office.file("deals.csv", "customer,external_id,title,stage,amount,currency,close_date,author\nC1,O1,Rollout,needs,\"1,234.50\",CNY,2025-06-01,li\nC1,O2,Pilot,试用,10,CNY,,\n");
        assert_eq!(office.import("opportunities", &deals, &[]), [2, 1, 0, 0, 1]);
        assert_eq!(
            office.import("opportunities", &deals, &["--add-stages"]),
            [2, 1, 0, 1, 0]
        );
        let contacts = office.file("contacts.csv", "customer,name,title,phone\nC1,陈六,采购,0755-0012\n");
        assert_eq!(office.import("contacts", &contacts, &[]), [1, 1, 0, 0, 0]);

        let visit = &office.export("visits")[0];
        assert_eq!(
            (&visit["author"], &visit["at"]),
            (&json!("li"), &json!("2025-03-01T01:30:00Z"))
        );
        let follow_up = &office.export("follow-ups")[0];
        assert_eq!(
            (&follow_up["author"], &follow_up["channel"]),
            (&json!("li"), &json!("wechat"))
        );
        assert_eq!(
            find(&office.export("opportunities"), "external_id", "O1")["amount"],
            "1234.50"
        );
        assert_eq!(office.export("contacts")[0]["phone"], "0755-0012");

        let moved = office.file("moved.csv", "external_id,name,owner,tags\nC1,阿爸阿妈,li,老客户\n");
        assert_eq!(office.import("customers", &moved, &[]), [1, 0, 1, 0, 0]);
        assert_eq!(office.import("customers", &moved, &[]), [1, 0, 0, 1, 0]);
        assert_eq!(office.export("customers")[0]["owner"], "li");
        assert_eq!(office.differences(), json!([]));
    }
}

#[test]
fn what_was_exported_and_corrected_updates_what_it_came_from() {
    for office in offices() {
        office.pool("公海");
        let file = office.file(
            "a.csv",
            "name,phone,tax_number\n'=Dots,'+86 10 1,91A\n阿炳,0755-1,91B\n",
        );
        assert_eq!(office.import("customers", &file, &[]), [2, 2, 0, 0, 0]);
        let out = office.folder.path().join("out.csv");
        office.json(&[
            "export",
            "customers",
            "--org",
            &office.org,
            "--out",
            out.to_str().unwrap(),
            "--json",
        ]);
        let exported = fs::read_to_string(&out).unwrap();
        assert!(
            exported.contains("'=Dots") && exported.contains("'+86 10 1"),
            "{exported}"
        );
        assert_eq!(office.import("customers", &out, &[]), [2, 0, 0, 2, 0]);
        let corrected = office.file("corrected.csv", exported.replace("阿炳", "阿炳商贸"));
        assert_eq!(office.import("customers", &corrected, &[]), [2, 0, 1, 1, 0]);

        let by_phone = office.file("phones.csv", "name,phone,region\n阿炳商贸,0755 1,无锡\n");
        assert_eq!(
            office.import("customers", &by_phone, &["--key", "phone"]),
            [1, 0, 1, 0, 0]
        );
        let by_tax = office.file("tax.csv", "name,tax_number,region\n阿炳商贸,91B,苏州\n");
        assert_eq!(
            office.import("customers", &by_tax, &["--key", "tax_number"]),
            [1, 0, 1, 0, 0]
        );
        assert_eq!(office.export("customers").len(), 2);
    }
}

#[test]
fn imports_run_beside_a_server_and_beside_each_other() {
    for office in offices() {
        let pool = office.pool("公海");
        let mut server = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(&office.database.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert!(ready.contains("ready"), "{ready}");
        let start = |letter: char| {
            let rows: String = (0..600)
                .map(|number| format!("{letter}{number},{letter}客户{number}\n"))
                .collect();
            let file = office.file(&format!("{letter}.csv"), format!("external_id,name\n{rows}"));
            let mut import = Command::new(BINARY);
            import.args([
                "import",
                "customers",
                file.to_str().unwrap(),
                "--org",
                &office.org,
                "--pool",
                &pool,
                "--json",
            ]);
            import
                .args(&office.database.arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        for import in ['A', 'B'].map(start) {
            let output = import.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["created"], 600);
        }
        assert_eq!(office.export("customers").len(), 1_200);
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn t095_an_import_killed_in_the_middle_and_started_again_ends_as_one_undisturbed() {
    for office in offices() {
        let pool = office.pool("公海");
        let rows: String = (0..3_000)
            .map(|number| format!("E{number},客户{number},北京市\n"))
            .collect();
        let file = office.file("many.csv", format!("external_id,name,region\n{rows}"));
        let mut import = Command::new(BINARY);
        import.args([
            "import",
            "customers",
            file.to_str().unwrap(),
            "--org",
            &office.org,
            "--pool",
            &pool,
            "--json",
        ]);
        let mut killed = import.args(&office.database.arguments).spawn().unwrap();
        // Wherever it is by then: before its first transaction, inside one, or between two.
        std::thread::sleep(std::time::Duration::from_millis(700));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let stored = office.export("customers").len() as u64;
        assert_eq!(
            stored % 200,
            0,
            "{}: transactions of 200 rows, whole or not at all",
            office.database.name
        );
        assert_eq!(
            office.import("customers", &file, &["--pool", &pool]),
            [3_000, 3_000 - stored, 0, stored, 0]
        );
        assert_eq!(
            office.import("customers", &file, &["--pool", &pool]),
            [3_000, 0, 0, 3_000, 0]
        );
        assert_eq!(office.differences(), json!([]));
    }
}
