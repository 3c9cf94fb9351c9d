//! The cases of the sync endpoint: hostile, unlucky and honest devices against the real server, on both databases.

#[path = "wire/actors.rs"]
mod actors;
#[path = "wire/changes.rs"]
mod changes;
#[path = "wire/cover.rs"]
mod cover;
#[path = "wire/delivery.rs"]
mod delivery;
#[path = "wire/erase.rs"]
mod erase;
#[path = "wire/fields.rs"]
mod fields;
#[path = "wire/front.rs"]
mod front;
#[path = "wire/handover.rs"]
mod handover;
#[path = "wire/intents.rs"]
mod intents;
#[path = "wire/late.rs"]
mod late;
#[path = "wire/leave.rs"]
mod leave;
#[path = "wire/many.rs"]
mod many;
#[path = "wire/policy.rs"]
mod policy;
#[path = "wire/recovery.rs"]
mod recovery;
#[path = "wire/reorganised.rs"]
mod reorganised;
#[path = "wire/replays.rs"]
mod replays;
#[path = "wire/why.rs"]
mod why;

use sync_core::protocol::message::{RetryReason, Verdict};

const ACCEPTED: Verdict = Verdict::Accepted { late: false };

fn rejected(code: &str) -> Verdict {
    Verdict::Rejected { code: code.to_owned() }
}

/// What a verdict says, without the ticket.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Quarantined { reason, .. } => format!("quarantined {reason}"),
        Verdict::Rejected { code } => format!("rejected {code}"),
        Verdict::Retry(RetryReason::MissingDependencies(missing)) => format!("retry missing {}", missing.len()),
        Verdict::Retry(reason) => format!("retry {reason:?}"),
        Verdict::Accepted { late: true } => "late".to_owned(),
        other => other.name().to_owned(),
    }
}

fn all_said(verdicts: &[Verdict]) -> Vec<String> {
    verdicts.iter().map(said).collect()
}
