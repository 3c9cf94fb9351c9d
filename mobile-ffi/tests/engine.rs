//! The phone's engine against a scripted server: what it keeps, sends again, undoes and drops.

#[path = "engine/copies.rs"]
mod copies;
#[path = "engine/double.rs"]
mod double;
#[path = "engine/leaving.rs"]
mod leaving;
#[path = "engine/losses.rs"]
mod losses;
#[path = "engine/verdicts.rs"]
mod verdicts;

use double::*;
use mobile_ffi::{PhoneError, Store, seam::steps};
use sync_core::{
    document::{Document, Kind},
    ids::DocumentId,
    protocol::message::{IntentAction, IntentOutcome},
    replica::Target,
    visibility::Relation,
};

#[test]
fn a_customer_made_offline_is_provisional_until_the_server_has_decided() {
    let (mut phone, wire) = phone();
    let made = phone
        .create_customer(&["name=长城贸易".into(), "needs=快递".into()], None)
        .unwrap();
    let shown = phone.customer(made).unwrap();
    assert_eq!(shown["relation"], "owner");
    assert_eq!(shown["provisional"], "create");
    assert_eq!(shown["card"]["state"], "pending");
    assert_eq!(shown["dossier"]["fields"]["needs"], "快递");
    assert_eq!(phone.outbox().unwrap().len(), 3);
    let report = phone.sync().unwrap();
    assert!(report.complete);
    assert_eq!(report.verdicts.accepted, 2);
    assert_eq!(report.intents[0].outcome, "accepted");
    let shown = phone.customer(made).unwrap();
    assert_eq!(shown["provisional"], serde_json::Value::Null);
    assert_eq!(shown["card"]["state"], "synced");
    assert_eq!(wire.requests()[0].actors.len(), 1);
    let found = phone.customers(Some("长城")).unwrap();
    assert_eq!(found.len(), 1);
    assert!(phone.customers(Some("上海")).unwrap().is_empty());
}

#[test]
fn t036_a_lost_response_makes_the_phone_say_the_same_again_and_settles_it_once() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 20);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=hello"]))
        .unwrap();
    wire.then(|_| Err("the answer was lost"));
    assert_eq!(phone.sync().unwrap_err().error.code(), "offline");
    let first = wire.last();
    let report = phone.sync().unwrap();
    let again = wire.requests()[wire.requests().len() - 1].clone();
    assert_eq!(first.documents, again.documents);
    assert_eq!(first.cursor, again.cursor);
    assert!(again.message > first.message);
    assert_eq!(report.settled.len(), 1);
    assert_eq!(phone.document(visit).unwrap()["state"], "synced");
    assert!(phone.sync().unwrap().settled.is_empty());
}

#[test]
fn t037_an_answer_cut_at_any_byte_leaves_the_phone_as_it_was() {
    let (mut phone, wire) = phone();
    let customer = customer(21);
    let mut card = Document::new(Kind::Card);
    let change = foreign(&mut card, &words(Kind::Card, &["name=Acme"]));
    let id = DocumentId::derived(ORG, customer, Kind::Card, 0);
    let answer = page()
        .access(customer, Some(Relation::Owner))
        .document(customer, Kind::Card, id, true, &[change]);
    let whole = sync_core::protocol::frame::encode(&answer).len();
    for cut in 0..whole {
        let answer = answer.clone();
        wire.then(move |_| Ok(Some(answer)));
        wire.0.borrow_mut().cut = Some(cut);
        phone.sync().unwrap_err();
        assert!(phone.customers(None).unwrap().is_empty(), "after {cut} bytes");
    }
    wire.0.borrow_mut().cut = None;
    wire.then(move |_| Ok(Some(answer)));
    phone.sync().unwrap();
    assert_eq!(phone.customers(None).unwrap().len(), 1);
}

#[test]
fn t038_a_page_that_comes_twice_changes_nothing() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 22);
    let before = phone.customer(customer).unwrap();
    phone_with_customer(&mut phone, &wire, 22);
    assert_eq!(phone.customer(customer).unwrap(), before);
}

