//! The one way into the log: decided work waits here and is written in batches, each in one short transaction.
//!
//! What was decided on facts that no longer hold when the counter is taken is handed back as [`Outcome::Stale`]; the
//! caller reads and decides again. Requests that arrive together share a transaction (at most [`BATCH_JOBS_MAX`], or
//! what comes within [`BATCH_WAIT`] while others are still deciding), so durability is paid for once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sync_core::{
    ids::{ActorId, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::compare::Belief,
    time::Timestamp,
    visibility::Scope,
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    auth::drains_since,
    seam::Seam,
    storage::{
        Database, StorageError, Tx,
        audit::{self, AuditRow},
        devices::{self, DeviceMessage},
        documents::{self, DocumentWrite, ERASED},
        erasures::{self, EquivocationRow},
        log,
        ownership::{self, CardSummary},
        people,
        proposals::{self, ProposalDecision, ProposalRow},
        recovery::{self, RecoveredRow},
        scopes,
        verdicts::{self, ActorRow, EvictionRow, RefusalRow},
    },
};

/// Jobs of one transaction: more would only make the first wait.
pub const BATCH_JOBS_MAX: usize = 64;
/// How long a batch waits for requests that are still deciding.
pub const BATCH_WAIT: Duration = Duration::from_millis(10);
/// Jobs waiting for the writer; beyond it requests are told to come back later.
const QUEUE_MAX: usize = 1_024;

/// What one request wants written. Everything in it is written, or nothing.
#[derive(Debug, Clone)]
pub struct Job {
    /// The organisation.
    pub org: OrgId,
    /// Whose rights were judged, and their version; none where no right was asked (an audit row of a delivery).
    pub judged: Option<(UserId, i64)>,
    /// The device and the message to be recorded.
    pub message: Option<(DeviceId, Message)>,
    /// Actors the device declares.
    pub actors: Vec<ActorRow>,
    /// Actors that have equivocated.
    pub freeze: Vec<ActorId>,
    /// Attempts to write as somebody else, by this device.
    pub flags: Option<(DeviceId, u32)>,
    /// Versions of the assignments that were judged.
    pub customers: BTreeMap<CustomerId, i64>,
    /// What is appended.
    pub documents: Vec<DocumentWrite>,
    /// New summaries of cards.
    pub cards: Vec<(CustomerId, CardSummary)>,
    /// Scopes that a customer comes into because of a document: of whoever is responsible for it.
    pub enters: BTreeSet<(CustomerId, Scope)>,
    /// What is refused.
    pub refusals: Vec<RefusalRow>,
    /// Changes that contradict another under the same name.
    pub equivocations: Vec<EquivocationRow>,
    /// Late values that wait for somebody's choice.
    pub proposals: Vec<ProposalRow>,
    /// What a device has brought back of others.
    pub recovered: Vec<RecoveredRow>,
    /// Whose a device believed customers to be.
    pub beliefs: Vec<(DeviceId, Belief)>,
    /// What becomes of a late value that waited.
    pub decides: Option<ProposalDecision>,
    /// Orders to drop customers that are about to be delivered.
    pub evictions: Vec<EvictionRow>,
    /// Orders that were followed.
    pub confirmations: Vec<EvictionRow>,
    /// What is told of it.
    pub audit: Vec<AuditRow>,
}

/// A message to be recorded with the work it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub number: u64,
    /// What it was.
    pub sha256: [u8; 32],
    /// The cursor it acknowledges.
    pub acknowledged_seq: i64,
    /// What the device said is pending.
    pub pending: u32,
    /// Its clock minus the server's.
    pub clock_offset_ms: i64,
}

impl Job {
    /// An empty job of an organisation.
    #[must_use]
    pub fn new(org: OrgId) -> Self {
        Self {
            org,
            judged: None,
            message: None,
            actors: Vec::new(),
            freeze: Vec::new(),
            flags: None,
            customers: BTreeMap::new(),
            documents: Vec::new(),
            cards: Vec::new(),
            enters: BTreeSet::new(),
            refusals: Vec::new(),
            equivocations: Vec::new(),
            proposals: Vec::new(),
            recovered: Vec::new(),
            beliefs: Vec::new(),
            decides: None,
            evictions: Vec::new(),
            confirmations: Vec::new(),
            audit: Vec::new(),
        }
    }
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Written and durable.
    Done {
        /// When it was received, as written beside each change.
        received_at: Timestamp,
        /// The place of its first change in the log.
        first_seq: i64,
    },
    /// Rights, assignment or a document changed since it was decided: decide again.
    Stale,
}

