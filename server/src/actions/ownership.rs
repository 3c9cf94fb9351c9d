//! Creates, claims, returns, assigns: carries out what the hub decides of an intent, one transaction a message.
//!
//! The counter is taken first, so whoever decides next sees what was decided here: of two claims exactly one wins.

mod transfer;

pub(crate) use transfer::{Cause, Handing, Placing, Transfer, moved, place_customer, write_transfers};

use serde_json::json;
use sha2::{Digest, Sha256};
use sync_core::{
    document::Kind,
    hub::{CustomerFactsNow, IntentDecision, IntentFacts, Move, decide_intent},
    ids::{CustomerId, DeviceId, DocumentId, IntentId, OrgId, PoolId, UserId},
    protocol::{
        limits::REASON_CHARS_MAX,
        message::{Intent, IntentAction, IntentOutcome},
    },
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{Policies, Scope, UserState, document_access},
};

use super::{ActionError, Code, sync::standing::Standing};
use crate::{
    app::App,
    auth,
    seam::Seam,
    storage::{
        Tx,
        audit::{self, AuditRow},
        devices, documents, log, organisation,
        ownership::{self, Assignment},
        packed,
        people::{self, Account},
        pools,
        scopes::{self, Membership},
        verdicts::{self, IntentRow},
    },
};

/// Somebody who asks, from a device or from the web.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The organisation.
    pub org: OrgId,
    /// Who.
    pub user: UserId,
    /// With which device; none: the web.
    pub device: Option<DeviceId>,
}

/// Decides intents in order, each once by its id, in a transaction of their own. Gives an outcome for each.
///
/// # Errors
/// The database's; nothing is decided then.
pub async fn decide_intents(app: &App, asker: Asker, intents: &[Intent]) -> Result<Vec<IntentOutcome>, ActionError> {
    let mut tx = app.database.write().await?;
    let outcomes = decide_intents_in(&mut tx, &app.seam, asker, intents).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(outcomes)
}

/// [`decide_intents`] inside a larger transaction, which must not have read what it decides on before.
///
/// # Errors
/// As there.
pub async fn decide_intents_in(
    tx: &mut Tx,
    seam: &Seam,
    asker: Asker,
    intents: &[Intent],
) -> Result<Vec<IntentOutcome>, ActionError> {
    let (first_seq, _) = log::take(tx, asker.org, intents.len() as u64, 0).await?;
    let account = people::find(tx, asker.org, asker.user)
        .await?
        .ok_or_else(|| ActionError::refused(Code::NotFound))?;
    if let Some(device) = asker.device {
        let (state, revoked_at) = devices::find_state(tx, asker.org, device)
            .await?
            .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
        auth::check_standing(state, revoked_at, None, account.state, seam.now())?;
    }
    let policies = organisation::find_settings(tx, asker.org).await?.policies();
    let pools = pools::list_of_user(tx, asker.org, asker.user).await?;
    let mut desk = Desk {
        seam,
        asker,
        account,
        policies,
        pools,
        audit: Vec::new(),
    };
    let mut outcomes = Vec::with_capacity(intents.len());
    for (index, intent) in intents.iter().enumerate() {
        outcomes.push(desk.settle(tx, intent, first_seq + index as i64).await?);
    }
    audit::append(tx, asker.org, &desk.audit).await?;
    Ok(outcomes)
}

/// Asks for one thing on the web's behalf; a refusal becomes an error with the same code.
///
/// # Errors
/// The intent's code, with `owner` and `since` where the asker may know them.
pub async fn ask(
    app: &App,
    asker: Asker,
    customer: CustomerId,
    expected_version: Option<u64>,
    action: IntentAction,
) -> Result<IntentId, ActionError> {
    let intent = Intent {
        id: IntentId(app.seam.uuid()),
        at: app.seam.now(),
        customer,
        expected_version,
        action,
    };
    let outcome = decide_intents(app, asker, std::slice::from_ref(&intent)).await?;
    match outcome.into_iter().next() {
        Some(IntentOutcome::Accepted { .. }) => Ok(intent.id),
        Some(IntentOutcome::Rejected { code, owner, since }) => Err(refused(&code, owner, since)),
        Some(IntentOutcome::Retry) | None => Err(ActionError::refused(Code::Overloaded)),
    }
}

fn refused(code: &str, owner: Option<UserId>, since: Option<Timestamp>) -> ActionError {
    let known = Code::ALL.iter().copied().find(|known| known.as_str() == code);
    let error = match known {
        Some(code) => ActionError::refused(code),
        None => ActionError::invalid(code.replace('_', " ")),
    };
    let error = match owner {
        Some(owner) => error.with("owner", owner.to_string()),
        None => error,
    };
    match since {
        Some(since) => error.with("since", since.0),
        None => error,
    }
}

struct Desk<'a> {
    seam: &'a Seam,
    asker: Asker,
    account: Account,
    policies: Policies,
    pools: Vec<(PoolId, bool)>,
    audit: Vec<AuditRow>,
}

