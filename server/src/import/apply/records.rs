//! Contacts, deals, visits and follow-ups of customers that are there.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    time::Timestamp,
};

use super::{
    Done, Importer, Outcome,
    customers::{author_or, read_known},
    ledger::{self, Ledger, WantedDocument},
};
use crate::{
    actions::{ActionError, organisation::add_pipeline_stages_in},
    import::{
        rows::{Record, RowProblem, RowRefusal},
        wanted,
    },
    storage::{
        Tx,
        imports::{self, KnownDocument},
        organisation,
        ownership::{self, Assignment},
        people::Account,
    },
};

/// What the rows of a chunk name.
struct Names {
    customers: BTreeMap<String, CustomerId>,
    assignments: BTreeMap<CustomerId, Assignment>,
    accounts: BTreeMap<String, Account>,
    /// Stages of the pipeline by the names that rows give them.
    stages: BTreeMap<String, String>,
    /// Documents by their external id.
    by_external_id: BTreeMap<String, KnownDocument>,
}

/// What of a record is the same for every kind.
struct Common<'a> {
    line: u64,
    kind: Kind,
    customer: &'a str,
    external_id: Option<&'a str>,
    author: Option<&'a str>,
    owner: Option<&'a str>,
    stage: Option<&'a str>,
}

/// A record with its customer and document.
struct Found {
    line: u64,
    customer: CustomerId,
    wanted: WantedDocument,
}

impl Importer {
    pub(super) async fn apply_records(&self, tx: &mut Tx, chunk: &[Record]) -> Result<Outcome, ActionError> {
        let common: Vec<_> = chunk
            .iter()
            .filter_map(|record| Some((record, common(record)?)))
            .collect();
        let names = self
            .read_record_names(tx, common.iter().map(|(_, common)| common))
            .await?;
        let now = self.app.seam.now();
        let mut outcome = Outcome::default();
        let mut found = Vec::with_capacity(common.len());
        for (record, common) in &common {
            match self.find_record(record, common, &names, now) {
                Ok(one) => found.push(one),
                Err(problem) => outcome.refused.push(RowRefusal::one(common.line, problem)),
            }
        }
        let fields = found
            .iter()
            .map(|one| (one.wanted.id, one.wanted.fields.clone()))
            .collect();
        let (known, loaded) = read_known(tx, self.org, &fields).await?;
        let mut ledger = Ledger::new(self.org, self.by, self.actor, now);
        for Found { line, customer, wanted } in found {
            let (id, kind) = (wanted.id, wanted.kind);
            let known = known.get(&id);
            let before = loaded.get(&id);
            let drafted = super::check_known(known, customer, kind)
                .and_then(|()| {
                    if ledger.touch_document(id) {
                        Ok(())
                    } else {
                        Err(super::same_record())
                    }
                })
                .and_then(|()| match (known, before) {
                    (Some(_), None) => Ok(None),
                    _ => ledger::draft(self.actor, wanted, before),
                });
            match drafted {
                Err(problem) => outcome.refused.push(RowRefusal::one(line, problem)),
                Ok(None) => outcome.count(Done::Unchanged),
                Ok(Some(draft)) => {
                    outcome.count(if known.is_some() { Done::Updated } else { Done::Created });
                    let owner = names.assignments.get(&customer).and_then(|assignment| assignment.owner);
                    ledger.add(customer, owner, draft);
                }
            }
        }
        ledger.write(tx).await?;
        Ok(outcome)
    }

