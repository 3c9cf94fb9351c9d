//! What the phone gives as JSON, as the screen needs it: names instead of ids, texts without control characters.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use sync_core::{
    document::{FieldType, Kind, MapType},
    ids::{CustomerId, DocumentId, PoolId},
    time::Timestamp,
};

use super::labels;
use crate::cli::rep::language::Language;

/// Everything the screen shows, read in one go.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) status: Status,
    pub(super) organisation: Organisation,
    /// All customers, by name.
    pub(super) customers: Vec<Row>,
    /// Those that match the query, if there is one.
    pub(super) found: Option<Found>,
    /// The open customer; none if it is not here any more.
    pub(super) customer: Option<Customer>,
    pub(super) entries: Vec<Entry>,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) query: String,
    pub(super) customers: BTreeSet<CustomerId>,
}

/// How the phone stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Somebody has signed in.
    pub(super) enrolled: bool,
    pub(super) name: String,
    pub(super) login: String,
    pub(super) server: String,
    pub(super) pending: u64,
    pub(super) refused: u64,
    pub(super) last_sync: Option<Timestamp>,
    /// `active`, `offboarding`, `wiped` or `locked`.
    pub(super) state: String,
    pub(super) encrypted: bool,
    pub(super) flight_mode: bool,
}

/// What the organisation calls things.
#[derive(Debug, Clone)]
pub(super) struct Organisation {
    pub(super) zone: TimeZone,
    stages: Vec<Choice>,
    pipeline: Vec<Choice>,
    tiers: Vec<Choice>,
    pub(super) pools: Vec<(PoolId, String)>,
}

/// A word in documents and what people read for it.
#[derive(Debug, Clone)]
struct Choice {
    id: String,
    en: String,
    zh: String,
}

/// A customer in the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: CustomerId,
    pub(super) name: String,
    pub(super) relation: String,
    pub(super) owner: String,
    pub(super) is_mine: bool,
    pub(super) pool: Option<String>,
    pub(super) stage: String,
    pub(super) region: String,
    pub(super) provisional: Option<String>,
    pub(super) last_contact: Option<Timestamp>,
    pub(super) pending: u64,
    pub(super) refused: u64,
    pub(super) conflicts: u64,
}

/// One customer with everything of it that may be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Customer {
    pub(super) row: Row,
    /// Card, dossier, internal, as far as they may be read.
    pub(super) portrait: Vec<Document>,
    /// Visits, follow-ups and tickets, the newest first.
    pub(super) timeline: Vec<Document>,
    pub(super) contacts: Vec<Document>,
    pub(super) opportunities: Vec<Document>,
    pub(super) conflicts: Vec<Conflict>,
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) id: DocumentId,
    pub(super) kind: Kind,
    pub(super) author: String,
    /// What it is sorted by: when it happened, as far as that is known.
    pub(super) at: Option<Timestamp>,
    /// `pending`, `synced` or `refused`.
    pub(super) state: String,
    pub(super) late: bool,
    pub(super) fields: Map<String, Json>,
}

/// A field with two values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conflict {
    pub(super) document: DocumentId,
    pub(super) kind: Option<Kind>,
    pub(super) field: String,
    pub(super) values: Vec<ConflictValue>,
}

/// One of its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConflictValue {
    pub(super) value: Json,
    pub(super) author: String,
    pub(super) at: Option<Timestamp>,
}

/// An entry of the outbox or the tray.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) customer: Option<CustomerId>,
    pub(super) customer_name: String,
    /// What was written, by field; empty for an intent.
    pub(super) fields: Map<String, Json>,
    pub(super) is_refused: bool,
    /// `quarantined`, `rejected`…; empty while it waits.
    pub(super) verdict: String,
    pub(super) reason: String,
    /// Who was faster, for a claim.
    pub(super) owner: String,
    pub(super) at: Option<Timestamp>,
}

/// A field of a document as a line to read and perhaps to edit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) document: DocumentId,
    pub(super) kind: Kind,
    pub(super) key: String,
    /// As it is shown.
    pub(super) shown: String,
    /// As it is edited.
    pub(super) text: String,
    pub(super) value: FieldType,
    pub(super) is_editable: bool,
}

impl Default for Organisation {
    fn default() -> Self {
        Self::read(&Json::Null)
    }
}

impl Organisation {
    pub(super) fn read(json: &Json) -> Self {
        let choices = |name: &str| {
            let choice = |json: &Json| Choice {
                id: text(json, "id"),
                en: text(json, "en"),
                zh: text(json, "zh"),
            };
            list(json, name).iter().map(choice).collect()
        };
        let pools = list(json, "pools")
            .iter()
            .filter_map(|pool| Some((id(pool, "id")?, text(pool, "name"))));
        Self {
            zone: TimeZone::get(&text(json, "timezone")).unwrap_or(TimeZone::UTC),
            stages: choices("stages"),
            pipeline: choices("pipeline"),
            tiers: choices("tiers"),
            pools: pools.collect(),
        }
    }

