//! Phones that end: told to erase themselves, killed while they do, logged out, locked because they were away.

use std::path::Path;

use mobile_ffi::{PhoneError, seam::steps};
use serde_json::{Value, json};

use super::company::{Company, Terminal};

/// What is looked for in what is left of a phone.
const CANARY: &str = "金丝雀有限公司";
const CANARY_NOTE: &str = "canary note of a visit";

/// Li's phone with a customer that the server has and a visit that it has not.
fn with_work(company: &Company, store: &str) -> (Terminal, String) {
    let li = company.terminal(store, "li");
    let customer = li.made(&["customer", "new", &format!("name={CANARY}"), "region=北京"]);
    let photo = company.folder.path().join("photo.jpg");
    std::fs::write(&photo, CANARY_NOTE).unwrap();
    li.made(&[
        "visit",
        "add",
        &customer,
        "--note",
        "x",
        "--photo",
        photo.to_str().unwrap(),
    ]);
    assert_eq!(li.json(&["sync", "--json"])["complete"], true);
    li.made(&["visit", "add", &customer, "--note", CANARY_NOTE]);
    (li, customer)
}

/// Fails if a file below a folder has one of the canaries in its name or in it.
pub(crate) fn assert_without(folder: &Path, canaries: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert_without(&entry.path(), canaries);
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {:?}", entry.path());
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Only what says that it was wiped is left, and every command says so.
fn assert_wiped(li: &Terminal, by: &str) {
    assert_without(&li.store, &[CANARY, CANARY_NOTE, "北京"]);
    let left = names(&li.store);
    let allowed = ["sync.lock", "wiped.json"];
    assert!(left.iter().all(|name| allowed.contains(&name.as_str())), "{left:?}");
    let status = li.json(&["status", "--json"]);
    assert_eq!(status["state"], "wiped");
    assert_eq!((&status["pending"], &status["customers"]), (&0.into(), &0.into()));
    assert_eq!(status["wiped"]["by"], by);
    assert_eq!(status["wiped"]["confirmed"], true);
    let nobody = "01a20f92-50a7-7ab2-8486-cf3585b90d17";
    for words in [
        &["sync", "--json"][..],
        &["customers", "--json"],
        &["customer", "show", nobody],
        &["visit", "add", nobody, "--note", "x"],
        &["outbox"],
        &["tray"],
        &["flight", "on"],
        &["logout"],
        &["unlock"],
    ] {
        let (status, said) = li.refused(words);
        assert_eq!(status, 1, "{words:?}: {said}");
        assert!(said.contains("device_wiped"), "{words:?}: {said}");
    }
}

#[test]
fn t061_a_leavers_phone_hands_in_what_it_holds_is_wiped_and_can_be_somebodys_again() {
    let company = Company::open();
    for state in ["offboarding", "disabled"] {
        let (li, customer) = with_work(&company, state);
        company.set_state("li", state);
        let synced = li.json(&["sync", "--json"]);
        assert_eq!((&synced["complete"], &synced["wiped"]), (&true.into(), &true.into()));
        assert_eq!(synced["verdicts"]["accepted"], 1, "{synced}");
        assert_wiped(&li, "server");
        let (_, shown) = company.api("bo", "GET", &format!("/customers/{customer}"), None);
        assert_eq!(shown["visits"].as_array().unwrap().len(), 2, "{shown}");
        let device = company.devices_of("li").pop().unwrap();
        assert_eq!(device["state"], "wiped");
        assert!(device["wipe_ordered_at"].is_i64() && device["wiped_at"].is_i64());
        // He cannot sign in on it any more; who works here can.
        let enroll = ["enroll", "--server", &company.url, "--login", "li"];
        let (status, said) = li.refused(&enroll);
        assert_eq!(status, 1);
        assert!(said.contains("account_not_active"), "{said}");
        let han = company.terminal(state, "han");
        assert_eq!(han.json(&["sync", "--json"])["complete"], true);
        assert_eq!(han.json(&["status", "--json"])["state"], "active");
        company.set_state("li", "active");
    }
}

#[test]
fn t063_a_wipe_killed_at_any_step_goes_on_at_the_next_start_and_is_confirmed() {
    let company = Company::open();
    for step in steps::WIPE {
        let (li, _) = with_work(&company, step);
        company.set_state("li", "offboarding");
        let killed = li
            .command(&["sync", "--json"])
            .env("FIELDPOOL_DIE_AT", step)
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "{step}: {killed:?}");
        // Whatever is started next, nothing of anybody is shown or left.
        let (status, said) = li.refused(&["customers", "--json"]);
        assert_eq!(status, 1, "{step}: {said}");
        assert!(said.contains("device_wiped"), "{step}: {said}");
        assert_without(&li.store, &[CANARY, CANARY_NOTE, "北京"]);
        assert_eq!(li.json(&["status", "--json"])["state"], "wiped", "{step}");
        let (status, _) = li.refused(&["sync"]);
        assert_eq!(status, 1, "{step}");
        assert_wiped(&li, "server");
        let device = company.devices_of("li").pop().unwrap();
        assert_eq!(device["state"], "wiped", "{step}");
        company.set_state("li", "active");
    }
}

