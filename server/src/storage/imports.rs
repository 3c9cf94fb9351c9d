//! What an import or export does in bulk: finds customers and documents by the keys of the system they came from, and
//! writes many new customers at once, row for row as [`super::ownership`] writes one.

use sqlx::{FromRow, QueryBuilder};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    ownership::{Assignment, CardSummary},
};

/// Keys looked up with one statement, far below what both drivers bind.
pub const KEYS_PER_STATEMENT: usize = 1_000;

/// Rows written with one statement: 17 values each at most, below what both drivers bind.
const ROWS_PER_STATEMENT: usize = 500;

/// A customer as an import must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    /// The customer.
    pub id: CustomerId,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// The pool it is in.
    pub pool: Option<PoolId>,
    /// The other system's id.
    pub external_id: Option<String>,
}

/// A document as an import must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDocument {
    /// The document.
    pub id: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind's number.
    pub kind: i16,
    /// Who made it.
    pub author: UserId,
    /// Who is responsible by name; none is the owner.
    pub responsible: Option<UserId>,
    /// When it was made, by its author's clock.
    pub created_at: Timestamp,
    /// The other system's id.
    pub external_id: Option<String>,
    /// Its fields as JSON.
    pub fields: String,
    /// Whether values stand side by side.
    pub has_conflicts: bool,
    /// Whether it was erased: its id takes nothing any more.
    pub is_erased: bool,
}

#[derive(FromRow)]
struct RawCustomer {
    customer_id: Uuid,
    owner_id: Option<Uuid>,
    pool_id: Option<Uuid>,
    external_id: Option<String>,
}

impl From<RawCustomer> for KnownCustomer {
    fn from(raw: RawCustomer) -> Self {
        Self {
            id: CustomerId(raw.customer_id),
            owner: raw.owner_id.map(UserId),
            pool: raw.pool_id.map(PoolId),
            external_id: raw.external_id,
        }
    }
}

#[derive(FromRow)]
struct RawDocument {
    document_id: Uuid,
    customer_id: Uuid,
    kind: i16,
    author_id: Uuid,
    responsible_id: Option<Uuid>,
    created_at: i64,
    external_id: Option<String>,
    fields: String,
    conflicts: Option<String>,
    erased_at: Option<i64>,
}

impl From<RawDocument> for KnownDocument {
    fn from(raw: RawDocument) -> Self {
        Self {
            id: DocumentId(raw.document_id),
            customer: CustomerId(raw.customer_id),
            kind: raw.kind,
            author: UserId(raw.author_id),
            responsible: raw.responsible_id.map(UserId),
            created_at: Timestamp(raw.created_at),
            external_id: raw.external_id,
            fields: raw.fields,
            has_conflicts: raw.conflicts.is_some(),
            is_erased: raw.erased_at.is_some(),
        }
    }
}

const CUSTOMER_COLUMNS: &str = "SELECT customer_id, owner_id, pool_id, external_id FROM customer WHERE org_id = ";

/// The customers with these ids.
///
/// # Errors
/// The driver's.
pub async fn find_customers(tx: &mut Tx, org: OrgId, ids: &[CustomerId]) -> Result<Vec<KnownCustomer>, StorageError> {
    let mut found = Vec::new();
    for some in ids.chunks(KEYS_PER_STATEMENT) {
        let rows: Vec<RawCustomer> = on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("SELECT customer_id, owner_id, pool_id, external_id FROM customer WHERE org_id = ");
            query.push_bind(org.0).push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        found.extend(rows.into_iter().map(KnownCustomer::from));
    }
    Ok(found)
}

/// Customers behind one of them, in the order of their ids, at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list_customers(
    tx: &mut Tx,
    org: OrgId,
    after: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<KnownCustomer>, StorageError> {
    let rows: Vec<RawCustomer> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(CUSTOMER_COLUMNS);
        query.push_bind(org.0);
        if let Some(after) = after {
            query.push(" AND customer_id > ").push_bind(after.0);
        }
        query.push(" ORDER BY customer_id LIMIT ").push_bind(limit).push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(KnownCustomer::from).collect())
}

