//! A person who was erased: nothing of him is in any file, of the server or of a phone.

use std::{
    path::Path,
    process::{Command, Output},
};

use super::{
    company::{BINARY, Company},
    leaving::assert_without,
};

const NAME: &str = "金丝雀先生甲";
const RENAMED: &str = "金丝雀先生乙";
const WECHAT: &str = "canary-wechat-1";
const RECORDED_AWAY: &str = "canary-wechat-2";
const NUMBER: &str = "13877776666";
const STORED: [&str; 4] = [NAME, RENAMED, WECHAT, NUMBER];

fn holds(folder: &Path, word: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    })
}

fn run(words: &[&str]) -> Output {
    let output = Command::new(BINARY).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    output
}

#[test]
fn an_erased_person_leaves_every_file_and_a_phone_that_was_away_does_not_bring_him_back() {
    let company = Company::open();
    let data = company.folder.path().join("data");
    let data = data.to_str().unwrap();
    let li = company.terminal("near", "li");
    let customer = li.made(&["customer", "new", "name=华联"]);
    let words = [
        "contact",
        "add",
        &customer,
        &format!("name={NAME}"),
        &format!("phone={NUMBER}"),
        &format!("wechat={WECHAT}"),
    ];
    let contact = li.made(&words);
    li.json(&["sync", "--json"]);
    assert!(
        li.run(&["contact", "set", &contact, &format!("name={RENAMED}")])
            .status
            .success()
    );
    li.made(&["visit", "add", &customer, "--note", &format!("met {RENAMED}")]);
    li.json(&["sync", "--json"]);
    let away = company.terminal("away", "li");
    away.json(&["sync", "--json"]);
    let recorded = format!("wechat={RECORDED_AWAY}");
    assert!(away.run(&["contact", "set", &contact, &recorded]).status.success());
    company.backup();
    // That the search can fail: all of it is there.
    for word in STORED {
        for folder in [Path::new(data), &li.store, &away.store] {
            assert!(holds(folder, word), "{word} in {folder:?}");
        }
    }
    assert!(holds(&away.store, RECORDED_AWAY));

    // What is held about him is told first, with what others wrote.
    let out = company.folder.path().join("held");
    let out = out.to_str().unwrap();
    let export = || {
        run(&[
            "export",
            "person",
            "--data",
            data,
            "--org",
            &company.org,
            "--contact",
            &contact,
            "--out",
            out,
        ])
    };
    export();
    let mentions = || {
        let text = std::fs::read_to_string(Path::new(out).join("person.json")).unwrap();
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        told["held"]["mentions"].as_array().map_or(0, Vec::len)
    };
    // The server indexes in the background what the phone has sent.
    for _ in 0..100 {
        if mentions() > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        export();
    }
    for file in ["person.json", "person.csv"] {
        let text = std::fs::read_to_string(Path::new(out).join(file)).unwrap();
        assert!(STORED.iter().all(|word| text.contains(word)), "{file}: {text}");
    }
    assert_eq!(mentions(), 1, "his name in a visit's note is listed");
    run(&[
        "export",
        "person",
        "--data",
        data,
        "--org",
        &company.org,
        "--user",
        "li",
    ]);

    let erased = company.admin(&[
        "erase",
        "contact",
        "--org",
        &company.org,
        "--contact",
        &contact,
        "--reason",
        "request",
        "--by",
        "bo",
    ]);
    assert!(erased["cleaned_at"].is_i64(), "{erased}");
    assert_eq!(li.json(&["sync", "--json"])["complete"], true);
    let synced = away.json(&["sync", "--json"]);
    assert_eq!(synced["verdicts"]["rejected"], 1, "{synced}");
    let tray = away.json(&["tray", "--json"]).to_string();
    assert!(tray.contains("erased") && !tray.contains(RECORDED_AWAY), "{tray}");
    // But for the visit's note, which is a person's to change.
    let mine = [NAME, WECHAT, NUMBER, RECORDED_AWAY];
    for folder in [Path::new(data), &li.store, &away.store] {
        assert_without(folder, &mine);
    }
    let shown = li.json(&["customer", "show", &customer, "--json"]);
    assert!(!shown.to_string().contains(&contact), "{shown}");

    // A backup of before does not bring him back, given the list that lies beside the database.
    let restored = company.folder.path().join("put-back");
    let from = company.folder.path().join("backup");
    let target = restored.to_str().unwrap();
    let words = [
        "restore",
        "--data",
        target,
        "--erasures",
        data,
        "--from",
        from.to_str().unwrap(),
    ];
    let output = String::from_utf8(run(&words).stdout).unwrap();
    assert!(output.contains("\"erasures\":1"), "{output}");
    assert_without(&restored, &mine);
    let after = company.folder.path().join("after");
    let after = after.to_str().unwrap();
    run(&["backup", "--data", data, "--out", after]);
    let empty = company.folder.path().join("from-after");
    run(&["restore", "--data", empty.to_str().unwrap(), "--from", after]);
    assert_without(&empty, &mine);
}
