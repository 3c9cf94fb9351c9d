//! Listing, searching and showing customers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sync_core::{
    ids::{CustomerId, DocumentId, OrgId, UserId},
    projection::{Conflict, Query, searchable_text},
    visibility::{ClassRights, RelationSet},
};

use super::{ActionError, Code, history::find_readable, reader::Reader};
use crate::storage::{
    Database, Reach, Tx,
    customers::{self, CustomerFilter, CustomerPlace, CustomerRow, DocumentRow},
    proposals::{self, ProposalRow},
    search,
    viewers::{self, Named},
};

/// Customers on one page.
pub const PAGE_MAX: i64 = 200;
/// Documents that the index may propose for one search: more words narrow it.
const CANDIDATES_MAX: i64 = 5_000;
/// Customers that one search finds in documents; those found by name are not counted.
const FOUND_MAX: usize = 1_000;
/// Documents of a customer that are shown: years of daily visits. Newest first in each kind.
const DOCUMENTS_MAX: i64 = 10_000;

/// What is asked of the list.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which.
    pub filter: CustomerFilter,
    /// Only those to whom the reader is this.
    pub relation: Option<String>,
    /// Only those in whose name or readable documents these words are.
    pub words: Option<String>,
    /// Behind this one.
    pub after: Option<CustomerPlace>,
    /// At most so many; up to [`PAGE_MAX`].
    pub limit: i64,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The customer.
    pub customer: CustomerRow,
    /// What the reader is to it.
    pub relations: RelationSet,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The lines.
    pub items: Vec<Listed>,
    /// How those named in them are called.
    pub people: BTreeMap<UserId, Named>,
    /// From where the list goes on.
    pub next: Option<CustomerPlace>,
}

/// A customer with all that the reader may see of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The customer.
    pub customer: CustomerRow,
    /// What the reader is to it.
    pub relations: RelationSet,
    /// What he may do with its documents.
    pub rights: ClassRights,
    /// The documents he may read.
    pub documents: Vec<ShownDocument>,
    /// Those of them that he may write.
    pub writable: BTreeSet<DocumentId>,
    /// Late values for them that wait for somebody's choice.
    pub proposals: Vec<ProposalRow>,
    /// How those named in them are called.
    pub people: BTreeMap<UserId, Named>,
}

/// A document as its reader sees it.
#[derive(Debug, Clone)]
pub struct ShownDocument {
    /// The document.
    pub row: DocumentRow,
    /// Its fields.
    pub fields: Map<String, Value>,
    /// Fields with several values.
    pub conflicts: Vec<Conflict>,
}

impl ShownDocument {
    fn of(row: DocumentRow) -> Self {
        // What cannot be read is not shown; `verify` reports it.
        let fields = serde_json::from_str(&row.fields).unwrap_or_default();
        let conflicts = row
            .conflicts
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        Self {
            fields,
            conflicts: conflicts.unwrap_or_default(),
            row,
        }
    }

    fn people(&self) -> impl Iterator<Item = UserId> {
        let comments = self
            .fields
            .get("comments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let commenters = comments.filter_map(|comment| comment.get("author")?.as_str()?.parse().ok());
        let conflicting = self
            .conflicts
            .iter()
            .flat_map(|conflict| &conflict.values)
            .filter_map(|value| value.author);
        [Some(self.row.author), self.row.responsible]
            .into_iter()
            .flatten()
            .chain(commenters)
            .chain(conflicting)
    }
}

/// Lists the customers a person may see.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list(database: &Database, org: OrgId, user: UserId, wanted: Wanted) -> Result<Page, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let (reach, filter) = narrow(&mut tx, &reader, &wanted).await?;
    list_in(&mut tx, &reader, &wanted, &reach, &filter).await
}

/// What is asked for, as a query: the customers in reach, and which of them. Words are looked up here.
///
/// # Errors
/// The database's.
pub(super) async fn narrow(
    tx: &mut Tx,
    reader: &Reader,
    wanted: &Wanted,
) -> Result<(Reach, CustomerFilter), ActionError> {
    let reach = match &wanted.relation {
        Some(name) => reader.reach_as(name),
        None => reader.reach(),
    };
    let mut filter = wanted.filter.clone();
    if let Some(words) = wanted
        .words
        .as_ref()
        .map(|words| words.trim().to_owned())
        .filter(|words| !words.is_empty())
    {
        filter.found = find_by_words(tx, reader, &reach, &words).await?;
        filter.name_part = Some(words);
    }
    Ok((reach, filter))
}

/// A page of what was narrowed down.
///
/// # Errors
/// The database's.
pub(super) async fn list_in(
    tx: &mut Tx,
    reader: &Reader,
    wanted: &Wanted,
    reach: &Reach,
    filter: &CustomerFilter,
) -> Result<Page, ActionError> {
    let org = reader.org;
    let limit = wanted.limit.clamp(1, PAGE_MAX);
    // One more than asked for tells whether the list goes on.
    let mut rows = customers::list_customers(tx, org, reach, filter, wanted.after.as_ref(), limit + 1).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|last| CustomerPlace {
        name: last.name.clone(),
        id: last.id,
    });
    let ids: Vec<CustomerId> = rows.iter().map(|row| row.id).collect();
    let relations = reader.relations_of(tx, &ids).await?;
    let people = named(tx, org, rows.iter().filter_map(|row| row.owner)).await?;
    let items = rows
        .into_iter()
        .map(|customer| Listed {
            relations: relations.get(&customer.id).copied().unwrap_or_default(),
            customer,
        })
        .collect();
    Ok(Page { items, people, next })
}

