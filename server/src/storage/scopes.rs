//! Which scopes a viewer has and which contain a customer, now and at every earlier place in the log.

use sqlx::QueryBuilder;
use sync_core::{
    ids::{CustomerId, OrgId, UserId},
    visibility::{SCOPE_LEN, Scope, ViewerScope},
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    sizes::{LIST_MAX, filled, pieces},
};

/// A scope of a viewer, with the places in the log between which he has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldScope {
    /// Scope and relation.
    pub held: ViewerScope,
    /// Since when.
    pub from_seq: i64,
    /// Until when; none: now.
    pub to_seq: Option<i64>,
}

impl HeldScope {
    /// A row as this version reads it; none if it cannot: it grants nothing.
    pub(super) fn read(scope: &[u8], relation: &str, from_seq: i64, to_seq: Option<i64>) -> Option<Self> {
        let scope = Scope::from_bytes(scope).ok()?;
        let held = ViewerScope::from_stored(scope, relation).ok()?;
        Some(Self { held, from_seq, to_seq })
    }

    /// Whether he had it right after the event at this place.
    #[must_use]
    pub fn holds_at(&self, seq: i64) -> bool {
        self.from_seq <= seq && self.to_seq.is_none_or(|to| to > seq)
    }
}

/// A customer's membership in a scope, with the places in the log between which it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The customer.
    pub customer: CustomerId,
    /// The scope.
    pub scope: Scope,
    /// Since when.
    pub from_seq: i64,
    /// Until when; none: now.
    pub to_seq: Option<i64>,
}

impl Membership {
    // What stands in a list of scopes as `from to`, where an empty `to` is now. None for what this version cannot read.
    pub(super) fn read(customer: CustomerId, scope: &[u8], span: &str) -> Option<Self> {
        let (from, to) = span.split_once(' ')?;
        Some(Self {
            customer,
            scope: Scope::from_bytes(scope).ok()?,
            from_seq: from.parse().ok()?,
            to_seq: if to.is_empty() { None } else { Some(to.parse().ok()?) },
        })
    }

    /// Whether it held right after the event at this place.
    #[must_use]
    pub fn holds_at(&self, seq: i64) -> bool {
        self.from_seq <= seq && self.to_seq.is_none_or(|to| to > seq)
    }
}

/// Every scope a viewer has or had, unordered. Rows this version cannot read are left out: they grant nothing.
///
/// # Errors
/// The driver's.
pub async fn list_held(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Vec<HeldScope>, StorageError> {
    let rows: Vec<(Vec<u8>, String, i64, Option<i64>)> = on!(tx, |connection| sqlx::query_as(
        "SELECT scope, relation, from_seq, to_seq FROM viewer_scope WHERE org_id = $1 AND user_id = $2"
    )
    .bind(org.0)
    .bind(user.0)
    .fetch_all(connection)
    .await)?;
    let held = rows
        .into_iter()
        .filter_map(|(scope, relation, from_seq, to_seq)| HeldScope::read(&scope, &relation, from_seq, to_seq));
    Ok(held.collect())
}

/// Every membership, past ones included, of these customers.
///
/// # Errors
/// The driver's.
pub async fn list_memberships(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
) -> Result<Vec<Membership>, StorageError> {
    let mut rows: Vec<(Uuid, Vec<u8>, i64, Option<i64>)> = Vec::new();
    for chunk in customers.chunks(LIST_MAX) {
        let some: Vec<(Uuid, Vec<u8>, i64, Option<i64>)> = on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("SELECT customer_id, scope, from_seq, to_seq FROM scope_member WHERE org_id = ");
            query.push_bind(org.0).push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        rows.extend(some);
    }
    Ok(rows
        .into_iter()
        .filter_map(|(customer, scope, from_seq, to_seq)| {
            let scope = Scope::from_bytes(&scope).ok()?;
            Some(Membership {
                customer: CustomerId(customer),
                scope,
                from_seq,
                to_seq,
            })
        })
        .collect())
}

/// Customers that came into one of the scopes after `after`, or left it after it: candidates for what a viewer gained
/// or lost. At most `limit` rows a direction.
///
/// # Errors
/// The driver's.
pub async fn list_moved(
    tx: &mut Tx,
    org: OrgId,
    scopes: &[Scope],
    after: i64,
    limit: i64,
) -> Result<Vec<Membership>, StorageError> {
    let keys: Vec<[u8; SCOPE_LEN]> = scopes.iter().map(|scope| scope.to_bytes()).collect();
    let mut moved = Vec::new();
    for chunk in keys.chunks(LIST_MAX) {
        let rows: Vec<(Uuid, Vec<u8>, i64, Option<i64>)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new("");
            for (index, condition) in [" AND from_seq > ", " AND to_seq IS NOT NULL AND to_seq > "]
                .into_iter()
                .enumerate()
            {
                query
                    .push(if index == 0 { "" } else { " UNION ALL " })
                    .push("SELECT customer_id, scope, from_seq, to_seq FROM (SELECT customer_id, scope, from_seq, to_seq ")
                    .push("FROM scope_member WHERE org_id = ")
                    .push_bind(org.0)
                    .push(" AND scope IN (");
                let mut list = query.separated(", ");
                for key in filled(chunk) {
                    list.push_bind(key.to_vec());
                }
                query.push(")").push(condition).push_bind(after);
                query
                    .push(" LIMIT ")
                    .push_bind(limit)
                    .push(if index == 0 { " + 0) AS came" } else { " + 0) AS went" });
            }
            query.build_query_as().fetch_all(connection).await
        })?;
        moved.extend(rows.into_iter().filter_map(|(customer, scope, from_seq, to_seq)| {
            Some(Membership {
                customer: CustomerId(customer),
                scope: Scope::from_bytes(&scope).ok()?,
                from_seq,
                to_seq,
            })
        }));
    }
    Ok(moved)
}