#[test]
fn t039_of_two_syncs_of_one_store_the_second_is_told_that_one_is_running() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, _) = phone_in(folder.path(), 1);
    let other = Store::open(folder.path()).unwrap();
    let lease = other.lease().unwrap().expect("nobody syncs");
    let failure = phone.sync().unwrap_err();
    assert!(matches!(failure.error, PhoneError::SyncInProgress));
    assert_eq!(failure.error.code(), "sync_in_progress");
    drop(lease);
    phone.sync().unwrap();
}

#[test]
fn t047_two_values_for_one_field_are_both_shown_until_one_is_chosen() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 23);
    let id = DocumentId::derived(ORG, customer, Kind::Card, 0);
    let mut theirs = Document::new(Kind::Card);
    foreign(&mut theirs, &words(Kind::Card, &["name=Acme"]));
    let change = foreign(&mut theirs, &words(Kind::Card, &["region=North"]));
    phone.edit(id, &words(Kind::Card, &["region=South"])).unwrap();
    wire.then(move |_| Ok(Some(page().document(customer, Kind::Card, id, false, &[change]))));
    phone.sync().unwrap();
    let shown = phone.customer(customer).unwrap();
    let values = shown["conflicts"][0]["values"].as_array().unwrap();
    assert_eq!(values.len(), 2);
    assert!(values.iter().any(|value| value["author"]["id"] == OTHER.to_string()));
    phone.edit_words(id, &["region=North".into()]).unwrap();
    assert_eq!(phone.customer(customer).unwrap()["conflicts"], serde_json::json!([]));
    phone.sync().unwrap();
    let history = phone.history(id, "region").unwrap();
    assert_eq!(history.len(), 3);
    assert_eq!(history.iter().filter(|write| write["current"] == true).count(), 1);
}

#[test]
fn what_a_person_may_not_write_is_refused_before_it_is_recorded() {
    let (mut phone, wire) = phone();
    let pooled = customer(24);
    wire.then(move |_| Ok(Some(page().access(pooled, Some(Relation::Pool)))));
    phone.sync().unwrap();
    let refused = phone.record(Target::Single(pooled, Kind::Card), &words(Kind::Card, &["name=x"]));
    assert_eq!(refused.unwrap_err().code(), "not_permitted");
    let refused = phone.add(pooled, Kind::Contact, &words(Kind::Contact, &["name=x"]));
    assert_eq!(refused.unwrap_err().code(), "not_permitted");
    phone
        .add(pooled, Kind::Visit, &words(Kind::Visit, &["note=x"]))
        .unwrap();
    let refused = phone.add(customer(99), Kind::Visit, &words(Kind::Visit, &["note=x"]));
    assert_eq!(refused.unwrap_err().code(), "not_found");
}

#[test]
fn a_lost_claim_is_undone_and_lies_in_the_tray_with_its_winner() {
    let (mut phone, wire) = phone();
    let pooled = customer(25);
    wire.then(move |_| Ok(Some(page().access(pooled, Some(Relation::Pool)))));
    phone.sync().unwrap();
    let claim = phone.intend(pooled, IntentAction::Claim).unwrap();
    assert_eq!(phone.intend(pooled, IntentAction::Claim).unwrap(), claim);
    let shown = phone.customer(pooled).unwrap();
    assert_eq!(
        (&shown["relation"], &shown["provisional"]),
        (&"owner".into(), &"claim".into())
    );
    phone
        .add(pooled, Kind::Contact, &words(Kind::Contact, &["name=王"]))
        .unwrap();
    wire.then(move |message| {
        assert_eq!(message.intents[0].expected_version, Some(1));
        let mut answer = page();
        answer.intents = vec![IntentOutcome::Rejected {
            code: "already_claimed".into(),
            owner: Some(OTHER),
            since: Some(START),
        }];
        Ok(Some(answer.verdict(
            0,
            sync_core::protocol::message::Verdict::Quarantined {
                reason: "claim_lost".into(),
                ticket: id(50),
            },
        )))
    });
    let report = phone.sync().unwrap();
    assert_eq!(report.intents[0].reason.as_deref(), Some("already_claimed"));
    let shown = phone.customer(pooled).unwrap();
    assert_eq!(shown["relation"], "pool");
    assert_eq!(shown["provisional"], serde_json::Value::Null);
    let tray = phone.tray().unwrap();
    assert_eq!(tray.len(), 2);
    assert_eq!(tray[0]["reason"], "already_claimed");
    assert_eq!(tray[0]["owner"]["id"], OTHER.to_string());
    assert_eq!(tray[1]["reason"], "claim_lost");
}

