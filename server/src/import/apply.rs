//! Applies records to an organisation: one transaction for each chunk, judged and written under the log's counter, so
//! that an import beside a running server sees what the server has committed and is seen whole or not at all.
//!
//! What is written is what a person would have written on the web: changes made by typed edits, with the original
//! author and date beside them. A chunk that fails leaves the chunks before it; running the file again finds them by
//! their ids and goes on.

mod customers;
mod ledger;
mod people;
mod records;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::json;
use sync_core::{
    directory::{self, Choice},
    document::Kind,
    ids::{ActorId, CustomerId, LogId, OrgId, PoolId, UserId},
    visibility::Role,
};

use super::{
    Entity, Plan, Report,
    plan::Key,
    rows::{Record, RowProblem, RowRefusal},
};
use crate::{
    actions::{ActionError, Code, edit::web_actor},
    app::App,
    storage::{
        StorageError, Tx,
        audit::{self, AuditRow},
        imports::{self, KnownDocument},
        log, organisation, people as accounts,
        people::Account,
        pools,
    },
};

/// The currency of amounts without one.
const DEFAULT_CURRENCY: &str = "CNY";
/// The name of a pool that an import makes because the organisation has none.
const FIRST_POOL_NAME: &str = "Pool";

/// Times a chunk is tried that meets a lock of somebody else.
const TRIES_MAX: u32 = 5;

/// What the command was told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// The pool for customers without an owner, and of new people.
    pub pool: Option<PoolId>,
    /// By what a customer is found again.
    pub key: Key,
    /// Everything is rolled back.
    pub dry_run: bool,
    /// Everything is one transaction, kept or not by [`Importer::close`].
    pub all_or_nothing: bool,
    /// Unknown stages are added to the pipeline.
    pub add_stages: bool,
}

/// What became of some records.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records made.
    pub created: u64,
    /// Records changed.
    pub updated: u64,
    /// Records that said the same already.
    pub unchanged: u64,
    /// Records refused.
    pub refused: Vec<RowRefusal>,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Created,
    Updated,
    Unchanged,
}

impl Outcome {
    fn count(&mut self, done: Done) {
        match done {
            Done::Created => self.created += 1,
            Done::Updated => self.updated += 1,
            Done::Unchanged => self.unchanged += 1,
        }
    }
}

/// An import into one organisation.
pub struct Importer {
    app: App,
    org: OrgId,
    settings: Settings,
    zone: TimeZone,
    log: LogId,
    /// Who stands behind what nobody else is named for: the organisation's first administrator, else its first person.
    by: UserId,
    actor: ActorId,
    hierarchy: people::Hierarchy,
    /// Stages, tiers and pipeline as they were when the import began.
    choices: directory::Settings,
    /// Customers by the phone number or tax number that `--key` looks for.
    by_key: BTreeMap<String, Vec<CustomerId>>,
    /// Whether chunks share one transaction: all or nothing, or a dry run of tables that refer to each other.
    together: bool,
    /// The shared transaction between two chunks.
    held: Option<Tx>,
}

impl Importer {
    /// Prepares an import.
    ///
    /// # Errors
    /// `not_found` for an unknown organisation or pool; the database's.
    pub async fn open(app: App, org: OrgId, settings: Settings) -> Result<Self, ActionError> {
        let mut tx = app.database.read().await?;
        let not_found = |what: &str| ActionError::refused(Code::NotFound).because(what.to_owned());
        let organisation = organisation::find(&mut tx, org)
            .await?
            .ok_or_else(|| not_found("org: there is no such organisation; `admin org list` shows all"))?;
        if let Some(pool) = settings.pool
            && !pools::exists(&mut tx, org, pool).await?
        {
            return Err(not_found("pool: this organisation has no such pool"));
        }
        let zone = TimeZone::get(&organisation.timezone).unwrap_or(TimeZone::UTC);
        let choices = organisation::find_settings(&mut tx, org).await?;
        tx.rollback().await?;
        let nobody = UserId(uuid::Uuid::nil());
        Ok(Self {
            actor: web_actor(organisation.log, nobody),
            by: nobody,
            log: organisation.log,
            app,
            org,
            settings,
            zone,
            hierarchy: people::Hierarchy::default(),
            choices,
            by_key: BTreeMap::new(),
            together: settings.all_or_nothing,
            held: None,
        })
    }

