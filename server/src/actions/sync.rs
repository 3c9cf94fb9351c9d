//! One sync: intents, changes, then a page.
//!
//! Read, decide, write, reply: facts are read in one snapshot, the hub decides without a lock, the committer writes
//! in one short transaction that checks the facts again, and the page is read in a new snapshot. A request sent twice
//! has the effect of one.

mod cursor;
mod late;
mod page;
mod pull;
mod push;
pub(crate) mod standing;
pub(crate) mod write;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_bytes::ByteBuf;
use serde_json::json;
use sha2::{Digest, Sha256};
use sync_core::{
    document::SCHEMA_VERSION,
    ids::{CustomerId, DeviceId, DocumentId, OrgId},
    protocol::{
        compare::Belief,
        limits::{MESSAGE_CHANGES_MAX, PAGE_BYTES_MAX},
        message::{IntentOutcome, SyncRequest, SyncResponse, Verdict},
    },
    seeded::{Bug, seeded},
    time::Timestamp,
};

use self::{
    cursor::Cursor,
    pull::{Begun, Pulled, Puller, pull},
    push::{Decided, Pusher, decide, name_documents, read_facts, read_losses},
    standing::Standing,
};
use super::{
    ActionError, Code,
    commit::{CommitError, Job, Message, Outcome},
    devices::order_wipe,
    directory::DirectoryContent,
    ownership::{Asker, decide_intents},
};
use crate::{
    app::App,
    auth::{AccessToken, check_caller, is_kept_apart},
    storage::{
        Tx,
        audit::AuditRow,
        callers::{self, Caller},
        documents::DocumentWrite,
        ownership,
        verdicts::EvictionRow,
    },
};

/// Times a push is decided again because the facts changed under it.
const DECISIONS_MAX: usize = 6;
/// Smallest page a device may ask for, so that a sync ends.
const PAGE_BYTES_MIN: usize = 4 * 1024;

/// Devices whose sync is under way on this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Syncing(Arc<Mutex<BTreeSet<(OrgId, DeviceId)>>>);

impl Syncing {
    fn begin(&self, org: OrgId, device: DeviceId) -> Option<SyncGuard> {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        devices.insert((org, device)).then(|| SyncGuard {
            syncing: self.clone(),
            key: (org, device),
        })
    }
}

struct SyncGuard {
    syncing: Syncing,
    key: (OrgId, DeviceId),
}

