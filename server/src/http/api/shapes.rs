//! The JSON of the API: the shapes that `fieldpool rep customer show` prints too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, OrgId, UserId},
    projection,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actions::customers::{Listed, Shown, ShownDocument},
    storage::{proposals::ProposalRow, viewers::Named},
};

/// A person, wherever an author, owner or responsible is named.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Person {
    pub(in crate::http) id: Uuid,
    /// What he signs in with; empty for somebody this server does not know.
    pub(in crate::http) login: String,
    pub(in crate::http) name: String,
}

impl Person {
    pub(in crate::http) fn of(people: &BTreeMap<UserId, Named>, user: UserId) -> Self {
        let named = people.get(&user);
        Self {
            id: user.0,
            login: named.map(|named| named.login.clone()).unwrap_or_default(),
            name: named.map(|named| named.name.clone()).unwrap_or_default(),
        }
    }
}

/// A customer in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerItem {
    id: Uuid,
    name: String,
    /// What you are to it: owner, collaborator, cover, responsible, manager, pool, pool_admin, team, back_office,
    /// service, auditor, admin.
    relation: Option<&'static str>,
    owner: Option<Person>,
    /// The pool it is in.
    pool: Option<Uuid>,
    team: Option<Uuid>,
    stage: Option<String>,
    tier: Option<String>,
    region: Option<String>,
    industry: Option<String>,
    source: Option<String>,
    external_id: Option<String>,
    /// Goes up with every change of owner or pool.
    assignment_version: i64,
    /// Milliseconds since 1970.
    created_at: i64,
}

impl CustomerItem {
    pub(super) fn of(item: Listed, people: &BTreeMap<UserId, Named>) -> Self {
        let Listed { customer, relations } = item;
        Self {
            id: customer.id.0,
            name: customer.name,
            relation: relations.strongest().map(sync_core::visibility::Relation::name),
            owner: customer.owner.map(|owner| Person::of(people, owner)),
            pool: customer.pool.map(|pool| pool.0),
            team: customer.team.map(|team| team.0),
            stage: customer.stage,
            tier: customer.tier,
            region: customer.region,
            industry: customer.industry,
            source: customer.source,
            external_id: customer.external_id,
            assignment_version: customer.assignment_version,
            created_at: customer.created_at.0,
        }
    }
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Document {
    id: Uuid,
    /// card, dossier, contact, opportunity, visit, follow_up, ticket or internal.
    kind: &'static str,
    customer: Uuid,
    /// Null while nobody has written to it.
    author: Option<Person>,
    /// The device it was made on; null for the web and imports.
    device: Option<Uuid>,
    /// Who is responsible by name; null is the owner.
    responsible: Option<Person>,
    /// By the device's clock, in milliseconds since 1970; null while nobody has written to it.
    created_at: Option<i64>,
    /// When the server had it.
    received_at: Option<i64>,
    /// Always `synced` on the server.
    state: &'static str,
    /// It arrived after its author had lost the customer; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Its own fields; empty ones are left out.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

impl Document {
    pub(super) fn of(document: ShownDocument, people: &BTreeMap<UserId, Named>) -> Self {
        let ShownDocument { row, mut fields, .. } = document;
        name_comment_authors(&mut fields, people);
        Self {
            id: row.id.0,
            kind: row.kind.name(),
            customer: row.customer.0,
            author: Some(Person::of(people, row.author)),
            device: row.device.map(|device| device.0),
            responsible: row.responsible.map(|user| Person::of(people, user)),
            created_at: Some(row.created_at.0),
            received_at: Some(row.received_at.0),
            state: "synced",
            late: row.late.then_some(true),
            external_id: row.external_id,
            fields,
        }
    }

    /// The customer's one document of a kind that may be read and that nobody has written to yet.
    fn unwritten(org: OrgId, customer: CustomerId, kind: Kind) -> Self {
        Self {
            id: DocumentId::derived(org, customer, kind, 0).0,
            kind: kind.name(),
            customer: customer.0,
            author: None,
            device: None,
            responsible: None,
            created_at: None,
            received_at: None,
            state: "synced",
            late: None,
            external_id: None,
            fields: Map::new(),
        }
    }
}

// The read model holds ids; people are named when it is shown.
fn name_comment_authors(fields: &mut Map<String, Value>, people: &BTreeMap<UserId, Named>) {
    for comment in fields
        .get_mut("comments")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let author = comment
            .get("author")
            .and_then(Value::as_str)
            .and_then(|id| id.parse::<UserId>().ok());
        if let (Some(author), Some(comment)) = (author, comment.as_object_mut()) {
            let person = serde_json::to_value(Person::of(people, author)).unwrap_or_default();
            comment.insert("author".to_owned(), person);
        }
    }
}

/// Values of one field that stand side by side until a person chooses one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Conflict {
    document: Uuid,
    /// The field, or `map.entry`.
    field: String,
    /// The values, the one shown first.
    values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConflictValue {
    #[schema(value_type = Object)]
    value: Value,
    author: Option<Person>,
    device: Option<Uuid>,
    /// By the clock of that device.
    at: i64,
}

impl Conflict {
    fn of(document: Uuid, conflict: projection::Conflict, people: &BTreeMap<UserId, Named>) -> Self {
        let values = conflict.values.into_iter().map(|value| ConflictValue {
            value: value.value,
            author: value.author.map(|author| Person::of(people, author)),
            device: value.device.map(|device| device.0),
            at: value.at.0,
        });
        Self {
            document,
            field: conflict.field,
            values: values.collect(),
        }
    }
}

/// A value that arrived after its author had lost the customer, for a field that somebody else had written meanwhile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Proposal {
    id: Uuid,
    document: Uuid,
    kind: &'static str,
    /// The field, or `map.entry`.
    field: String,
    #[schema(value_type = Object)]
    value: Value,
    author: Person,
    device: Option<Uuid>,
    /// By the clock of that device.
    at: i64,
    received_at: i64,
}