#[test]
fn t063_a_wipe_that_the_server_has_not_heard_of_is_listed_until_it_has() {
    let mut company = Company::open();
    let (li, _) = with_work(&company, "li");
    company.set_state("li", "offboarding");
    let step = steps::WIPE_ERASED;
    li.command(&["sync"]).env("FIELDPOOL_DIE_AT", step).output().unwrap();
    let device = company.devices_of("li").pop().unwrap();
    assert_eq!(
        (&device["state"], &device["wiped_at"]),
        (&"active".into(), &Value::Null)
    );
    assert!(device["wipe_ordered_at"].is_i64());
    let status = li.json(&["status", "--json"]);
    assert_eq!(status["wiped"]["confirmed"], false);
    company.backup();
    company.kill();
    let (status, said) = li.refused(&["sync"]);
    assert_eq!(status, 1);
    assert!(said.contains("device_wiped"), "{said}");
    company.restore();
    li.refused(&["sync"]);
    assert_wiped(&li, "server");
    assert_eq!(company.devices_of("li").pop().unwrap()["state"], "wiped");
}

#[test]
fn what_is_recorded_while_the_order_is_on_its_way_is_handed_in_before_the_phone_erases_itself() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&[format!("name={CANARY}")], None).unwrap();
    li.sync().unwrap();
    company.set_state("li", "offboarding");
    // The server has told it, and the answer is lost.
    li.transport_mut().lose_answers = 1;
    assert_eq!(li.sync().unwrap_err().error.code(), "offline");
    assert!(company.devices_of("li")[0]["wipe_ordered_at"].is_i64());
    // Another part of the app, which has not heard that he leaves, records on.
    let mut desk = company.open_phone(&company.store("li"), 2);
    desk.store_mut()
        .write::<_, PhoneError>(|tx| {
            let mut replica = sync_core::replica::Replica::open(tx)?;
            Ok(replica.handle_standing(sync_core::replica::Standing::Active)?)
        })
        .unwrap();
    let words = sync_core::document::edits_from_words(sync_core::document::Kind::Visit, &["note=late".to_owned()]);
    desk.add(customer, sync_core::document::Kind::Visit, &words.unwrap())
        .unwrap();
    // What comes after the order is kept for a manager; then nothing is left, and it goes.
    let report = li.sync().unwrap();
    assert_eq!(report.verdicts.quarantined, 1);
    assert!(report.wiped);
    assert_without(&company.store("li"), &[CANARY]);
    // The other part finds the phone gone.
    assert_eq!(desk.customers(None).unwrap_err().code(), "device_wiped");
    assert_eq!(desk.status().unwrap()["state"], "wiped");
}

#[test]
fn a_revoked_phone_hands_in_and_is_wiped_and_one_revoked_long_ago_is_locked() {
    let company = Company::open();
    let (li, customer) = with_work(&company, "li");
    let id = company.devices_of("li")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(company.api("ada", "DELETE", &format!("/devices/{id}"), None).0, 204);
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(
        (&synced["verdicts"]["accepted"], &synced["wiped"]),
        (&1.into(), &true.into())
    );
    assert_wiped(&li, "server");
    let (_, shown) = company.api("bo", "GET", &format!("/customers/{customer}"), None);
    assert_eq!(shown["visits"].as_array().unwrap().len(), 2);
}

