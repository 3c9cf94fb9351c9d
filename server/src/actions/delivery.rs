//! What is handed out over the JSON API is audited: one row for each answer with customers' data in it.

use serde_json::Value;
use sync_core::ids::{OrgId, UserId};

use super::{ActionError, commit::Job, sync::commit_error};
use crate::{app::App, storage::audit::AuditRow};

/// Writes down that something was handed out, before it is. What cannot be written down is not handed out.
///
/// # Errors
/// `overloaded`, or the database's.
pub async fn record_delivery(
    app: &App,
    org: OrgId,
    user: UserId,
    action: &'static str,
    subject: impl ToString,
    detail: Value,
) -> Result<(), ActionError> {
    let mut job = Job::new(org);
    job.audit.push(
        AuditRow::new(app.seam.now(), action, subject)
            .by(user)
            .with_detail(detail),
    );
    app.committer.commit(job).await.map_err(commit_error)?;
    Ok(())
}
