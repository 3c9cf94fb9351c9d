//! Edits on behalf of somebody on the web: an Automerge change made here, by the same gates and the same commit as a
//! phone's.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use sync_core::{
    document::{Document, Edit, EditError, Kind, edits_from_json},
    ids::{ActorId, CustomerId, DocumentId, LogId, OrgId, PoolId, UserId},
    protocol::message::IntentAction,
    time::Timestamp,
    visibility::{DocumentFacts, Relation, Rights, document_access},
};

use super::{
    ActionError, Code,
    commit::{Job, Outcome},
    ownership::{Asker, ask},
    sync::{
        commit_error,
        standing::Standing,
        write::{Target, document_write, entered_scope},
    },
};
use crate::{
    app::App,
    storage::{
        Tx,
        audit::AuditRow,
        documents::{self, DocumentWrite, LoadError, LoadedDocument, NewChange},
        log, organisation,
        ownership::{self, Assignment, CardSummary},
        people,
        proposals::{self, ProposalDecision},
        scopes::{self, Membership},
        verdicts::ActorRow,
    },
};

/// Times an edit is made again because somebody else was faster.
const TRIES_MAX: usize = 6;

/// The actor under which the server edits for a person: the same on every node, another after a restore.
#[must_use]
pub fn web_actor(log: LogId, user: UserId) -> ActorId {
    actor_of(log, user, b"")
}

fn actor_of(log: LogId, user: UserId, purpose: &[u8]) -> ActorId {
    let mut sha = Sha256::new();
    sha.update(log.as_bytes());
    sha.update(user.as_bytes());
    sha.update(purpose);
    let mut actor = [0; 16];
    actor.copy_from_slice(&sha.finalize()[..16]);
    ActorId(actor)
}

/// The actor under which the hub puts a person's values back on top of late ones: his, so that they stay under his name.
#[must_use]
pub fn hub_actor(log: LogId, user: UserId) -> ActorId {
    actor_of(log, user, b"hub")
}

/// Changes fields of a document.
///
/// # Errors
/// `not_found` for a document he may not read, `not_permitted` for one he may not write, `schema` with the field;
/// the database's.
pub async fn edit_document(
    app: &App,
    asker: Asker,
    document: DocumentId,
    fields: &Map<String, Json>,
) -> Result<(), ActionError> {
    edit_and_decide(app, asker, document, fields, None).await
}

/// [`edit_document`], which also decides an open proposal: both happen, or neither.
///
/// # Errors
/// As there; `not_found` where somebody else has decided the proposal.
pub(crate) async fn edit_and_decide(
    app: &App,
    asker: Asker,
    document: DocumentId,
    fields: &Map<String, Json>,
    deciding: Option<&Deciding>,
) -> Result<(), ActionError> {
    for _ in 0..TRIES_MAX {
        let mut tx = app.database.read().await?;
        if let Some(deciding) = deciding {
            let open = proposals::find_open(&mut tx, asker.org, deciding.decision.proposal).await?;
            open.ok_or_else(|| ActionError::refused(Code::NotFound))?;
        }
        let bench = Bench::read(&mut tx, asker).await?;
        let loaded = load(&mut tx, asker.org, document).await?;
        let loaded = loaded.ok_or_else(|| ActionError::refused(Code::NotFound))?;
        let place = bench.place(&mut tx, loaded.row.customer).await?;
        tx.rollback().await?;
        let rights = place.document_rights(&bench, &loaded.row.facts(place.assignment.owner));
        if !rights.may_read() {
            return Err(ActionError::refused(Code::NotFound));
        }
        let edits = edits_from_json(loaded.document.state(), fields).map_err(edit_error)?;
        let may_edit = rights.may_write() || (rights.may_comment() && only_comments(&edits));
        if !may_edit {
            return Err(ActionError::refused(Code::NotPermitted));
        }
        let target = place.target(document, loaded.row.kind, &bench);
        if bench
            .commit(app, target, &place, Some(&loaded), &edits, deciding)
            .await?
        {
            return Ok(());
        }
    }
    Err(ActionError::refused(Code::Conflict))
}

/// Adds a document to a customer, or writes the one there is of its kind. Gives its id.
///
/// # Errors
/// As [`edit_document`].
pub async fn create_document(
    app: &App,
    asker: Asker,
    customer: CustomerId,
    kind: Kind,
    fields: &Map<String, Json>,
) -> Result<DocumentId, ActionError> {
    add_document(app, asker, customer, kind, fields, false).await
}