#[test]
fn logging_out_warns_with_the_count_and_erases_everything_once_nothing_is_lost() {
    let company = Company::open();
    let (li, _) = with_work(&company, "li");
    for (language, words) in [("en", "1 changes have not been sent"), ("zh", "有 1 项内容尚未同步")] {
        let (status, said) = li.refused(&["logout", "--language", language]);
        assert_eq!(status, 1);
        assert!(said.contains("unsent_work") && said.contains(words), "{said}");
    }
    assert_eq!(li.json(&["status", "--json"])["pending"], 1);
    li.json(&["sync", "--json"]);
    assert_eq!(li.json(&["logout", "--json"]), json!({"discarded": 0}));
    assert_wiped(&li, "user");
    let device = company.devices_of("li").pop().unwrap();
    assert_eq!(device["state"], "wiped");
    assert!(device["revoked_at"].is_i64() && device["wipe_ordered_at"].is_null());

    let (li, _) = with_work(&company, "again");
    assert_eq!(
        li.json(&["logout", "--discard-unsent", "--json"]),
        json!({"discarded": 1})
    );
    assert_wiped(&li, "user");
    let (_, audit) = company.api("ada", "GET", "/audit?limit=200", None);
    let rows = audit["items"].as_array().unwrap();
    let wiped: Vec<&Value> = rows.iter().filter(|row| row["action"] == "wiped").collect();
    assert_eq!(wiped.len(), 2);
    assert_eq!(wiped[1]["detail"]["discarded"], 1, "{wiped:?}");
}

#[test]
fn t066_a_phone_away_for_too_long_locks_itself_and_opens_with_the_password_with_its_work() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let company = Company::open();
    company.admin(&["org", "set", "--org", &company.org, "--lease-days", "3"]);
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&[format!("name={CANARY}")], None).unwrap();
    li.sync().unwrap();
    let start = super::company::now();
    let status = li.status().unwrap();
    let lease_until = status["lease_until"].as_i64().unwrap();
    assert!((lease_until - start.0 - 3 * DAY_MS).abs() < 3_600_000, "{status}");
    let visit = sync_core::document::edits_from_words(sync_core::document::Kind::Visit, &["note=offline".to_owned()]);
    li.add(customer, sync_core::document::Kind::Visit, &visit.unwrap())
        .unwrap();
    drop(li);
    // The app is opened two days later, then its clock is set back, then the time comes all the same.
    let at = |ms: i64| {
        let phone = company.open_phone(&company.store("li"), 7);
        phone.seam().set_now(sync_core::time::Timestamp(start.0 + ms));
        phone
    };
    assert_eq!(at(2 * DAY_MS).customers(None).unwrap().len(), 1);
    assert_eq!(at(-DAY_MS).customers(None).unwrap().len(), 1);
    let mut locked = at(3 * DAY_MS + 3_600_000);
    let terminal = Terminal {
        store: company.store("li"),
    };
    assert_eq!(locked.status().unwrap()["state"], "locked");
    for refused in [
        locked.customers(None).map(drop),
        locked.customer(customer).map(drop),
        locked.outbox().map(drop),
        locked.tray().map(drop),
        locked.create_customer(&["name=x".to_owned()], None).map(drop),
        locked.sync().map(drop).map_err(|failure| failure.error),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "locked");
        assert!(error.to_string().contains("sign in"), "{error}");
    }
    // A clock set back opens nothing, also for the terminal, whose clock is right.
    assert_eq!(at(DAY_MS).customers(None).unwrap_err().code(), "locked");
    let (status, said) = terminal.refused(&["customers"]);
    assert_eq!(status, 1);
    assert!(said.contains("locked: ") && said.contains("sign in"), "{said}");
    assert_eq!(terminal.json(&["status", "--json"])["state"], "locked");
    assert_eq!(terminal.json(&["status", "--json"])["pending"], 1);
    // The password opens it, with what was recorded.
    let wrong = terminal
        .command(&["unlock"])
        .env("FIELDPOOL_PASSWORD", "wrong-horse-battery")
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("wrong_credentials"),
        "{wrong:?}"
    );
    let status = terminal.json(&["unlock", "--json"]);
    assert_eq!((&status["state"], &status["pending"]), (&"active".into(), &1.into()));
    assert_eq!(terminal.json(&["sync", "--json"])["verdicts"]["accepted"], 1);

    // Of somebody who does not work here any more it opens to hand in what it holds, and is wiped.
    terminal.made(&["visit", "add", &customer.to_string(), "--note", CANARY_NOTE]);
    company.set_state("li", "disabled");
    assert_eq!(at(9 * DAY_MS).customers(None).unwrap_err().code(), "locked");
    for word in ["sync", "customers"] {
        assert!(terminal.refused(&[word]).1.contains("locked: "));
    }
    // Signing in as on a new phone does the same.
    let signed_in = terminal.json(&["enroll", "--server", &company.url, "--login", "li", "--json"]);
    assert_eq!(signed_in["user"]["login"], "li");
    let synced = terminal.json(&["sync", "--json"]);
    assert_eq!(
        (&synced["verdicts"]["accepted"], &synced["wiped"]),
        (&1.into(), &true.into())
    );
    assert_wiped(&terminal, "server");
}
