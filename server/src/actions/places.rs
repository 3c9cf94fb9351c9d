//! Keeps people's scopes in line with what decides them: role, team, the teams below it, pools, state, policy.
//!
//! Each change closes the scopes that end and opens those that begin at one place in the log, in the transaction of
//! what caused it, so that nobody's rights are ever between two states.

use std::collections::BTreeSet;

use sync_core::{
    ids::OrgId,
    seeded::{Bug, seeded},
    visibility::{Memberships, Policy, Role, ViewerScope, viewer_scopes},
};

use super::ActionError;
use crate::storage::{
    StorageError, Tx, covers, log,
    people::Account,
    pools, teams,
    viewer_scopes::{close, open},
    viewers,
};

/// Closes and opens a person's scopes as his place demands. Takes one number of the log if anything changes and
/// tells it; what it locks stays locked until the commit, so call it last.
///
/// # Errors
/// The database's.
pub(super) async fn settle_scopes(tx: &mut Tx, account: &Account, policy: &Policy) -> Result<Option<i64>, ActionError> {
    let places = memberships(tx, account).await?;
    let wanted: BTreeSet<ViewerScope> = viewer_scopes(account.viewer(), account.org, &places, policy)
        .into_iter()
        .collect();
    let held: BTreeSet<ViewerScope> = viewers::list_viewer_scopes(tx, account.org, account.user)
        .await?
        .into_iter()
        .collect();
    if wanted == held {
        return Ok(None);
    }
    let (seq, _) = log::take(tx, account.org, 1, 0).await?;
    for ended in held.difference(&wanted).filter(|_| !seeded(Bug::ScopeNotClosed)) {
        close(tx, account.org, account.user, ended, seq).await?;
    }
    for begun in wanted.difference(&held) {
        open(tx, account.org, account.user, begun, seq).await?;
    }
    Ok(Some(seq))
}

async fn memberships(tx: &mut Tx, account: &Account) -> Result<Memberships, StorageError> {
    let managed_teams = match account.team {
        Some(team) if account.role == Role::Manager => teams::list_below(tx, account.org, team).await?,
        _ => Vec::new(),
    };
    Ok(Memberships {
        team: account.team,
        managed_teams,
        pools: pools::list_of_user(tx, account.org, account.user).await?,
        covers: covers::list_covered(tx, account.org, account.user).await?,
    })
}

/// The policy of an organisation.
///
/// # Errors
/// The database's.
pub(super) async fn policy_of(tx: &mut Tx, org: OrgId) -> Result<Policy, StorageError> {
    Ok(crate::storage::organisation::find_settings(tx, org).await?.policy)
}