impl Proposal {
    pub(super) fn of(row: &ProposalRow, people: &BTreeMap<UserId, Named>) -> Self {
        Self {
            id: row.id,
            document: row.document.0,
            kind: row.kind.name(),
            field: row.path(),
            value: row.value.clone(),
            author: Person::of(people, row.author),
            device: row.device.map(|device| device.0),
            at: row.device_time.0,
            received_at: row.received_at.0,
        }
    }
}

/// A customer with everything of it that you may read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Customer {
    #[serde(flatten)]
    customer: CustomerItem,
    /// Null without the right to read it.
    card: Option<Document>,
    dossier: Option<Document>,
    internal: Option<Document>,
    contacts: Vec<Document>,
    visits: Vec<Document>,
    follow_ups: Vec<Document>,
    opportunities: Vec<Document>,
    tickets: Vec<Document>,
    conflicts: Vec<Conflict>,
    proposals: Vec<Proposal>,
}

impl Customer {
    pub(super) fn of(shown: Shown, org: OrgId) -> Self {
        let Shown {
            customer,
            relations,
            rights,
            documents,
            writable: _,
            proposals,
            people,
        } = shown;
        let id = customer.id;
        let unwritten = |kind: Kind| rights.of(kind).may_read().then(|| Document::unwritten(org, id, kind));
        let mut shape = Self {
            customer: CustomerItem::of(Listed { customer, relations }, &people),
            card: unwritten(Kind::Card),
            dossier: unwritten(Kind::Dossier),
            internal: unwritten(Kind::Internal),
            contacts: Vec::new(),
            visits: Vec::new(),
            follow_ups: Vec::new(),
            opportunities: Vec::new(),
            tickets: Vec::new(),
            conflicts: Vec::new(),
            proposals: proposals.iter().map(|row| Proposal::of(row, &people)).collect(),
        };
        for mut document in documents {
            let (id, kind) = (document.row.id.0, document.row.kind);
            let conflicts = std::mem::take(&mut document.conflicts);
            shape.conflicts.extend(
                conflicts
                    .into_iter()
                    .map(|conflict| Conflict::of(id, conflict, &people)),
            );
            let document = Document::of(document, &people);
            match kind {
                Kind::Card => shape.card = Some(document),
                Kind::Dossier => shape.dossier = Some(document),
                Kind::Internal => shape.internal = Some(document),
                Kind::Contact => shape.contacts.push(document),
                Kind::Visit => shape.visits.push(document),
                Kind::FollowUp => shape.follow_ups.push(document),
                Kind::Opportunity => shape.opportunities.push(document),
                Kind::Ticket => shape.tickets.push(document),
            }
        }
        shape
    }
}

/// An error, as `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemShape {
    /// Stable: compare this one.
    code: String,
    title: String,
    status: u16,
    /// What to do.
    detail: String,
    request_id: Option<String>,
}
