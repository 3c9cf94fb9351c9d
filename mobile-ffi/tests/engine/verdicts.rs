//! What becomes of an outbox entry for each verdict.

use std::collections::BTreeSet;

use sync_core::{
    document::Kind,
    ids::DocumentId,
    protocol::message::{RetryReason, SyncRequest, Verdict},
};

use super::double::*;

pub(crate) fn rejected(code: &str) -> Verdict {
    Verdict::Rejected { code: code.to_owned() }
}

fn change_count(message: &SyncRequest) -> usize {
    message.documents.iter().map(|document| document.changes.len()).sum()
}

#[test]
fn t032_one_refused_among_many_goes_to_the_tray_and_its_dependents_are_issued_again() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 30);
    let card = DocumentId::derived(ORG, customer, Kind::Card, 0);
    let actor = phone.state().unwrap().unwrap().actor;
    for number in 0..9 {
        phone
            .add(
                customer,
                Kind::Visit,
                &words(Kind::Visit, &[&format!("note=visit {number}")]),
            )
            .unwrap();
    }
    phone.edit(card, &words(Kind::Card, &["region=Atlantis"])).unwrap();
    phone.edit(card, &words(Kind::Card, &["industry=trade"])).unwrap();
    wire.then(|message| {
        assert_eq!(change_count(message), 11);
        Ok(Some(
            page().verdict(9, rejected("schema")).verdict(10, Verdict::Superseded),
        ))
    });
    let report = phone.sync().unwrap();
    assert_eq!(report.verdicts.rejected, 1);
    assert_eq!(report.verdicts.superseded, 1);
    assert_eq!(report.verdicts.accepted, 10);
    let tray = phone.tray().unwrap();
    assert_eq!(tray.len(), 1);
    assert_eq!(
        (&tray[0]["what"], &tray[0]["reason"]),
        (&"region=Atlantis".into(), &"schema".into())
    );
    let shown = phone.document(card).unwrap();
    assert_eq!(shown["fields"]["industry"], "trade");
    assert_eq!(shown["fields"].get("region"), None);
    assert_eq!(shown["state"], "refused");
    assert_ne!(phone.state().unwrap().unwrap().actor, actor);
    let entries: BTreeSet<i64> = report.settled.iter().map(|settled| settled.entry).collect();
    assert_eq!(entries.len(), report.settled.len(), "one final verdict for each entry");
    assert!(phone.outbox().unwrap().is_empty());
}

#[test]
fn what_was_recorded_after_the_message_left_is_issued_again_too() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 31);
    let card = DocumentId::derived(ORG, customer, Kind::Card, 0);
    phone.edit(card, &words(Kind::Card, &["region=a"])).unwrap();
    wire.then(|_| Err("lost"));
    phone.sync().unwrap_err();
    phone.edit(card, &words(Kind::Card, &["industry=b"])).unwrap();
    wire.then(|_| {
        Ok(Some(
            page().verdict(0, rejected("schema")).verdict(1, Verdict::Superseded),
        ))
    });
    phone.sync().unwrap();
    assert_eq!(phone.document(card).unwrap()["fields"]["industry"], "b");
}

#[test]
fn t005_equivocation_gives_the_phone_a_new_actor_and_the_work_is_issued_again() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 32);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    phone.edit(visit, &words(Kind::Visit, &["outcome=b"])).unwrap();
    let first = phone.state().unwrap().unwrap().actor;
    let before = wire.requests().len();
    wire.then(|_| {
        Ok(Some(
            page()
                .verdict(0, rejected("equivocation"))
                .verdict(1, rejected("actor_frozen")),
        ))
    });
    phone.sync().unwrap();
    let state = phone.state().unwrap().unwrap();
    assert_ne!(state.actor, first);
    let again = wire.requests()[before + 1].clone();
    assert_eq!(change_count(&again), 2);
    assert_eq!(again.actors, [state.actor]);
    assert_eq!(again.wanted, [visit]);
    let fields = phone.document(visit).unwrap()["fields"].clone();
    assert_eq!((&fields["note"], &fields["outcome"]), (&"a".into(), &"b".into()));
    assert!(phone.tray().unwrap().is_empty());
}

