//! What a chunk writes: customers finding their place, documents with their changes.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    document::{Document, Kind, edits_from_json},
    hub::Move,
    ids::{ActorId, CustomerId, DocumentId, OrgId, UserId},
    projection::{Attribution, checked_in_by, project},
    time::Timestamp,
    visibility::{CustomerFacts, Scope, customer_scopes, document_feeds, document_scopes, feeds_of},
};

use crate::{
    actions::{
        ActionError,
        commit::{self, Job},
        ownership::{Placing, place_customer},
    },
    import::{rows::RowProblem, wanted::Fields},
    storage::{
        Tx,
        documents::{self, DocumentWrite, LoadError, LoadedDocument, NewChange},
        imports::{self, NewCustomer},
        log,
        ownership::{self, Assignment, CardSummary, OwnershipEvent},
        scopes,
        verdicts::ActorRow,
    },
};

/// Why a customer has the owner or pool it has, in its chain of owners.
const REASON: &str = "import";

/// A document as a row wants it.
pub(super) struct WantedDocument {
    pub(super) id: DocumentId,
    pub(super) kind: Kind,
    pub(super) fields: Fields,
    pub(super) external_id: Option<String>,
    /// Author of what is new in it.
    pub(super) author: UserId,
    /// When it was written.
    pub(super) at: Timestamp,
    /// Who is responsible for a new one; none: the owner.
    pub(super) responsible: Option<UserId>,
}

/// Edits of one row, made but not yet written.
pub(super) struct Draft {
    wanted: WantedDocument,
    before: Option<LoadedDocument>,
    after: Document,
    change: NewChange,
}

/// Makes the edits that bring a document to what is wanted. `None` if it says so already.
pub(super) fn draft(
    actor: ActorId,
    wanted: WantedDocument,
    before: Option<&LoadedDocument>,
) -> Result<Option<Draft>, RowProblem> {
    let mut after = before.map_or_else(|| Document::new(wanted.kind), |loaded| loaded.document.clone());
    let refused = |code: &'static str, error: &dyn std::fmt::Display| RowProblem::new(code, error.to_string());
    let edits = edits_from_json(after.state(), &wanted.fields).map_err(|error| refused(error.code(), &error))?;
    let made = after
        .edit(actor, wanted.at, &edits)
        .map_err(|error| refused(error.code(), &error))?;
    Ok(made.map(|built| Draft {
        change: NewChange {
            built,
            author: wanted.author,
            device: None,
            late: false,
        },
        before: before.cloned(),
        after,
        wanted,
    }))
}

/// A customer that finds its place: a new one, or one whose row names another owner.
struct Place {
    customer: CustomerId,
    before: Option<Assignment>,
    to: Move,
    external_id: Option<String>,
}

/// What a chunk writes.
pub(super) struct Ledger {
    org: OrgId,
    by: UserId,
    actor: ActorId,
    now: Timestamp,
    places: Vec<Place>,
    drafts: Vec<(CustomerId, Draft)>,
    owners: BTreeMap<CustomerId, Option<UserId>>,
    /// Customers that a row of this chunk is about.
    touched: BTreeSet<CustomerId>,
    /// Documents that a row of this chunk is about.
    touched_documents: BTreeSet<DocumentId>,
}

impl Ledger {
    pub(super) fn new(org: OrgId, by: UserId, actor: ActorId, now: Timestamp) -> Self {
        Self {
            org,
            by,
            actor,
            now,
            places: Vec::new(),
            drafts: Vec::new(),
            owners: BTreeMap::new(),
            touched: BTreeSet::new(),
            touched_documents: BTreeSet::new(),
        }
    }

    /// Notes that a row is about this customer; `false` if another row was.
    pub(super) fn touch(&mut self, customer: CustomerId) -> bool {
        self.touched.insert(customer)
    }

    /// Notes that a row is about this document; `false` if another row was.
    pub(super) fn touch_document(&mut self, document: DocumentId) -> bool {
        self.touched_documents.insert(document)
    }

    /// Gives a customer its first place or another one.
    pub(super) fn place(
        &mut self,
        customer: CustomerId,
        before: Option<Assignment>,
        to: Move,
        external_id: Option<String>,
    ) {
        self.places.push(Place {
            customer,
            before,
            to,
            external_id,
        });
    }