    /// What one may choose for a field, as (what is written, what is read).
    pub(super) fn choices(&self, kind: Kind, key: &str, language: Language) -> Vec<(String, String)> {
        let named = |choices: &[Choice]| {
            let choice = |choice: &Choice| {
                let name = language.pick(&choice.en, &choice.zh);
                (choice.id.clone(), name.clone())
            };
            choices.iter().map(choice).collect()
        };
        match (kind, key) {
            (Kind::Card, "stage") => named(&self.stages),
            (Kind::Card, "tier") => named(&self.tiers),
            (Kind::Opportunity, "stage") => named(&self.pipeline),
            _ => match kind.field(key).map(|field| field.value) {
                Some(FieldType::Choice(words)) => words
                    .iter()
                    .map(|word| ((*word).to_owned(), labels::name(word, language)))
                    .collect(),
                _ => Vec::new(),
            },
        }
    }

    /// What people read for a value of a field.
    pub(super) fn shown(&self, kind: Kind, key: &str, value: &Json, language: Language) -> String {
        match (kind.field(key).map(|field| field.value), value) {
            (_, Json::Null) => String::new(),
            (_, Json::Bool(value)) => language.pick(["no", "yes"], ["否", "是"])[usize::from(*value)].to_owned(),
            (Some(FieldType::Instant), Json::Number(number)) => {
                self.instant(number.as_i64().map(Timestamp), "%Y-%m-%d %H:%M")
            }
            (_, Json::String(word)) => {
                let choices = self.choices(kind, key, language);
                let chosen = choices.into_iter().find(|(id, _)| id == word).map(|(_, name)| name);
                chosen.unwrap_or_else(|| clean(word))
            }
            (_, Json::Array(items)) => {
                let item = |item: &Json| match item {
                    Json::Object(comment) => comment.get("text").map_or_else(String::new, plain),
                    other => plain(other),
                };
                items.iter().map(item).collect::<Vec<_>>().join("  ")
            }
            (_, Json::Object(entries)) => {
                let entry = |(_, value): (&String, &Json)| plain(value);
                entries.iter().map(entry).collect::<Vec<_>>().join("  ")
            }
            (_, other) => plain(other),
        }
    }

    /// An instant in the organisation's time zone; a dash for none.
    pub(super) fn instant(&self, at: Option<Timestamp>, form: &str) -> String {
        let zoned = at
            .and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok())
            .map(|at| at.to_zoned(self.zone.clone()));
        zoned.map_or_else(|| "–".to_owned(), |zoned| zoned.strftime(form).to_string())
    }

    /// The organisation's civil day of an instant.
    pub(super) fn day(&self, at: Timestamp) -> jiff::civil::Date {
        let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        instant.to_zoned(self.zone.clone()).date()
    }
}

impl Status {
    pub(super) fn read(json: &Json, server: String) -> Self {
        Self {
            enrolled: true,
            name: text(&json["user"], "name"),
            login: text(&json["user"], "login"),
            server,
            pending: number(json, "pending"),
            refused: number(json, "refused"),
            last_sync: time(json, "last_sync"),
            state: text(json, "state"),
            encrypted: json["encrypted"] == true,
            flight_mode: json["flight_mode"] == true,
        }
    }
}

impl Row {
    /// `me` is the id of who has signed in.
    pub(super) fn read(json: &Json, me: &str) -> Option<Self> {
        let owner = &json["owner"];
        let pool = (!json["pool"].is_null() && owner.is_null()).then(|| text(json, "pool_name"));
        Some(Self {
            id: id(json, "id")?,
            name: text(json, "name"),
            relation: text(json, "relation"),
            owner: person(owner),
            is_mine: owner["id"] == me,
            pool,
            stage: text(json, "stage"),
            region: text(json, "region"),
            provisional: json["provisional"].as_str().map(str::to_owned),
            last_contact: time(json, "last_contact"),
            pending: number(json, "pending"),
            refused: number(json, "refused"),
            conflicts: number(json, "conflicts"),
        })
    }
}

