//! What a person may read, computed anew from who owns what, who leads whom and who is in which pool: no scopes, no
//! feeds, no cursors.

use std::collections::{BTreeMap, BTreeSet};

use server::storage::{covers, documents, organisation, ownership, people, pools, read_model, scopes, teams};
use sync_core::{
    document::ChangeId,
    ids::{CustomerId, DocumentId},
    visibility::{Relation, RelationSet, Role, Scope, Target, UserState, access},
};

use uuid::Uuid;

use crate::wire::{Client, Company};

/// More documents than any company of the tests has.
const DOCUMENTS_MAX: i64 = 10_000;

/// More covers than any of them has.
const COVERS_MAX: i64 = 1_000;

/// Documents and their changes.
pub type Readable = BTreeMap<DocumentId, BTreeSet<ChangeId>>;

/// The documents of these customers that the person may read, with all their changes.
pub async fn readable(company: &Company, login: &str, customers: &[CustomerId]) -> Readable {
    let (org, user) = (company.org, company.user(login));
    let mut tx = company.app().database.read().await.unwrap();
    let account = people::find(&mut tx, org, user).await.unwrap().unwrap();
    let policy = organisation::find_settings(&mut tx, org).await.unwrap().policy;
    let pools: BTreeMap<_, _> = pools::list_of_user(&mut tx, org, user)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let led = match account.team {
        Some(team) if account.role == Role::Manager => teams::list_below(&mut tx, org, team).await.unwrap(),
        _ => Vec::new(),
    };
    let mut covered = covers::list(&mut tx, org, None, COVERS_MAX).await.unwrap();
    covered.retain(|cover| cover.by == user && cover.ended_at.is_none());
    let mut named = BTreeSet::new();
    for membership in scopes::list_memberships(&mut tx, org, customers).await.unwrap() {
        if membership.scope == Scope::Cover(user) && membership.to_seq.is_none() {
            named.insert(membership.customer);
        }
    }
    let assignments = ownership::list_assignments(&mut tx, org, customers).await.unwrap();
    // Not from the packed copies, which are what is tried.
    let stored = read_model::list_after(&mut tx, org, Uuid::nil(), DOCUMENTS_MAX)
        .await
        .unwrap();
    assert!(stored.len() < DOCUMENTS_MAX as usize, "the oracle reads them all");
    let ids: Vec<DocumentId> = stored
        .iter()
        .filter_map(|stored| stored.document.as_ref())
        .filter(|document| customers.contains(&document.customer))
        .map(|document| document.id)
        .collect();
    let rows = documents::list_by_id(&mut tx, org, &ids).await.unwrap();
    let changes = documents::list_changes(&mut tx, org, &ids, 0).await.unwrap();
    tx.rollback().await.unwrap();

    let relations = |customer: CustomerId| {
        let assignment = &assignments[&customer];
        let mut relations = RelationSet::NONE;
        let mut hold = |relation, holds: bool| {
            if holds {
                relations.insert(relation);
            }
        };
        hold(Relation::Owner, assignment.owner == Some(user));
        hold(
            Relation::Manager,
            assignment.team.is_some_and(|team| led.contains(&team)),
        );
        hold(
            Relation::Team,
            assignment.team.is_some() && assignment.team == account.team,
        );
        let covers = covered
            .iter()
            .any(|cover| Some(cover.of) == assignment.owner && (cover.everything || named.contains(&customer)));
        hold(Relation::Cover, covers);
        let administers = assignment.pool.and_then(|pool| pools.get(&pool));
        hold(Relation::Pool, administers == Some(&false));
        hold(Relation::PoolAdmin, administers == Some(&true));
        let responsible = rows
            .iter()
            .any(|row| row.customer == customer && row.responsible == Some(user));
        hold(Relation::Responsible, responsible);
        if let Some(relation) = account.role.organisation_relation() {
            hold(relation, true);
        }
        relations
    };
    rows.iter()
        .filter(|row| {
            let facts = row.facts(assignments[&row.customer].owner);
            let rights = access(
                account.viewer(),
                relations(row.customer),
                Target::Document(facts),
                &policy,
            );
            account.state == UserState::Active && rights.may_read()
        })
        .map(|row| {
            let changes = changes.get(&row.document).into_iter().flatten();
            (row.document, changes.map(|change| change.id).collect())
        })
        .collect()
}

/// What a device has.
pub fn held(client: &Client) -> Readable {
    client
        .held
        .iter()
        .map(|(id, held)| {
            let changes = held.document.changes().iter().map(sync_core::document::Change::id);
            (*id, changes.collect())
        })
        .collect()
}

/// Fails unless the device has exactly what its person may read.
pub async fn check(company: &Company, login: &str, client: &Client, customers: &[CustomerId]) {
    let (wanted, has) = (readable(company, login, customers).await, held(client));
    let name = |id: &DocumentId| client.held.get(id).map(|held| held.kind.to_string());
    for (id, changes) in &wanted {
        assert_eq!(
            has.get(id).map(BTreeSet::len),
            Some(changes.len()),
            "{login} lacks changes of {id} ({:?}) on {}",
            name(id),
            company.test.name
        );
    }
    for id in has.keys() {
        assert!(
            wanted.contains_key(id),
            "{login} holds {id} ({:?}) without a right on {}",
            name(id),
            company.test.name
        );
    }
}
