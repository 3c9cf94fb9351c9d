//! The list of customers as a page shows it: how many there are in all, and what was last done about each.

use std::collections::BTreeMap;

use sync_core::{
    document::{Class, Kind},
    ids::{CustomerId, OrgId, UserId},
    time::Timestamp,
    visibility::Relation,
};

use super::{
    ActionError,
    customers::{Page, Wanted, list_in, narrow},
    reader::Reader,
};
use crate::storage::{
    Database,
    customers::{self, CustomerRow},
    ownership::{self, ShownEvent},
};

/// Customers are counted up to here: a list is narrowed down long before.
pub const COUNT_MAX: i64 = 10_000;
/// Links of a customer's chain of owners that are shown.
const CHAIN_MAX: i64 = 200;

/// A page of the list with what stands around it.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The page.
    pub page: Page,
    /// How many customers match, counted up to [`COUNT_MAX`] and one more.
    pub total: i64,
    /// When each customer was last visited or spoken to, as far as the reader may know.
    pub last_contact: BTreeMap<CustomerId, Timestamp>,
    /// How many documents of each have conflicts, as far as the reader may know.
    pub conflicts: BTreeMap<CustomerId, i64>,
    /// He may hand customers to others.
    pub leads: bool,
}

/// Lists the customers a person may see, with their number and what was last done.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list(database: &Database, org: OrgId, user: UserId, wanted: &Wanted) -> Result<Overview, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let (reach, filter) = narrow(&mut tx, &reader, wanted).await?;
    let page = list_in(&mut tx, &reader, wanted, &reach, &filter).await?;
    let total = customers::count_customers(&mut tx, org, &reach, &filter, COUNT_MAX + 1).await?;
    let ids: Vec<CustomerId> = page.items.iter().map(|item| item.customer.id).collect();
    let (mut last_contact, mut conflicts) = (BTreeMap::new(), BTreeMap::new());
    let relations: BTreeMap<CustomerId, _> = page
        .items
        .iter()
        .map(|item| (item.customer.id, item.relations))
        .collect();
    for activity in customers::list_activity(&mut tx, org, &ids).await? {
        let rights = reader.rights(relations.get(&activity.customer).copied().unwrap_or_default());
        if !rights.of(activity.kind).may_read() {
            continue;
        }
        if matches!(activity.kind, Kind::Visit | Kind::FollowUp) {
            let last = last_contact.entry(activity.customer).or_insert(activity.last);
            *last = activity.last.max(*last);
        }
        *conflicts.entry(activity.customer).or_insert(0) += activity.conflicts;
    }
    Ok(Overview {
        page,
        total,
        last_contact,
        conflicts,
        leads: leads(&reader),
    })
}

/// All customers that match, at most `limit`, in the order of the list.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_matching(
    database: &Database,
    org: OrgId,
    user: UserId,
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<CustomerRow>, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let (reach, filter) = narrow(&mut tx, &reader, wanted).await?;
    Ok(customers::list_customers(&mut tx, org, &reach, &filter, None, limit).await?)
}

/// The chain of a customer's owners, the newest first, for those who may read what is done about it; nothing for
/// others.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_owners(
    database: &Database,
    org: OrgId,
    user: UserId,
    customer: CustomerId,
) -> Result<Vec<ShownEvent>, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let relations = reader.relations_of(&mut tx, &[customer]).await?;
    let rights = reader.rights(relations.get(&customer).copied().unwrap_or_default());
    if !rights.of_class(Class::Activity).may_read() {
        return Ok(Vec::new());
    }
    Ok(ownership::list_chain(&mut tx, org, customer, CHAIN_MAX).await?)
}

/// Whether somebody hands customers to others anywhere; to which customer he may is decided for each.
#[must_use]
pub fn leads(reader: &Reader) -> bool {
    reader.scopes.iter().any(|held| {
        matches!(
            held.relation,
            Some(Relation::Manager | Relation::PoolAdmin | Relation::BackOffice | Relation::Admin)
        )
    })
}