/// Why a job could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Too many are waiting.
    #[error("too many requests are waiting to be written")]
    Busy,
    /// The database failed; whether it was written is settled by sending it again.
    #[error("the database failed: {0}")]
    Storage(Arc<StorageError>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

struct Queued {
    job: Job,
    answer: oneshot::Sender<Result<Outcome, CommitError>>,
}

/// Hands jobs to the writer. Cheap to clone; the writer ends when the last clone is gone and the queue is empty.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Queued>,
    deciding: Arc<AtomicUsize>,
    news: Arc<Notify>,
}

impl Committer {
    /// Starts the writer.
    #[must_use]
    pub fn start(database: Database, seam: Seam) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let deciding = Arc::new(AtomicUsize::new(0));
        let news = Arc::new(Notify::new());
        tokio::spawn(run(database, seam, jobs, Arc::clone(&deciding), Arc::clone(&news)));
        Self { queue, deciding, news }
    }

    /// Wakes whoever waits for something new in the log: pokes, the search index.
    #[must_use]
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Notes that a request is deciding and will commit soon; the note ends when the guard is dropped.
    #[must_use]
    pub fn deciding(&self) -> Deciding {
        self.deciding.fetch_add(1, Ordering::Relaxed);
        Deciding(Arc::clone(&self.deciding))
    }

    /// Writes a job and waits until it is durable.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&self, job: Job) -> Result<Outcome, CommitError> {
        let (answer, outcome) = oneshot::channel();
        self.queue
            .try_send(Queued { job, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => CommitError::Busy,
                mpsc::error::TrySendError::Closed(_) => CommitError::Stopping,
            })?;
        outcome.await.map_err(|_| CommitError::Stopping)?
    }
}

/// A request that will commit soon.
pub struct Deciding(Arc<AtomicUsize>);

impl Drop for Deciding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn run(
    database: Database,
    seam: Seam,
    mut jobs: mpsc::Receiver<Queued>,
    deciding: Arc<AtomicUsize>,
    news: Arc<Notify>,
) {
    while let Some(first) = jobs.recv().await {
        let mut batch = vec![first];
        fill(&mut batch, &mut jobs, &deciding).await;
        let mut by_org: BTreeMap<OrgId, Vec<Queued>> = BTreeMap::new();
        for queued in batch {
            by_org.entry(queued.job.org).or_default().push(queued);
        }
        for (org, batch) in by_org {
            let work: Vec<&Job> = batch.iter().map(|queued| &queued.job).collect();
            let outcomes = match write_batch(&database, org, seam.now(), &work).await {
                Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
                Err(error) => write_apart(&database, org, seam.now(), &work, error).await,
            };
            news.notify_waiters();
            for (queued, outcome) in batch.into_iter().zip(outcomes) {
                // The request may have been given up; what was written stays written.
                let _ = queued.answer.send(outcome);
            }
        }
    }
}

/// Takes what is waiting, and waits a little for those still deciding.
async fn fill(batch: &mut Vec<Queued>, jobs: &mut mpsc::Receiver<Queued>, deciding: &AtomicUsize) {
    let deadline = tokio::time::Instant::now() + BATCH_WAIT;
    while batch.len() < BATCH_JOBS_MAX {
        match jobs.try_recv() {
            Ok(queued) => batch.push(queued),
            Err(_) if deciding.load(Ordering::Relaxed) <= batch.len() => return,
            Err(_) => match tokio::time::timeout_at(deadline, jobs.recv()).await {
                Ok(Some(queued)) => batch.push(queued),
                Ok(None) | Err(_) => return,
            },
        }
    }
}

/// A batch that failed is written job by job, so that one the database does not take spoils nobody else's.
async fn write_apart(
    database: &Database,
    org: OrgId,
    now: Timestamp,
    jobs: &[&Job],
    error: StorageError,
) -> Vec<Result<Outcome, CommitError>> {
    let failure = |error: StorageError| CommitError::Storage(Arc::new(error));
    if jobs.len() == 1 {
        return vec![Err(failure(error))];
    }
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let written = write_batch(database, org, now, &[job]).await;
        outcomes.push(written.map(|outcomes| outcomes[0]).map_err(failure));
    }
    outcomes
}

