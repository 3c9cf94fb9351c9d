//! What goes wrong between a phone and its server: lost and doubled answers, copies, kills.

use std::{collections::BTreeSet, process::Stdio};

use mobile_ffi::Transport;
use sync_core::{document::Kind, replica::Target};

use super::company::{Company, Terminal};

pub(crate) fn words(kind: Kind, words: &[&str]) -> Vec<sync_core::document::Edit> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    sync_core::document::edits_from_words(kind, &words).unwrap()
}

#[test]
fn t035_t036_answers_lost_after_the_commit_and_requests_played_again_change_nothing() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    for number in 0..20 {
        li.add(
            customer,
            Kind::Visit,
            &words(Kind::Visit, &[&format!("note=n{number}")]),
        )
        .unwrap();
    }
    li.transport_mut().lose_answers = 1;
    assert_eq!(li.sync().unwrap_err().error.code(), "offline");
    let report = li.sync().unwrap();
    assert_eq!(report.verdicts.accepted, 21);
    // Everything that was ever sent, once more: older messages are refused as a whole, the last is answered again.
    let sent = li.transport().sent.clone();
    for request in &sent {
        let answer = li.transport_mut().send(request).unwrap();
        assert!(matches!(answer.status, 200 | 204 | 409), "{}", answer.status);
    }
    assert_eq!(li.sync().unwrap().verdicts, mobile_ffi::SyncReport::default().verdicts);
    let mut bo = company.phone("bo", "bo", 2);
    bo.sync().unwrap();
    let shown = bo.customer(customer).unwrap();
    assert_eq!(shown["visits"].as_array().unwrap().len(), 20);
}

#[test]
fn t038_everything_sent_twice_has_the_effect_of_once() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    li.transport_mut().double = true;
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    let visit = li.add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"])).unwrap();
    li.sync().unwrap();
    li.edit(visit, &words(Kind::Visit, &["note=b"])).unwrap();
    li.sync().unwrap();
    assert!(li.tray().unwrap().is_empty() && li.outbox().unwrap().is_empty());
    assert_eq!(li.history(visit, "note").unwrap().len(), 2);
}

#[test]
fn t040_a_phone_that_was_away_keeps_its_work_and_gets_what_it_lacks() {
    let company = Company::open();
    let (mut li, mut bo) = (company.phone("li", "li", 1), company.phone("bo", "bo", 2));
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    li.sync().unwrap();
    bo.sync().unwrap();
    for round in 0..12 {
        let edits = words(Kind::Card, &[&format!("industry=i{round}")]);
        bo.record(Target::Single(customer, Kind::Card), &edits).unwrap();
        bo.add(
            customer,
            Kind::FollowUp,
            &words(Kind::FollowUp, &[&format!("text=t{round}")]),
        )
        .unwrap();
        bo.sync().unwrap();
    }
    li.record(
        Target::Single(customer, Kind::Card),
        &words(Kind::Card, &["region=North"]),
    )
    .unwrap();
    li.sync().unwrap();
    bo.sync().unwrap();
    for phone in [&mut li, &mut bo] {
        let shown = phone.customer(customer).unwrap();
        assert_eq!(shown["card"]["fields"]["industry"], "i11");
        assert_eq!(shown["card"]["fields"]["region"], "North");
        assert_eq!(shown["follow_ups"].as_array().unwrap().len(), 12);
    }
}

#[test]
fn t041_a_cursor_that_is_not_ones_own_resets_nothing_but_the_cursor() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    let visit = li.add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"])).unwrap();
    li.sync().unwrap();
    drop(li);
    let raw = rusqlite::Connection::open(company.store("li").join("phone.db")).unwrap();
    let state: Vec<u8> = raw
        .query_row("SELECT value FROM meta WHERE key = 'state'", [], |row| row.get(0))
        .unwrap();
    let mut state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let byte = state["cursor"][5].as_u64().unwrap();
    state["cursor"][5] = (byte ^ 1).into();
    raw.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'state'",
        [state.to_string().into_bytes()],
    )
    .unwrap();
    drop(raw);
    let mut li = company.open_phone(&company.store("li"), 3);
    let unsynced = li.add(customer, Kind::Visit, &words(Kind::Visit, &["note=b"])).unwrap();
    let report = li.sync().unwrap();
    assert!(report.reset);
    assert!(li.tray().unwrap().is_empty(), "{:?}", li.tray().unwrap());
    assert!(li.outbox().unwrap().is_empty());
    for document in [visit, unsynced] {
        assert_eq!(li.document(document).unwrap()["state"], "synced");
    }
}