#[test]
fn t041_a_new_log_makes_the_phone_keep_everything_and_offer_its_own_again() {
    let (mut phone, wire) = phone();
    let made = phone.create_customer(&["name=Acme".into()], None).unwrap();
    let visit = phone
        .add(made, Kind::Visit, &words(Kind::Visit, &["note=hello"]))
        .unwrap();
    phone.sync().unwrap();
    assert!(phone.outbox().unwrap().is_empty());
    wire.then(|_| {
        let mut answer = page();
        answer.reset = true;
        Ok(Some(answer))
    });
    let report = phone.sync().unwrap();
    assert!(report.reset);
    let requests = wire.requests();
    let [.., again, compared] = &requests[..] else {
        panic!("it offers, then compares");
    };
    assert!(compared.intents.is_empty() && compared.documents.is_empty() && compared.reconcile.is_some());
    assert_eq!(again.intents.len(), 1);
    assert_eq!(again.documents.len(), 2);
    assert!(!again.actors.is_empty());
    assert_eq!(phone.document(visit).unwrap()["fields"]["note"], "hello");
    assert!(phone.outbox().unwrap().is_empty());
}

#[test]
fn a_kind_from_the_future_is_kept_and_shown_to_nobody() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 26);
    let mut visit = Document::new(Kind::Visit);
    let change = foreign(&mut visit, &words(Kind::Visit, &["note=x"]));
    let unknown = DocumentId(id(40));
    wire.then(move |_| {
        let mut answer = page().document(customer, Kind::Visit, unknown, true, &[change]);
        answer.documents[0].kind = 99;
        answer.digest = [5; 16];
        Ok(Some(answer))
    });
    let report = phone.sync().unwrap();
    assert_eq!(report.misfits, 0);
    let shown = phone.customer(customer).unwrap();
    assert!(shown["visits"].as_array().unwrap().is_empty());
    assert_eq!(phone.status().unwrap()["documents"], 2);
}

#[test]
fn a_page_whose_digest_disagrees_is_asked_for_again_but_not_for_ever() {
    let (mut phone, wire) = phone();
    let customer = customer(27);
    let mut card = Document::new(Kind::Card);
    let change = foreign(&mut card, &words(Kind::Card, &["name=Acme"]));
    let id = DocumentId::derived(ORG, customer, Kind::Card, 0);
    for _ in 0..10 {
        let change = change.clone();
        wire.then(move |_| {
            let mut answer =
                page()
                    .access(customer, Some(Relation::Owner))
                    .document(customer, Kind::Card, id, true, &[change]);
            answer.digest = [1; 16];
            Ok(Some(answer))
        });
    }
    phone.sync().unwrap();
    let asked = wire.requests().iter().filter(|request| request.wanted == [id]).count();
    assert!((1..=9).contains(&asked), "asked {asked} times");
    assert_eq!(phone.customers(None).unwrap()[0]["name"], "Acme");
}

#[test]
fn t053_a_store_of_a_newer_app_is_not_opened_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    phone_in(folder.path(), 1);
    let raw = rusqlite::Connection::open(folder.path().join("phone.db")).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert_eq!(error.code(), "upgrade_required");
    assert!(error.to_string().contains("newer version"), "{error}");
    let version: i64 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn t105_a_phone_killed_at_any_step_has_done_it_whole_or_not_at_all() {
    for step in steps::ALL {
        for nth in 1..=2 {
            let folder = tempfile::tempdir().unwrap();
            let (mut phone, wire) = phone_in(folder.path(), 3);
            let customer = phone_with_customer(&mut phone, &wire, 28);
            let first = phone
                .add(customer, Kind::Visit, &words(Kind::Visit, &["note=first"]))
                .unwrap();
            let seam = mobile_ffi::Seam::simulated(4, START);
            let mut phone = mobile_ffi::Phone::new(phone.into_store(), wire.clone(), seam.clone());
            phone.set_patience(1);
            seam.crash_at(step, nth);
            let second = phone.add(customer, Kind::Visit, &words(Kind::Visit, &["note=second"]));
            let third = phone.add(customer, Kind::Visit, &words(Kind::Visit, &["note=third"]));
            let synced = phone.sync();
            let killed = [second.is_err(), third.is_err(), synced.is_err()]
                .iter()
                .filter(|dead| **dead)
                .count();
            assert_eq!(
                killed,
                usize::from(nth == 1 || step == steps::EDIT_RECORDED),
                "{step} {nth}"
            );
            drop(phone);
            let (mut phone, wire) = phone_in(folder.path(), 5);
            let recorded = [Some(first), second.ok(), third.ok()];
            for visit in recorded.into_iter().flatten() {
                phone.document(visit).expect("each confirmed save is there");
            }
            phone.sync().unwrap();
            let expected = recorded.iter().flatten().count();
            let shown = phone.customer(customer).unwrap();
            let visits = shown["visits"].as_array().unwrap();
            assert_eq!(visits.len(), expected, "{step} {nth}");
            assert!(visits.iter().all(|visit| visit["state"] == "synced"));
            assert!(phone.outbox().unwrap().is_empty());
            assert!(wire.requests().len() <= 2);
        }
    }
}

