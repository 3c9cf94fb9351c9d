//! `/audit`: what was decided and handed out, for administrators and auditors.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Params},
};
use crate::{
    actions::{self, ActionError},
    app::App,
    http::{Problem, extract::SignedIn},
};

/// A page of the audit.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of the audit, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AuditPage {
    items: Vec<AuditItem>,
    /// Where it goes on; null at its end.
    next: Option<String>,
}

/// One row: ids and counts, nobody's words.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AuditItem {
    /// Its number; there are no gaps.
    seq: i64,
    at: i64,
    /// Who; null: the operator or the server itself.
    user: Option<Uuid>,
    device: Option<Uuid>,
    action: String,
    subject: String,
    #[schema(value_type = Object)]
    detail: Value,
}

/// Read the audit
#[utoipa::path(get, path = "/audit", tag = "audit", params(ListParams),
    responses((status = 200, body = AuditPage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let after = params.after.as_deref().map(read_place).transpose()?.unwrap_or(0);
    let (rows, next) = actions::fleet::list_audit(&app.database, person.org, person.user, after, limit).await?;
    let items = rows.into_iter().map(|row| AuditItem {
        seq: row.audit_seq,
        at: row.at,
        user: row.user_id,
        device: row.device_id,
        action: row.action,
        subject: row.subject,
        detail: serde_json::from_str(&row.detail).unwrap_or_default(),
    });
    Ok(Json(AuditPage {
        items: items.collect(),
        next: next.map(|seq| input::write_cursor(&[&seq.to_be_bytes()])),
    }))
}

fn read_place(cursor: &str) -> Result<i64, ActionError> {
    let bytes = input::read_cursor(cursor)?;
    Ok(i64::from_be_bytes(bytes.try_into().map_err(|_| input::bad_cursor())?))
}