// Whoever creates a customer writes its first card, also into a pool, whose members only read cards.
async fn add_document(
    app: &App,
    asker: Asker,
    customer: CustomerId,
    kind: Kind,
    fields: &Map<String, Json>,
    is_creating: bool,
) -> Result<DocumentId, ActionError> {
    let made = DocumentId(app.seam.uuid());
    for _ in 0..TRIES_MAX {
        let mut tx = app.database.read().await?;
        let bench = Bench::read(&mut tx, asker).await?;
        let place = bench.place(&mut tx, customer).await?;
        let document = if kind.is_single() {
            DocumentId::derived(asker.org, customer, kind, 0)
        } else {
            made
        };
        let loaded = load(&mut tx, asker.org, document).await?;
        tx.rollback().await?;
        let general = bench.standing.rights_at(&place.memberships, bench.head).of(kind);
        let is_first_card = is_creating && loaded.is_none();
        // Who creates a customer for a pool may have nothing more to do with it.
        if place.relations(&bench).is_empty() && !is_first_card {
            return Err(ActionError::refused(Code::NotFound));
        }
        if !(general.may_write() || general.may_create() && !kind.is_single() || is_first_card) {
            return Err(ActionError::refused(Code::NotPermitted));
        }
        let empty = Document::new(kind);
        let state = loaded.as_ref().map_or(empty.state(), |loaded| loaded.document.state());
        let edits = edits_from_json(state, fields).map_err(edit_error)?;
        let target = place.target(document, kind, &bench);
        if bench.commit(app, target, &place, loaded.as_ref(), &edits, None).await? {
            return Ok(document);
        }
    }
    Err(ActionError::refused(Code::Conflict))
}

/// Adds a customer, his own or a pool's, with its card.
///
/// # Errors
/// As [`edit_document`], and those of the intent `create`.
pub async fn create_customer(
    app: &App,
    asker: Asker,
    pool: Option<PoolId>,
    card: &Map<String, Json>,
) -> Result<CustomerId, ActionError> {
    // What cannot be written is refused before the customer exists.
    edits_from_json(Document::new(Kind::Card).state(), card).map_err(edit_error)?;
    if card
        .get("name")
        .and_then(Json::as_str)
        .is_none_or(|name| name.trim().is_empty())
    {
        return Err(ActionError::refused(Code::Schema)
            .because("name: a customer needs a name")
            .with("field", "name"));
    }
    let customer = CustomerId(app.seam.uuid());
    ask(app, asker, customer, None, IntentAction::Create { pool }).await?;
    add_document(app, asker, customer, Kind::Card, card, true).await?;
    Ok(customer)
}

/// What an edit makes of a late value, and what the audit says of that.
pub(crate) struct Deciding {
    pub(crate) decision: ProposalDecision,
    pub(crate) row: AuditRow,
}

/// What every edit of a person needs to know.
struct Bench {
    asker: Asker,
    standing: Standing,
    acl_version: i64,
    head: i64,
    actor: ActorId,
}

/// A customer and what the person is to it.
struct Place {
    assignment: Assignment,
    memberships: Vec<Membership>,
}

impl Bench {
    async fn read(tx: &mut Tx, asker: Asker) -> Result<Self, ActionError> {
        let account = people::find(tx, asker.org, asker.user)
            .await?
            .ok_or_else(|| ActionError::refused(Code::NotFound))?;
        let policies = organisation::find_settings(tx, asker.org).await?.policies();
        let held = scopes::list_held(tx, asker.org, asker.user).await?;
        Ok(Self {
            asker,
            standing: Standing {
                viewer: account.viewer(),
                held,
                policies,
            },
            acl_version: account.acl_version,
            head: log::head(tx, asker.org).await?,
            actor: web_actor(log::log_id(tx, asker.org).await?, asker.user),
        })
    }

    async fn place(&self, tx: &mut Tx, customer: CustomerId) -> Result<Place, ActionError> {
        let assignments = ownership::list_assignments(tx, self.asker.org, &[customer]).await?;
        let assignment = assignments
            .get(&customer)
            .copied()
            .ok_or_else(|| ActionError::refused(Code::NotFound))?;
        Ok(Place {
            assignment,
            memberships: scopes::list_memberships(tx, self.asker.org, &[customer]).await?,
        })
    }