/// The customers with these ids of the other system.
///
/// # Errors
/// The driver's.
pub async fn find_customers_by_external_id(
    tx: &mut Tx,
    org: OrgId,
    external_ids: &[&str],
) -> Result<Vec<KnownCustomer>, StorageError> {
    let mut found = Vec::new();
    for some in external_ids.chunks(KEYS_PER_STATEMENT) {
        let rows: Vec<RawCustomer> = on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("SELECT customer_id, owner_id, pool_id, external_id FROM customer WHERE org_id = ");
            query.push_bind(org.0).push(" AND external_id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind((*id).to_owned());
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        found.extend(rows.into_iter().map(KnownCustomer::from));
    }
    Ok(found)
}

const DOCUMENT_COLUMNS: &str = "SELECT document_id, customer_id, kind, author_id, responsible_id, created_at, external_id, \
     fields, conflicts, erased_at FROM document WHERE org_id = ";

/// The documents with these ids.
///
/// # Errors
/// The driver's.
pub async fn find_documents(tx: &mut Tx, org: OrgId, ids: &[DocumentId]) -> Result<Vec<KnownDocument>, StorageError> {
    let mut found = Vec::new();
    for some in ids.chunks(KEYS_PER_STATEMENT) {
        let rows: Vec<RawDocument> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(DOCUMENT_COLUMNS);
            query.push_bind(org.0).push(" AND document_id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(id.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        found.extend(rows.into_iter().map(KnownDocument::from));
    }
    Ok(found)
}

/// The documents of a kind with these ids of the other system.
///
/// # Errors
/// The driver's.
pub async fn find_documents_by_external_id(
    tx: &mut Tx,
    org: OrgId,
    kind: Kind,
    external_ids: &[&str],
) -> Result<Vec<KnownDocument>, StorageError> {
    let mut found = Vec::new();
    for some in external_ids.chunks(KEYS_PER_STATEMENT) {
        let rows: Vec<RawDocument> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(DOCUMENT_COLUMNS);
            query
                .push_bind(org.0)
                .push(" AND kind = ")
                .push_bind(i16::from(kind.number()));
            query.push(" AND external_id IN (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind((*id).to_owned());
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        found.extend(rows.into_iter().map(KnownDocument::from));
    }
    Ok(found)
}

/// Documents of a kind behind one of them, in the order of their ids, at most `limit`: for exports and for keys that
/// lie inside documents.
///
/// # Errors
/// The driver's.
pub async fn list_documents(
    tx: &mut Tx,
    org: OrgId,
    kind: Kind,
    after: Option<DocumentId>,
    limit: i64,
) -> Result<Vec<KnownDocument>, StorageError> {
    let rows: Vec<RawDocument> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(DOCUMENT_COLUMNS);
        query
            .push_bind(org.0)
            .push(" AND kind = ")
            .push_bind(i16::from(kind.number()));
        if let Some(after) = after {
            query.push(" AND document_id > ").push_bind(after.0);
        }
        query.push(" ORDER BY document_id LIMIT ").push_bind(limit).push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(KnownDocument::from).collect())
}

/// A team as an import or export must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTeam {
    /// The team.
    pub id: TeamId,
    /// Its name, unique in the organisation.
    pub name: String,
    /// The team above it.
    pub parent: Option<TeamId>,
}

/// The teams of an organisation, by name.
///
/// # Errors
/// The driver's.
pub async fn list_teams(tx: &mut Tx, org: OrgId) -> Result<Vec<KnownTeam>, StorageError> {
    let rows: Vec<(Uuid, String, Option<Uuid>)> = on!(tx, |connection| {
        sqlx::query_as("SELECT team_id, name, parent_id FROM team WHERE org_id = $1 ORDER BY name")
            .bind(org.0)
            .fetch_all(connection)
            .await
    })?;
    let team = |(id, name, parent): (Uuid, String, Option<Uuid>)| KnownTeam {
        id: TeamId(id),
        name,
        parent: parent.map(TeamId),
    };
    Ok(rows.into_iter().map(team).collect())
}

/// The pools of an organisation with their names, by name.
///
/// # Errors
/// The driver's.
pub async fn list_pools(tx: &mut Tx, org: OrgId) -> Result<Vec<(PoolId, String)>, StorageError> {
    let rows: Vec<(Uuid, String)> = on!(tx, |connection| {
        sqlx::query_as("SELECT pool_id, name FROM pool WHERE org_id = $1 ORDER BY name")
            .bind(org.0)
            .fetch_all(connection)
            .await
    })?;
    Ok(rows.into_iter().map(|(id, name)| (PoolId(id), name)).collect())
}

/// A customer that is made with its card in one go.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// Whose it is, since which place in the log.
    pub assignment: Assignment,
    /// When.
    pub created_at: Timestamp,
    /// The other system's id.
    pub external_id: Option<String>,
    /// What its card says.
    pub card: CardSummary,
}

/// Adds customers.
///
/// # Errors
/// The driver's; a unique violation if one is there.
pub async fn insert_customers(tx: &mut Tx, org: OrgId, customers: &[NewCustomer]) -> Result<(), StorageError> {
    for some in customers.chunks(ROWS_PER_STATEMENT) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO customer (org_id, customer_id, owner_id, pool_id, team_id, assignment_version, \
                 assigned_seq, created_seq, created_by, created_at, external_id, name, stage, tier, region, industry, \
                 source) ",
            );
            query.push_values(some, |mut row, new| {
                row.push_bind(org.0)
                    .push_bind(new.assignment.customer.0)
                    .push_bind(new.assignment.owner.map(|user| user.0))
                    .push_bind(new.assignment.pool.map(|pool| pool.0))
                    .push_bind(new.assignment.team.map(|team| team.0))
                    .push_bind(new.assignment.version)
                    .push_bind(new.assignment.assigned_seq)
                    .push_bind(new.assignment.assigned_seq)
                    .push_bind(new.assignment.created_by.0)
                    .push_bind(new.created_at.0)
                    .push_bind(new.external_id.as_deref())
                    .push_bind(new.card.name.as_str())
                    .push_bind(new.card.stage.as_deref())
                    .push_bind(new.card.tier.as_deref())
                    .push_bind(new.card.region.as_deref())
                    .push_bind(new.card.industry.as_deref())
                    .push_bind(new.card.source.as_deref());
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}