/// Where a customer stands before a decision.
struct Before {
    assignment: Option<Assignment>,
    memberships: Vec<Membership>,
}

impl Desk<'_> {
    async fn settle(&mut self, tx: &mut Tx, intent: &Intent, seq: i64) -> Result<IntentOutcome, ActionError> {
        let content = postcard::to_stdvec(intent).map_err(|error| ActionError::Internal(error.to_string()))?;
        let content_sha256: [u8; 32] = Sha256::digest(content).into();
        let known = verdicts::find_intent(tx, self.asker.org, intent.id).await?;
        if let Some(row) = known.filter(|_| !seeded(Bug::IntentTwice)) {
            let stored = row
                .detail
                .as_deref()
                .and_then(|detail| serde_json::from_str(detail).ok());
            let same = row.content_sha256 == content_sha256 && row.user_id == self.asker.user.0;
            return Ok(match stored {
                Some(outcome) if same => outcome,
                _ => IntentOutcome::Rejected {
                    code: "conflict".into(),
                    owner: None,
                    since: None,
                },
            });
        }
        let (outcome, done) = self.decide(tx, intent, seq).await?;
        let (word, reason) = match &outcome {
            IntentOutcome::Rejected { code, .. } => ("rejected", Some(code.clone())),
            _ => ("accepted", None),
        };
        let row = IntentRow {
            intent_id: intent.id.0,
            device_id: self.asker.device.map(|device| device.0),
            user_id: self.asker.user.0,
            kind: intent.action.name().to_owned(),
            customer_id: intent.customer.0,
            content_sha256: content_sha256.to_vec(),
            outcome: word.to_owned(),
            reason: reason.clone(),
            detail: serde_json::to_string(&outcome).ok(),
        };
        verdicts::insert_intent(tx, self.asker.org, &row, self.seam.now()).await?;
        let detail = json!({ "intent": intent.id, "outcome": word, "code": reason, "changed": done });
        let mut audit = AuditRow::new(self.seam.now(), intent_word(&intent.action), intent.customer)
            .by(self.asker.user)
            .with_detail(detail);
        audit.device = self.asker.device;
        self.audit.push(audit);
        Ok(outcome)
    }

    /// The outcome, and whether anything was written.
    async fn decide(&self, tx: &mut Tx, intent: &Intent, seq: i64) -> Result<(IntentOutcome, bool), ActionError> {
        let refuse = |code: &str| IntentOutcome::Rejected {
            code: code.to_owned(),
            owner: None,
            since: None,
        };
        // What the phone of somebody who leaves still brings is kept: a customer he has made becomes his and is handed
        // over like the others.
        let brings = self.asker.device.is_some() && matches!(intent.action, IntentAction::Create { .. });
        if self.account.state != UserState::Active && !brings {
            return Ok((refuse("not_permitted"), false));
        }
        if reason_of(&intent.action).chars().count() > REASON_CHARS_MAX {
            return Ok((refuse("too_long"), false));
        }
        // One of the databases cannot hold it.
        if reason_of(&intent.action).contains('\0') {
            return Ok((refuse("invalid_request"), false));
        }
        let before = self.before(tx, intent.customer).await?;
        let facts = self.facts(tx, intent, &before, seq).await?;
        let version = before.assignment.map_or(0, |assignment| assignment.version);
        let accepted = |version: i64, marked: Option<&str>| IntentOutcome::Accepted {
            version: version.cast_unsigned(),
            marked: marked.map(str::to_owned),
        };
        Ok(match decide_intent(intent, &facts) {
            IntentDecision::Create { to, marked } => {
                self.move_customer(tx, intent, &before, to, seq).await?;
                (accepted(1, marked), true)
            }
            IntentDecision::Reassign { to } => {
                self.move_customer(tx, intent, &before, to, seq).await?;
                (accepted(version + 1, None), true)
            }
            IntentDecision::Responsible { user } => {
                self.make_responsible(tx, intent, &before, user, seq).await?;
                (accepted(version, None), true)
            }
            IntentDecision::Nothing => (accepted(version, None), false),
            IntentDecision::Rejected { code, tell_owner } => {
                (IntentDecision::rejection(code, &facts, tell_owner), false)
            }
        })
    }

    async fn before(&self, tx: &mut Tx, customer: CustomerId) -> Result<Before, ActionError> {
        let assignments = ownership::list_assignments(tx, self.asker.org, &[customer]).await?;
        let memberships = scopes::list_memberships(tx, self.asker.org, &[customer]).await?;
        Ok(Before {
            assignment: assignments.get(&customer).copied(),
            memberships,
        })
    }

    async fn facts(&self, tx: &mut Tx, intent: &Intent, before: &Before, seq: i64) -> Result<IntentFacts, ActionError> {
        let org = self.asker.org;
        let standing = Standing {
            viewer: self.account.viewer(),
            held: scopes::list_held(tx, org, self.asker.user).await?,
            policies: self.policies.clone(),
        };
        let relations = standing.relations_at(&before.memberships, seq - 1);
        let knows = !relations.is_empty() || standing.last_loss(&before.memberships, seq - 1).is_some();
        let pool_exists = match &intent.action {
            IntentAction::Create { pool: Some(pool) } | IntentAction::Release { pool: Some(pool), .. } => {
                pools::exists(tx, org, *pool).await?
            }
            _ => false,
        };
        let person = match &intent.action {
            IntentAction::Assign { owner, .. } => Some(*owner),
            IntentAction::Responsible { user, .. } => *user,
            _ => None,
        };
        let person = match person {
            Some(user) => people::find(tx, org, user)
                .await?
                .filter(|account| account.state == UserState::Active)
                .map(|account| (account.role, account.team)),
            None => None,
        };
        let document = match &intent.action {
            IntentAction::Responsible { document, .. } => {
                self.document(tx, intent.customer, *document, before, &standing, seq)
                    .await?
            }
            _ => None,
        };
        let since = match &before.assignment {
            Some(assignment) => ownership::find_assigned_at(tx, org, assignment)
                .await?
                .unwrap_or_default(),
            None => Timestamp::default(),
        };
        Ok(IntentFacts {
            user: self.asker.user,
            role: self.account.role,
            team: self.account.team,
            pools: self.pools.iter().map(|(pool, _)| *pool).collect(),
            customer: before.assignment.map(|assignment| CustomerFactsNow {
                owner: assignment.owner,
                pool: assignment.pool,
                version: assignment.version.cast_unsigned(),
                since,
            }),
            relations,
            knows,
            pool_exists,
            person,
            document,
        })
    }

    async fn document(
        &self,
        tx: &mut Tx,
        customer: CustomerId,
        document: DocumentId,
        before: &Before,
        standing: &Standing,
        seq: i64,
    ) -> Result<Option<(Kind, bool)>, ActionError> {
        let rows = documents::list_by_id(tx, self.asker.org, &[document]).await?;
        let owner = before.assignment.and_then(|assignment| assignment.owner);
        let rights = standing.rights_at(&before.memberships, seq - 1);
        Ok(rows.into_iter().find(|row| row.customer == customer).map(|row| {
            let rights = document_access(rights, self.asker.user, &row.facts(owner));
            (row.kind, rights.may_write())
        }))
    }

    async fn move_customer(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        before: &Before,
        to: Move,
        seq: i64,
    ) -> Result<(), ActionError> {
        let placing = Placing {
            org: self.asker.org,
            customer: intent.customer,
            event: intent.action.name(),
            by: self.asker.user,
            reason: reason_of(&intent.action),
            intent: Some(intent.id),
            at: self.seam.now(),
            created_at: intent.at,
            external_id: None,
        };
        place_customer(tx, &placing, before.assignment.as_ref(), &before.memberships, to, seq).await
    }

    async fn make_responsible(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        before: &Before,
        user: Option<UserId>,
        seq: i64,
    ) -> Result<(), ActionError> {
        let org = self.asker.org;
        let IntentAction::Responsible { document, .. } = &intent.action else {
            return Ok(());
        };
        let rows = documents::list_by_id(tx, org, &[*document]).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(());
        };
        let others = packed::list_by_customer(tx, org, &[intent.customer]).await?;
        let others = others.get(&intent.customer).map(Vec::as_slice).unwrap_or_default();
        let still = |person: UserId| {
            others
                .iter()
                .any(|other| other.document != *document && other.responsible == Some(person))
        };
        let ends: Vec<Scope> = row
            .responsible
            .filter(|previous| Some(*previous) != user && !still(*previous))
            .map(Scope::Responsible)
            .into_iter()
            .collect();
        let begins: Vec<Scope> = user.map(Scope::Responsible).into_iter().collect();
        let cause = Cause {
            org,
            event: "responsible",
            by: self.asker.user,
            reason: "",
            intent: Some(intent.id),
            at: self.seam.now(),
        };
        let handing = Handing {
            customer: intent.customer,
            document: *document,
            kind: row.kind,
            author: row.author,
            from: row.responsible,
            to: user,
        };
        let transfer = Transfer::of_document(&cause, &handing, &before.memberships, (&ends, &begins), seq);
        write_transfers(tx, org, vec![transfer]).await
    }
}

fn reason_of(action: &IntentAction) -> &str {
    match action {
        IntentAction::Release { reason, .. } | IntentAction::Assign { reason, .. } => reason,
        IntentAction::Create { .. } | IntentAction::Claim | IntentAction::Responsible { .. } => "",
    }
}

fn intent_word(action: &IntentAction) -> &'static str {
    match action {
        IntentAction::Create { .. } => "intent_create",
        IntentAction::Claim => "intent_claim",
        IntentAction::Release { .. } => "intent_release",
        IntentAction::Assign { .. } => "intent_assign",
        IntentAction::Responsible { .. } => "intent_responsible",
    }
}