#[test]
fn a_server_put_back_from_a_backup_gets_everything_again_that_its_phones_hold_of_their_own() {
    let mut company = Company::open();
    let (li, bo) = (company.terminal("li", "li"), company.terminal("bo", "bo"));
    let old = li.made(&["customer", "new", "name=old"]);
    li.json(&["sync", "--json"]);
    bo.json(&["sync", "--json"]);
    company.backup();
    let new = li.made(&["customer", "new", "name=new"]);
    let visit = li.made(&["visit", "add", &old, "--note", "after the backup"]);
    li.json(&["sync", "--json"]);
    bo.json(&["sync", "--json"]);
    li.json(&["visit", "set", &visit, "outcome=good"]);
    company.restore();
    let synced = li.json(&["sync", "--json"]);
    assert_eq!(synced["reset"], true);
    assert!(
        li.json(&["tray", "--json"]).as_array().unwrap().is_empty(),
        "{}",
        li.json(&["tray", "--json"])
    );
    assert!(li.json(&["outbox", "--json"]).as_array().unwrap().is_empty());
    bo.json(&["sync", "--json"]);
    for phone in [&li, &bo] {
        let shown = phone.json(&["customer", "show", &old, "--json"]);
        assert_eq!(shown["visits"][0]["fields"]["note"], "after the backup");
        assert_eq!(shown["visits"][0]["fields"]["outcome"], "good");
        let shown = phone.json(&["customer", "show", &new, "--json"]);
        assert_eq!(shown["card"]["fields"]["name"], "new");
    }
}

/// Copies the store of a phone that is not open.
fn copy_store(company: &Company, from: &str, to: &str) {
    std::fs::create_dir(company.store(to)).unwrap();
    for file in ["phone.db", "phone.db-wal"] {
        let source = company.store(from).join(file);
        if source.exists() {
            std::fs::copy(source, company.store(to).join(file)).unwrap();
        }
    }
}

#[test]
fn t044_a_copied_phone_takes_a_new_actor_before_it_writes_and_a_new_device_before_it_speaks() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    li.sync().unwrap();
    let pending = li
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=pending"]))
        .unwrap();
    let before = li.state().unwrap().unwrap();
    drop(li);
    copy_store(&company, "li", "copy");
    let mut li = company.open_phone(&company.store("li"), 5);
    let mut copy = company.open_phone(&company.store("copy"), 6);
    let one = li
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=original"]))
        .unwrap();
    assert_eq!(
        li.state().unwrap().unwrap().actor,
        before.actor,
        "the phone itself stays what it was"
    );
    li.sync().unwrap();
    let two = copy
        .add(customer, Kind::FollowUp, &words(Kind::FollowUp, &["text=copy"]))
        .unwrap();
    assert_ne!(copy.state().unwrap().unwrap().actor, before.actor);
    assert_ne!(one, two);
    assert_eq!(copy.sync().unwrap_err().error.code(), "sign_in_required");
    assert_eq!(
        copy.unlock("correct-horse-battery").unwrap_err().code(),
        "sign_in_required"
    );
    copy.enroll(&company.url, "li", "correct-horse-battery", "copy")
        .unwrap();
    assert_ne!(copy.state().unwrap().unwrap().device, before.device);
    copy.sync().unwrap();
    li.sync().unwrap();
    for phone in [&mut li, &mut copy] {
        assert!(phone.tray().unwrap().is_empty(), "{:?}", phone.tray().unwrap());
        assert!(phone.outbox().unwrap().is_empty());
        let shown = phone.customer(customer).unwrap();
        assert_eq!(shown["follow_ups"][0]["fields"]["text"], "copy");
        assert_eq!(shown["visits"].as_array().unwrap().len(), 2, "{shown}");
        assert_eq!(phone.document(pending).unwrap()["fields"]["note"], "pending");
    }
    let raw = rusqlite::Connection::open(company.folder.path().join("data").join("fieldpool.sqlite")).unwrap();
    let equivocations: i64 = raw
        .query_row("SELECT COUNT(*) FROM actor WHERE state = 'frozen'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(equivocations, 0);
    drop((li, copy));
    // A terminal says the same, and a copy that is thrown away does not end the phone that it was made of.
    copy_store(&company, "li", "third");
    let third = Terminal {
        store: company.store("third"),
    };
    let (status, said) = third.refused(&["sync"]);
    assert_eq!(status, 1);
    assert!(said.contains("copied or put back"), "{said}");
    assert!(third.run(&["logout"]).status.success());
    let mut li = company.open_phone(&company.store("li"), 8);
    assert!(li.sync().unwrap().complete);
}