#[test]
fn a_quarantined_chain_lies_in_the_tray_and_is_not_issued_again() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 33);
    let card = DocumentId::derived(ORG, customer, Kind::Card, 0);
    phone.edit(card, &words(Kind::Card, &["region=a"])).unwrap();
    phone.edit(card, &words(Kind::Card, &["industry=b"])).unwrap();
    let quarantined = Verdict::Quarantined {
        reason: "no_permission".into(),
        ticket: id(60),
    };
    let both = quarantined.clone();
    wire.then(move |_| Ok(Some(page().verdict(0, both.clone()).verdict(1, both))));
    let report = phone.sync().unwrap();
    assert_eq!(report.verdicts.quarantined, 2);
    let shown = phone.document(card).unwrap();
    assert_eq!(shown["fields"].get("region"), None);
    assert_eq!(shown["fields"].get("industry"), None);
    assert_eq!(shown["state"], "refused");
    assert_eq!(phone.tray().unwrap().len(), 2);
    assert!(phone.outbox().unwrap().is_empty());
    // It goes on under a new actor.
    phone.edit(card, &words(Kind::Card, &["source=fair"])).unwrap();
    let before = wire.requests().len();
    phone.sync().unwrap();
    let state = phone.state().unwrap().unwrap();
    assert_eq!(wire.requests()[before].actors, [state.actor]);
}

#[test]
fn dependents_of_a_refused_creation_have_nothing_to_be_issued_on() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 34);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    phone.edit(visit, &words(Kind::Visit, &["outcome=b"])).unwrap();
    wire.then(|_| {
        Ok(Some(
            page().verdict(0, rejected("schema")).verdict(1, Verdict::Superseded),
        ))
    });
    phone.sync().unwrap();
    let reasons: Vec<String> = phone
        .tray()
        .unwrap()
        .iter()
        .map(|entry| entry["verdict"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons, ["rejected", "superseded"]);
    assert_eq!(phone.document(visit).unwrap()["state"], "refused");
}

#[test]
fn not_yet_stays_in_the_outbox_and_goes_out_with_the_next_sync() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 35);
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    wire.then(|_| Ok(Some(page().verdict(0, Verdict::Retry(RetryReason::MissingCustomer)))));
    let report = phone.sync().unwrap();
    assert!(report.complete);
    assert_eq!(report.verdicts.retry, 1);
    assert_eq!(phone.outbox().unwrap()[0]["reason"], "missing_customer");
    phone.sync().unwrap();
    assert!(phone.outbox().unwrap().is_empty());
}

#[test]
fn t012_after_a_digest_mismatch_the_changes_are_sent_with_their_hashes() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 36);
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    wire.then(|message| {
        assert!(message.documents[0].hashes.is_empty());
        Ok(Some(page().verdict(0, Verdict::Retry(RetryReason::DigestMismatch))))
    });
    phone.sync().unwrap();
    assert_eq!(wire.last().documents[0].hashes.len(), 1);
    assert!(phone.outbox().unwrap().is_empty());
}

#[test]
fn t054_a_server_older_than_the_app_makes_it_wait_and_loses_nothing() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 41);
    let note = |note: &str| words(Kind::Visit, &[&format!("note={note}")]);
    phone.add(customer, Kind::Visit, &note("a")).unwrap();
    // It does not know the kind, or a change that every newer app embeds.
    wire.then(|_| Ok(Some(page().verdict(0, Verdict::Retry(RetryReason::UpgradeRequired)))));
    assert_eq!(phone.sync().unwrap().verdicts.retry, 1);
    assert_eq!(phone.outbox().unwrap()[0]["reason"], "upgrade_required");
    // It does not know the protocol at all.
    wire.0.borrow_mut().refuses = Some((426, "upgrade_required"));
    assert_eq!(phone.sync().unwrap_err().error.code(), "upgrade_required");
    assert_eq!(phone.status().unwrap()["upgrade_required"], true);
    phone.add(customer, Kind::Visit, &note("b")).unwrap();
    assert_eq!(phone.outbox().unwrap().len(), 2);
    assert_eq!(phone.customer(customer).unwrap()["visits"].as_array().unwrap().len(), 2);
    wire.0.borrow_mut().refuses = None;
    assert_eq!(phone.sync().unwrap().verdicts.accepted, 2);
    assert!(phone.outbox().unwrap().is_empty() && phone.tray().unwrap().is_empty());
    assert_eq!(phone.status().unwrap()["upgrade_required"], false);
}