// The index proposes documents of customers in reach; the text decides whether they match, and the rights on each
// document whether its customer is found by it: nobody learns that a word stands in what he may not read.
async fn find_by_words(
    tx: &mut Tx,
    reader: &Reader,
    reach: &Reach,
    words: &str,
) -> Result<Vec<CustomerId>, ActionError> {
    let query = Query::parse(words);
    let candidates = search::list_candidates(tx, reader.org, reach, &query, CANDIDATES_MAX).await?;
    let matching: Vec<_> = candidates
        .into_iter()
        .filter(|candidate| {
            let fields = serde_json::from_str(&candidate.document.fields).unwrap_or_default();
            query.matches(&searchable_text(&fields))
        })
        .collect();
    let ids: BTreeSet<CustomerId> = matching.iter().map(|candidate| candidate.document.customer).collect();
    let ids: Vec<CustomerId> = ids.into_iter().collect();
    let relations = reader.relations_of(tx, &ids).await?;
    let mut found = BTreeSet::new();
    for candidate in &matching {
        let Some(relations) = relations.get(&candidate.document.customer) else {
            continue;
        };
        let rights = reader.rights(*relations);
        if reader
            .document_rights(rights, &candidate.document, candidate.owner)
            .may_read()
        {
            found.insert(candidate.document.customer);
        }
        if found.len() == FOUND_MAX {
            break;
        }
    }
    Ok(found.into_iter().collect())
}

/// Shows a customer.
///
/// # Errors
/// `not_found` alike for one that does not exist and one of which the reader may see nothing; `account_not_active`; or
/// the database's.
pub async fn show(database: &Database, org: OrgId, user: UserId, customer: CustomerId) -> Result<Shown, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let relations = reader
        .relations_of(&mut tx, &[customer])
        .await?
        .remove(&customer)
        .unwrap_or_default();
    let rights = reader.rights(relations);
    let unknown = || ActionError::refused(Code::NotFound);
    if rights.is_empty() {
        return Err(unknown());
    }
    let row = customers::find_customer(&mut tx, org, customer)
        .await?
        .ok_or_else(unknown)?;
    let mut documents = customers::list_documents(&mut tx, org, customer, DOCUMENTS_MAX).await?;
    let mut writable = BTreeSet::new();
    documents.retain(|document| {
        let rights = reader.document_rights(rights, document, row.owner);
        if rights.may_write() {
            writable.insert(document.id);
        }
        rights.may_read()
    });
    if documents.is_empty() && !rights.of(sync_core::document::Kind::Card).may_read() {
        return Err(unknown());
    }
    let documents: Vec<ShownDocument> = documents.into_iter().map(ShownDocument::of).collect();
    let mut proposals = proposals::list_open(&mut tx, org, customer).await?;
    proposals.retain(|proposal| documents.iter().any(|document| document.row.id == proposal.document));
    let mentioned = documents.iter().flat_map(ShownDocument::people);
    let proposers = proposals.iter().map(|proposal| proposal.author);
    let people = named(&mut tx, org, mentioned.chain(row.owner).chain(proposers)).await?;
    Ok(Shown {
        customer: row,
        relations,
        rights,
        documents,
        writable,
        proposals,
        people,
    })
}

/// Shows one document.
///
/// # Errors
/// `not_found` alike for one that does not exist and one that the reader may not read; `account_not_active`; or the
/// database's.
pub async fn show_document(
    database: &Database,
    org: OrgId,
    user: UserId,
    document: DocumentId,
) -> Result<(ShownDocument, BTreeMap<UserId, Named>), ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let document = ShownDocument::of(find_readable(&mut tx, &reader, document).await?);
    let people = named(&mut tx, org, document.people()).await?;
    Ok((document, people))
}

/// How some people are called, in a transaction of its own.
///
/// # Errors
/// The database's.
pub async fn name_people(
    database: &Database,
    org: OrgId,
    users: impl IntoIterator<Item = UserId>,
) -> Result<BTreeMap<UserId, Named>, ActionError> {
    let mut tx = database.read().await?;
    named(&mut tx, org, users).await
}

/// How some people are called.
///
/// # Errors
/// The database's.
pub async fn named(
    tx: &mut Tx,
    org: OrgId,
    users: impl IntoIterator<Item = UserId>,
) -> Result<BTreeMap<UserId, Named>, ActionError> {
    let users: BTreeSet<UserId> = users.into_iter().collect();
    let users: Vec<UserId> = users.into_iter().collect();
    Ok(viewers::list_named(tx, org, &users)
        .await?
        .into_iter()
        .map(|named| (named.id, named))
        .collect())
}
