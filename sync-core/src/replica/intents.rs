//! What only the server decides: asked here, shown as provisional, settled by its outcome.

use crate::{
    document::{Edit, Kind},
    ids::{CustomerId, IntentId, PoolId},
    protocol::message::{Intent, IntentAction, IntentOutcome},
    time::Timestamp,
    visibility::{ClassRights, Relation, RelationSet},
};

use super::{
    AccessRow, IntentResult, IntentRow, Provisional, Recorded, Replica, ReplicaError, ReplicaResult, Store,
    SyncProgress, TrayEntry,
};

const PENDING: &str = "pending";

impl<S: Store> Replica<'_, S> {
    /// A new customer with the first fields of his card. He is one's own, or goes into the pool.
    ///
    /// # Errors
    /// [`ReplicaError::Locked`], or what does not fit the schema.
    pub fn create_customer(
        &mut self,
        customer: CustomerId,
        intent: IntentId,
        pool: Option<PoolId>,
        card: &[Edit],
        now: Timestamp,
    ) -> ReplicaResult<Recorded, S> {
        self.may_work(now)?;
        let row = AccessRow {
            customer,
            rights: ClassRights::NONE,
            relations: RelationSet::NONE.with(Relation::Owner),
            owner: Some(self.state.user),
            pool,
            team: None,
            version: 0,
            lost: None,
            trim: false,
            provisional: Some(Provisional::Create),
        };
        self.store.put_access(&row).map_err(ReplicaError::Store)?;
        let create = Intent {
            id: intent,
            at: now,
            customer,
            expected_version: None,
            action: IntentAction::Create { pool },
        };
        self.put_pending(create)?;
        let id = crate::ids::DocumentId::derived(self.state.org, customer, Kind::Card, 0);
        self.record_change(id, customer, Kind::Card, None, card, now)
    }

    /// Asks for a customer to be claimed, released, assigned, or for somebody to be made responsible. An undecided
    /// intent of the same meaning is kept and its id given.
    ///
    /// # Errors
    /// [`ReplicaError::NotPermitted`] where the phone already knows that it cannot be.
    pub fn intend(
        &mut self,
        id: IntentId,
        customer: CustomerId,
        action: IntentAction,
        now: Timestamp,
    ) -> ReplicaResult<IntentId, S> {
        self.may_work(now)?;
        let mut row = self.customer(customer)?;
        let pending = self
            .store
            .pending_intents(Some(customer))
            .map_err(ReplicaError::Store)?;
        if let Some(same) = pending.iter().find(|known| known.intent.action == action) {
            return Ok(same.intent.id);
        }
        if !self.may_ask(&row, &action) {
            return Err(ReplicaError::NotPermitted);
        }
        match action {
            IntentAction::Claim => row.provisional = Some(Provisional::Claim),
            IntentAction::Release { .. } if row.provisional.is_none() => row.provisional = Some(Provisional::Release),
            _ => {}
        }
        self.store.put_access(&row).map_err(ReplicaError::Store)?;
        let created_here = pending
            .iter()
            .any(|known| matches!(known.intent.action, IntentAction::Create { .. }));
        self.put_pending(Intent {
            id,
            at: now,
            customer,
            expected_version: (!created_here).then_some(row.version),
            action,
        })?;
        Ok(id)
    }

    fn may_ask(&self, row: &AccessRow, action: &IntentAction) -> bool {
        let mine = row.owner == Some(self.state.user) || row.provisional == Some(Provisional::Claim);
        let leads = [Relation::Manager, Relation::BackOffice, Relation::Admin]
            .into_iter()
            .any(|relation| row.relations.contains(relation));
        let runs_pool = row.relations.contains(Relation::PoolAdmin);
        match action {
            IntentAction::Create { .. } => false,
            IntentAction::Claim => row.owner.is_none() && row.pool.is_some() && row.provisional.is_none(),
            IntentAction::Release { .. } => mine || leads,
            IntentAction::Assign { .. } => leads || runs_pool,
            IntentAction::Responsible { .. } => mine || leads || runs_pool,
        }
    }

    fn put_pending(&mut self, intent: Intent) -> ReplicaResult<(), S> {
        let row = IntentRow {
            intent,
            outcome: PENDING.to_owned(),
            reason: None,
            hold: false,
        };
        self.store.put_intent(&row).map_err(ReplicaError::Store)
    }

    /// Takes the outcome of an intent. A second outcome of the same intent changes nothing.
    pub(super) fn handle_outcome(
        &mut self,
        id: IntentId,
        outcome: &IntentOutcome,
        progress: &mut SyncProgress,
    ) -> ReplicaResult<(), S> {
        let Some(mut row) = self.store.intent(id).map_err(ReplicaError::Store)? else {
            return Ok(());
        };
        if row.outcome != PENDING {
            return Ok(());
        }
        let (name, reason) = match outcome {
            IntentOutcome::Accepted { version, marked } => {
                self.settle_intent(&row.intent, Some(*version))?;
                ("accepted", marked.clone())
            }
            IntentOutcome::Rejected { code, owner, since } => {
                self.settle_intent(&row.intent, None)?;
                let entry = TrayEntry {
                    id: 0,
                    document: None,
                    customer: row.intent.customer,
                    kind: row.intent.action.name().to_owned(),
                    edits: Vec::new(),
                    at: row.intent.at,
                    verdict: "rejected".to_owned(),
                    reason: code.clone(),
                    owner: *owner,
                    since: *since,
                };
                self.store.push_tray(&entry).map_err(ReplicaError::Store)?;
                ("rejected", Some(code.clone()))
            }
            IntentOutcome::Retry => {
                row.hold = true;
                ("retry", None)
            }
        };
        if name != "retry" {
            row.outcome = name.to_owned();
            row.reason.clone_from(&reason);
        }
        self.store.put_intent(&row).map_err(ReplicaError::Store)?;
        progress.intents.push(IntentResult {
            id,
            kind: row.intent.action.name(),
            outcome: name,
            reason,
        });
        Ok(())
    }

    /// Takes away what was shown as provisional. What the server grants comes as an access item.
    fn settle_intent(&mut self, intent: &Intent, accepted: Option<u64>) -> ReplicaResult<(), S> {
        let Some(mut row) = self.store.access(intent.customer).map_err(ReplicaError::Store)? else {
            return Ok(());
        };
        let settles = match intent.action {
            IntentAction::Create { .. } => Some(Provisional::Create),
            IntentAction::Claim => Some(Provisional::Claim),
            IntentAction::Release { .. } => Some(Provisional::Release),
            _ => None,
        };
        if row.provisional != settles || settles.is_none() {
            if let Some(version) = accepted {
                row.version = row.version.max(version);
                return self.store.put_access(&row).map_err(ReplicaError::Store);
            }
            return Ok(());
        }
        row.provisional = None;
        match (accepted, settles) {
            (Some(version), _) => {
                row.version = row.version.max(version);
                if settles != Some(Provisional::Release) {
                    // Until the access item says more, it is what was asked for.
                    row.rights = row.rights.union(self.rights(&AccessRow {
                        provisional: settles,
                        ..row.clone()
                    }));
                }
                if settles == Some(Provisional::Claim) {
                    row.owner = Some(self.state.user);
                    row.pool = None;
                    row.relations.insert(Relation::Owner);
                }
            }
            // The id is another customer's: nothing of him is ours.
            (None, Some(Provisional::Create)) => {
                row.rights = ClassRights::NONE;
                row.trim = true;
            }
            (None, _) => row.trim = true,
        }
        self.store.put_access(&row).map_err(ReplicaError::Store)
    }
}