/// Whether anything moved in one of the scopes after `after`, or one of these feeds was written to.
///
/// # Errors
/// The driver's.
pub async fn is_touched(
    tx: &mut Tx,
    org: OrgId,
    scopes: &[Scope],
    feeds: &[[u8; 18]],
    after: i64,
) -> Result<bool, StorageError> {
    let touched: i64 = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT CASE WHEN 1 = 0");
        for scope in scopes {
            let scope = scope.to_bytes();
            query
                .push(" OR EXISTS (SELECT 1 FROM scope_member WHERE org_id = ")
                .push_bind(org.0);
            query
                .push(" AND scope = ")
                .push_bind(scope.to_vec())
                .push(" AND from_seq > ")
                .push_bind(after)
                .push(")");
            query
                .push(" OR EXISTS (SELECT 1 FROM scope_member WHERE org_id = ")
                .push_bind(org.0);
            query.push(" AND scope = ").push_bind(scope.to_vec());
            query
                .push(" AND to_seq IS NOT NULL AND to_seq > ")
                .push_bind(after)
                .push(")");
        }
        for feed in feeds {
            query
                .push(" OR EXISTS (SELECT 1 FROM feed WHERE org_id = ")
                .push_bind(org.0);
            query
                .push(" AND feed = ")
                .push_bind(feed.to_vec())
                .push(" AND seq > ")
                .push_bind(after)
                .push(")");
        }
        query.push(" THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END");
        query.build_query_scalar().fetch_one(connection).await
    })?;
    Ok(touched == 1)
}

/// Present members of a scope, newest first, after a position `(from_seq, customer)`, that came after `since`.
///
/// # Errors
/// The driver's.
pub async fn list_members(
    tx: &mut Tx,
    org: OrgId,
    scope: Scope,
    since: i64,
    position: Option<(i64, CustomerId)>,
    limit: i64,
) -> Result<Vec<(i64, CustomerId)>, StorageError> {
    let (from, customer) = position.unwrap_or((i64::MAX, CustomerId(Uuid::max())));
    let rows: Vec<(i64, Uuid)> = on!(tx, |connection| sqlx::query_as(
        "SELECT from_seq, customer_id FROM scope_member
         WHERE org_id = $1 AND scope = $2 AND from_seq > $3 AND (from_seq, customer_id) < ($4, $5) AND to_seq IS NULL
         ORDER BY from_seq DESC, customer_id DESC LIMIT $6 + 0"
    )
    .bind(org.0)
    .bind(&scope.to_bytes()[..])
    .bind(since)
    .bind(from)
    .bind(customer.0)
    .bind(limit)
    .fetch_all(connection)
    .await)?;
    Ok(rows
        .into_iter()
        .map(|(from, customer)| (from, CustomerId(customer)))
        .collect())
}

/// Ends memberships, each at its place. They are named by their whole key, so that a thousand cost a thousand steps.
///
/// # Errors
/// The driver's.
pub async fn end_memberships(tx: &mut Tx, org: OrgId, ends: &[(Membership, i64)]) -> Result<(), StorageError> {
    for piece in pieces(ends) {
        on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("INSERT INTO scope_member (org_id, scope, customer_id, from_seq, to_seq) ");
            query.push_values(piece, |mut row, (membership, to_seq)| {
                row.push_bind(org.0)
                    .push_bind(membership.scope.to_bytes().to_vec())
                    .push_bind(membership.customer.0)
                    .push_bind(membership.from_seq)
                    .push_bind(*to_seq);
            });
            query.push(" ON CONFLICT (org_id, scope, from_seq, customer_id) DO UPDATE SET to_seq = excluded.to_seq");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Puts customers into scopes, each from a place in the log on.
///
/// # Errors
/// The driver's.
pub async fn insert_members(tx: &mut Tx, org: OrgId, members: &[(Scope, CustomerId, i64)]) -> Result<(), StorageError> {
    for piece in pieces(members) {
        on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("INSERT INTO scope_member (org_id, scope, customer_id, from_seq, to_seq) ");
            query.push_values(piece, |mut row, (scope, customer, from_seq)| {
                row.push_bind(org.0)
                    .push_bind(scope.to_bytes().to_vec())
                    .push_bind(customer.0)
                    .push_bind(*from_seq)
                    .push_bind(None::<i64>);
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Ends the memberships of a customer in these scopes at the place `seq`, and begins others there.
///
/// # Errors
/// The driver's.
pub async fn move_customer(
    tx: &mut Tx,
    org: OrgId,
    customer: CustomerId,
    leaves: &[Scope],
    enters: &[Scope],
    seq: i64,
) -> Result<(), StorageError> {
    for scope in leaves {
        on!(tx, |connection| sqlx::query(
            "UPDATE scope_member SET to_seq = $4
             WHERE org_id = $1 AND customer_id = $2 AND scope = $3 AND to_seq IS NULL"
        )
        .bind(org.0)
        .bind(customer.0)
        .bind(&scope.to_bytes()[..])
        .bind(seq)
        .execute(connection)
        .await
        .map(drop))?;
    }
    for scope in enters {
        on!(tx, |connection| sqlx::query(
            "INSERT INTO scope_member (org_id, scope, customer_id, from_seq, to_seq) VALUES ($1, $2, $3, $4, NULL)"
        )
        .bind(org.0)
        .bind(&scope.to_bytes()[..])
        .bind(customer.0)
        .bind(seq)
        .execute(connection)
        .await
        .map(drop))?;
    }
    Ok(())
}
