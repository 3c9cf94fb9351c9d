//! Late values that wait below somebody else's: whoever may write the document takes one over or dismisses it, once.

use serde_json::{Map, Value, json};
use sync_core::document::Kind;
use uuid::Uuid;

use super::{
    ActionError, Code, customers,
    edit::{Deciding, edit_and_decide},
    ownership::Asker,
};
use crate::{
    app::App,
    storage::{
        audit::AuditRow,
        proposals::{self, ProposalDecision, ProposalRow},
    },
};

/// What becomes of a late value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is written to its field, by whoever takes it over.
    TakeOver,
    /// The field stays as it is; the value stays in its history.
    Dismiss,
}

/// Decides an open proposal. Gives what it was.
///
/// # Errors
/// `not_found` for one that is decided or whose customer he may not see, `not_permitted` for his own and for a document he
/// may not write, those of an edit; the database's.
pub async fn decide(app: &App, asker: Asker, id: Uuid, choice: Choice) -> Result<ProposalRow, ActionError> {
    let not_found = || ActionError::refused(Code::NotFound);
    let mut tx = app.database.read().await?;
    let proposal = proposals::find_open(&mut tx, asker.org, id)
        .await?
        .ok_or_else(not_found)?;
    tx.rollback().await?;
    let shown = customers::show(&app.database, asker.org, asker.user, proposal.customer).await?;
    if !shown.proposals.iter().any(|shown| shown.id == id) {
        return Err(not_found());
    }
    if !shown.writable.contains(&proposal.document) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    // What he wrote without knowing somebody else weighs.
    if proposal.author == asker.user {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let is_accepted = choice == Choice::TakeOver;
    let detail = json!({ "proposal": id, "customer": proposal.customer, "kind": Kind::name(proposal.kind), "taken_over": is_accepted });
    let deciding = Deciding {
        decision: ProposalDecision {
            proposal: id,
            is_accepted,
            by: asker.user,
        },
        row: AuditRow::new(app.seam.now(), "proposal_decided", proposal.document)
            .by(asker.user)
            .with_detail(detail),
    };
    let fields = if is_accepted { fields_of(&proposal) } else { Map::new() };
    edit_and_decide(app, asker, proposal.document, &fields, Some(&deciding)).await?;
    Ok(proposal)
}

fn fields_of(proposal: &ProposalRow) -> Map<String, Value> {
    let value = match &proposal.entry {
        None => proposal.value.clone(),
        Some(entry) => Value::Object(Map::from_iter([(entry.clone(), proposal.value.clone())])),
    };
    Map::from_iter([(proposal.field.clone(), value)])
}
