//! Backups, restores, rebuilds and verification, between and on both databases.

use serde_json::{Map, Value, json};
use server::{
    actions::{
        backup::{self, BackupError},
        customers::show,
        edit::{create_customer, create_document, edit_document},
        ownership::Asker,
        rebuild, recovery, verify,
    },
    jobs::sealer,
    storage::{Database, organisation},
    testing::{self, TestApp},
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, UserId},
    visibility::Role,
};
use uuid::Uuid;

use crate::fixture::Company;

struct Filled {
    company: Company,
    li: UserId,
    customer: CustomerId,
    visit: DocumentId,
}

fn fields(json: Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

/// A company whose rows were all written by the real actions.
async fn filled(test: &TestApp) -> Filled {
    let company = Company::new(&test.app, "One").await;
    let team = company.team("East").await;
    let pool = company.pool("Open").await;
    let li = company.user("li", Role::Rep, Some(team), &[(pool, false)]).await;
    let asker = Asker {
        org: company.org,
        user: li,
        device: None,
    };
    let app = &test.app;
    create_customer(app, asker, Some(pool), &fields(json!({ "name": "pooled" })))
        .await
        .unwrap();
    let card = fields(json!({ "name": "宏伟轴承", "stage": "lead", "tags": ["VIP"] }));
    let customer = create_customer(app, asker, None, &card).await.unwrap();
    let note = fields(json!({ "note": "谈采购", "started_at": 5, "lat": 31.2 }));
    let visit = create_document(app, asker, customer, Kind::Visit, &note).await.unwrap();
    edit_document(app, asker, visit, &fields(json!({ "note": "改期" })))
        .await
        .unwrap();
    company.device(li, "phone").await;
    company
        .quarantined(customer, Kind::Visit, li, json!({ "note": "n" }))
        .await;
    sealer::seal(&company.database, &company.seam, Uuid::nil())
        .await
        .unwrap();
    Filled {
        company,
        li,
        customer,
        visit,
    }
}

async fn written(test: &TestApp) -> Vec<u8> {
    let mut file = Vec::new();
    let mut last = (0, 0);
    let summary = backup::back_up(&test.app.database, &test.app.seam, &mut file, |done, total| {
        last = (done, total)
    })
    .await
    .unwrap();
    assert_eq!((last.0, last.0), (summary.rows, last.1), "the progress ends at the end");
    file
}

async fn restored(database: &Database, test: &TestApp, file: &[u8], replace: bool) -> Result<u64, BackupError> {
    let restoring = backup::Restoring {
        replace,
        people_confirmed: false,
        erased: Vec::new(),
    };
    backup::restore(database, &test.app.seam, file, restoring, |_| {})
        .await
        .map(|(summary, _)| summary.rows)
}

#[tokio::test]
async fn t043_after_an_old_backup_nobody_is_served_before_people_and_devices_are_confirmed() {
    for source in testing::apps().await {
        let filled = filled(&source).await;
        let (app, org) = (&source.app, filled.company.org);
        let file = written(&source).await;
        // Whoever restores a backup of a moment ago knows what has been since; of yesterday nobody does.
        restored(&app.database, &source, &file, true).await.unwrap();
        assert!(recovery::list_unconfirmed(&app.database).await.unwrap().is_empty());
        app.seam.advance_ms(24 * 3600 * 1000);
        restored(&app.database, &source, &file, true).await.unwrap();
        let unconfirmed = recovery::list_unconfirmed(&app.database).await.unwrap();
        assert_eq!(unconfirmed.len(), 1, "{}", source.name);
        assert!(recovery::explain(&unconfirmed).contains("recovery confirm"));
        let status = recovery::status(app, org).await.unwrap();
        assert_eq!(
            (&status["people_confirmed"], status["recovering_since"].is_i64()),
            (&false.into(), true)
        );
        assert!(status["people"].as_array().unwrap().len() == 1, "{status}");
        recovery::confirm_people(app, org).await.unwrap();
        assert!(recovery::list_unconfirmed(&app.database).await.unwrap().is_empty());
        let restoring = backup::Restoring {
            replace: true,
            people_confirmed: true,
            erased: Vec::new(),
        };
        backup::restore(&app.database, &app.seam, &file[..], restoring, |_| {})
            .await
            .unwrap();
        assert!(recovery::list_unconfirmed(&app.database).await.unwrap().is_empty());
        recovery::set_recovering(app, org, false).await.unwrap();
        let status = recovery::status(app, org).await.unwrap();
        assert!(status["recovering_since"].is_null(), "{status}");
    }
}

#[tokio::test]
async fn a_backup_of_either_database_is_restored_into_either_and_begins_a_new_log() {
    for source in testing::apps().await {
        let filled = filled(&source).await;
        let org = filled.company.org;
        let file = written(&source).await;
        assert!(!file.windows(4).any(|window| window == b"Open"), "compressed");
        let before = show(&source.app.database, org, filled.li, filled.customer)
            .await
            .unwrap();
        let mut tx = source.app.database.read().await.unwrap();
        let log = organisation::find(&mut tx, org).await.unwrap().unwrap().log;
        drop(tx);
        for target in testing::databases().await {
            let what = format!("{} into {}", source.name, target.name);
            restored(&target.database, &source, &file, false).await.unwrap();
            let after = show(&target.database, org, filled.li, filled.customer).await.unwrap();
            assert_eq!(after.customer, before.customer, "{what}");
            assert_eq!(after.documents.len(), 2, "{what}");
            for (one, other) in before.documents.iter().zip(&after.documents) {
                assert_eq!(one.row, other.row, "{what}");
            }
            let mut tx = target.database.read().await.unwrap();
            assert_ne!(
                organisation::find(&mut tx, org).await.unwrap().unwrap().log,
                log,
                "{what}"
            );
            drop(tx);
            let report = verify::verify(&target.database, |_| {}).await.unwrap();
            assert_eq!(
                (report.ok, report.customers, report.documents),
                (true, 2, 3),
                "{what} {report:?}"
            );

            // What is there is not overwritten unasked, and asked it is replaced whole.
            let refused = restored(&target.database, &source, &file, false).await;
            assert!(matches!(refused, Err(BackupError::NotEmpty)), "{what} {refused:?}");
            restored(&target.database, &source, &file, true).await.unwrap();
            assert!(verify::verify(&target.database, |_| {}).await.unwrap().ok, "{what}");
        }
    }
}

#[tokio::test]
async fn a_torn_or_flipped_backup_is_refused_and_the_target_stays_as_it_was() {
    for source in testing::apps().await {
        let filled = filled(&source).await;
        let file = written(&source).await;
        let mut cases: Vec<Vec<u8>> = Vec::new();
        for part in 1..12 {
            let at = file.len() * part / 12;
            cases.push(file[..at].to_vec());
            let mut flipped = file.clone();
            flipped[at] ^= 0x10;
            cases.push(flipped);
        }
        cases.push(file[..file.len() - 1].to_vec());
        cases.push(b"not a backup".to_vec());
        cases.push(zstd_of(b"H\xff\xff\xff\xffmuch"));
        for (number, damaged) in cases.iter().enumerate() {
            let refused = restored(&source.app.database, &source, damaged, true).await;
            assert!(refused.is_err(), "{} {number}", source.name);
        }
        let report = verify::verify(&source.app.database, |_| {}).await.unwrap();
        assert_eq!((report.ok, report.customers), (true, 2), "{} {report:?}", source.name);
        show(&source.app.database, filled.company.org, filled.li, filled.customer)
            .await
            .unwrap();
    }
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[tokio::test]
async fn what_does_not_agree_with_the_log_is_told_and_rebuilt() {
    for test in testing::apps().await {
        let filled = filled(&test).await;
        let clean = verify::verify(&test.app.database, |_| {}).await.unwrap();
        assert!(clean.ok, "{} {clean:?}", test.name);
        assert_eq!(
            (clean.organisations, clean.documents, clean.changes),
            (1, 3, 4),
            "{}",
            test.name
        );
        assert!(clean.audit_rows_sealed > 0, "{}", test.name);
        let nothing = rebuild::rebuild(&test.app.database, |_| {}).await.unwrap();
        assert_eq!(
            (nothing.documents_rewritten, nothing.customers_rewritten),
            (0, 0),
            "{}",
            test.name
        );

        testing::execute_sql(
            &test.app.database,
            "UPDATE document SET fields = '{\"note\":\"forged\"}' WHERE kind = 5",
        )
        .await;
        testing::execute_sql(
            &test.app.database,
            "UPDATE document SET checked_in_by = NULL WHERE kind = 5",
        )
        .await;
        testing::execute_sql(
            &test.app.database,
            "UPDATE customer SET stage = 'won' WHERE owner_id IS NOT NULL",
        )
        .await;
        let report = verify::verify(&test.app.database, |_| {}).await.unwrap();
        let checks: Vec<&str> = report.differences.iter().map(|difference| difference.check).collect();
        assert_eq!(checks, ["document", "customer"], "{} {report:?}", test.name);
        assert_eq!(report.differences[0].subject, filled.visit.to_string(), "{}", test.name);
        let rebuilt = rebuild::rebuild(&test.app.database, |_| {}).await.unwrap();
        assert_eq!(
            (rebuilt.documents_rewritten, rebuilt.customers_rewritten),
            (1, 1),
            "{}",
            test.name
        );
        assert!(
            verify::verify(&test.app.database, |_| {}).await.unwrap().ok,
            "{}",
            test.name
        );
        // Lost, or of a customer that is not the document's.
        for damage in [
            "DELETE FROM packed_document",
            "INSERT INTO packed_document SELECT p.org_id, d.customer_id, p.document_id, p.packed \
             FROM packed_document p JOIN document d ON d.customer_id <> p.customer_id AND d.kind = 1",
        ] {
            testing::execute_sql(&test.app.database, damage).await;
            assert!(
                !verify::verify(&test.app.database, |_| {}).await.unwrap().ok,
                "{}",
                test.name
            );
            rebuild::rebuild(&test.app.database, |_| {}).await.unwrap();
            assert!(
                verify::verify(&test.app.database, |_| {}).await.unwrap().ok,
                "{} {damage}",
                test.name
            );
        }
        let shown = show(&test.app.database, filled.company.org, filled.li, filled.customer)
            .await
            .unwrap();
        let visit = shown
            .documents
            .iter()
            .find(|document| document.row.id == filled.visit)
            .unwrap();
        assert_eq!(visit.fields["note"], "改期", "{}", test.name);
        assert_eq!(visit.row.checked_in_by, Some(filled.li), "{}", test.name);
    }
}

#[tokio::test]
async fn t071_a_deleted_or_altered_audit_row_change_or_scope_is_detected() {
    let damages = [
        ("audit", "DELETE FROM audit WHERE audit_seq = 3"),
        ("audit", "UPDATE audit SET action = 'nothing' WHERE audit_seq = 2"),
        ("audit", "DELETE FROM audit_link"),
        ("document", "DELETE FROM change WHERE kind = 5 AND seq = 2"),
        (
            "document",
            "UPDATE change SET hash = dependencies WHERE kind = 5 AND seq = 1",
        ),
        ("document", "DELETE FROM change WHERE kind = 5"),
        ("log", "DELETE FROM document WHERE kind = 5"),
        ("log", "UPDATE log_head SET head = 1"),
        ("scope", "DELETE FROM scope_member"),
        ("scope", "UPDATE customer SET team_id = NULL"),
    ];
    for (check, damage) in damages {
        for test in testing::apps().await {
            filled(&test).await;
            testing::execute_sql(&test.app.database, damage).await;
            // Without its last link a chain is only shorter; the head of the audit still tells.
            let report = verify::verify(&test.app.database, |_| {}).await.unwrap();
            if damage == "DELETE FROM audit_link" {
                assert_eq!(report.audit_rows_sealed, 0, "{} {damage}", test.name);
                continue;
            }
            assert!(!report.ok, "{} {damage}", test.name);
            assert!(
                report.differences.iter().any(|difference| difference.check == check),
                "{} {damage} {report:?}",
                test.name
            );
        }
    }
}
