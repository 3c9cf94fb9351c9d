//! Customers as they are listed and shown. Writing them is part of the log (`storage::log` and its neighbours).

use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DeviceId, DocumentId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::{CustomerFacts, DocumentFacts, Scope},
};
use uuid::Uuid;

use super::{Reach, StorageError, Tx, on, sizes::filled};

/// A customer: who has it, and what its card says in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRow {
    /// The customer.
    pub id: CustomerId,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// The pool it is in.
    pub pool: Option<PoolId>,
    /// The owner's team when he became the owner.
    pub team: Option<TeamId>,
    /// Goes up with every change of owner or pool.
    pub assignment_version: i64,
    /// When it was created, by the server's clock.
    pub created_at: Timestamp,
    /// Its key in the system it was imported from.
    pub external_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Lifecycle stage.
    pub stage: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// Where it came from.
    pub source: Option<String>,
}

/// Which customers a list shows. Empty members restrict nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerFilter {
    /// Of this owner.
    pub owner: Option<UserId>,
    /// Of this team.
    pub team: Option<TeamId>,
    /// In this pool.
    pub pool: Option<PoolId>,
    /// In this stage.
    pub stage: Option<String>,
    /// Of this tier.
    pub tier: Option<String>,
    /// Of this region.
    pub region: Option<String>,
    /// Of this industry.
    pub industry: Option<String>,
    /// Whose name holds this text, or which are among `found`.
    pub name_part: Option<String>,
    /// Found by full text; counts with `name_part` only.
    pub found: Vec<CustomerId>,
}

/// What has been done about a customer, by kind of document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The customer.
    pub customer: CustomerId,
    /// The kind.
    pub kind: Kind,
    /// When one of them was last made, by the clock of its device.
    pub last: Timestamp,
    /// How many of them have conflicts.
    pub conflicts: i64,
}

/// A place in the list: behind this customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPlace {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: CustomerId,
}

/// A document as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// The document.
    pub id: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// Who made it.
    pub author: UserId,
    /// On which device; none for web users and imports.
    pub device: Option<DeviceId>,
    /// Who is responsible by name; none is the owner.
    pub responsible: Option<UserId>,
    /// By the device's clock.
    pub created_at: Timestamp,
    /// When the server had it.
    pub received_at: Timestamp,
    /// It arrived after its author had lost the customer.
    pub late: bool,
    /// Who has checked in, for a visit.
    pub checked_in_by: Option<UserId>,
    /// The version that the next append compares.
    pub version: i64,
    /// Its key in the system it was imported from.
    pub external_id: Option<String>,
    /// Its fields as JSON.
    pub fields: String,
    /// Its conflicts as JSON.
    pub conflicts: Option<String>,
}

impl DocumentRow {
    /// What decides who may do what with it, given whose the customer is.
    #[must_use]
    pub fn facts(&self, owner: Option<UserId>) -> DocumentFacts {
        DocumentFacts {
            kind: self.kind,
            author: Some(self.author),
            responsible: self.responsible,
            owner,
            checked_in_by: self.checked_in_by,
        }
    }
}

#[derive(FromRow)]
struct RawCustomer {
    customer_id: Uuid,
    owner_id: Option<Uuid>,
    pool_id: Option<Uuid>,
    team_id: Option<Uuid>,
    assignment_version: i64,
    created_at: i64,
    external_id: Option<String>,
    name: String,
    stage: Option<String>,
    tier: Option<String>,
    region: Option<String>,
    industry: Option<String>,
    source: Option<String>,
}

impl From<RawCustomer> for CustomerRow {
    fn from(raw: RawCustomer) -> Self {
        Self {
            id: CustomerId(raw.customer_id),
            owner: raw.owner_id.map(UserId),
            pool: raw.pool_id.map(PoolId),
            team: raw.team_id.map(TeamId),
            assignment_version: raw.assignment_version,
            created_at: Timestamp(raw.created_at),
            external_id: raw.external_id,
            name: raw.name,
            stage: raw.stage,
            tier: raw.tier,
            region: raw.region,
            industry: raw.industry,
            source: raw.source,
        }
    }
}