#[test]
fn in_flight_mode_nothing_is_sent_until_it_is_turned_off_also_by_a_process_that_opens_the_store_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, wire) = phone_in(folder.path(), 1);
    let customer = phone_with_customer(&mut phone, &wire, 27);
    phone.set_flight_mode(true).unwrap();
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=in the air"]))
        .unwrap();
    let sent = wire.requests().len();
    assert_eq!(phone.sync().unwrap_err().error.code(), "flight_mode");
    assert_eq!(phone.search_online("x").unwrap_err().code(), "flight_mode");
    drop(phone);
    let (mut phone, later) = phone_in(folder.path(), 2);
    assert!(phone.flight_mode().unwrap());
    assert_eq!(phone.status().unwrap()["flight_mode"], true);
    assert_eq!(phone.sync().unwrap_err().error.code(), "flight_mode");
    assert_eq!((wire.requests().len(), later.requests().len()), (sent, 0));
    phone.set_flight_mode(false).unwrap();
    assert_eq!(phone.sync().unwrap().verdicts.accepted, 1);
}

#[test]
fn flight_mode_stops_a_sync_that_runs_before_its_next_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, wire) = phone_in(folder.path(), 1);
    wire.then(|_| {
        let mut answer = page();
        answer.more = true;
        Ok(Some(answer))
    });
    let (mut other, _) = phone_in(folder.path(), 2);
    let failure = phone
        .sync_with(&mut |_| other.set_flight_mode(true).unwrap())
        .unwrap_err();
    assert_eq!(failure.error.code(), "flight_mode");
    assert_eq!(failure.report.round_trips, 1);
}

#[test]
fn a_list_shows_what_waits_what_was_refused_what_has_two_values_and_when_somebody_was_there() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 28);
    let marks = |phone: &mut mobile_ffi::Phone<Double>| {
        let item = phone.customers(None).unwrap().remove(0);
        serde_json::json!([
            item["pending"],
            item["refused"],
            item["conflicts"],
            item["last_contact"]
        ])
    };
    assert_eq!(marks(&mut phone), serde_json::json!([0, 0, 0, null]));
    phone
        .add(
            customer,
            Kind::Visit,
            &words(Kind::Visit, &["planned_at=1800000900000"]),
        )
        .unwrap();
    assert_eq!(marks(&mut phone)[3], serde_json::Value::Null, "a plan is no contact");
    phone
        .add(
            customer,
            Kind::Visit,
            &words(Kind::Visit, &["started_at=1790000000000", "note=x"]),
        )
        .unwrap();
    assert_eq!(marks(&mut phone), serde_json::json!([2, 0, 0, 1_790_000_000_000_i64]));
    let entry = phone.outbox().unwrap().pop().unwrap();
    assert_eq!(
        entry["fields"],
        serde_json::json!({"started_at": 1_790_000_000_000_i64, "note": "x"})
    );
    wire.then(|message| Ok(Some(page().accepting(message).verdict(1, verdicts::rejected("schema")))));
    phone.sync().unwrap();
    let refused = marks(&mut phone);
    assert_eq!((&refused[0], &refused[1]), (&0.into(), &1.into()));
}
