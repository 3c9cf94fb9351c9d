//! Which customers a person may have to do with, as a condition of a query: never a scan of the organisation for
//! somebody who sees a part of it.

use sqlx::{Database, Encode, QueryBuilder, Type};
use sync_core::{
    ids::OrgId,
    visibility::{Relation, Scope, ViewerScope},
};
use uuid::Uuid;

/// The customers a person has a relation to. Names candidates: what he may do with one of them is asked of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every customer of the organisation.
    Organisation,
    /// The customers in these scopes, as bytes. Empty: none.
    Scopes(Vec<Vec<u8>>),
}

impl Reach {
    /// From a person's scopes. Scopes without a relation (what he authored or pinned) grant nothing and do not count.
    #[must_use]
    pub fn of(scopes: &[ViewerScope]) -> Self {
        let related = |held: &&ViewerScope| held.relation.is_some();
        if scopes
            .iter()
            .filter(related)
            .any(|held| matches!(held.scope, Scope::Org(_)))
        {
            return Self::Organisation;
        }
        Self::Scopes(
            scopes
                .iter()
                .filter(related)
                .map(|held| held.scope.to_bytes().to_vec())
                .collect(),
        )
    }

    /// The same for relations of certain kinds only.
    #[must_use]
    pub fn of_relations(scopes: &[ViewerScope], wanted: impl Fn(Relation) -> bool) -> Self {
        let wanted: Vec<ViewerScope> = scopes
            .iter()
            .copied()
            .filter(|held| held.relation.is_some_and(&wanted))
            .collect();
        Self::of(&wanted)
    }

    /// Adds ` AND column IN (…)`; nothing for the whole organisation.
    pub(super) fn push_condition<DB>(&self, query: &mut QueryBuilder<DB>, org: OrgId, column: &str)
    where
        DB: Database,
        Uuid: for<'q> Encode<'q, DB> + Type<DB>,
        Vec<u8>: for<'q> Encode<'q, DB> + Type<DB>,
    {
        if let Self::Scopes(_) = self {
            query.push(" AND ").push(column).push(" IN (");
            self.push_customers(query, org);
            query.push(")");
        }
    }

    /// Adds a SELECT of the `customer_id` in reach: each once.
    pub(super) fn push_customers<DB>(&self, query: &mut QueryBuilder<DB>, org: OrgId)
    where
        DB: Database,
        Uuid: for<'q> Encode<'q, DB> + Type<DB>,
        Vec<u8>: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let Self::Scopes(scopes) = self else {
            query
                .push("SELECT customer_id FROM customer WHERE org_id = ")
                .push_bind(org.0);
            return;
        };
        query
            .push("SELECT DISTINCT customer_id FROM scope_member WHERE org_id = ")
            .push_bind(org.0);
        query.push(" AND to_seq IS NULL AND scope IN (");
        // An empty list is no SQL; no scope has this value.
        query.push_bind(Vec::<u8>::new());
        for scope in scopes {
            query.push(", ").push_bind(scope.clone());
        }
        query.push(")");
    }
}