const CUSTOMER_COLUMNS: &str = "SELECT c.customer_id, c.owner_id, c.pool_id, c.team_id, c.assignment_version, c.created_at, \
     c.external_id, c.name, c.stage, c.tier, c.region, c.industry, c.source ";

/// Customers in reach, by name and id, behind a place, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn list_customers(
    tx: &mut Tx,
    org: OrgId,
    reach: &Reach,
    filter: &CustomerFilter,
    after: Option<&CustomerPlace>,
    limit: i64,
) -> Result<Vec<CustomerRow>, StorageError> {
    let rows: Vec<RawCustomer> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(CUSTOMER_COLUMNS);
        push_matching(&mut query, org, reach, filter);
        push_after(&mut query, after);
        query
            .push(" ORDER BY c.name, c.customer_id LIMIT ")
            .push_bind(limit)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(CustomerRow::from).collect())
}

/// How many customers a filter matches, counted up to `limit`: nobody reads a larger number, and counting costs.
///
/// # Errors
/// The database's.
pub async fn count_customers(
    tx: &mut Tx,
    org: OrgId,
    reach: &Reach,
    filter: &CustomerFilter,
    limit: i64,
) -> Result<i64, StorageError> {
    on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (SELECT c.customer_id ");
        push_matching(&mut query, org, reach, filter);
        query.push(" LIMIT ").push_bind(limit).push(" + 0) AS matching");
        query.build_query_scalar().fetch_one(connection).await
    })
}

/// When each kind of document of some customers was last made, and how many of them have conflicts.
///
/// # Errors
/// The database's.
pub async fn list_activity(tx: &mut Tx, org: OrgId, customers: &[CustomerId]) -> Result<Vec<Activity>, StorageError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i16, i64, i64)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(
            "SELECT customer_id, kind, MAX(created_at), COUNT(conflicts) FROM document WHERE erased_at IS NULL AND org_id = ",
        );
        query
            .push_bind(org.0)
            .push(" AND document_id IN (SELECT document_id FROM packed_document WHERE org_id = ");
        query.push_bind(org.0).push(" AND customer_id IN (");
        let mut ids = query.separated(", ");
        for id in filled(customers) {
            ids.push_bind(id.0);
        }
        query.push(")) GROUP BY customer_id, kind");
        query.build_query_as().fetch_all(connection).await
    })?;
    let read = |(customer, kind, last, conflicts)| {
        Some(Activity {
            customer: CustomerId(customer),
            kind: Kind::from_number(u8::try_from(kind).ok()?)?,
            last: Timestamp(last),
            conflicts,
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

fn push_matching<DB>(query: &mut QueryBuilder<DB>, org: OrgId, reach: &Reach, filter: &CustomerFilter)
where
    DB: Database,
    Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    Vec<u8>: for<'q> Encode<'q, DB> + Type<DB>,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    match reach {
        Reach::Organisation => {
            query.push("FROM customer AS c WHERE c.org_id = ").push_bind(org.0);
        }
        // The person's customers come first in the plan, then each of them by its key: CROSS JOIN says so to SQLite.
        Reach::Scopes(_) => {
            query.push("FROM (");
            reach.push_customers(query, org);
            query
                .push(") AS visible CROSS JOIN customer AS c WHERE c.org_id = ")
                .push_bind(org.0);
            query.push(" AND c.customer_id = visible.customer_id");
        }
    }
    for (column, id) in [
        (" AND c.owner_id = ", filter.owner.map(|id| id.0)),
        (" AND c.team_id = ", filter.team.map(|id| id.0)),
        (" AND c.pool_id = ", filter.pool.map(|id| id.0)),
    ] {
        if let Some(id) = id {
            query.push(column).push_bind(id);
        }
    }
    for (column, text) in [
        (" AND c.stage = ", &filter.stage),
        (" AND c.tier = ", &filter.tier),
        (" AND c.region = ", &filter.region),
        (" AND c.industry = ", &filter.industry),
    ] {
        if let Some(text) = text {
            query.push(column).push_bind(text.clone());
        }
    }
    if let Some(part) = &filter.name_part {
        query
            .push(" AND (LOWER(c.name) LIKE ")
            .push_bind(like_pattern(part))
            .push(" ESCAPE '\\'");
        if !filter.found.is_empty() {
            query.push(" OR c.customer_id IN (");
            let mut ids = query.separated(", ");
            for id in &filter.found {
                ids.push_bind(id.0);
            }
            query.push(")");
        }
        query.push(")");
    }
}

fn push_after<DB>(query: &mut QueryBuilder<DB>, after: Option<&CustomerPlace>)
where
    DB: Database,
    Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    if let Some(place) = after {
        query
            .push(" AND (c.name, c.customer_id) > (")
            .push_bind(place.name.clone());
        query.push(", ").push_bind(place.id.0).push(")");
    }
}

// A wildcard in what somebody looks for is a letter like any other. SQLite folds ASCII only; so both fold like that.
fn like_pattern(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.to_lowercase().chars() {
        // No name holds it, and PostgreSQL takes no text that does.
        let character = if character == '\0' {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        };
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// One customer.
///
/// # Errors
/// The database's.
pub async fn find_customer(tx: &mut Tx, org: OrgId, customer: CustomerId) -> Result<Option<CustomerRow>, StorageError> {
    let row: Option<RawCustomer> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT customer_id, owner_id, pool_id, team_id, assignment_version, created_at, external_id, name, stage, tier, \
         region, industry, source FROM customer WHERE org_id = $1 AND customer_id = $2"
    )
    .bind(org.0)
    .bind(customer.0)
    .fetch_optional(c)
    .await
    })?;
    Ok(row.map(CustomerRow::from))
}