    /// The currency of amounts without one.
    #[must_use]
    pub fn currency(&self) -> &'static str {
        DEFAULT_CURRENCY
    }

    /// Prepares for one table's records; may put them in another order.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&mut self, entity: Entity, plan: &mut Plan) -> Result<(), ActionError> {
        if entity == Entity::Users {
            self.hierarchy = people::arrange(plan);
            // Who comes later has his manager, and customers have their owners, only if nothing is rolled back before.
            self.together |= self.settings.dry_run;
        } else {
            self.settle_by().await?;
        }
        if entity == Entity::Customers && self.settings.key != Key::ExternalId {
            self.by_key = customers::index_by_key(&self.app.database, self.org, self.settings.key).await?;
        }
        if entity == Entity::Customers && self.settings.pool.is_none() {
            self.settings.pool = self.only_pool(plan).await?;
        }
        Ok(())
    }

    /// Applies one chunk in one transaction. One that meets a lock it cannot wait for is rolled back and tried again.
    ///
    /// # Errors
    /// The database's: nothing of the chunk is stored then.
    pub async fn apply(&mut self, entity: Entity, chunk: &[Record]) -> Result<Outcome, ActionError> {
        let hashes = self.hash_passwords(chunk).await?;
        let mut tries = 1;
        loop {
            match self.try_apply(entity, chunk, &hashes).await {
                // With a shared transaction the chunks before would be lost.
                Err(ActionError::Storage(error)) if !self.together && tries < TRIES_MAX && is_contention(&error) => {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_apply(
        &mut self,
        entity: Entity,
        chunk: &[Record],
        hashes: &people::Hashes,
    ) -> Result<Outcome, ActionError> {
        let mut tx = self.transaction().await?;
        // What changes the directory locks the organisation before the counter, as everybody does.
        if entity == Entity::Users || self.settings.add_stages {
            organisation::lock(&mut tx, self.org).await?;
        }
        // Everything below is decided under the organisation's counter: nobody else writes its log meanwhile.
        log::take(&mut tx, self.org, 0, 0).await?;
        let outcome = match entity {
            Entity::Users => self.apply_people(&mut tx, chunk, hashes).await?,
            Entity::Customers => self.apply_customers(&mut tx, chunk).await?,
            _ => self.apply_records(&mut tx, chunk).await?,
        };
        self.end(tx).await?;
        Ok(outcome)
    }

    /// Ends the import. With `keep`, what a shared transaction holds is stored, unless it is a dry run.
    ///
    /// # Errors
    /// The database's; nothing of a shared transaction is stored then.
    pub async fn close(mut self, keep: bool) -> Result<(), ActionError> {
        match self.held.take() {
            Some(tx) if keep && !self.settings.dry_run => tx.commit().await?,
            Some(tx) => tx.rollback().await?,
            None => {}
        }
        Ok(())
    }

    /// Writes into the audit trail what was imported.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(&mut self, entity: Entity, report: &Report) -> Result<(), ActionError> {
        let mut tx = self.transaction().await?;
        let detail = json!({
            "rows": report.rows, "created": report.created, "updated": report.updated,
            "unchanged": report.unchanged, "errors": report.errors,
        });
        let row = AuditRow::new(self.app.seam.now(), "imported", entity).with_detail(detail);
        audit::append(&mut tx, self.org, &[row]).await?;
        self.end(tx).await
    }

    async fn settle_by(&mut self) -> Result<(), ActionError> {
        let mut tx = self.transaction().await?;
        let accounts = accounts::list(&mut tx, self.org).await?;
        let by = accounts
            .iter()
            .find(|account| account.role == Role::Admin)
            .or(accounts.first());
        if let Some(account) = by {
            self.by = account.user;
            self.actor = web_actor(self.log, account.user);
        }
        self.end(tx).await
    }

    async fn transaction(&mut self) -> Result<Tx, ActionError> {
        Ok(match self.held.take() {
            Some(tx) => tx,
            None => self.app.database.write().await?,
        })
    }

    async fn end(&mut self, tx: Tx) -> Result<(), ActionError> {
        if self.together {
            self.held = Some(tx);
        } else if self.settings.dry_run {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(())
    }

    /// The pool for rows without an owner where none was named: the only one there is, or a first one.
    async fn only_pool(&mut self, plan: &Plan) -> Result<Option<PoolId>, ActionError> {
        let ownerless = |record: &Record| matches!(record, Record::Customer(row) if row.owner.is_none());
        if !plan.chunks.iter().flatten().any(ownerless) {
            return Ok(None);
        }
        let mut tx = self.transaction().await?;
        let all = imports::list_pools(&mut tx, self.org).await?;
        let pool = match all.as_slice() {
            [] => {
                let seam = &self.app.seam;
                Some(crate::actions::organisation::add_pool_in(&mut tx, seam, None, self.org, FIRST_POOL_NAME).await?)
            }
            [(only, _)] => Some(*only),
            _ => None,
        };
        self.end(tx).await?;
        Ok(pool)
    }
}

/// Whether somebody else's lock was in the way, so that the same work can succeed next time.
fn is_contention(error: &StorageError) -> bool {
    // SQLite: busy, with its extended codes. PostgreSQL: serialisation failure, deadlock, lock not available.
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(code.as_ref(), "5" | "261" | "517" | "40001" | "40P01" | "55P03"))
}

/// Customers by the names that rows give them: the other system's id, or the id here.
async fn customers_by_name(
    tx: &mut Tx,
    org: OrgId,
    names: &[&str],
) -> Result<BTreeMap<String, CustomerId>, ActionError> {
    let mut found = BTreeMap::new();
    let own: Vec<CustomerId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    for customer in imports::find_customers(tx, org, &own).await? {
        found.insert(customer.id.to_string(), customer.id);
    }
    for customer in imports::find_customers_by_external_id(tx, org, names).await? {
        found.extend(customer.external_id.map(|external_id| (external_id, customer.id)));
    }
    Ok(found)
}

/// The organisation's people among these logins.
async fn accounts_by_login(tx: &mut Tx, org: OrgId, logins: &[&str]) -> Result<BTreeMap<String, Account>, ActionError> {
    let logins: Vec<&str> = logins.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let accounts = accounts::list_by_login(tx, org, &logins).await?;
    Ok(accounts
        .into_iter()
        .map(|account| (account.login.clone(), account))
        .collect())
}

/// A document that is there must be of the row's customer and take changes.
fn check_known(known: Option<&KnownDocument>, customer: CustomerId, kind: Kind) -> Result<(), RowProblem> {
    let Some(known) = known else { return Ok(()) };
    if known.customer != customer || known.kind != i16::from(kind.number()) {
        return Err(RowProblem::new(
            "other_customer",
            "the record with this external id belongs to another customer",
        ));
    }
    if known.is_erased {
        return Err(RowProblem::new(
            "erased",
            "this record was erased and is not made again",
        ));
    }
    Ok(())
}

fn unknown(code: &'static str, field: &str, name: &str) -> RowProblem {
    RowProblem::new(
        code,
        format!("{field}: there is no {name:?} here; import it first or correct it"),
    )
}

fn same_record() -> RowProblem {
    RowProblem::new(
        "duplicate",
        "a row further up is about the same record; delete one of the two",
    )
}

/// The id of a choice that is named by its id or by its name in either language.
fn choice_id<'a>(mut choices: impl Iterator<Item = &'a Choice>, name: &str) -> Option<&'a str> {
    let is_named = |choice: &&Choice| {
        [&choice.id, &choice.en, &choice.zh]
            .into_iter()
            .any(|known| known.to_lowercase() == name.to_lowercase())
    };
    choices.find(is_named).map(|choice| choice.id.as_str())
}
