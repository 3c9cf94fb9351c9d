//! The person who reads: his rights as of the transaction in which he reads.

use std::collections::BTreeMap;

use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId, UserId},
    visibility::{
        ClassRights, Policy, Relation, RelationSet, Rights, Scope, Viewer, ViewerScope, class_rights, document_access,
        may_read,
    },
};

use super::{ActionError, Code, places::policy_of};
use crate::storage::{
    Reach, Tx,
    customers::{self, DocumentRow},
    viewers,
};

/// Customers whose relations are read with one statement: each is a parameter of it.
const CUSTOMERS_PER_STATEMENT: usize = 500;

/// A person with everything that decides what he may read. Made anew for each transaction: rights are asked for when
/// something is given out, not when he signed in.
#[derive(Debug, Clone)]
pub struct Reader {
    /// His organisation: the only one of which anything is read.
    pub org: OrgId,
    /// Who he is.
    pub viewer: Viewer,
    /// What he has to do with whom.
    pub scopes: Vec<ViewerScope>,
    /// What that gives.
    pub policy: Policy,
}

impl Reader {
    /// Reads his rights.
    ///
    /// # Errors
    /// `account_not_active` for somebody who does not work here (any more), or the database's.
    pub async fn load(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Self, ActionError> {
        let viewer = viewers::find_viewer(tx, org, user).await?.map(|(viewer, _)| viewer);
        let Some(viewer) = viewer.filter(|viewer| may_read(viewer.state)) else {
            return Err(ActionError::refused(Code::AccountNotActive));
        };
        let scopes = viewers::list_viewer_scopes(tx, org, user).await?;
        let policy = policy_of(tx, org).await?;
        Ok(Self {
            org,
            viewer,
            scopes,
            policy,
        })
    }

    /// The customers whose card he may read, as a condition of queries.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach::of_relations(&self.scopes, |relation| self.reads_card_as(relation))
    }

    /// The same, by the relations with this name only.
    #[must_use]
    pub fn reach_as(&self, name: &str) -> Reach {
        Reach::of_relations(&self.scopes, |relation| {
            relation.name() == name && self.reads_card_as(relation)
        })
    }

    fn reads_card_as(&self, relation: Relation) -> bool {
        class_rights(self.viewer, relation.into(), &self.policy)
            .of(Kind::Card)
            .may_read()
    }

    /// What he is to each of some customers; those to whom he is nothing are missing.
    ///
    /// # Errors
    /// The database's.
    pub async fn relations_of(
        &self,
        tx: &mut Tx,
        of: &[CustomerId],
    ) -> Result<BTreeMap<CustomerId, RelationSet>, ActionError> {
        let mut relations: BTreeMap<CustomerId, RelationSet> = BTreeMap::new();
        let (whole, parts): (Vec<ViewerScope>, Vec<ViewerScope>) = self
            .scopes
            .iter()
            .filter(|held| held.relation.is_some())
            .partition(|held| matches!(held.scope, Scope::Org(_)));
        let whole: RelationSet = whole.iter().filter_map(|held| held.relation).collect();
        if !whole.is_empty() {
            relations.extend(of.iter().map(|customer| (*customer, whole)));
        }
        let names: Vec<Scope> = parts.iter().map(|held| held.scope).collect();
        for chunk in of.chunks(CUSTOMERS_PER_STATEMENT) {
            for (customer, scope) in customers::list_scopes_of(tx, self.org, chunk, &names).await? {
                let here = parts
                    .iter()
                    .filter(|held| held.scope == scope)
                    .filter_map(|held| held.relation);
                let all = relations.entry(customer).or_default();
                *all = all.union(here.collect());
            }
        }
        Ok(relations)
    }

    /// What he may do with the kinds of documents of a customer to whom he is this.
    #[must_use]
    pub fn rights(&self, relations: RelationSet) -> ClassRights {
        class_rights(self.viewer, relations, &self.policy)
    }

    /// What he may do with one document, given his rights on its customer and whose that is.
    #[must_use]
    pub fn document_rights(&self, rights: ClassRights, document: &DocumentRow, owner: Option<UserId>) -> Rights {
        document_access(rights, self.viewer.user, &document.facts(owner))
    }
}
