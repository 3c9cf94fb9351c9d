//! One sync: round trips until there is nothing to say and nothing to get.

use serde_json::{Value, json};
use sync_core::{
    ids::ActorId,
    protocol::{
        frame,
        message::{CONTENT_TYPE, SyncResponse},
    },
    replica::{AfterProblem, IntentResult, Replica, Settled, SyncProgress, VerdictCounts},
};

use super::{Phone, install, leave::note_order, online::read_problem};
use crate::{
    PhoneError, Request, Response, Traffic, Transport,
    seam::{die_at, steps},
};

/// Round trips of one sync: 10,000 customers in the smallest pages, and what a year may have left unsent.
const ROUNDS_MAX: u32 = 20_000;
/// Longest wait the server may ask for between two pages.
const PAGE_WAIT_MAX_MS: u32 = 60_000;

/// What a sync did, over all its round trips.
#[derive(Debug, Clone, Default)]
pub struct SyncReport {
    /// Nothing is left to say or to get.
    pub complete: bool,
    /// Requests sent, those for tokens included.
    pub round_trips: u64,
    /// TCP payload sent, headers included, without TLS.
    pub bytes_up: u64,
    /// TCP payload received.
    pub bytes_down: u64,
    /// Documents that arrived.
    pub pulled_documents: u64,
    /// Documents dropped because they may no longer be read.
    pub dropped_documents: u64,
    /// Customers dropped.
    pub evicted_customers: u64,
    /// Documents that did not fit and were asked for again.
    pub misfits: u64,
    /// The server had begun a new log.
    pub reset: bool,
    /// Verdicts on changes.
    pub verdicts: VerdictCounts,
    /// Outbox entries that left for good.
    pub settled: Vec<Settled>,
    /// Outcomes of intents.
    pub intents: Vec<IntentResult>,
    /// The server has taken everything and ordered this phone to be erased, which is done.
    pub wiped: bool,
}

/// A sync that did not come to its end, with what it had done until then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct SyncFailure {
    /// Why.
    pub error: PhoneError,
    /// What was done.
    pub report: Box<SyncReport>,
}

impl SyncReport {
    /// As `fieldpool rep sync --json` prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        let intents: Vec<Value> = self
            .intents
            .iter()
            .map(|intent| {
                json!({"id": intent.id, "type": intent.kind, "outcome": intent.outcome, "reason": intent.reason})
            })
            .collect();
        let verdicts = &self.verdicts;
        json!({
            "complete": self.complete,
            "round_trips": self.round_trips,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "pulled_documents": self.pulled_documents,
            "evicted_customers": self.evicted_customers,
            "verdicts": {
                "accepted": verdicts.accepted,
                "amended": verdicts.amended,
                "quarantined": verdicts.quarantined,
                "rejected": verdicts.rejected,
                "superseded": verdicts.superseded,
                "retry": verdicts.retry,
            },
            "intents": intents,
            "reset": self.reset,
            "wiped": self.wiped,
        })
    }

    fn count(&mut self, used: Traffic) {
        self.round_trips = used.round_trips;
        self.bytes_up = used.bytes_up;
        self.bytes_down = used.bytes_down;
    }

    fn add(&mut self, progress: SyncProgress) {
        self.pulled_documents += progress.pulled_documents;
        self.dropped_documents += progress.dropped_documents;
        self.evicted_customers += progress.evicted.len() as u64;
        self.misfits += progress.misfits;
        self.reset |= progress.reset;
        self.verdicts.add(progress.verdicts);
        self.settled.extend(progress.settled);
        self.intents.extend(progress.intents);
    }
}

impl<T: Transport> Phone<T> {
    /// Syncs until nothing is left to say or to get.
    ///
    /// # Errors
    /// What stopped it, with what was done until then; nothing recorded is lost by it.
    pub fn sync(&mut self) -> Result<SyncReport, SyncFailure> {
        self.sync_with(&mut |_| {})
    }

    /// Has everything on this phone compared with what the server has, with the next sync; what differs is healed in both
    /// directions.
    ///
    /// # Errors
    /// As for an edit.
    pub fn check(&mut self) -> Result<(), PhoneError> {
        self.check_unlocked()?;
        self.engine(|replica| Ok(replica.check()?))
    }

    /// As [`Self::sync`]. `told` hears what has been done so far after each page, when it is durable and the store is
    /// free for others.
    ///
    /// # Errors
    /// As [`Self::sync`].
    pub fn sync_with(&mut self, told: &mut dyn FnMut(&SyncReport)) -> Result<SyncReport, SyncFailure> {
        let before = self.transport.traffic();
        let mut report = SyncReport::default();
        let result = self.run_rounds(&mut report, before, told);
        report.count(self.transport.traffic().since(before));
        match result {
            Ok(()) => {
                report.complete = true;
                Ok(report)
            }
            Err(error) => Err(SyncFailure {
                error,
                report: Box::new(report),
            }),
        }
    }

    fn run_rounds(
        &mut self,
        report: &mut SyncReport,
        before: Traffic,
        told: &mut dyn FnMut(&SyncReport),
    ) -> Result<(), PhoneError> {
        self.refuse_wiped()?;
        self.check_lease()?;
        let _lease = self.store.lease()?.ok_or(PhoneError::SyncInProgress)?;
        self.engine(|replica| Ok(replica.begin_sync()?))?;
        for _ in 0..ROUNDS_MAX {
            self.check_flight_mode()?;
            let go_on = self.round(report)?;
            report.count(self.transport.traffic().since(before));
            told(report);
            if !go_on {
                return Ok(());
            }
        }
        Err(PhoneError::refused(
            "sync_endless",
            "the server asks for ever more round trips; sync again later",
        ))
    }