    async fn read_record_names<'a>(
        &self,
        tx: &mut Tx,
        rows: impl Iterator<Item = &'a Common<'a>> + Clone,
    ) -> Result<Names, ActionError> {
        let named: Vec<&str> = rows.clone().map(|row| row.customer).collect();
        let customers = super::customers_by_name(tx, self.org, &named).await?;
        let ids: Vec<CustomerId> = customers.values().copied().collect();
        let assignments = ownership::list_assignments(tx, self.org, &ids).await?;
        let logins: Vec<&str> = rows.clone().flat_map(|row| [row.author, row.owner]).flatten().collect();
        let accounts = super::accounts_by_login(tx, self.org, &logins).await?;
        let mut by_external_id = BTreeMap::new();
        if let Some(kind) = rows.clone().next().map(|row| row.kind) {
            let ids: Vec<&str> = rows.clone().filter_map(|row| row.external_id).collect();
            let known = imports::find_documents_by_external_id(tx, self.org, kind, &ids).await?;
            by_external_id.extend(
                known
                    .into_iter()
                    .filter_map(|document| Some((document.external_id.clone()?, document))),
            );
            // An export names records that no other system knows by their ids here.
            let own: Vec<DocumentId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            for document in imports::find_documents(tx, self.org, &own).await? {
                by_external_id.entry(document.id.to_string()).or_insert(document);
            }
        }
        let stages = self.stages(tx, rows.filter_map(|row| row.stage)).await?;
        Ok(Names {
            customers,
            assignments,
            accounts,
            stages,
            by_external_id,
        })
    }

    /// The ids of the stages that rows name; those that the pipeline lacks are added if that was asked for.
    async fn stages<'a>(
        &self,
        tx: &mut Tx,
        named: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, String>, ActionError> {
        let named: BTreeSet<&str> = named.collect();
        let mut stages = BTreeMap::new();
        if named.is_empty() {
            return Ok(stages);
        }
        let settings = organisation::find_settings(tx, self.org).await?;
        let mut new = Vec::new();
        for name in named {
            match super::choice_id(settings.pipeline.iter().map(|stage| &stage.choice), name) {
                Some(id) => {
                    stages.insert(name.to_owned(), id.to_owned());
                }
                None => new.push(name.to_owned()),
            }
        }
        if self.settings.add_stages && !new.is_empty() {
            add_pipeline_stages_in(tx, &self.app.seam, None, self.org, &new).await?;
            stages.extend(new.into_iter().map(|stage| (stage.clone(), stage)));
        }
        Ok(stages)
    }

    fn find_record(
        &self,
        record: &Record,
        common: &Common<'_>,
        names: &Names,
        now: Timestamp,
    ) -> Result<Found, RowProblem> {
        let customer = *names
            .customers
            .get(common.customer)
            .ok_or_else(|| super::unknown("unknown_customer", "customer", common.customer))?;
        let account = |code, field, login: Option<&str>| match login {
            None => Ok(None),
            Some(login) => names
                .accounts
                .get(login)
                .map(Some)
                .ok_or_else(|| super::unknown(code, field, login)),
        };
        let author = account("unknown_author", "author", common.author)?;
        let responsible = account("unknown_owner", "owner", common.owner)?;
        let (mut fields, at) = self.fields_of(record, now);
        if let Some(stage) = common.stage {
            let Some(id) = names.stages.get(stage) else {
                let known: Vec<&str> = self
                    .choices
                    .pipeline
                    .iter()
                    .map(|stage| stage.choice.id.as_str())
                    .collect();
                let known = known.join(", ");
                let sentence = format!("stage: the pipeline has no {stage:?}; use one of {known}, or --add-stages");
                return Err(RowProblem::new("unknown_stage", sentence));
            };
            fields.insert("stage".into(), id.as_str().into());
        }
        let owner = names.assignments.get(&customer).and_then(|assignment| assignment.owner);
        let id = match common.external_id.and_then(|id| names.by_external_id.get(id)) {
            Some(known) => known.id,
            None => self.id_of(record, common, customer),
        };
        let wanted = WantedDocument {
            id,
            kind: common.kind,
            fields,
            external_id: common
                .external_id
                .filter(|own| *own != id.to_string())
                .map(str::to_owned),
            author: author_or(author, owner, self.by),
            at,
            responsible: responsible
                .map(|account| account.user)
                .filter(|user| Some(*user) != owner),
        };
        Ok(Found {
            line: common.line,
            customer,
            wanted,
        })
    }

    fn id_of(&self, record: &Record, common: &Common<'_>, customer: CustomerId) -> DocumentId {
        match record {
            Record::Contact(row) => {
                let name = row.fields.name.as_deref().unwrap_or_default();
                wanted::contact_id(self.org, customer, row.external_id.as_deref(), name)
            }
            _ => wanted::record_id(self.org, common.kind, customer, record),
        }
    }

    /// What the document shall say, and when it was said.
    fn fields_of(&self, record: &Record, now: Timestamp) -> (wanted::Fields, Timestamp) {
        match record {
            Record::Contact(row) => (wanted::contact(row).1, now),
            Record::Opportunity(row) => {
                let closed = row.close_date.map(crate::import::values::When::Day);
                let at = row.at.or(closed).map_or(now, |when| wanted::instant(when, &self.zone));
                // A deal that is expected to close some day was not recorded on that day.
                (wanted::opportunity_fields(row), at.min(now))
            }
            Record::Visit(row) => {
                let at = wanted::instant(row.at, &self.zone);
                (wanted::visit_fields(row, at, now), at.min(now))
            }
            Record::FollowUp(row) => {
                let at = wanted::instant(row.at, &self.zone);
                (wanted::follow_up_fields(row), at.min(now))
            }
            Record::Customer(_) | Record::User(_) => (wanted::Fields::new(), now),
        }
    }
}

fn common(record: &Record) -> Option<Common<'_>> {
    Some(match record {
        Record::Contact(row) => Common {
            line: row.line,
            kind: Kind::Contact,
            customer: &row.customer,
            external_id: row.external_id.as_deref(),
            author: None,
            owner: None,
            stage: None,
        },
        Record::Opportunity(row) => Common {
            line: row.line,
            kind: Kind::Opportunity,
            customer: &row.customer,
            external_id: row.external_id.as_deref(),
            author: row.author.as_deref(),
            owner: row.owner.as_deref(),
            stage: row.stage.as_deref(),
        },
        Record::Visit(row) => Common {
            line: row.line,
            kind: Kind::Visit,
            customer: &row.customer,
            external_id: row.external_id.as_deref(),
            author: row.author.as_deref(),
            owner: None,
            stage: None,
        },
        Record::FollowUp(row) => Common {
            line: row.line,
            kind: Kind::FollowUp,
            customer: &row.customer,
            external_id: row.external_id.as_deref(),
            author: row.author.as_deref(),
            owner: None,
            stage: None,
        },
        Record::Customer(_) | Record::User(_) => return None,
    })
}