#[test]
fn t045_a_copy_that_does_not_know_that_it_is_one_is_told_by_the_server_and_loses_nothing() {
    let company = Company::open();
    let mut li = company.phone("li", "li", 1);
    let customer = li.create_customer(&["name=Acme".into()], None).unwrap();
    li.sync().unwrap();
    let before = li.state().unwrap().unwrap();
    drop(li);
    copy_store(&company, "li", "copy");
    // What would have told it is gone.
    let raw = rusqlite::Connection::open(company.store("copy").join("phone.db")).unwrap();
    raw.execute("DELETE FROM meta WHERE key LIKE 'install%'", []).unwrap();
    drop(raw);
    let mut li = company.open_phone(&company.store("li"), 5);
    let mut copy = company.open_phone(&company.store("copy"), 6);
    let one = li
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=original"]))
        .unwrap();
    li.sync().unwrap();
    let two = copy
        .add(customer, Kind::FollowUp, &words(Kind::FollowUp, &["text=copy"]))
        .unwrap();
    assert_eq!(one, two, "the copy does not know that it is one");
    let failure = copy.sync().unwrap_err();
    assert_eq!(failure.error.code(), "sign_in_required");
    copy.enroll(&company.url, "li", "correct-horse-battery", "copy")
        .unwrap();
    let after = copy.state().unwrap().unwrap();
    assert_ne!(after.device, before.device);
    assert_ne!(after.actor, before.actor);
    copy.sync().unwrap();
    li.sync().unwrap();
    assert!(li.tray().unwrap().is_empty());
    assert_eq!(
        li.customer(customer).unwrap()["visits"][0]["fields"]["note"],
        "original"
    );
    // The copy's note had taken the id of the original's visit: what cannot be sent lies in the tray, not nowhere.
    let shown = copy.customer(customer).unwrap();
    let kept = shown["follow_ups"].as_array().unwrap().len() + copy.tray().unwrap().len();
    assert_eq!(kept, 1, "{shown} {:?}", copy.tray().unwrap());
}

#[test]
fn t047_two_phones_of_one_person_edit_one_visit_offline() {
    let company = Company::open();
    let (mut one, mut two) = (company.phone("one", "li", 1), company.phone("two", "li", 2));
    let customer = one.create_customer(&["name=Acme".into()], None).unwrap();
    let visit = one
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    one.sync().unwrap();
    two.sync().unwrap();
    one.edit(visit, &words(Kind::Visit, &["note=b", "outcome=good"]))
        .unwrap();
    two.edit(visit, &words(Kind::Visit, &["note=c", "next_date=2026-12-24"]))
        .unwrap();
    one.sync().unwrap();
    two.sync().unwrap();
    one.sync().unwrap();
    for phone in [&mut one, &mut two] {
        let shown = phone.customer(customer).unwrap();
        assert_eq!(shown["conflicts"][0]["field"], "note");
        assert_eq!(shown["conflicts"][0]["values"].as_array().unwrap().len(), 2);
        let fields = &shown["visits"][0]["fields"];
        assert_eq!(
            (&fields["outcome"], &fields["next_date"]),
            (&"good".into(), &"2026-12-24".into())
        );
    }
    two.edit_words(visit, &["note=b".into()]).unwrap();
    two.sync().unwrap();
    one.sync().unwrap();
    for phone in [&mut one, &mut two] {
        assert_eq!(phone.customer(customer).unwrap()["conflicts"], serde_json::json!([]));
    }
}

#[test]
fn t105_a_phone_killed_again_and_again_has_each_confirmed_save() {
    let company = Company::open();
    let li = company.terminal("li", "li");
    let customer = li.made(&["customer", "new", "name=Acme"]);
    let mut confirmed = BTreeSet::new();
    for round in 0..12_u64 {
        let note = format!("note {round}");
        let save = li
            .command(&["visit", "add", &customer, "--note", &note])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let sync = li
            .command(&["sync"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 7));
        let output = killed(save, round % 2 == 0);
        if let Ok(made) = serde_json::from_slice::<serde_json::Value>(&output) {
            confirmed.insert(made["id"].as_str().unwrap().to_owned());
        }
        killed(sync, true);
    }
    assert!(!confirmed.is_empty(), "some saves were confirmed");
    let here = visits(&li, &customer);
    assert!(confirmed.is_subset(&here));
    li.json(&["sync", "--json"]);
    let status = li.json(&["status", "--json"]);
    assert_eq!((&status["pending"], &status["refused"]), (&0.into(), &0.into()));
    let bo = company.terminal("bo", "bo");
    bo.json(&["sync", "--json"]);
    assert_eq!(visits(&bo, &customer), visits(&li, &customer));
    assert!(confirmed.is_subset(&visits(&bo, &customer)));
}

fn killed(mut child: std::process::Child, kill: bool) -> Vec<u8> {
    if kill {
        // One that has ended already was not killed; what it printed counts.
        let _ = child.kill();
    }
    child.wait_with_output().unwrap().stdout
}

fn visits(terminal: &Terminal, customer: &str) -> BTreeSet<String> {
    let shown = terminal.json(&["customer", "show", customer, "--json"]);
    let visits = shown["visits"].as_array().unwrap();
    visits
        .iter()
        .map(|visit| visit["id"].as_str().unwrap().to_owned())
        .collect()
}
