//! Plain records, read out of the phone's JSON.

use serde_json::Value as Json;

use super::documents::{self, Conflict, Document, Field};
use crate::SyncReport;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Person {
    /// The id.
    pub id: String,
    /// What he signs in with; empty if this phone has not heard of him.
    pub login: String,
    /// His name; empty if this phone has not heard of him.
    pub name: String,
}

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Enrolled {
    /// The person.
    pub user: Person,
    /// The device that this phone is now.
    pub device: String,
    /// The organisation.
    pub org: String,
}

/// Something asked for that only the server decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Provisional {
    /// The customer was made here and the server has not heard of him.
    Create,
    /// Claimed, not decided.
    Claim,
    /// Released, not decided.
    Release,
}

/// A customer in a list.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CustomerItem {
    /// The id.
    pub id: String,
    /// The name; empty until the card has come.
    pub name: String,
    /// Why this person sees him: `owner`, `collaborator`, `pool`, …
    pub relation: Option<String>,
    /// Who owns him; none in a pool.
    pub owner: Option<Person>,
    /// The pool he lies in.
    pub pool: Option<String>,
    /// The pool's name.
    pub pool_name: Option<String>,
    /// The owner's team.
    pub team: Option<String>,
    /// Stage of the pipeline.
    pub stage: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// What is asked for and not decided yet.
    pub provisional: Option<Provisional>,
    /// Changes and requests without a final verdict.
    pub pending: u32,
    /// Entries of the tray.
    pub refused: u32,
    /// Documents with fields that have more than one value.
    pub conflicts: u32,
    /// When somebody last visited, or recorded a follow-up.
    pub last_contact_ms: Option<i64>,
}

/// A customer with everything of him that this person may read.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Customer {
    /// As in the list.
    pub item: CustomerItem,
    /// The card; none without the right.
    pub card: Option<Document>,
    /// The dossier; none without the right.
    pub dossier: Option<Document>,
    /// The internal document; none without the right.
    pub internal: Option<Document>,
    /// People at the customer.
    pub contacts: Vec<Document>,
    /// Visits, follow-ups, opportunities and tickets, the newest first.
    pub timeline: Vec<Document>,
    /// Fields with more than one value.
    pub conflicts: Vec<Conflict>,
}

/// Something without a final verdict.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct OutboxEntry {
    /// The kind of its document, or what was asked for (`claim`, `release`, `create`).
    pub kind: String,
    /// The document; none for what was asked for.
    pub document: Option<String>,
    /// Whose.
    pub customer: String,
    /// What was written, for a person to recognise it.
    pub what: String,
    /// What was written, field by field; `map.entry` for an entry.
    pub fields: Vec<Field>,
    /// Why it is still here; none if it has not been sent.
    pub reason: Option<String>,
    /// When it was recorded.
    pub at_ms: Option<i64>,
}

/// Something that was refused, until somebody has dealt with it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct TrayEntry {
    /// To dismiss it by.
    pub id: i64,
    /// The kind of its document, or what was asked for.
    pub kind: String,
    /// The document; none for what was asked for.
    pub document: Option<String>,
    /// Whose.
    pub customer: String,
    /// What was written, for a person to recognise it.
    pub what: String,
    /// What was written, field by field; `map.entry` for an entry.
    pub fields: Vec<Field>,
    /// The code of the refusal.
    pub reason: Option<String>,
    /// Whose the customer is instead, where this person may know.
    pub owner: Option<Person>,
    /// When it was recorded.
    pub at_ms: Option<i64>,
}

/// How the phone stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Status {
    /// Who has signed in.
    pub user: Person,
    /// The device.
    pub device: String,
    /// The organisation.
    pub org: String,
    /// `active`, `offboarding`, `locked` or `wiped`.
    pub state: String,
    /// Changes and requests without a final verdict.
    pub pending: u64,
    /// Entries of the tray.
    pub refused: u64,
    /// Customers shown.
    pub customers: u64,
    /// Documents held.
    pub documents: u64,
    /// Photos that are not uploaded.
    pub photos_pending: u64,
    /// When the server was last heard.
    pub last_sync_ms: Option<i64>,
    /// Until when the phone may be used without hearing the server.
    pub lease_until_ms: Option<i64>,
    /// The server needs a newer app; local work goes on.
    pub upgrade_required: bool,
    /// Somebody has turned the network off.
    pub flight_mode: bool,
}

/// What a sync has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SyncTotals {
    /// Requests sent.
    pub round_trips: u64,
    /// Bytes sent.
    pub bytes_up: u64,
    /// Bytes received.
    pub bytes_down: u64,
    /// Documents that arrived.
    pub pulled_documents: u64,
    /// Customers dropped because this person may no longer see them.
    pub evicted_customers: u64,
    /// Entries that left the outbox for good.
    pub settled: u64,
}

/// What the server said to what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Verdicts {
    /// In the log.
    pub accepted: u64,
    /// In the log, below values written since.
    pub amended: u64,
    /// Kept at the server for a decision.
    pub quarantined: u64,
    /// Refused: in the tray.
    pub rejected: u64,
    /// Depended on a refused one: in the tray.
    pub superseded: u64,
}

/// What became of something that only the server decides.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct IntentOutcome {
    /// The id that `claim` or `release` gave.
    pub id: String,
    /// `claim`, `release`, `create`, …
    pub kind: String,
    /// `accepted`, `rejected` or `retry`.
    pub outcome: String,
    /// The code of a refusal.
    pub reason: Option<String>,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SyncResult {
    /// Over all its round trips.
    pub totals: SyncTotals,
    /// What became of changes.
    pub verdicts: Verdicts,
    /// What became of claims, releases and new customers.
    pub intents: Vec<IntentOutcome>,
    /// The server had been put back from a backup: what it had lost was offered again.
    pub reset: bool,
    /// The server has taken everything and ordered this phone to be erased, which is done.
    pub wiped: bool,
}

