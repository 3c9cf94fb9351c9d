//! The rows of a document after new changes: read model, feeds, who is responsible, which scope it brings its customer into.

use std::collections::BTreeMap;

use sync_core::{
    document::{ChangeId, Document, Kind},
    ids::{CustomerId, DeviceId, DocumentId, UserId},
    projection::{Attribution, checked_in_by, project},
    visibility::{Scope, document_feeds, document_scopes, feeds_of},
};

use crate::storage::{
    documents::{DocumentWrite, LoadedDocument, NewChange},
    ownership::Assignment,
    scopes::Membership,
};

/// The scope a document brings its customer into: that of whoever is responsible for it.
pub(crate) fn entered_scope(write: &DocumentWrite, memberships: &[Membership]) -> Option<Scope> {
    let open = |scope: &Scope| {
        memberships
            .iter()
            .any(|membership| membership.scope == *scope && membership.to_seq.is_none())
    };
    write.responsible.map(Scope::Responsible).filter(|scope| !open(scope))
}

/// What a document is and whose.
pub(crate) struct Target {
    pub(crate) document: DocumentId,
    pub(crate) customer: CustomerId,
    pub(crate) kind: Kind,
    pub(crate) assignment: Assignment,
    /// Author of the new changes.
    pub(crate) author: UserId,
    pub(crate) device: Option<DeviceId>,
    /// The author looks after the customer for its owner for a while.
    pub(crate) stands_in: bool,
}

/// The rows of a document after new changes: read model, feeds, responsible person.
pub(crate) fn document_write(
    target: Target,
    before: Option<&LoadedDocument>,
    after: &Document,
    changes: Vec<NewChange>,
    memberships: &[Membership],
    head: i64,
) -> DocumentWrite {
    let mut attributions: BTreeMap<ChangeId, Attribution> =
        before.map(|loaded| loaded.attributions.clone()).unwrap_or_default();
    for change in &changes {
        attributions.insert(
            change.built.change.id(),
            Attribution {
                author: change.author,
                device: change.device,
            },
        );
    }
    let attribution = |change: ChangeId| attributions.get(&change).copied();
    let projection = project(after.state(), attribution);
    let author = before.map_or_else(
        || changes.first().map_or(target.author, |change| change.author),
        |loaded| loaded.row.author,
    );
    let responsible = match before {
        Some(loaded) => loaded.row.responsible,
        // The author is responsible for what he adds to somebody else's customer, or to one in a pool. What arrives
        // after a handover is the new owner's to deal with: otherwise the customer would never leave the first phone.
        None if changes.first().is_some_and(|change| change.late) => None,
        // So is what somebody adds who stands in for the owner: it must leave his phone with the customer.
        None if target.stands_in => None,
        None => (target.kind.has_responsible() && target.assignment.owner != Some(author)).then_some(author),
    };
    let customer_scopes: Vec<Scope> = memberships
        .iter()
        .filter(|membership| membership.holds_at(head))
        .map(|membership| membership.scope)
        .collect();
    let mut feeds = feeds_of(&customer_scopes, target.kind);
    if target.assignment.owner != Some(author) || responsible.is_some() {
        feeds.extend(document_feeds(&document_scopes(
            target.kind,
            author,
            responsible,
            false,
        )));
    }
    feeds.sort_unstable();
    feeds.dedup();
    let first = changes.first().map(|change| change.built.change.time);
    DocumentWrite {
        document: target.document,
        customer: target.customer,
        kind: target.kind,
        expected_version: before.map_or(0, |loaded| loaded.row.version),
        author,
        device: before.map_or(target.device, |loaded| loaded.row.device),
        responsible,
        created_at: first.unwrap_or_default(),
        late: changes.first().is_some_and(|change| change.late),
        checked_in_by: checked_in_by(after.state(), attribution),
        fields: serde_json::Value::Object(projection.fields).to_string(),
        conflicts: (!projection.conflicts.is_empty())
            .then(|| serde_json::to_string(&projection.conflicts).unwrap_or_default()),
        external_id: None,
        changes,
        earlier: before.and_then(|loaded| loaded.packed.clone()),
        feeds,
    }
}