    /// One round trip. Whether there is more to do.
    fn round(&mut self, report: &mut SyncReport) -> Result<bool, PhoneError> {
        // Before the message is made: what it says should be as fresh as it can be when it leaves.
        self.token()?;
        let (now, seam) = (self.seam.now(), self.seam.clone());
        let request = self.engine(|replica| {
            let request = replica.poll_message(now)?;
            Self::survive(&seam, steps::MESSAGE_MADE)?;
            Ok(request)
        })?;
        Self::survive(&seam, steps::MESSAGE_STORED)?;
        let number = request.message;
        let Some(answer) = self.exchange(frame::encode(&request))? else {
            return Ok(true);
        };
        Self::survive(&seam, steps::ANSWER_RECEIVED)?;
        let (now, fresh) = (self.seam.now(), ActorId(self.seam.random()));
        let (progress, has_work) = self.store.write::<_, PhoneError>(|tx| {
            let mut replica = Replica::open(tx)?;
            let progress = replica.handle_response(number, answer.page.as_ref(), now, fresh)?;
            let has_work = replica.has_work()?;
            if let Some(order) = &progress.wipe {
                note_order(tx, order, now)?;
            }
            Self::survive(&seam, steps::ANSWER_APPLIED)?;
            Ok((progress, has_work))
        })?;
        Self::survive(&seam, steps::ANSWER_STORED)?;
        if progress.wipe.is_some() {
            die_at(steps::ANSWER_STORED);
            report.add(progress);
            report.wiped = true;
            self.finish_wipe()?;
            return Ok(false);
        }
        if progress.dropped_documents > 0 || !progress.evicted.is_empty() {
            self.forget_dropped()?;
        }
        let go_on = progress.more || has_work || progress.ignored;
        if let Some(wait) = progress.retry_after_ms.filter(|_| go_on) {
            self.seam.wait_ms(u64::from(wait.min(PAGE_WAIT_MAX_MS)));
        }
        report.add(progress);
        Ok(go_on)
    }

    /// Sends one message until an answer has come; `None` if it has to be made anew, smaller.
    fn exchange(&mut self, body: Vec<u8>) -> Result<Option<Answer>, PhoneError> {
        let mut request = Request {
            body: Some(body),
            path: "/v1/sync".to_owned(),
            token: None,
            content_type: CONTENT_TYPE,
            is_sync: true,
        };
        let mut attempt = 0;
        let mut proved_again = false;
        loop {
            request.token = Some(self.token()?);
            attempt += 1;
            let response = match self.transport.send(&request) {
                Ok(response) => response,
                Err(error) => {
                    self.wait_offline(attempt, &error.0)?;
                    continue;
                }
            };
            match response.status {
                204 => return Ok(Some(Answer { page: None })),
                200 => match frame::decode::<SyncResponse>(&response.body) {
                    Ok(page) => return Ok(Some(Answer { page: Some(page) })),
                    // Cut or altered on its way: the server has done its part, the same message gets the same answer.
                    Err(error) => self.wait_offline(attempt, &error.to_string())?,
                },
                _ => match self.handle_refusal(&response)? {
                    AfterProblem::Reauthenticate if !proved_again => {
                        proved_again = true;
                        self.forget_token()?;
                    }
                    AfterProblem::SendLess => return Ok(None),
                    AfterProblem::Wait => self.wait_busy(attempt, response.retry_after_s)?,
                    AfterProblem::Reauthenticate | AfterProblem::Stop => return Err(refusal(&response)),
                },
            }
        }
    }

    fn handle_refusal(&mut self, response: &Response) -> Result<AfterProblem, PhoneError> {
        let (now, problem) = (self.seam.now(), read_problem(response));
        let code = match response.status {
            // Whatever is wrong with the token, a new one is asked for.
            401 => "reauthenticate",
            _ => problem.code.as_str(),
        };
        if code == "actor_conflict" {
            // Another store has spoken as this device: nothing more is sent under the name that both have.
            let fresh = ActorId(self.seam.random());
            self.store
                .write::<_, PhoneError>(|tx| install::count_as_copied(tx, fresh, now))?;
            self.token = None;
            return Ok(AfterProblem::Stop);
        }
        self.engine(|replica| Ok(replica.handle_problem(code, now)?))
    }

    /// What was dropped leaves the file, and its photos the folder.
    fn forget_dropped(&mut self) -> Result<(), PhoneError> {
        let orphans = self
            .store
            .write::<_, PhoneError>(|tx| Ok(tx.take_orphaned_attachments()?))?;
        self.remove_photos(&orphans);
        Ok(self.store.forget_deleted()?)
    }
}

/// An answer that could be read.
struct Answer {
    /// None for a 204.
    page: Option<SyncResponse>,
}

pub(super) fn refusal(response: &Response) -> PhoneError {
    let problem = read_problem(response);
    match problem.code.as_str() {
        "upgrade_required" => PhoneError::UpdateRequired,
        "device_revoked" | "account_not_active" | "device_wiped" => PhoneError::Locked { code: problem.code },
        "actor_conflict" => install::copied(),
        _ => PhoneError::refused(&problem.code, problem.detail),
    }
}
