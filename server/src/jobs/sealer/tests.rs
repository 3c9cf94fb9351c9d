//! The chain over the audit notices what is changed, removed or inserted.

use uuid::Uuid;

use super::*;
use crate::{
    storage::audit::AuditRow,
    testing::{self, START, TestApp, execute_sql},
};

async fn audited(test: &TestApp, org: OrgId, count: i64) {
    let rows: Vec<_> = (0..count)
        .map(|number| AuditRow::new(START, "tested", number))
        .collect();
    let mut tx = test.app.database.write().await.unwrap();
    audit::append(&mut tx, org, &rows).await.unwrap();
    tx.commit().await.unwrap();
}

async fn verified(test: &TestApp, org: OrgId) -> ChainReport {
    let mut tx = test.app.database.read().await.unwrap();
    verify_chain(&mut tx, org).await.unwrap()
}

async fn sealed(test: &TestApp) -> usize {
    seal(&test.app.database, &test.app.seam, Uuid::from_u128(1))
        .await
        .unwrap()
}

#[tokio::test]
async fn rows_are_sealed_in_links_and_the_chain_fits() {
    for test in testing::apps().await {
        let (org, other) = (test.organisation("A").await, test.organisation("B").await);
        audited(&test, org, 1_200).await;
        let before = verified(&test, org).await;
        assert_eq!(
            (before.sealed_rows, before.unsealed_rows, before.fault),
            (0, 1_201, None)
        );
        // One row each told that the organisation was added.
        assert_eq!(sealed(&test).await, 3);
        let report = verified(&test, org).await;
        assert_eq!(
            (report.sealed_rows, report.links, report.unsealed_rows, report.fault),
            (1_201, 2, 0, None)
        );
        audited(&test, org, 5).await;
        assert_eq!(verified(&test, org).await.unsealed_rows, 5);
        assert_eq!(sealed(&test).await, 1);
        assert_eq!(sealed(&test).await, 0);
        let report = verified(&test, org).await;
        assert_eq!((report.sealed_rows, report.links, report.fault), (1_206, 3, None));
        assert_eq!(verified(&test, other).await.links, 1);
    }
}

#[tokio::test]
async fn t071_a_changed_removed_or_inserted_row_breaks_the_chain_there() {
    for (statement, fault) in [
        (
            "UPDATE audit SET detail = '{\"a\":1}' WHERE audit_seq = 3",
            ChainFault::Changed(6),
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE audit_seq = 6",
            ChainFault::Changed(6),
        ),
        ("DELETE FROM audit WHERE audit_seq = 4", ChainFault::MissingRow(4)),
        ("DELETE FROM audit WHERE audit_seq = 11", ChainFault::MissingRow(11)),
        (
            "DELETE FROM audit_link WHERE last_audit_seq = 6",
            ChainFault::BrokenLink(9),
        ),
        (
            "UPDATE audit_link SET first_audit_seq = 8 WHERE last_audit_seq = 9",
            ChainFault::BrokenLink(9),
        ),
        (
            "UPDATE audit_link SET last_audit_seq = 5 WHERE last_audit_seq = 6",
            ChainFault::Changed(5),
        ),
    ] {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            audited(&test, org, 5).await;
            sealed(&test).await;
            audited(&test, org, 3).await;
            sealed(&test).await;
            audited(&test, org, 3).await;
            assert_eq!(verified(&test, org).await.fault, None);
            execute_sql(&test.app.database, statement).await;
            assert_eq!(verified(&test, org).await.fault, Some(fault), "{statement}");
        }
    }
}

#[tokio::test]
async fn only_the_node_with_the_lease_seals_until_it_has_run_out() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        assert_eq!(sealed(&test).await, 1);
        audited(&test, org, 1).await;
        let other = Uuid::from_u128(2);
        assert_eq!(seal(&test.app.database, &test.app.seam, other).await.unwrap(), 0);
        test.app.seam.advance_ms(LEASE_MS + 1);
        assert_eq!(seal(&test.app.database, &test.app.seam, other).await.unwrap(), 1);
        assert_eq!(verified(&test, org).await.fault, None);
    }
}