impl Customer {
    pub(super) fn read(json: &Json, me: &str) -> Option<Self> {
        let documents = |name: &str| list(json, name).iter().filter_map(Document::read).collect::<Vec<_>>();
        let mut timeline: Vec<_> = ["visits", "follow_ups", "tickets"]
            .into_iter()
            .flat_map(documents)
            .collect();
        timeline.sort_by_key(|document| std::cmp::Reverse((document.at, document.id)));
        let portrait: Vec<_> = ["card", "dossier", "internal"]
            .into_iter()
            .filter_map(|name| Document::read(&json[name]))
            .collect();
        let (contacts, opportunities) = (documents("contacts"), documents("opportunities"));
        let all = [&portrait, &timeline, &contacts, &opportunities];
        let kind_of = |id| {
            all.into_iter()
                .flatten()
                .find(|document| document.id == id)
                .map(|document| document.kind)
        };
        let conflicts = list(json, "conflicts")
            .iter()
            .filter_map(|conflict| {
                let document = id(conflict, "document")?;
                Some(Conflict {
                    document,
                    kind: kind_of(document),
                    field: text(conflict, "field"),
                    values: list(conflict, "values").iter().map(ConflictValue::read).collect(),
                })
            })
            .collect();
        Some(Self {
            row: Row::read(json, me)?,
            portrait,
            timeline,
            contacts,
            opportunities,
            conflicts,
        })
    }

    /// The document with this id.
    pub(super) fn document(&self, id: DocumentId) -> Option<&Document> {
        let lists = [&self.portrait, &self.timeline, &self.contacts, &self.opportunities];
        lists.into_iter().flatten().find(|document| document.id == id)
    }
}

impl ConflictValue {
    fn read(json: &Json) -> Self {
        Self {
            value: json["value"].clone(),
            author: person(&json["author"]),
            at: time(json, "at"),
        }
    }
}

impl Document {
    fn read(json: &Json) -> Option<Self> {
        let kind: Kind = serde_json::from_value(json["kind"].clone()).ok()?;
        let fields = json["fields"].as_object().cloned().unwrap_or_default();
        let happened = ["started_at", "planned_at"]
            .iter()
            .find_map(|key| fields.get(*key)?.as_i64());
        Some(Self {
            id: id(json, "id")?,
            kind,
            author: person(&json["author"]),
            at: happened.map(Timestamp).or_else(|| time(json, "created_at")),
            state: text(json, "state"),
            late: json["late"] == true,
            fields,
        })
    }

    /// A field as a text without control characters.
    pub(super) fn text(&self, key: &str) -> String {
        self.fields.get(key).map_or_else(String::new, plain)
    }

    /// Its fields as lines: all that can be edited, and what else there is to read.
    pub(super) fn lines(&self, organisation: &Organisation, language: Language) -> Vec<Line> {
        let mut lines = Vec::new();
        for field in self.kind.fields() {
            let value = self.fields.get(field.key).cloned().unwrap_or_default();
            let mut push = |key: String, value: &Json, is_editable: bool| {
                lines.push(Line {
                    document: self.id,
                    kind: self.kind,
                    shown: organisation.shown(self.kind, &key, value, language),
                    text: edited(value),
                    key,
                    value: field.value,
                    is_editable,
                });
            };
            match (field.value, &value) {
                (FieldType::Map(MapType::Tags), _) => push(field.key.to_owned(), &value, true),
                (FieldType::Map(MapType::Custom | MapType::Phones), Json::Object(entries)) => {
                    for (entry, value) in entries {
                        push(format!("{}.{entry}", field.key), value, true);
                    }
                }
                (FieldType::Map(_), Json::Null) => {}
                (FieldType::Map(_), _) => push(field.key.to_owned(), &value, false),
                (FieldType::Instant, _) | (_, Json::Null) if field.write_once => {
                    if !value.is_null() {
                        push(field.key.to_owned(), &value, false);
                    }
                }
                _ => push(field.key.to_owned(), &value, !field.write_once),
            }
        }
        lines
    }
}

impl Entry {
    /// `name` knows what customers are called.
    pub(super) fn read(json: &Json, name: impl Fn(CustomerId) -> String) -> Self {
        let customer = id(json, "customer");
        Self {
            id: plain(&json["id"]),
            kind: text(json, "kind"),
            customer,
            customer_name: customer.map(name).unwrap_or_default(),
            fields: json["fields"].as_object().cloned().unwrap_or_default(),
            is_refused: json["state"] == "refused",
            verdict: text(json, "verdict"),
            reason: text(json, "reason"),
            owner: person(&json["owner"]),
            at: time(json, "at"),
        }
    }
}

/// A value as it is typed: numbers as digits, tags separated by spaces.
pub(super) fn edited(value: &Json) -> String {
    match value {
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    }
}

/// A text without what a terminal would obey, and without marks that turn the direction of what stands around it.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter(|letter| !matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}'))
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

fn text(json: &Json, key: &str) -> String {
    plain(&json[key])
}

fn number(json: &Json, key: &str) -> u64 {
    json[key].as_u64().unwrap_or_default()
}

fn time(json: &Json, key: &str) -> Option<Timestamp> {
    json[key].as_i64().map(Timestamp)
}

fn id<T: std::str::FromStr>(json: &Json, key: &str) -> Option<T> {
    json[key].as_str()?.parse().ok()
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

fn person(json: &Json) -> String {
    let name = text(json, "name");
    if name.is_empty() { text(json, "login") } else { name }
}