    /// Adds the edits of a document of a customer whose owner, after this chunk, is `owner`.
    pub(super) fn add(&mut self, customer: CustomerId, owner: Option<UserId>, draft: Draft) {
        self.owners.insert(customer, owner);
        self.drafts.push((customer, draft));
    }

    /// Writes everything.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), ActionError> {
        let made = self.write_new(tx).await?;
        self.write_moves(tx).await?;
        if self.drafts.is_empty() {
            return Ok(());
        }
        let mut scopes_of = self.scopes(tx, &made).await?;
        let mut job = Job::new(self.org);
        job.actors = vec![ActorRow {
            actor: self.actor,
            device: None,
            user: Some(self.by),
            frozen: false,
        }];
        for (customer, draft) in self.drafts {
            let owner = self.owners.get(&customer).copied().flatten();
            let scopes = scopes_of.entry(customer).or_default();
            if let Some(card) = draft.card().filter(|_| !made.contains_key(&customer)) {
                job.cards.push((customer, card));
            }
            let write = draft.into_write(customer, owner, scopes);
            if let Some(scope) = write
                .responsible
                .map(Scope::Responsible)
                .filter(|scope| !scopes.contains(scope))
            {
                job.enters.insert((customer, scope));
                scopes.push(scope);
            }
            job.documents.push(write);
        }
        match commit::write_jobs(tx, self.org, self.now, &[&job]).await?.as_slice() {
            [commit::Outcome::Done { .. }] => Ok(()),
            // Everything was read under the counter, so nothing can have changed meanwhile.
            _ => Err(ActionError::Internal(
                "the import's chunk was decided on facts that do not hold".into(),
            )),
        }
    }

    /// The scopes that contain each customer whose documents are written.
    async fn scopes(
        &self,
        tx: &mut Tx,
        made: &BTreeMap<CustomerId, Vec<Scope>>,
    ) -> Result<BTreeMap<CustomerId, Vec<Scope>>, ActionError> {
        let mut scopes_of = made.clone();
        let known: Vec<CustomerId> = self
            .owners
            .keys()
            .copied()
            .filter(|customer| !made.contains_key(customer))
            .collect();
        for membership in scopes::list_memberships(tx, self.org, &known).await? {
            if membership.to_seq.is_none() {
                scopes_of.entry(membership.customer).or_default().push(membership.scope);
            }
        }
        Ok(scopes_of)
    }

    /// Writes the new customers with their cards' summaries, a statement a table; gives the scopes of each.
    async fn write_new(&self, tx: &mut Tx) -> Result<BTreeMap<CustomerId, Vec<Scope>>, ActionError> {
        let new: Vec<&Place> = self.places.iter().filter(|place| place.before.is_none()).collect();
        let mut made = BTreeMap::new();
        if new.is_empty() {
            return Ok(made);
        }
        let mut cards: BTreeMap<CustomerId, CardSummary> = self
            .drafts
            .iter()
            .filter_map(|(customer, draft)| Some((*customer, draft.card()?)))
            .collect();
        let (first_seq, _) = log::take(tx, self.org, new.len() as u64, 0).await?;
        let (mut customers, mut events, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for (seq, place) in (first_seq..).zip(new) {
            let (owner, team, pool) = match place.to {
                Move::Owner(owner, team) => (Some(owner), team, None),
                Move::Pool(pool) => (None, None, Some(pool)),
            };
            let customer = place.customer;
            let facts = CustomerFacts {
                owner,
                pool,
                team,
                collaborators: Vec::new(),
            };
            let scopes = customer_scopes(&facts, self.org);
            members.extend(scopes.iter().map(|scope| (*scope, customer, seq)));
            made.insert(customer, scopes);
            events.push(OwnershipEvent {
                seq,
                customer,
                event: "create",
                document: None,
                by: self.by,
                from_owner: None,
                from_pool: None,
                to_owner: owner,
                to_pool: pool,
                reason: REASON.into(),
                intent: None,
                at: self.now,
            });
            customers.push(NewCustomer {
                assignment: Assignment {
                    customer,
                    owner,
                    pool,
                    team,
                    version: 1,
                    assigned_seq: seq,
                    created_by: self.by,
                },
                created_at: self.now,
                external_id: place.external_id.clone(),
                card: cards.remove(&customer).unwrap_or_default(),
            });
        }
        imports::insert_customers(tx, self.org, &customers).await?;
        ownership::append_events(tx, self.org, &events).await?;
        scopes::insert_members(tx, self.org, &members).await?;
        Ok(made)
    }

    /// Gives customers that were there to the owners their rows name.
    async fn write_moves(&self, tx: &mut Tx) -> Result<(), ActionError> {
        let moved: Vec<(&Place, Assignment)> = self
            .places
            .iter()
            .filter_map(|place| Some((place, place.before?)))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let ids: Vec<CustomerId> = moved.iter().map(|(place, _)| place.customer).collect();
        let memberships = scopes::list_memberships(tx, self.org, &ids).await?;
        let (first_seq, _) = log::take(tx, self.org, moved.len() as u64, 0).await?;
        for (seq, (place, before)) in (first_seq..).zip(moved) {
            let placing = Placing {
                org: self.org,
                customer: place.customer,
                event: "assign",
                by: self.by,
                reason: REASON,
                intent: None,
                at: self.now,
                created_at: self.now,
                external_id: None,
            };
            let own: Vec<_> = memberships
                .iter()
                .filter(|membership| membership.customer == place.customer)
                .copied()
                .collect();
            place_customer(tx, &placing, Some(&before), &own, place.to, seq).await?;
        }
        Ok(())
    }
}

