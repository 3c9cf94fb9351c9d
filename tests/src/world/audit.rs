//! I8: the audit tells of every decision and of every page, once, and its chain holds. The world counts on its own.

use std::collections::BTreeMap;

use rusqlite::Connection;
use server::{actions::verify::verify, jobs::sealer::seal};
use uuid::Uuid;

use super::{Promise, World, oracle::count};

/// How many rows of each action there must be.
#[derive(Default)]
pub(super) struct Decisions {
    begun: BTreeMap<&'static str, i64>,
    expected: BTreeMap<&'static str, i64>,
}

/// Actions that are counted.
const ACTIONS: [&str; 10] = [
    "handover",
    "handover_undone",
    "quarantine_decided",
    "proposal_decided",
    "user_changed",
    "device_revoked",
    "deliver",
    "accept",
    "wipe_ordered",
    "refuse",
];

impl Decisions {
    /// What the company's founding has left is not this world's.
    pub(super) fn begin(&mut self, look: &Connection) {
        self.begun = ACTIONS.into_iter().map(|action| (action, rows(look, action))).collect();
    }

    pub(super) fn count(&mut self, action: &'static str) {
        *self.expected.entry(action).or_default() += 1;
    }
}

impl World {
    pub(super) fn check_audit(&mut self, look: &Connection) {
        let (pages, accepts, ordered) = {
            let network = self.network.borrow();
            let watch = &network.watch;
            (watch.pages, watch.accepts, watch.ordered.len())
        };
        self.decisions.expected.insert("deliver", pages as i64);
        self.decisions.expected.insert("accept", accepts as i64);
        self.decisions.expected.insert("wipe_ordered", ordered as i64);
        // A phone that was logged out says so itself, and is revoked by it.
        let logged_out = count(
            look,
            "SELECT COUNT(*) FROM audit WHERE action = 'device_revoked' AND detail LIKE '%signed_out%'",
            [],
        );
        *self.decisions.expected.entry("device_revoked").or_default() += logged_out;
        let kept = count(look, "SELECT COUNT(*) FROM refusal", []);
        for action in ACTIONS {
            let told = rows(look, action) - self.decisions.begun.get(action).copied().unwrap_or(0);
            let expected = self.decisions.expected.get(action).copied().unwrap_or(0);
            let complete = match action {
                // Of a second change under one name no row is kept, and the audit tells of it.
                "refuse" => told >= kept,
                _ => told == expected,
            };
            if !complete {
                self.broken(
                    Promise::I8,
                    format!("the audit tells of {told} times {action}, and it was {expected}"),
                );
            }
        }
        let report = self.act(async |app, _| {
            seal(&app.database, &app.seam, Uuid::nil())
                .await
                .expect("the audit is sealed");
            verify(&app.database, |_| {}).await.expect("the server is verified")
        });
        if !report.ok || report.audit_rows_unsealed > 0 {
            self.broken(
                Promise::I8,
                format!("the server does not agree with itself: {report:?}"),
            );
        }
    }
}

fn rows(look: &Connection, action: &str) -> i64 {
    count(look, "SELECT COUNT(*) FROM audit WHERE action = ?1", [action])
}