impl SyncTotals {
    pub(super) fn of(report: &SyncReport) -> Self {
        Self {
            round_trips: report.round_trips,
            bytes_up: report.bytes_up,
            bytes_down: report.bytes_down,
            pulled_documents: report.pulled_documents,
            evicted_customers: report.evicted_customers,
            settled: report.settled.len() as u64,
        }
    }
}

impl SyncResult {
    pub(super) fn of(report: &SyncReport) -> Self {
        let verdicts = &report.verdicts;
        let intents = report.intents.iter().map(|intent| IntentOutcome {
            id: intent.id.to_string(),
            kind: intent.kind.to_owned(),
            outcome: intent.outcome.to_owned(),
            reason: intent.reason.clone(),
        });
        Self {
            totals: SyncTotals::of(report),
            verdicts: Verdicts {
                accepted: verdicts.accepted,
                amended: verdicts.amended,
                quarantined: verdicts.quarantined,
                rejected: verdicts.rejected,
                superseded: verdicts.superseded,
            },
            intents: intents.collect(),
            reset: report.reset,
            wiped: report.wiped,
        }
    }
}

pub(super) fn enrolled(json: &Json) -> Enrolled {
    Enrolled {
        user: person_of(&json["user"]),
        device: text(json, "device"),
        org: text(json, "org"),
    }
}

pub(super) fn customer_item(json: &Json) -> CustomerItem {
    CustomerItem {
        id: text(json, "id"),
        name: text(json, "name"),
        relation: maybe_text(json, "relation"),
        owner: person(&json["owner"]),
        pool: maybe_text(json, "pool"),
        pool_name: maybe_text(json, "pool_name"),
        team: maybe_text(json, "team"),
        stage: maybe_text(json, "stage"),
        tier: maybe_text(json, "tier"),
        region: maybe_text(json, "region"),
        industry: maybe_text(json, "industry"),
        provisional: match json.get("provisional").and_then(Json::as_str) {
            Some("create") => Some(Provisional::Create),
            Some("claim") => Some(Provisional::Claim),
            Some("release") => Some(Provisional::Release),
            _ => None,
        },
        pending: count(json, "pending"),
        refused: count(json, "refused"),
        conflicts: count(json, "conflicts"),
        last_contact_ms: number(json, "last_contact"),
    }
}

pub(super) fn customer(json: &Json) -> Customer {
    let mut timeline: Vec<Document> = ["visits", "follow_ups", "opportunities", "tickets"]
        .iter()
        .flat_map(|list| documents::documents(&json[*list]))
        .collect();
    // Ids of one device go up with time: they settle what happened in the same millisecond.
    timeline.sort_by(|a, b| (b.at_ms, &b.id).cmp(&(a.at_ms, &a.id)));
    let conflicts = json.get("conflicts").and_then(Json::as_array);
    Customer {
        item: customer_item(json),
        card: documents::document(&json["card"]),
        dossier: documents::document(&json["dossier"]),
        internal: documents::document(&json["internal"]),
        contacts: documents::documents(&json["contacts"]),
        timeline,
        conflicts: conflicts.into_iter().flatten().map(documents::conflict).collect(),
    }
}

pub(super) fn outbox_entry(json: &Json) -> OutboxEntry {
    OutboxEntry {
        kind: text(json, "kind"),
        document: maybe_text(json, "document"),
        customer: text(json, "customer"),
        what: text(json, "what"),
        fields: documents::written_fields(&json["fields"]),
        reason: maybe_text(json, "reason"),
        at_ms: number(json, "at"),
    }
}

pub(super) fn tray_entry(json: &Json) -> TrayEntry {
    TrayEntry {
        id: number(json, "id").unwrap_or_default(),
        kind: text(json, "kind"),
        document: maybe_text(json, "document"),
        customer: text(json, "customer"),
        what: text(json, "what"),
        fields: documents::written_fields(&json["fields"]),
        reason: maybe_text(json, "reason"),
        owner: person(&json["owner"]),
        at_ms: number(json, "at"),
    }
}

pub(super) fn status(json: &Json) -> Status {
    let count = |name: &str| json.get(name).and_then(Json::as_u64).unwrap_or_default();
    let flag = |name: &str| json.get(name).and_then(Json::as_bool).unwrap_or_default();
    Status {
        user: person_of(&json["user"]),
        device: text(json, "device"),
        org: text(json, "org"),
        state: text(json, "state"),
        pending: count("pending"),
        refused: count("refused"),
        customers: count("customers"),
        documents: count("documents"),
        photos_pending: count("photos_pending"),
        last_sync_ms: number(json, "last_sync"),
        lease_until_ms: number(json, "lease_until"),
        upgrade_required: flag("upgrade_required"),
        flight_mode: flag("flight_mode"),
    }
}

pub(super) fn person(json: &Json) -> Option<Person> {
    json.is_object().then(|| person_of(json))
}

fn person_of(json: &Json) -> Person {
    Person {
        id: text(json, "id"),
        login: text(json, "login"),
        name: text(json, "name"),
    }
}

pub(super) fn text(json: &Json, key: &str) -> String {
    maybe_text(json, key).unwrap_or_default()
}

pub(super) fn maybe_text(json: &Json, key: &str) -> Option<String> {
    json.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn count(json: &Json, key: &str) -> u32 {
    let count = json.get(key).and_then(Json::as_u64).unwrap_or_default();
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn number(json: &Json, key: &str) -> Option<i64> {
    json.get(key).and_then(Json::as_i64)
}
