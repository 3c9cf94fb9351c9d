//! Losing a customer: what is unsent goes first, then everything of him, then the confirmation.

use sync_core::{document::Kind, ids::DocumentId, visibility::Relation};

use super::double::*;

#[test]
fn t059_unsent_work_is_uploaded_before_a_lost_customer_is_dropped_and_confirmed() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 70);
    wire.then(move |_| Ok(Some(page().access(customer, None))));
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=late work"]))
        .unwrap();
    let report = phone.sync().unwrap();
    assert_eq!(report.evicted_customers, 1);
    assert!(phone.customers(None).unwrap().is_empty());
    let confirmed = wire.last();
    assert_eq!(confirmed.confirmations.len(), 1);
    assert_eq!(confirmed.confirmations[0].lost_seq, 77);
    assert_eq!(phone.status().unwrap()["documents"], 0);
    phone.sync().unwrap();
    assert!(wire.last().confirmations.is_empty());
}

#[test]
fn a_lost_customer_stays_while_work_for_him_is_unsent_but_is_no_longer_edited() {
    use sync_core::protocol::message::{RetryReason, Verdict};
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 71);
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=late work"]))
        .unwrap();
    wire.then(move |_| {
        Ok(Some(
            page()
                .access(customer, None)
                .verdict(0, Verdict::Retry(RetryReason::Later)),
        ))
    });
    let report = phone.sync().unwrap();
    assert_eq!(report.evicted_customers, 0);
    assert_eq!(phone.outbox().unwrap().len(), 1);
    assert!(phone.customers(None).unwrap().is_empty());
    let refused = phone.add(customer, Kind::Visit, &words(Kind::Visit, &["note=more"]));
    assert_eq!(refused.unwrap_err().code(), "not_found");
    let report = phone.sync().unwrap();
    assert_eq!(report.verdicts.accepted, 1);
    assert_eq!(report.evicted_customers, 1);
    assert_eq!(wire.last().confirmations.len(), 1);
}

#[test]
fn nothing_of_a_dropped_customer_can_be_read_from_the_files() {
    const CANARY: &str = "canary-of-the-north";
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, wire) = phone_in(folder.path(), 1);
    let customer = phone_with_customer(&mut phone, &wire, 72);
    phone
        .add(
            customer,
            Kind::FollowUp,
            &words(Kind::FollowUp, &[&format!("text={CANARY}")]),
        )
        .unwrap();
    let photo = folder.path().join("photo.jpg");
    std::fs::write(&photo, CANARY).unwrap();
    let kept = phone.keep_photo(&photo).unwrap();
    std::fs::remove_file(&photo).unwrap();
    phone
        .add_with_photos(customer, Kind::Visit, &words(Kind::Visit, &["note=x"]), &[kept])
        .unwrap();
    phone.sync().unwrap();
    assert!(holds(folder.path(), CANARY));
    wire.then(move |_| Ok(Some(page().access(customer, None))));
    phone.sync().unwrap();
    assert!(!holds(folder.path(), CANARY));
}

#[test]
fn fewer_rights_drop_only_what_may_no_longer_be_read() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 73);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=mine"]))
        .unwrap();
    let contact = phone
        .add(customer, Kind::Contact, &words(Kind::Contact, &["name=Wang"]))
        .unwrap();
    phone.sync().unwrap();
    wire.then(move |_| Ok(Some(page().access(customer, Some(Relation::Team)))));
    phone.sync().unwrap();
    assert_eq!(phone.customer(customer).unwrap()["relation"], "team");
    assert_eq!(phone.customer(customer).unwrap()["card"]["fields"]["name"], "Acme");
    phone.document(visit).expect("one's own visit stays");
    assert_eq!(phone.document(contact).unwrap_err().code(), "not_found");
    let card = DocumentId::derived(ORG, customer, Kind::Card, 0);
    let refused = phone.edit(card, &words(Kind::Card, &["region=x"]));
    assert_eq!(refused.unwrap_err().code(), "not_permitted");
}

#[test]
fn t042_fewer_rights_after_a_new_log_drop_nothing_before_all_has_been_compared() {
    use sync_core::protocol::compare::Compared;
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 75);
    let contact = phone
        .add(customer, Kind::Contact, &words(Kind::Contact, &["name=Wang"]))
        .unwrap();
    phone.sync().unwrap();
    let compared = |again| {
        move |message: &sync_core::protocol::message::SyncRequest| {
            let mut answer = page().accepting(message);
            answer.compared = Some(Compared::Same { again });
            Ok(Some(answer))
        }
    };
    // The restored server believes him to be another's; it is still getting back what it had.
    wire.then(move |_| {
        let mut answer = page().access(customer, Some(Relation::Team));
        answer.reset = true;
        Ok(Some(answer))
    });
    wire.then(|message| Ok(Some(page().accepting(message))));
    wire.then(compared(true));
    phone.sync().unwrap();
    assert_eq!(phone.status().unwrap()["documents"], 2);
    wire.then(|_| Ok(Some(page())));
    wire.then(compared(false));
    phone.sync().unwrap();
    phone.sync().unwrap();
    assert_eq!(phone.document(contact).unwrap_err().code(), "not_found");
    assert_eq!(phone.status().unwrap()["documents"], 1);
}

#[test]
fn a_single_document_that_is_gone_is_dropped() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 74);
    let visit = phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=mine"]))
        .unwrap();
    phone.sync().unwrap();
    wire.then(move |_| {
        let mut answer = page().document(customer, Kind::Visit, visit, false, &[]);
        answer.documents[0].gone = true;
        Ok(Some(answer))
    });
    phone.sync().unwrap();
    assert_eq!(phone.document(visit).unwrap_err().code(), "not_found");
    assert_eq!(phone.customers(None).unwrap().len(), 1);
}

fn holds(folder: &std::path::Path, canary: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, canary);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
    })
}
