//! Customers: found again by their key, made with an owner or in a pool, each with its card and at most one contact.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sync_core::{
    document::Kind,
    hub::Move,
    ids::{CustomerId, DocumentId, OrgId, UserId},
    time::Timestamp,
    visibility::UserState,
};

use super::{
    Done, Importer, Outcome,
    ledger::{self, Draft, Ledger, WantedDocument},
};
use crate::{
    actions::ActionError,
    import::{
        plan::{Key, phone_digits},
        rows::{CustomerRow, Record, RowProblem, RowRefusal},
        wanted::{self, says_already},
    },
    storage::{
        Database, StorageError, Tx,
        documents::LoadedDocument,
        imports::{self, KnownDocument},
        ownership::{self, Assignment},
        people::Account,
    },
};

/// Documents read with one statement to find keys inside them.
const DOCUMENTS_PER_PAGE: i64 = 2_000;

/// Customers by the digits of their contacts' phone numbers, or by their tax numbers.
pub(super) async fn index_by_key(
    database: &Database,
    org: OrgId,
    key: Key,
) -> Result<BTreeMap<String, Vec<CustomerId>>, StorageError> {
    let kind = if key == Key::Phone { Kind::Contact } else { Kind::Card };
    let mut index: BTreeMap<String, Vec<CustomerId>> = BTreeMap::new();
    let mut tx = database.read().await?;
    let mut after = None;
    loop {
        let page = imports::list_documents(&mut tx, org, kind, after, DOCUMENTS_PER_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for document in page.iter().filter(|document| !document.is_erased) {
            let Ok(fields) = serde_json::from_str::<Json>(&document.fields) else {
                continue;
            };
            let keys: Vec<String> = match key {
                Key::Phone => {
                    let phones = fields["phones"].as_object().into_iter().flatten();
                    phones
                        .filter_map(|(_, phone)| phone.as_str().map(phone_digits))
                        .collect()
                }
                _ => fields["custom"]["tax_number"]
                    .as_str()
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
            };
            for key in keys.into_iter().filter(|key| !key.is_empty()) {
                let customers = index.entry(key).or_default();
                if !customers.contains(&document.customer) {
                    customers.push(document.customer);
                }
            }
        }
    }
    tx.rollback().await?;
    Ok(index)
}

/// What is known of a chunk's customers.
struct Facts {
    by_external_id: BTreeMap<String, CustomerId>,
    assignments: BTreeMap<CustomerId, Assignment>,
    accounts: BTreeMap<String, Account>,
    known: BTreeMap<DocumentId, KnownDocument>,
    loaded: BTreeMap<DocumentId, LoadedDocument>,
}

/// A row with the customer it is about.
struct Found<'a> {
    row: &'a CustomerRow,
    customer: CustomerId,
    card: DocumentId,
    contact: Option<(DocumentId, wanted::Fields)>,
}