/// Customers by id, after one of them.
///
/// # Errors
/// The database's.
pub async fn list_by_id(tx: &mut Tx, org: OrgId, after: Uuid, limit: i64) -> Result<Vec<CustomerRow>, StorageError> {
    let rows: Vec<RawCustomer> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(CUSTOMER_COLUMNS);
        query.push("FROM customer c WHERE c.org_id = ").push_bind(org.0);
        query.push(" AND c.customer_id > ").push_bind(after);
        query
            .push(" ORDER BY c.customer_id LIMIT ")
            .push_bind(limit)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(CustomerRow::from).collect())
}

/// What decides in whose scopes a customer is.
///
/// # Errors
/// The database's.
pub async fn customer_facts(tx: &mut Tx, org: OrgId, row: &CustomerRow) -> Result<CustomerFacts, StorageError> {
    let collaborators: Vec<(Uuid, bool)> = on!(tx, |c| sqlx::query_as(
        "SELECT user_id, may_write FROM collaborator WHERE org_id = $1 AND customer_id = $2"
    )
    .bind(org.0)
    .bind(row.id.0)
    .fetch_all(c)
    .await)?;
    Ok(CustomerFacts {
        owner: row.owner,
        pool: row.pool,
        team: row.team,
        collaborators: collaborators
            .into_iter()
            .map(|(user, may_write)| (UserId(user), may_write))
            .collect(),
    })
}

/// The scopes that contain each of some customers now, as far as `scopes` (a person's) names them.
///
/// # Errors
/// The database's.
pub async fn list_scopes_of(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
    scopes: &[Scope],
) -> Result<Vec<(CustomerId, Scope)>, StorageError> {
    if customers.is_empty() || scopes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, Vec<u8>)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT customer_id, scope FROM scope_member WHERE org_id = ");
        query.push_bind(org.0).push(" AND to_seq IS NULL AND customer_id IN (");
        let mut ids = query.separated(", ");
        for id in customers {
            ids.push_bind(id.0);
        }
        query.push(") AND scope IN (");
        let mut names = query.separated(", ");
        for scope in scopes {
            names.push_bind(scope.to_bytes().to_vec());
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    let read = |(customer, scope): (Uuid, Vec<u8>)| Some((CustomerId(customer), Scope::from_bytes(&scope).ok()?));
    Ok(rows.into_iter().filter_map(read).collect())
}

