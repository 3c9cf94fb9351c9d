//! Handing many customers to one person or pool: each is decided by itself, so that what may not be moved stays and
//! the rest goes.

use std::collections::BTreeMap;

use sync_core::{
    document::Kind,
    ids::{CustomerId, IntentId, OrgId, PoolId, TeamId, UserId},
    protocol::message::{Intent, IntentAction, IntentOutcome},
    visibility::UserState,
};

use super::{
    ActionError, Code,
    overview::leads,
    ownership::{Asker, decide_intents},
    reader::Reader,
};
use crate::{
    app::App,
    storage::{
        Database,
        customers::{self, CustomerRow},
        people,
    },
};

/// Customers handed over at once. More are a handover, which has a plan.
pub const CUSTOMERS_MAX: usize = 5_000;
/// Customers of one transaction: writers of other customers wait no longer than for these.
const CUSTOMERS_PER_TRANSACTION: usize = 100;

/// Where customers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// To somebody.
    Person(UserId),
    /// Into a pool.
    Pool(PoolId),
}

/// What became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handed {
    /// So many are where they should be.
    pub done: usize,
    /// So many stayed where they were, by the code of the refusal.
    pub refused: BTreeMap<String, usize>,
}

/// Somebody who can be given customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub user: UserId,
    /// His name.
    pub name: String,
    /// His team.
    pub team: Option<TeamId>,
}

/// The people who can be given customers, by name; refused to those who give none.
///
/// # Errors
/// `not_permitted`, `account_not_active`; the database's.
pub async fn list_candidates(database: &Database, org: OrgId, user: UserId) -> Result<Vec<Candidate>, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    if !leads(&reader) {
        return Err(ActionError::refused(Code::NotPermitted)
            .with("roles", serde_json::json!(["manager", "back_office", "admin"])));
    }
    let accounts = people::list(&mut tx, org).await?;
    let mut candidates: Vec<Candidate> = accounts
        .into_iter()
        .filter(|account| account.state == UserState::Active && account.role.may_own())
        .map(|account| Candidate {
            user: account.user,
            name: account.name,
            team: account.team,
        })
        .collect();
    candidates.sort_by(|one, other| one.name.cmp(&other.name).then(one.user.cmp(&other.user)));
    Ok(candidates)
}

/// Those of some customers that a person may see, by name.
///
/// # Errors
/// `invalid_request` for more than [`CUSTOMERS_MAX`], `account_not_active`; the database's.
pub async fn find_chosen(
    database: &Database,
    org: OrgId,
    user: UserId,
    chosen: &[CustomerId],
) -> Result<Vec<CustomerRow>, ActionError> {
    if chosen.len() > CUSTOMERS_MAX {
        return Err(ActionError::invalid(format!(
            "customers: choose at most {CUSTOMERS_MAX} at once"
        )));
    }
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let relations = reader.relations_of(&mut tx, chosen).await?;
    let mut rows = Vec::new();
    for (customer, relations) in relations {
        if !reader.rights(relations).of(Kind::Card).may_read() {
            continue;
        }
        rows.extend(customers::find_customer(&mut tx, org, customer).await?);
    }
    rows.sort_by(|one, other| one.name.cmp(&other.name).then(one.id.cmp(&other.id)));
    Ok(rows)
}

/// Hands customers over as they were seen, a hundred in a transaction. One that has gone to somebody else since stays
/// with him.
///
/// # Errors
/// `invalid_request` for more than [`CUSTOMERS_MAX`]; the database's: what was handed over before stays so, and doing
/// it again goes on from there.
pub async fn hand_over(
    app: &App,
    asker: Asker,
    chosen: &[CustomerRow],
    to: To,
    reason: &str,
) -> Result<Handed, ActionError> {
    if chosen.len() > CUSTOMERS_MAX {
        return Err(ActionError::invalid(format!(
            "customers: hand over at most {CUSTOMERS_MAX} at once"
        )));
    }
    let mut handed = Handed::default();
    for batch in chosen.chunks(CUSTOMERS_PER_TRANSACTION) {
        let intents: Vec<Intent> = batch
            .iter()
            .map(|customer| Intent {
                id: IntentId(app.seam.uuid()),
                at: app.seam.now(),
                customer: customer.id,
                expected_version: Some(customer.assignment_version.cast_unsigned()),
                action: match to {
                    To::Person(owner) => IntentAction::Assign {
                        owner,
                        reason: reason.to_owned(),
                    },
                    To::Pool(pool) => IntentAction::Release {
                        pool: Some(pool),
                        reason: reason.to_owned(),
                    },
                },
            })
            .collect();
        for outcome in decide_intents(app, asker, &intents).await? {
            match outcome {
                IntentOutcome::Accepted { .. } => handed.done += 1,
                IntentOutcome::Rejected { code, .. } => *handed.refused.entry(code).or_insert(0) += 1,
                IntentOutcome::Retry => *handed.refused.entry("overloaded".to_owned()).or_insert(0) += 1,
            }
        }
    }
    Ok(handed)
}