async fn write_batch(
    database: &Database,
    org: OrgId,
    now: Timestamp,
    jobs: &[&Job],
) -> Result<Vec<Outcome>, StorageError> {
    let mut tx = database.write().await?;
    let outcomes = write_jobs(&mut tx, org, now, jobs).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// Writes jobs of one organisation in a transaction that is already open: the committer's, or that of an import, which
/// judges and writes in one go.
///
/// # Errors
/// The driver's.
pub async fn write_jobs(tx: &mut Tx, org: OrgId, now: Timestamp, jobs: &[&Job]) -> Result<Vec<Outcome>, StorageError> {
    let changes = |job: &Job| job.documents.iter().map(|write| write.changes.len()).sum::<usize>() as u64;
    // What was judged holds until the commit because the counter is taken first; an audit row of a delivery judges
    // nothing, and takes the counter when it is numbered.
    let judges = |job: &Job| {
        job.judged.is_some() || job.message.is_some() || !(job.customers.is_empty() && job.documents.is_empty())
    };
    let mut first_seq = 0;
    let mut fresh = vec![true; jobs.len()];
    if jobs.iter().any(|job| judges(job)) {
        (first_seq, _) = log::take(tx, org, jobs.iter().map(|job| changes(job)).sum(), 0).await?;
        fresh = check_jobs(tx, org, now, jobs).await?;
    }
    let mut seq = first_seq;
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut good = Vec::with_capacity(jobs.len());
    for (job, fresh) in jobs.iter().zip(&fresh) {
        if *fresh {
            outcomes.push(Outcome::Done {
                received_at: now,
                first_seq: seq,
            });
            for (customer, scope) in &job.enters {
                scopes::move_customer(tx, org, *customer, &[*scope], &[*scope], seq).await?;
            }
            seq += changes(job).cast_signed();
            good.push(*job);
        } else {
            outcomes.push(Outcome::Stale);
        }
    }
    // One statement a table for all jobs together.
    let writes: Vec<&DocumentWrite> = good.iter().flat_map(|job| &job.documents).collect();
    if !writes.is_empty() {
        documents::append(tx, org, first_seq, now, &writes).await?;
    }
    let cards: Vec<(CustomerId, &CardSummary)> = good
        .iter()
        .flat_map(|job| &job.cards)
        .map(|(customer, card)| (*customer, card))
        .collect();
    ownership::update_cards(tx, org, &cards).await?;
    write_beside(tx, org, now, &good).await?;
    Ok(outcomes)
}

async fn write_beside(tx: &mut Tx, org: OrgId, now: Timestamp, jobs: &[&Job]) -> Result<(), StorageError> {
    let actors: Vec<ActorRow> = jobs.iter().flat_map(|job| job.actors.iter().cloned()).collect();
    verdicts::insert_actors(tx, org, &actors, now).await?;
    let refusals: Vec<&RefusalRow> = jobs.iter().flat_map(|job| &job.refusals).collect();
    verdicts::insert_refusals(tx, org, now, &refusals).await?;
    for copy in jobs.iter().flat_map(|job| &job.equivocations) {
        erasures::keep_equivocation(tx, org, copy, now).await?;
    }
    let late: Vec<&ProposalRow> = jobs.iter().flat_map(|job| &job.proposals).collect();
    proposals::insert(tx, org, &late, now).await?;
    let recovered: Vec<&RecoveredRow> = jobs.iter().flat_map(|job| &job.recovered).collect();
    recovery::insert_recovered(tx, org, &recovered, now).await?;
    let beliefs: Vec<(DeviceId, Belief)> = jobs.iter().flat_map(|job| job.beliefs.iter().copied()).collect();
    recovery::insert_beliefs(tx, org, &beliefs, now).await?;
    for decision in jobs.iter().filter_map(|job| job.decides) {
        proposals::close(tx, org, decision, now).await?;
    }
    let evictions: Vec<EvictionRow> = jobs.iter().flat_map(|job| job.evictions.iter().copied()).collect();
    verdicts::insert_evictions(tx, org, &evictions, now).await?;
    for order in jobs.iter().flat_map(|job| &job.confirmations) {
        verdicts::confirm_eviction(tx, org, order, now).await?;
    }
    for actor in jobs.iter().flat_map(|job| &job.freeze) {
        verdicts::freeze_actor(tx, org, *actor).await?;
    }
    for (device, count) in jobs.iter().filter_map(|job| job.flags) {
        for _ in 0..count {
            devices::add_security_flag(tx, org, device).await?;
        }
    }
    for (device, message) in jobs.iter().filter_map(|job| job.message) {
        let row = DeviceMessage {
            number: message.number.cast_signed(),
            sha256: &message.sha256,
            acknowledged_seq: message.acknowledged_seq,
            pending: i64::from(message.pending),
            clock_offset_ms: Some(message.clock_offset_ms),
            received_at: now,
        };
        devices::record_message(tx, org, device, row).await?;
    }
    let rows: Vec<AuditRow> = jobs.iter().flat_map(|job| job.audit.iter().cloned()).collect();
    audit::append(tx, org, &rows).await
}

/// A message comes after the device's last one, or is that one again. Another node may have taken one meanwhile.
fn follows(message: &Message, last: &(i64, Option<Vec<u8>>)) -> bool {
    let (number, sha256) = last;
    let sent = message.number.cast_signed();
    sent > *number || (sent == *number && sha256.as_deref() == Some(&message.sha256[..]))
}

/// Which jobs were decided on facts that still hold. Of two that append to one document the first is good.
async fn check_jobs(tx: &mut Tx, org: OrgId, now: Timestamp, jobs: &[&Job]) -> Result<Vec<bool>, StorageError> {
    let documents: Vec<DocumentId> = jobs
        .iter()
        .flat_map(|job| {
            let refused = job.refusals.iter().map(|refusal| refusal.document);
            let copied = job.equivocations.iter().map(|copy| copy.document);
            job.documents
                .iter()
                .map(|write| write.document)
                .chain(refused)
                .chain(copied)
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let customers: Vec<CustomerId> = jobs
        .iter()
        .flat_map(|job| job.customers.keys().copied())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let users: Vec<UserId> = jobs
        .iter()
        .filter_map(|job| job.judged)
        .map(|(user, _)| user)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let versions = documents::list_versions(tx, org, &documents).await?;
    let assignments = ownership::list_assignments(tx, org, &customers).await?;
    let rights = people::list_acl_versions(tx, org, &users).await?;
    let mut open = BTreeSet::new();
    for decision in jobs.iter().filter_map(|job| job.decides) {
        let is_open = proposals::find_open(tx, org, decision.proposal).await?.is_some();
        open.extend(is_open.then_some(decision.proposal));
    }
    let senders: Vec<DeviceId> = jobs
        .iter()
        .filter_map(|job| job.message)
        .map(|(device, _)| device)
        .collect();
    let last = devices::list_last_messages(tx, org, &senders, drains_since(now)).await?;
    let mut taken: BTreeSet<DocumentId> = BTreeSet::new();
    Ok(jobs
        .iter()
        .map(|job| {
            let fresh = job
                .judged
                .is_none_or(|(user, version)| rights.get(&user) == Some(&version))
                && job
                    .message
                    .is_none_or(|(device, message)| last.get(&device).is_some_and(|last| follows(&message, last)))
                && job.customers.iter().all(|(customer, version)| {
                    assignments
                        .get(customer)
                        .is_some_and(|assignment| assignment.version == *version)
                })
                // What is refused is kept, but for a document that was erased meanwhile.
                && job.refusals.iter().all(|refusal| versions.get(&refusal.document) != Some(&ERASED))
                && job.equivocations.iter().all(|copy| versions.get(&copy.document) != Some(&ERASED))
                && job.documents.iter().all(|write| {
                    versions.get(&write.document).copied().unwrap_or(0) == write.expected_version
                        && !taken.contains(&write.document)
                })
                // Of two in one batch the first decides.
                && job.decides.is_none_or(|decision| open.remove(&decision.proposal));
            if fresh {
                taken.extend(job.documents.iter().map(|write| write.document));
            }
            fresh
        })
        .collect())
}