pub(super) const DOCUMENT_COLUMNS: &str = "d.document_id, d.customer_id, d.kind, d.author_id, d.device_id, \
     d.responsible_id, d.created_at, d.received_at, d.late, d.checked_in_by, d.version, d.external_id, d.fields, d.conflicts";

#[derive(FromRow)]
pub(super) struct RawDocument {
    document_id: Uuid,
    customer_id: Uuid,
    kind: i16,
    author_id: Uuid,
    device_id: Option<Uuid>,
    responsible_id: Option<Uuid>,
    created_at: i64,
    received_at: i64,
    late: bool,
    checked_in_by: Option<Uuid>,
    version: i64,
    external_id: Option<String>,
    fields: String,
    conflicts: Option<String>,
}

impl RawDocument {
    pub(super) fn id(&self) -> Uuid {
        self.document_id
    }

    pub(super) fn customer(&self) -> Uuid {
        self.customer_id
    }

    // A kind that only a newer version knows is not shown by this one.
    pub(super) fn read(self) -> Option<DocumentRow> {
        Some(DocumentRow {
            id: DocumentId(self.document_id),
            customer: CustomerId(self.customer_id),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            author: UserId(self.author_id),
            device: self.device_id.map(DeviceId),
            responsible: self.responsible_id.map(UserId),
            created_at: Timestamp(self.created_at),
            received_at: Timestamp(self.received_at),
            late: self.late,
            checked_in_by: self.checked_in_by.map(UserId),
            version: self.version,
            external_id: self.external_id,
            fields: self.fields,
            conflicts: self.conflicts,
        })
    }
}

/// All documents of a customer that are not erased, by kind, newest first, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn list_documents(
    tx: &mut Tx,
    org: OrgId,
    customer: CustomerId,
    limit: i64,
) -> Result<Vec<DocumentRow>, StorageError> {
    let rows: Vec<RawDocument> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT document_id, customer_id, kind, author_id, device_id, responsible_id, created_at, received_at, late, \
         checked_in_by, version, external_id, fields, conflicts FROM document \
         WHERE org_id = $1 AND erased_at IS NULL AND document_id IN \
         (SELECT document_id FROM packed_document WHERE org_id = $1 AND customer_id = $2) \
         ORDER BY kind, created_at DESC, document_id LIMIT $3 + 0"
    )
    .bind(org.0)
    .bind(customer.0)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().filter_map(RawDocument::read).collect())
}

/// One document that is not erased.
///
/// # Errors
/// The database's.
pub async fn find_document_row(
    tx: &mut Tx,
    org: OrgId,
    document: DocumentId,
) -> Result<Option<DocumentRow>, StorageError> {
    let row: Option<RawDocument> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT document_id, customer_id, kind, author_id, device_id, responsible_id, created_at, received_at, late, \
         checked_in_by, version, external_id, fields, conflicts FROM document \
         WHERE org_id = $1 AND document_id = $2 AND erased_at IS NULL"
    )
    .bind(org.0)
    .bind(document.0)
    .fetch_optional(c)
    .await
    })?;
    Ok(row.and_then(RawDocument::read))
}

/// Customers with exactly this name, for the look-up before one is created, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn list_by_exact_name(
    tx: &mut Tx,
    org: OrgId,
    name: &str,
    limit: i64,
) -> Result<Vec<CustomerRow>, StorageError> {
    let rows: Vec<RawCustomer> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT customer_id, owner_id, pool_id, team_id, assignment_version, created_at, external_id, name, stage, tier, \
         region, industry, source FROM customer WHERE org_id = $1 AND name = $2 ORDER BY customer_id LIMIT $3 + 0"
    )
    .bind(org.0)
    .bind(name)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(CustomerRow::from).collect())
}