impl Draft {
    fn card(&self) -> Option<CardSummary> {
        (self.wanted.kind == Kind::Card).then(|| CardSummary::of(&project(self.after.state(), |_| None).fields))
    }

    fn into_write(self, customer: CustomerId, owner: Option<UserId>, scopes: &[Scope]) -> DocumentWrite {
        let Self {
            wanted,
            before,
            after,
            change,
        } = self;
        let mut attributions = before
            .as_ref()
            .map(|loaded| loaded.attributions.clone())
            .unwrap_or_default();
        attributions.insert(
            change.built.change.id(),
            Attribution {
                author: change.author,
                device: None,
            },
        );
        let attribution = |change| attributions.get(&change).copied();
        let projection = project(after.state(), attribution);
        let author = before.as_ref().map_or(wanted.author, |loaded| loaded.row.author);
        let responsible = before
            .as_ref()
            .map_or(wanted.responsible, |loaded| loaded.row.responsible);
        let mut feeds = feeds_of(scopes, wanted.kind);
        if owner != Some(author) || responsible.is_some() {
            feeds.extend(document_feeds(&document_scopes(
                wanted.kind,
                author,
                responsible,
                false,
            )));
        }
        feeds.sort_unstable();
        feeds.dedup();
        DocumentWrite {
            document: wanted.id,
            customer,
            kind: wanted.kind,
            expected_version: before.as_ref().map_or(0, |loaded| loaded.row.version),
            author,
            device: before.as_ref().and_then(|loaded| loaded.row.device),
            responsible,
            created_at: wanted.at,
            late: false,
            checked_in_by: checked_in_by(after.state(), attribution),
            fields: serde_json::Value::Object(projection.fields).to_string(),
            conflicts: (!projection.conflicts.is_empty())
                .then(|| serde_json::to_string(&projection.conflicts).unwrap_or_default()),
            external_id: wanted.external_id,
            changes: vec![change],
            earlier: before.as_ref().and_then(|loaded| loaded.packed.clone()),
            feeds,
        }
    }
}

/// Documents read back from the log, for those that are to be changed.
pub(super) async fn load(
    tx: &mut Tx,
    org: OrgId,
    ids: &[DocumentId],
) -> Result<BTreeMap<DocumentId, LoadedDocument>, ActionError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    documents::load(tx, org, ids).await.map_err(|error| match error {
        LoadError::Storage(error) => error.into(),
        LoadError::Damaged { .. } => ActionError::Internal(error.to_string()),
    })
}
