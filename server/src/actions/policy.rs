//! The table of rights changes: within its bounds, at one place in the log, with everything that follows from it.
//!
//! The policy that was in force is kept with the place at which it ended, so that what phones did under it is judged by
//! it, and so that each phone learns what it may no longer or may now do as the difference between then and now.

use serde_json::{Map, Value, json};
use sync_core::{
    document::Class,
    ids::{OrgId, UserId},
    visibility::{Cell, PastPolicy, Policy, Relation, Role},
};

use super::{
    ActionError, Code,
    organisation::{lock_organisation, row},
    places::{policy_of, settle_scopes},
    reader::Reader,
};
use crate::{
    app::App,
    storage::{Database, Tx, audit, log, organisation, people},
};

/// Policies that are kept beside the one in force. Rights as of a time before the oldest are judged by the oldest.
pub const PAST_POLICIES_MAX: usize = 50;

/// What is to be decided anew. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// The version that was looked at; none: whatever it is.
    pub version: Option<u64>,
    /// Whether members of a team read the cards of each other's customers.
    pub team_read: Option<bool>,
    /// Cells of the table.
    pub cells: Vec<(Relation, Class, Cell)>,
    /// Why.
    pub reason: String,
}

/// The policy in force, for everybody of the organisation: it is in the directory of every phone.
///
/// # Errors
/// `account_not_active`; the database's.
pub async fn show(database: &Database, org: OrgId, user: UserId) -> Result<Policy, ActionError> {
    let mut tx = database.read().await?;
    Ok(Reader::load(&mut tx, org, user).await?.policy)
}

/// The policy in force, for the operator.
///
/// # Errors
/// The database's.
pub async fn find(database: &Database, org: OrgId) -> Result<Policy, ActionError> {
    let mut tx = database.read().await?;
    Ok(policy_of(&mut tx, org).await?)
}

/// Decides the table anew, with everybody's scopes in the same transaction. A change that changes nothing is none.
///
/// # Errors
/// `not_permitted` for anybody but an administrator (`by` none: the operator), `policy_bounds` with the cell and its
/// choices, `conflict` with the `version` if somebody was faster, `not_found` for an unknown organisation; the
/// database's. Nothing has changed then.
pub async fn set_policy(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    change: &PolicyChange,
) -> Result<Policy, ActionError> {
    let mut tx = app.database.write().await?;
    lock_organisation(&mut tx, org).await?;
    if let Some(user) = by
        && Reader::load(&mut tx, org, user).await?.viewer.role != Role::Admin
    {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let mut settings = organisation::find_settings(&mut tx, org).await?;
    let before = settings.policy.clone();
    if change.version.is_some_and(|version| version != before.version) {
        return Err(ActionError::refused(Code::Conflict).with("version", before.version));
    }
    let (mut after, mut detail) = decide(&before, change)?;
    if after == before {
        return Ok(before);
    }
    after.version += 1;
    let (seq, _) = log::take(&mut tx, org, 1, 0).await?;
    settings.past_policies.push(PastPolicy {
        until_seq: seq,
        policy: before,
    });
    let too_many = settings.past_policies.len().saturating_sub(PAST_POLICIES_MAX);
    settings.past_policies.drain(..too_many);
    settings.policy = after.clone();
    organisation::update_settings(&mut tx, org, &settings).await?;
    settle_everybody(&mut tx, org, &after).await?;
    detail.insert("version".to_owned(), after.version.into());
    if !change.reason.is_empty() {
        detail.insert("reason".to_owned(), change.reason.as_str().into());
    }
    let row = row(&app.seam, by, "policy_changed", org).with_detail(Value::Object(detail));
    audit::append(&mut tx, org, &[row]).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(after)
}

/// Whether members of a team read the cards of each other's customers.
///
/// # Errors
/// As [`set_policy`].
pub async fn set_team_read(app: &App, by: Option<UserId>, org: OrgId, team_read: bool) -> Result<(), ActionError> {
    let change = PolicyChange {
        team_read: Some(team_read),
        ..PolicyChange::default()
    };
    set_policy(app, by, org, &change).await?;
    Ok(())
}

/// The table as it is to be, and what changes in it: cell, before, after.
fn decide(before: &Policy, change: &PolicyChange) -> Result<(Policy, Map<String, Value>), ActionError> {
    let mut after = before.clone();
    let mut detail = Map::new();
    for &(relation, class, cell) in &change.cells {
        let name = cell_name(relation, class);
        after.choose(relation, class, cell).map_err(|_| {
            let choices: Vec<&str> = Policy::choices(relation, class)
                .iter()
                .map(|cell| cell.name())
                .collect();
            ActionError::refused(Code::PolicyBounds)
                .because(match choices.is_empty() {
                    true => format!("{name}: this cell is not adjustable"),
                    false => format!("{name}: choose one of {}", choices.join(", ")),
                })
                .with("cell", name.clone())
                .with("choices", choices)
        })?;
        let was = before.cell(relation, class);
        if was != cell {
            detail.insert(name, json!([was.name(), cell.name()]));
        }
    }
    if let Some(team_read) = change.team_read {
        after.team_read = team_read;
        if before.team_read != team_read {
            detail.insert("team_read".to_owned(), team_read.into());
        }
    }
    Ok((after, detail))
}

/// What was judged by somebody's rights so far is judged again, and who reads in his team has that scope or not.
async fn settle_everybody(tx: &mut Tx, org: OrgId, policy: &Policy) -> Result<(), ActionError> {
    for account in people::list(tx, org).await? {
        people::update_place(tx, org, account.user, account.role, account.team, account.state).await?;
        settle_scopes(tx, &account, policy).await?;
    }
    Ok(())
}

/// A cell as commands and JSON name it, such as `manager.internal`.
#[must_use]
pub fn cell_name(relation: Relation, class: Class) -> String {
    format!("{}.{}", relation.storage_name(), class.name())
}

/// The cell that is named so.
///
/// # Errors
/// `invalid_request`.
pub fn read_cell_name(name: &str) -> Result<(Relation, Class), ActionError> {
    let cells = Relation::ALL
        .into_iter()
        .flat_map(|relation| Class::ALL.map(|class| (relation, class)));
    let found = cells
        .into_iter()
        .find(|(relation, class)| cell_name(*relation, *class) == name);
    found.ok_or_else(|| {
        ActionError::invalid(format!(
            "cells: there is no {name:?}; a cell is named like manager.internal"
        ))
    })
}

/// What a cell says, by its word.
///
/// # Errors
/// `invalid_request`.
pub fn read_cell(word: &str) -> Result<Cell, ActionError> {
    let found = Cell::ALL.into_iter().find(|cell| cell.name() == word);
    found.ok_or_else(|| {
        let words: Vec<&str> = Cell::ALL.iter().map(|cell| cell.name()).collect();
        ActionError::invalid(format!("cells: there is no {word:?}; say one of {}", words.join(", ")))
    })
}
