//! Customers with the scopes that contain them, read together.

use std::collections::BTreeMap;

use sqlx::QueryBuilder;
use sync_core::{
    ids::{CustomerId, OrgId},
    visibility::{SCOPE_LEN, Scope},
};

use super::{Assignment, RawAssignment};
use crate::storage::{
    StorageError, Tx, on,
    scopes::Membership,
    sizes::{LIST_MAX, filled},
};

#[derive(sqlx::FromRow)]
struct RawWithMemberships {
    #[sqlx(flatten)]
    assignment: RawAssignment,
    // The keys of the scopes, one behind the other, and in the same order `from to` of each; none: in no scope.
    scopes: Option<Vec<u8>>,
    spans: Option<String>,
}

/// The assignments of these customers together with their memberships, past ones included, in these scopes; none: in
/// every scope. One row a customer, because rows are what reading many of them costs.
///
/// # Errors
/// The driver's.
pub async fn list_with_memberships(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
    scopes: Option<&[Scope]>,
) -> Result<(BTreeMap<CustomerId, Assignment>, BTreeMap<CustomerId, Vec<Membership>>), StorageError> {
    let scopes: Vec<[u8; SCOPE_LEN]> = scopes
        .unwrap_or_default()
        .iter()
        .map(|scope| scope.to_bytes())
        .collect();
    let (mut assignments, mut memberships) = (BTreeMap::new(), BTreeMap::new());
    for chunk in customers.chunks(LIST_MAX) {
        let rows: Vec<RawWithMemberships> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "SELECT customer.customer_id, owner_id, pool_id, team_id, assignment_version, assigned_seq, created_by, \
                     string_agg(scope, ",
            );
            query.push_bind(&b""[..]).push(
                ") AS scopes, string_agg(CAST(from_seq AS TEXT) || ' ' || COALESCE(CAST(to_seq AS TEXT), ''), ',') AS spans \
                 FROM customer LEFT JOIN scope_member \
                 ON scope_member.org_id = customer.org_id AND scope_member.customer_id = customer.customer_id",
            );
            if !scopes.is_empty() {
                // A customer is in few scopes: reading them costs less than asking for each pair, which the bare
                // condition would make of it.
                query.push(" AND CASE WHEN scope IN (");
                let mut list = query.separated(", ");
                for scope in filled(&scopes) {
                    list.push_bind(scope.to_vec());
                }
                query.push(") THEN 1 ELSE 0 END = 1");
            }
            query.push(" WHERE customer.org_id = ").push_bind(org.0);
            query.push(" AND customer.customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(") GROUP BY customer.org_id, customer.customer_id");
            query.build_query_as().fetch_all(connection).await
        })?;
        for row in rows {
            let assignment = Assignment::from(row.assignment);
            let joined = row.scopes.unwrap_or_default();
            let spans = row.spans.unwrap_or_default();
            let read = joined.chunks_exact(SCOPE_LEN).zip(spans.split(','));
            let read = read.filter_map(|(scope, span)| Membership::read(assignment.customer, scope, span));
            memberships.insert(assignment.customer, read.collect());
            assignments.insert(assignment.customer, assignment);
        }
    }
    Ok((assignments, memberships))
}