impl Importer {
    pub(super) async fn apply_customers(&self, tx: &mut Tx, chunk: &[Record]) -> Result<Outcome, ActionError> {
        let rows: Vec<&CustomerRow> = chunk
            .iter()
            .filter_map(|record| match record {
                Record::Customer(row) => Some(row),
                _ => None,
            })
            .collect();
        let mut outcome = Outcome::default();
        let mut facts = self.read_names(tx, &rows).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            match self.find(row, &facts) {
                Ok(one) => found.push(one),
                Err(problem) => outcome.refused.push(RowRefusal::one(row.line, problem)),
            }
        }
        self.read_documents(tx, &found, &mut facts).await?;
        let now = self.app.seam.now();
        let mut ledger = Ledger::new(self.org, self.by, self.actor, now);
        for one in &found {
            match self.settle(one, &facts, now, &mut ledger) {
                Ok(done) => outcome.count(done),
                Err(problem) => outcome.refused.push(RowRefusal::one(one.row.line, problem)),
            }
        }
        ledger.write(tx).await?;
        Ok(outcome)
    }

    /// Reads what the rows name: external ids and owners.
    async fn read_names(&self, tx: &mut Tx, rows: &[&CustomerRow]) -> Result<Facts, ActionError> {
        let external_ids: Vec<&str> = rows.iter().filter_map(|row| row.external_id.as_deref()).collect();
        let by_external_id = super::customers_by_name(tx, self.org, &external_ids).await?;
        let logins: Vec<&str> = rows.iter().filter_map(|row| row.owner.as_deref()).collect();
        let accounts = super::accounts_by_login(tx, self.org, &logins).await?;
        Ok(Facts {
            by_external_id,
            accounts,
            assignments: BTreeMap::new(),
            known: BTreeMap::new(),
            loaded: BTreeMap::new(),
        })
    }

    /// Which customer a row is about: one that is there, or the one that its key makes.
    fn find<'a>(&self, row: &'a CustomerRow, facts: &Facts) -> Result<Found<'a>, RowProblem> {
        let phone = row
            .contact
            .as_ref()
            .and_then(|contact| contact.phone.as_deref())
            .map(phone_digits);
        let keyed = match self.settings.key {
            Key::ExternalId => None,
            Key::Phone => phone.and_then(|phone| self.by_key.get(&phone)),
            Key::TaxNumber => row.tax_number.as_ref().and_then(|number| self.by_key.get(number)),
        };
        let customer = match (keyed.map(Vec::as_slice), &row.external_id) {
            (Some([one]), _) => *one,
            (Some(several), _) if several.len() > 1 => {
                let sentence = format!(
                    "{} customers have this key; name the one by its external id",
                    several.len()
                );
                return Err(RowProblem::new("ambiguous_key", sentence));
            }
            (_, Some(id)) => facts
                .by_external_id
                .get(id)
                .copied()
                .unwrap_or_else(|| wanted::customer_id(self.org, row, self.settings.key)),
            (_, None) => wanted::customer_id(self.org, row, self.settings.key),
        };
        let contact = wanted::customer_contact(row)
            .map(|(name, fields)| (wanted::contact_id(self.org, customer, None, &name), fields));
        Ok(Found {
            row,
            customer,
            card: DocumentId::derived(self.org, customer, Kind::Card, 0),
            contact,
        })
    }

    /// Reads who has the customers and what their documents say; from the log only those that must change.
    async fn read_documents(&self, tx: &mut Tx, found: &[Found<'_>], facts: &mut Facts) -> Result<(), ActionError> {
        let customers: Vec<CustomerId> = found.iter().map(|one| one.customer).collect();
        facts.assignments = ownership::list_assignments(tx, self.org, &customers).await?;
        let mut wanted: BTreeMap<DocumentId, wanted::Fields> =
            found.iter().map(|one| (one.card, self.card_fields(one.row))).collect();
        wanted.extend(found.iter().filter_map(|one| one.contact.clone()));
        (facts.known, facts.loaded) = read_known(tx, self.org, &wanted).await?;
        Ok(())
    }

    fn settle(&self, one: &Found<'_>, facts: &Facts, now: Timestamp, ledger: &mut Ledger) -> Result<Done, RowProblem> {
        let row = one.row;
        let before = facts.assignments.get(&one.customer).copied();
        let place = self.place_of(row, before, facts)?;
        let owner = match place {
            Some(Move::Owner(owner, _)) => Some(owner),
            Some(Move::Pool(_)) => None,
            None => before.and_then(|before| before.owner),
        };
        let author = owner.unwrap_or(self.by);
        let card = WantedDocument {
            id: one.card,
            kind: Kind::Card,
            fields: self.card_fields(row),
            external_id: None,
            author,
            at: now,
            responsible: None,
        };
        let contact = one.contact.as_ref().map(|(id, fields)| WantedDocument {
            id: *id,
            kind: Kind::Contact,
            fields: fields.clone(),
            external_id: None,
            author,
            at: now,
            responsible: None,
        });
        let drafts = self.draft_all([Some(card), contact].into_iter().flatten(), one.customer, facts)?;
        if !ledger.touch(one.customer) {
            return Err(super::same_record());
        }
        let done = match (before, place, drafts.is_empty()) {
            (None, ..) => Done::Created,
            (Some(_), None, true) => Done::Unchanged,
            _ => Done::Updated,
        };
        if let Some(to) = place {
            ledger.place(one.customer, before, to, row.external_id.clone());
        }
        for draft in drafts {
            ledger.add(one.customer, owner, draft);
        }
        Ok(done)
    }

    /// The card's fields, with stage and tier by their ids where they are known by a name.
    fn card_fields(&self, row: &CustomerRow) -> wanted::Fields {
        let mut fields = wanted::card_fields(row);
        for (key, choices) in [("stage", &self.choices.stages), ("tier", &self.choices.tiers)] {
            let id = fields
                .get(key)
                .and_then(Json::as_str)
                .and_then(|name| super::choice_id(choices.iter(), name));
            if let Some(id) = id.map(str::to_owned) {
                fields.insert(key.to_owned(), id.into());
            }
        }
        fields
    }

    fn draft_all(
        &self,
        wanted: impl Iterator<Item = WantedDocument>,
        customer: CustomerId,
        facts: &Facts,
    ) -> Result<Vec<Draft>, RowProblem> {
        let mut drafts = Vec::new();
        for wanted in wanted {
            let known = facts.known.get(&wanted.id);
            super::check_known(known, customer, wanted.kind)?;
            let before = facts.loaded.get(&wanted.id);
            // What is known and was not loaded says all of it already.
            if known.is_none() || before.is_some() {
                drafts.extend(ledger::draft(self.actor, wanted, before)?);
            }
        }
        Ok(drafts)
    }

    /// Where the row puts the customer; `None` if it is there already, or the row does not say.
    fn place_of(
        &self,
        row: &CustomerRow,
        before: Option<Assignment>,
        facts: &Facts,
    ) -> Result<Option<Move>, RowProblem> {
        if let Some(login) = &row.owner {
            let account = facts
                .accounts
                .get(login)
                .ok_or_else(|| super::unknown("unknown_owner", "owner", login))?;
            if before.is_some_and(|before| before.owner == Some(account.user)) {
                return Ok(None);
            }
            if account.state != UserState::Active || !account.role.may_own() {
                let sentence = format!("owner: {login} is not active, or of a role that owns no customers");
                return Err(RowProblem::new("owner_may_not_own", sentence));
            }
            return Ok(Some(Move::Owner(account.user, account.team)));
        }
        match (before, self.settings.pool) {
            (Some(_), _) => Ok(None),
            (None, Some(pool)) => Ok(Some(Move::Pool(pool))),
            (None, None) => Err(RowProblem::new(
                "no_pool",
                "the row has no owner and the organisation has several pools; name one with --pool",
            )),
        }
    }
}

/// Which documents there are, and from the log those that do not say yet what is wanted.
pub(super) async fn read_known(
    tx: &mut Tx,
    org: OrgId,
    wanted: &BTreeMap<DocumentId, wanted::Fields>,
) -> Result<
    (
        BTreeMap<DocumentId, KnownDocument>,
        BTreeMap<DocumentId, LoadedDocument>,
    ),
    ActionError,
> {
    let ids: Vec<DocumentId> = wanted.keys().copied().collect();
    let known: BTreeMap<_, _> = imports::find_documents(tx, org, &ids)
        .await?
        .into_iter()
        .map(|document| (document.id, document))
        .collect();
    let stale: Vec<DocumentId> = known
        .values()
        .filter(|document| {
            let stored = serde_json::from_str(&document.fields).unwrap_or_default();
            document.has_conflicts || !says_already(&stored, &wanted[&document.id])
        })
        .map(|document| document.id)
        .collect();
    let loaded = ledger::load(tx, org, &stale).await?;
    Ok((known, loaded))
}

/// The authors that stand for a row without one.
pub(super) fn author_or(account: Option<&Account>, owner: Option<UserId>, by: UserId) -> UserId {
    account.map(|account| account.user).or(owner).unwrap_or(by)
}