impl Drop for SyncGuard {
    fn drop(&mut self) {
        self.syncing
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// The place in the log at which a device's cursor stands; none if it is not that device's. For tests that watch
/// cursors go forward.
#[doc(hidden)]
#[must_use]
pub fn place_of(app: &App, org: OrgId, device: DeviceId, cursor: &[u8]) -> Option<i64> {
    cursor::open(&app.keys, &app.seam, org, device, cursor).map(|cursor| cursor.seq)
}

/// What is read before anything is decided.
struct Session {
    caller: Caller,
    /// The device hands in what it holds and gets nothing.
    drain: bool,
    directory: Arc<DirectoryContent>,
    standing: Standing,
}

/// Answers a message of a device. None: nothing was sent and there is nothing new.
///
/// # Errors
/// `device_revoked`, `actor_conflict`, `sync_in_progress`, `invalid_request`, `overloaded`; the database's.
pub async fn sync(app: &App, token: &AccessToken, request: SyncRequest) -> Result<Option<SyncResponse>, ActionError> {
    if request.device != token.device {
        return Err(ActionError::refused(Code::ActorConflict));
    }
    let changes: usize = request.documents.iter().map(|document| document.changes.len()).sum();
    if changes > MESSAGE_CHANGES_MAX {
        return Err(ActionError::refused(Code::TooLarge).because(format!(
            "A message holds at most {MESSAGE_CHANGES_MAX} changes; send the rest in the next."
        )));
    }
    let _one_at_a_time = app
        .syncing
        .begin(token.org, token.device)
        .ok_or_else(|| ActionError::refused(Code::SyncInProgress))?;
    if !brings_something(&request) && is_current(app, token, &request).await? {
        return Ok(None);
    }
    // Until the page is on its way: what is written of this sync goes together with that of others under way.
    let _deciding = app.committer.deciding();
    let mut tx = app.database.read().await?;
    let mut session = read_session(app, &mut tx, token).await?;
    app.last_seen.note(token.org, token.device, app.seam.now());
    let (cursor, reset) = open_cursor(app, token, &session.caller, &request);
    let mut answer = Answer::default();
    if brings_something(&request) {
        answer = take(app, token, &request, tx, session, cursor.as_ref(), reset).await?;
        tx = app.database.read().await?;
        session = read_session(app, &mut tx, token).await?;
    }
    if session.drain && !seeded(Bug::DrainGetsPages) {
        tx.rollback().await?;
        return drained(app, token, &session.caller, request, answer, cursor.is_some(), reset)
            .await
            .map(Some);
    }
    let puller = Puller {
        org: token.org,
        user: token.user,
        device: token.device,
        standing: &session.standing,
        acl_version: session.caller.acl_version,
        log: session.caller.log,
        head: session.caller.head,
        server_time: app.seam.now(),
        compare: request.reconcile.as_ref().map(|reconcile| &reconcile.compare),
        recovering: session.caller.recovering,
        page_bytes_max: (request.page_bytes_max as usize).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX),
    };
    let wrote = (!request.documents.is_empty()).then_some(&answer.begun);
    let pulled = pull(&mut tx, &puller, cursor, &request.wanted, wrote).await?;
    tx.rollback().await?;
    let directory = news_of_directory(&session, &request);
    if pulled.is_none() && directory.is_none() && !brings_something(&request) && !reset {
        return Ok(None);
    }
    respond(app, token, request, answer, pulled, directory, reset)
        .await
        .map(Some)
}

/// Answers a device that hands in what it holds: it is told what became of that, and once nothing is left, to erase
/// everything.
async fn drained(
    app: &App,
    token: &AccessToken,
    caller: &Caller,
    request: SyncRequest,
    answer: Answer,
    has_place: bool,
    reset: bool,
) -> Result<SyncResponse, ActionError> {
    let settled = answer.verdicts.iter().all(Verdict::is_final)
        && answer.intents.iter().all(|outcome| *outcome != IntentOutcome::Retry);
    // A device that is about to offer everything again has something pending.
    let wipe = if (request.pending == 0 && settled || seeded(Bug::WipedBeforeDrained)) && !reset {
        order_wipe(app, token.org, token.device).await?
    } else {
        None
    };
    let mut response = respond(app, token, request, answer, None, None, reset).await?;
    if !has_place {
        // It gets no pages, but a place of its own to speak from: without one each answer would begin anew.
        let start = Cursor::at_start(caller.log);
        response.cursor = ByteBuf::from(cursor::seal(&app.keys, &app.seam, token.org, token.device, &start));
    }
    response.wipe = wipe;
    Ok(response)
}

/// Whether the log ends where the device stands, so that it can lack nothing: whatever changes what it sees takes a
/// place in the log. One look-up; everything else is asked only if this is not so.
async fn is_current(app: &App, token: &AccessToken, request: &SyncRequest) -> Result<bool, ActionError> {
    if !request.wanted.is_empty() || request.reconcile.is_some() {
        return Ok(false);
    }
    let caller = callers::find_now(&app.database, token.org, token.device).await?;
    let (caller, drain) = check_caller(token, caller, app.seam.now())?;
    app.last_seen.note(token.org, token.device, app.seam.now());
    let (cursor, reset) = open_cursor(app, token, &caller, request);
    let has_directory = app
        .directories
        .find(token.org, caller.directory_version)
        .is_some_and(|directory| has(request, &directory));
    Ok(!drain
        && !reset
        && has_directory
        && cursor.is_some_and(|cursor| {
            cursor.seq == caller.head && cursor.backfills.is_empty() && cursor.acl_version == caller.acl_version
        }))
}

async fn read_session(app: &App, tx: &mut Tx, token: &AccessToken) -> Result<Session, ActionError> {
    let (caller, held) = callers::find_with_scopes(tx, token.org, token.device).await?;
    let (caller, drain) = check_caller(token, caller, app.seam.now())?;
    let directory = app.directories.get(tx, token.org, caller.directory_version).await?;
    let standing = Standing {
        viewer: caller.viewer(),
        held,
        policies: directory.policies.clone(),
    };
    Ok(Session {
        caller,
        drain,
        directory,
        standing,
    })
}

/// The cursor of this device in this log, and whether the one it sent was another.
fn open_cursor(app: &App, token: &AccessToken, caller: &Caller, request: &SyncRequest) -> (Option<Cursor>, bool) {
    let Some(sent) = &request.cursor else {
        return (None, false);
    };
    let cursor = cursor::open(&app.keys, &app.seam, token.org, token.device, sent)
        // A place beyond the head is of a log whose tail was lost.
        .filter(|cursor| cursor.log == caller.log && cursor.seq <= caller.head);
    let reset = cursor.is_none();
    (cursor, reset)
}

fn brings_something(request: &SyncRequest) -> bool {
    !(request.intents.is_empty()
        && request.documents.is_empty()
        && request.confirmations.is_empty()
        && request.actors.is_empty()
        && beliefs_of(request).is_empty())
}

/// Whose the device believed customers to be when it heard of a new log.
fn beliefs_of(request: &SyncRequest) -> &[Belief] {
    request
        .reconcile
        .as_ref()
        .map_or(&[], |reconcile| &reconcile.beliefs[..])
}

/// What became of what a message brought.
#[derive(Default)]
struct Answer {
    intents: Vec<IntentOutcome>,
    verdicts: Vec<Verdict>,
    /// What the device need not be told again.
    begun: Begun,
}

/// Takes in what a message brings. `tx` and `session` are the snapshot it was read in, good for the first try.
async fn take(
    app: &App,
    token: &AccessToken,
    request: &SyncRequest,
    tx: Tx,
    session: Session,
    cursor: Option<&Cursor>,
    reset: bool,
) -> Result<Answer, ActionError> {
    let sha256 = content_of(request)?;
    check_message(app, request, sha256, &session.caller, cursor)?;
    let mut snapshot = Some((tx, session));
    let asker = Asker {
        org: token.org,
        user: token.user,
        device: Some(token.device),
    };
    let is_apart = |session: &Session| is_kept_apart(&session.caller, app.seam.now());
    let intents = if request.intents.is_empty() {
        Vec::new()
    } else if snapshot.as_ref().is_some_and(|(_, session)| is_apart(session)) {
        // What it asks for is nobody's any more; what it has written for a customer it wanted to make is kept.
        let refused = IntentOutcome::Rejected {
            code: "not_permitted".to_owned(),
            owner: None,
            since: None,
        };
        vec![refused; request.intents.len()]
    } else {
        if let Some((tx, _)) = snapshot.take() {
            tx.rollback().await?;
        }
        decide_intents(app, asker, &request.intents).await?
    };
    let mut with_losses = false;
    for _ in 0..=DECISIONS_MAX {
        let (mut tx, session) = match snapshot.take() {
            Some(snapshot) => snapshot,
            None => {
                let mut tx = app.database.read().await?;
                let session = read_session(app, &mut tx, token).await?;
                (tx, session)
            }
        };
        // Again, since another node may have taken a message of this device in between.
        let message = check_message(app, request, sha256, &session.caller, cursor)?;
        let pushed = name_documents(token.org, request);
        let pusher = Pusher {
            org: token.org,
            user: token.user,
            device: token.device,
            acl_version: session.caller.acl_version,
            log: session.caller.log,
            // Not what this message says alone: an older cursor would unsay what was heard.
            acknowledged_seq: cursor
                .map_or(0, |cursor| cursor.seq)
                .max(session.caller.acknowledged_seq),
            enrolled_at: session.caller.enrolled_at,
            standing: &session.standing,
            tried_every: app.config.limits.tried_every,
            // One that is told to offer everything again lacks nothing yet.
            drains: session.drain && !reset,
            is_kept_apart: is_apart(&session),
            recovering: session.caller.recovering,
            recovers: session.caller.recovering && !session.drain && !is_apart(&session),
        };
        let mut facts = read_facts(&mut tx, &pusher, session.caller.head, request, &pushed).await?;
        if with_losses {
            read_losses(&mut tx, &pusher, request, &mut facts).await?;
        }
        let beliefs = if session.caller.recovering {
            differing_beliefs(&mut tx, token, beliefs_of(request)).await?
        } else {
            Vec::new()
        };
        tx.rollback().await?;
        let mut decided = off_the_reactor(request, || decide(&pusher, &app.seam, request, &pushed, facts));
        if !with_losses && !is_plain(&decided) {
            with_losses = true;
            continue;
        }
        decided.job.message = Some((token.device, message));
        decided.job.beliefs = beliefs;
        decided.job.confirmations = request
            .confirmations
            .iter()
            .map(|confirmation| EvictionRow {
                device: token.device,
                customer: confirmation.customer,
                lost_seq: confirmation.lost_seq.cast_signed(),
            })
            .collect();
        if seeded(Bug::AcknowledgedBeforeCommit) && request.message.is_multiple_of(7) {
            decided.job = Job::new(token.org);
        }
        let (begun, changes) = begun_by(&decided.job);
        match app.committer.commit(decided.job).await.map_err(commit_error)? {
            Outcome::Done { first_seq, .. } => {
                return Ok(Answer {
                    intents,
                    verdicts: decided.verdicts,
                    begun: Begun {
                        places: first_seq..first_seq + changes,
                        documents: begun,
                    },
                });
            }
            Outcome::Stale => {}
        }
    }
    Err(ActionError::refused(Code::Overloaded).retry_after(1))
}

/// What the device believed of customers that this server does not know, or knows otherwise.
async fn differing_beliefs(
    tx: &mut Tx,
    token: &AccessToken,
    beliefs: &[Belief],
) -> Result<Vec<(DeviceId, Belief)>, ActionError> {
    let customers: Vec<CustomerId> = beliefs.iter().map(|belief| belief.customer).collect();
    let assignments = ownership::list_assignments(tx, token.org, &customers).await?;
    let differs = |belief: &&Belief| {
        assignments.get(&belief.customer).is_none_or(|now| {
            belief.version > now.version.cast_unsigned() || (belief.owner, belief.pool) != (now.owner, now.pool)
        })
    };
    // Who may not know whose a customer is believes it to be nobody's.
    let said = beliefs
        .iter()
        .filter(|belief| belief.owner.is_some() || belief.pool.is_some());
    Ok(said.filter(differs).map(|belief| (token.device, *belief)).collect())
}

/// New documents of a job that are just what the device made: no one else is responsible, nothing came late. And how
/// many places in the log the job takes.
fn begun_by(job: &Job) -> (BTreeSet<DocumentId>, i64) {
    let plain = |write: &&DocumentWrite| write.expected_version == 0 && write.responsible.is_none() && !write.late;
    let begun = job.documents.iter().filter(plain).map(|write| write.document);
    let changes: usize = job.documents.iter().map(|write| write.changes.len()).sum();
    (begun.collect(), changes as i64)
}

/// Bytes of changes from which deciding takes long enough to be kept from the threads that answer others.
const LONG_DECISION_BYTES: usize = 32 * 1024;

/// Runs CPU work: a large message's in a way that lets other requests go on.
fn off_the_reactor<T>(request: &SyncRequest, work: impl FnOnce() -> T) -> T {
    let bytes: usize = request
        .documents
        .iter()
        .flat_map(|document| &document.changes)
        .map(|body| body.len())
        .sum();
    let threads = tokio::runtime::Handle::current().runtime_flavor();
    if bytes >= LONG_DECISION_BYTES && threads == tokio::runtime::RuntimeFlavor::MultiThread {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Whether everything was accepted, and nothing late. It would be so too if the losses had been read, which say only
/// how something is refused or marked.
fn is_plain(decided: &Decided) -> bool {
    let plain = Verdict::Accepted { late: false };
    decided.verdicts.iter().all(|verdict| *verdict == plain)
}

fn content_of(request: &SyncRequest) -> Result<[u8; 32], ActionError> {
    let content = postcard::to_stdvec(request).map_err(|error| ActionError::Internal(error.to_string()))?;
    Ok(Sha256::digest(content).into())
}

/// A number already seen with other content is a phone rolled back by a copy of itself.
fn check_message(
    app: &App,
    request: &SyncRequest,
    sha256: [u8; 32],
    caller: &Caller,
    cursor: Option<&Cursor>,
) -> Result<Message, ActionError> {
    let last = caller.last_message.cast_unsigned();
    let repeated = request.message == last && caller.last_message_sha256.as_deref() == Some(&sha256[..]);
    if request.message <= last && !repeated {
        return Err(ActionError::refused(Code::ActorConflict));
    }
    Ok(Message {
        number: request.message,
        sha256,
        acknowledged_seq: cursor.map_or(0, |cursor| cursor.seq),
        pending: request.pending,
        clock_offset_ms: request.sent_at.since_ms(app.seam.now()),
    })
}

/// What a failed commit means to the one who asked.
pub(crate) fn commit_error(error: CommitError) -> ActionError {
    match error {
        CommitError::Busy | CommitError::Stopping => ActionError::refused(Code::Overloaded).retry_after(1),
        CommitError::Storage(error) => ActionError::Internal(error.to_string()),
    }
}

/// The directory, if the device has another.
fn news_of_directory(session: &Session, request: &SyncRequest) -> Option<ByteBuf> {
    let lacks = !has(request, &session.directory);
    lacks.then(|| ByteBuf::from(session.directory.json.to_vec()))
}

fn has(request: &SyncRequest, directory: &DirectoryContent) -> bool {
    request
        .directory
        .is_some_and(|prefix| prefix[..] == directory.sha256[..8])
}

async fn respond(
    app: &App,
    token: &AccessToken,
    request: SyncRequest,
    answer: Answer,
    pulled: Option<Pulled>,
    directory: Option<ByteBuf>,
    reset: bool,
) -> Result<SyncResponse, ActionError> {
    let server_time = app.seam.now();
    let mut response = SyncResponse {
        server_time,
        schema_version: SCHEMA_VERSION,
        reset,
        intents: answer.intents,
        verdicts: exceptions(answer.verdicts),
        access: Vec::new(),
        users: Vec::new(),
        devices: Vec::new(),
        actors: Vec::new(),
        customers: Vec::new(),
        documents: Vec::new(),
        digest: [0; 16],
        directory,
        // Where nothing was read the device stays where it is.
        cursor: request.cursor.unwrap_or_default(),
        more: false,
        retry_after_ms: None,
        wipe: None,
        compared: None,
    };
    let Some(pulled) = pulled else { return Ok(response) };
    audit_delivery(app, token, &pulled, server_time).await?;
    response.cursor = ByteBuf::from(cursor::seal(
        &app.keys,
        &app.seam,
        token.org,
        token.device,
        &pulled.cursor,
    ));
    response.more = pulled.more;
    response.compared = pulled.compared;
    response.digest = pulled.page.digest();
    response.access = pulled.page.access;
    response.users = pulled.page.users;
    response.devices = pulled.page.devices;
    response.actors = pulled.page.actors;
    response.customers = pulled.page.customers;
    response.documents = pulled.page.documents;
    Ok(response)
}

/// Accepted, not late, is not said.
fn exceptions(verdicts: Vec<Verdict>) -> Vec<(u32, Verdict)> {
    verdicts
        .into_iter()
        .enumerate()
        .filter(|(_, verdict)| *verdict != Verdict::Accepted { late: false })
        .map(|(index, verdict)| (index as u32, verdict))
        .collect()
}

/// One row for each delivered page, and the orders in it, durable before the page leaves.
async fn audit_delivery(app: &App, token: &AccessToken, pulled: &Pulled, at: Timestamp) -> Result<(), ActionError> {
    if pulled.page.is_empty() || (seeded(Bug::DeliveryNotAudited) && pulled.page.documents.is_empty()) {
        return Ok(());
    }
    let mut job = Job::new(token.org);
    job.evictions.clone_from(&pulled.evictions);
    let detail = json!({
        "upto": pulled.cursor.seq,
        "documents": pulled.page.documents.len(),
        "customers": pulled.page.access.len(),
        "lost": pulled.evictions.len(),
        "digest": hex::encode(pulled.page.digest()),
    });
    job.audit.push(
        AuditRow::new(at, "deliver", token.device)
            .by(token.user)
            .with_device(token.device)
            .with_detail(detail),
    );
    app.committer.commit(job).await.map(drop).map_err(commit_error)
}