    /// Makes the change and commits it. False if somebody else was faster.
    async fn commit(
        &self,
        app: &App,
        target: Target,
        place: &Place,
        loaded: Option<&LoadedDocument>,
        edits: &[Edit],
        deciding: Option<&Deciding>,
    ) -> Result<bool, ActionError> {
        let now = app.seam.now();
        let (document, customer, kind) = (target.document, target.customer, target.kind);
        let prepared = prepare(target, loaded, self.actor, now, edits, &place.memberships, self.head);
        let write = prepared.map_err(edit_error)?;
        if write.is_none() && deciding.is_none() {
            return Ok(true);
        }
        let mut job = Job::new(self.asker.org);
        job.judged = Some((self.asker.user, self.acl_version));
        job.customers.insert(customer, place.assignment.version);
        if let Some(deciding) = deciding {
            job.decides = Some(deciding.decision);
            job.audit.push(deciding.row.clone());
        }
        if let Some(write) = write {
            job.actors.push(ActorRow {
                actor: self.actor,
                device: None,
                user: Some(self.asker.user),
                frozen: false,
            });
            let entered = entered_scope(&write, &place.memberships);
            job.enters.extend(entered.map(|scope| (customer, scope)));
            job.cards.extend(card_summary(&write));
            job.audit.push(
                AuditRow::new(now, "edit", document)
                    .by(self.asker.user)
                    .with_detail(json!({ "customer": customer, "kind": kind.name() })),
            );
            job.documents.push(write);
        }
        let outcome = app.committer.commit(job).await.map_err(commit_error)?;
        Ok(matches!(outcome, Outcome::Done { .. }))
    }
}

impl Place {
    fn relations(&self, bench: &Bench) -> sync_core::visibility::RelationSet {
        bench.standing.relations_at(&self.memberships, bench.head)
    }

    fn document_rights(&self, bench: &Bench, facts: &DocumentFacts) -> Rights {
        let rights = bench.standing.rights_at(&self.memberships, bench.head);
        document_access(rights, bench.asker.user, facts)
    }

    fn target(&self, document: DocumentId, kind: Kind, bench: &Bench) -> Target {
        let asker = bench.asker;
        Target {
            document,
            customer: self.assignment.customer,
            kind,
            assignment: self.assignment,
            author: asker.user,
            device: asker.device,
            stands_in: self.relations(bench).contains(Relation::Cover),
        }
    }
}

/// Makes a change by `actor` from typed edits and the rows that go with it. None if the edits change nothing.
///
/// `target.author` is written beside the change, so an import keeps the original author; `time` likewise.
///
/// # Errors
/// [`EditError`] naming the field that does not fit.
pub(crate) fn prepare(
    target: Target,
    loaded: Option<&LoadedDocument>,
    actor: ActorId,
    time: Timestamp,
    edits: &[Edit],
    memberships: &[Membership],
    head: i64,
) -> Result<Option<DocumentWrite>, EditError> {
    let mut document = loaded.map_or_else(|| Document::new(target.kind), |loaded| loaded.document.clone());
    let Some(built) = document.edit(actor, time, edits)? else {
        return Ok(None);
    };
    let change = NewChange {
        built,
        author: target.author,
        device: target.device,
        late: false,
    };
    Ok(Some(document_write(
        target,
        loaded,
        &document,
        vec![change],
        memberships,
        head,
    )))
}

/// What lists show of a card that is about to be written.
pub(crate) fn card_summary(write: &DocumentWrite) -> Option<(CustomerId, CardSummary)> {
    if write.kind != Kind::Card {
        return None;
    }
    let fields: Map<String, Json> = serde_json::from_str(&write.fields).ok()?;
    Some((write.customer, CardSummary::of(&fields)))
}

/// Reads one document back from the log.
///
/// # Errors
/// The database's; `internal` if the log is damaged.
pub(crate) async fn load(tx: &mut Tx, org: OrgId, document: DocumentId) -> Result<Option<LoadedDocument>, ActionError> {
    documents::load(tx, org, &[document])
        .await
        // One that was erased is not there for anybody.
        .map(|mut loaded| loaded.remove(&document).filter(|loaded| !loaded.row.erased))
        .map_err(load_error)
}

/// A document that cannot be read back is our fault, not the caller's.
pub(crate) fn load_error(error: LoadError) -> ActionError {
    match error {
        LoadError::Storage(error) => ActionError::from(error),
        LoadError::Damaged { .. } => ActionError::Internal(error.to_string()),
    }
}

fn only_comments(edits: &[Edit]) -> bool {
    edits
        .iter()
        .all(|edit| matches!(edit, Edit::SetEntry { map, .. } if map == "comments"))
}

/// What does not fit a field, in the words of the caller's answer.
pub(crate) fn edit_error(error: EditError) -> ActionError {
    match &error {
        EditError::UnknownField { field, .. } | EditError::Value { field, .. } => ActionError::refused(Code::Schema)
            .because(error.to_string())
            .with("field", field.as_str()),
        EditError::Refused(refusal) => match refusal.code() {
            "evidence_fixed" => ActionError::refused(Code::EvidenceFixed).because(error.to_string()),
            "doc_too_large" => ActionError::refused(Code::TooLarge).because(error.to_string()),
            _ => ActionError::refused(Code::Schema).because(error.to_string()),
        },
        EditError::Automerge(reason) => ActionError::Internal(reason.clone()),
    }
}