#[test]
fn t046_no_actor_is_ever_used_again() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 37);
    let card = DocumentId::derived(ORG, customer, Kind::Card, 0);
    for round in 0..8 {
        phone
            .edit(card, &words(Kind::Card, &[&format!("region=r{round}")]))
            .unwrap();
        wire.then(|_| Ok(Some(page().verdict(0, rejected("schema")))));
        phone.sync().unwrap();
    }
    phone.enroll("http://double", "li", "secret", "phone").unwrap();
    let actors = phone.state().unwrap().unwrap().actors;
    let different: BTreeSet<_> = actors.iter().collect();
    assert_eq!(different.len(), actors.len());
    assert_eq!(actors.len(), 10);
}

#[test]
fn more_than_a_message_may_hold_goes_in_several() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 38);
    let before = wire.requests().len();
    for number in 0..750 {
        phone
            .add(
                customer,
                Kind::FollowUp,
                &words(Kind::FollowUp, &[&format!("text=n{number}")]),
            )
            .unwrap();
    }
    let report = phone.sync().unwrap();
    assert_eq!(report.verdicts.accepted, 750);
    let counts: Vec<usize> = wire.requests()[before..].iter().map(change_count).collect();
    assert_eq!(counts, [500, 250]);
    assert_eq!(wire.requests()[before].pending, 250);
}

#[test]
fn an_own_change_that_comes_back_with_a_page_is_recognised() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 39);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    wire.then(|_| Err("lost"));
    phone.sync().unwrap_err();
    let sent = wire.last().documents[0].clone();
    // The next message is answered as if it had said nothing new: its change lies in the page.
    wire.then(move |message| {
        let mut answer = page().verdict(0, Verdict::Retry(RetryReason::Later));
        let change = sync_core::protocol::oplist::decode(&sent.changes[0], Kind::Visit).unwrap();
        let mut document = sync_core::document::Document::new(Kind::Visit);
        let built = sync_core::airlock::admit(
            &mut document,
            change,
            sent.changes[0].len(),
            sync_core::airlock::Trial::Build,
        )
        .unwrap();
        assert_eq!(message.documents.len(), 1);
        answer = answer.document(customer, Kind::Visit, visit, true, &[built]);
        Ok(Some(answer))
    });
    let report = phone.sync().unwrap();
    assert_eq!(report.settled.len(), 1);
    assert!(phone.outbox().unwrap().is_empty());
    assert_eq!(phone.document(visit).unwrap()["state"], "synced");
    assert_eq!(phone.document(visit).unwrap()["author"]["login"], "li");
}

#[test]
fn a_server_that_lost_an_accepted_change_gets_it_again_before_what_was_made_on_it() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 40);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    phone.sync().unwrap();
    let lost = phone.state().unwrap().unwrap().actor;
    phone.edit(visit, &words(Kind::Visit, &["outcome=b"])).unwrap();
    let before = wire.requests().len();
    wire.then(|_| Ok(Some(page().verdict(0, rejected("seq_gap")))));
    wire.then(move |_| {
        let missing = vec![sync_core::document::ChangeId { actor: lost, seq: 1 }];
        Ok(Some(
            page().verdict(0, Verdict::Retry(RetryReason::MissingDependencies(missing))),
        ))
    });
    phone.sync().unwrap();
    let counts: Vec<usize> = wire.requests()[before..].iter().map(change_count).collect();
    assert_eq!(counts, [1, 1, 2]);
    assert!(wire.requests().iter().all(|request| request.wanted.is_empty()));
    assert!(phone.tray().unwrap().is_empty() && phone.outbox().unwrap().is_empty());
    assert_eq!(phone.document(visit).unwrap()["fields"]["outcome"], "b");
}
