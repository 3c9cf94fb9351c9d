//! What the page of a customer shows, out of the documents its reader may read.

use askama::Template;
use serde_json::Value;
use sync_core::{
    document::{CHANNELS, FieldType, Kind},
    ids::{CustomerId, DocumentId, UserId},
    time::Timestamp,
};

use uuid::Uuid;

use super::{Draft, Fields, Notice, timeline::Entry};
use crate::{
    actions::customers::{Shown, ShownDocument},
    app::App,
    http::dashboard::{
        customers::{Mark, TIMELINE},
        page::Frame,
        text::{Clock, When, choice, choice_name, money, plain},
        viewer::Viewer,
        words::Words,
    },
    storage::ownership::ShownEvent,
};

/// Entries of the timeline before one asks for all.
const ENTRIES: usize = 40;

/// One value with the address of its history.
pub(super) struct Fact {
    label: String,
    value: String,
    history: String,
    is_link: bool,
}

/// A field with several values.
pub(super) struct Dispute {
    label: String,
    kind: String,
    document: DocumentId,
    field: String,
    values: Vec<DisputedValue>,
    may_choose: bool,
}

struct DisputedValue {
    text: String,
    json: String,
    who: String,
    on_phone: bool,
    when: When,
}

/// A late value below the one that is shown.
struct LateValue {
    id: Uuid,
    label: String,
    kind: String,
    text: String,
    now: String,
    who: String,
    when: When,
    arrived: When,
    may_choose: bool,
}

pub(super) struct Contact {
    id: DocumentId,
    name: String,
    title: String,
    facts: Vec<Fact>,
    do_not_contact: bool,
}

pub(super) struct Deal {
    title: String,
    stage: Option<Mark>,
    amount: String,
    close_date: String,
    facts: Vec<Fact>,
}

/// A field of the form.
pub(super) struct Input {
    key: &'static str,
    label: String,
    value: String,
    choices: Vec<(String, String)>,
    max: usize,
}

#[derive(Template)]
#[template(path = "customer.html")]
pub(super) struct CustomerPage {
    frame: Frame,
    id: CustomerId,
    name: String,
    tier: Option<Mark>,
    stage: Option<Mark>,
    owner: Option<String>,
    pool: Option<String>,
    relations: Vec<String>,
    tags: Vec<String>,
    notice: Option<Notice>,
    disputes: Vec<Dispute>,
    late: Vec<LateValue>,
    sections: Vec<(String, Vec<Fact>)>,
    contacts: Vec<Contact>,
    deals: Vec<Deal>,
    sees_contacts: bool,
    sees_deals: bool,
    sees_activity: bool,
    reads_activity: bool,
    entries: Vec<Entry>,
    kinds: Vec<(String, String, bool)>,
    more: Option<String>,
    card: Option<DocumentId>,
    inputs: Vec<Input>,
    may_write_card: bool,
    may_follow_up: bool,
    leads: bool,
    draft: Draft,
    channels: Vec<(String, String)>,
    today: String,
}

pub(super) struct Painter<'a> {
    pub(super) viewer: &'a Viewer,
    pub(super) shown: &'a Shown,
    pub(super) words: Words,
    pub(super) clock: Clock,
}

/// The page.
pub(super) fn customer_page(
    app: &App,
    viewer: &Viewer,
    shown: &Shown,
    chain: &[ShownEvent],
    fields: &Fields,
    draft: Draft,
    notice: Option<Notice>,
) -> CustomerPage {
    let words = viewer.words();
    let painter = Painter {
        viewer,
        shown,
        words,
        clock: Clock::new(&viewer.zone, words, app.seam.now()),
    };
    let (customer, directory, rights) = (&shown.customer, viewer.directory(), shown.rights);
    let settings = &directory.settings;
    let card = painter.first(Kind::Card);
    let tags = card.and_then(|card| card.fields.get("tags")?.as_array().cloned());
    let wanted = fields.get("kind").unwrap_or_default();
    let mut entries = painter.entries(chain, wanted);
    let here = format!("/customers/{}", customer.id);
    let rest = entries.len() > ENTRIES && fields.get("all").is_none();
    if rest {
        entries.truncate(ENTRIES);
    }
    let pool = customer
        .pool
        .and_then(|pool| directory.pools.iter().find(|entry| entry.id == pool));
    CustomerPage {
        frame: Frame::of(viewer, customer.name.clone(), "customers"),
        id: customer.id,
        name: customer.name.clone(),
        tier: customer
            .tier
            .as_deref()
            .map(|tier| Mark::of(&settings.tiers, words, tier)),
        stage: customer
            .stage
            .as_deref()
            .map(|stage| Mark::of(&settings.stages, words, stage)),
        owner: customer.owner.map(|owner| painter.name(owner)),
        pool: pool.map(|pool| pool.name.clone()),
        relations: shown
            .relations
            .iter()
            .map(|relation| words.of("relation-", relation.name()))
            .collect(),
        tags: tags
            .iter()
            .flatten()
            .filter_map(|tag| Some(tag.as_str()?.to_owned()))
            .collect(),
        notice,
        disputes: painter.disputes(),
        late: painter.late(),
        sections: painter.sections(),
        contacts: painter
            .of_kind(Kind::Contact)
            .map(|document| painter.contact(document))
            .collect(),
        deals: painter
            .of_kind(Kind::Opportunity)
            .map(|document| painter.deal(document))
            .collect(),
        // Also who may not read a kind sees what of it is his: what he wrote, what he answers for.
        sees_contacts: rights.of(Kind::Contact).may_read() || painter.first(Kind::Contact).is_some(),
        sees_deals: rights.of(Kind::Opportunity).may_read() || painter.first(Kind::Opportunity).is_some(),
        sees_activity: TIMELINE.into_iter().any(|kind| {
            let rights = rights.of(kind);
            rights.may_read() || rights.may_create() || painter.first(kind).is_some()
        }),
        reads_activity: rights.of(Kind::Visit).may_read(),
        entries,
        kinds: painter.kinds(&here, wanted),
        more: rest.then(|| {
            if wanted.is_empty() {
                format!("{here}?all=1")
            } else {
                format!("{here}?kind={wanted}&all=1")
            }
        }),
        card: card.map(|card| card.row.id),
        inputs: painter.inputs(card),
        may_write_card: rights.of(Kind::Card).may_write(),
        may_follow_up: rights.of(Kind::FollowUp).may_create(),
        leads: shown.relations.iter().any(|relation| {
            use sync_core::visibility::Relation;
            matches!(
                relation,
                Relation::Manager | Relation::PoolAdmin | Relation::BackOffice | Relation::Admin
            )
        }),
        draft,
        channels: CHANNELS
            .iter()
            .map(|channel| ((*channel).to_owned(), words.of("channel-", channel)))
            .collect(),
        today: painter.clock.today(),
    }
}

impl Painter<'_> {
    pub(super) fn name(&self, user: UserId) -> String {
        let person = self.shown.people.get(&user).map(|person| person.name.clone());
        let entry = || {
            let people = &self.viewer.directory().people;
            people
                .iter()
                .find(|person| person.id == user)
                .map(|person| person.name.clone())
        };
        person.or_else(entry).unwrap_or_default()
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &ShownDocument> {
        self.shown
            .documents
            .iter()
            .filter(move |document| document.row.kind == kind)
    }

    fn first(&self, kind: Kind) -> Option<&ShownDocument> {
        self.of_kind(kind).next()
    }

    fn sections(&self) -> Vec<(String, Vec<Fact>)> {
        let mut sections = Vec::new();
        for kind in [Kind::Card, Kind::Dossier, Kind::Internal] {
            let Some(document) = self.first(kind) else { continue };
            let shown_above: &[&str] = if kind == Kind::Card {
                &["name", "stage", "tier", "tags"]
            } else {
                &[]
            };
            let facts = self.facts(document, shown_above);
            if !facts.is_empty() {
                sections.push((self.words.of("kind-", kind.name()), facts));
            }
        }
        sections
    }

    /// The fields of a document that have a value, in the order of its kind, but for some.
    fn facts(&self, document: &ShownDocument, without: &[&str]) -> Vec<Fact> {
        let kind = document.row.kind;
        let mut facts = Vec::new();
        for field in kind.fields().iter().filter(|field| !without.contains(&field.key)) {
            let Some(value) = document.fields.get(field.key) else {
                continue;
            };
            match (field.value, value) {
                (FieldType::Map(_), Value::Object(map)) => {
                    for (entry, value) in map {
                        let label = match (field.key, entry.as_str()) {
                            ("phones", "phone") => self.words.say("field-phones"),
                            ("phones", _) => format!("{} · {entry}", self.words.say("field-phones")),
                            _ => entry.clone(),
                        };
                        facts.push(self.fact(
                            document,
                            &format!("{}.{entry}", field.key),
                            label,
                            plain(value, self.words),
                        ));
                    }
                }
                _ => {
                    let label = self.words.of("field-", field.key);
                    facts.push(self.fact(document, field.key, label, self.value(document, field.key, value)));
                }
            }
        }
        facts
    }

    fn fact(&self, document: &ShownDocument, field: &str, label: String, value: String) -> Fact {
        Fact {
            label,
            value,
            history: history_path(document.row.id, field),
            is_link: field.starts_with("phones.") || field == "email",
        }
    }

    pub(super) fn value(&self, document: &ShownDocument, key: &str, value: &Value) -> String {
        let (words, settings) = (self.words, &self.viewer.directory().settings);
        let text = value.as_str().unwrap_or_default();
        match (document.row.kind, key) {
            (Kind::Card, "stage") => choice(&settings.stages, words, text),
            (Kind::Card, "tier") => choice(&settings.tiers, words, text),
            (Kind::Opportunity, "stage") => {
                let stages: Vec<_> = settings.pipeline.iter().map(|stage| stage.choice.clone()).collect();
                choice(&stages, words, text)
            }
            (_, "channel" | "preferred_channel") if CHANNELS.contains(&text) => words.of("channel-", text),
            (_, "severity") if !text.is_empty() => words.of("severity-", text),
            (_, "amount_minor" | "floor_price_minor") => {
                let currency = document
                    .fields
                    .get("currency")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                money(value.as_i64().unwrap_or(0), currency)
            }
            (_, "planned_at" | "started_at" | "ended_at") => {
                self.clock.at(Timestamp(value.as_i64().unwrap_or(0))).short
            }
            _ => plain(value, words),
        }
    }

    fn disputes(&self) -> Vec<Dispute> {
        let mut disputes = Vec::new();
        for document in &self.shown.documents {
            for conflict in &document.conflicts {
                let (key, entry) = conflict
                    .field
                    .split_once('.')
                    .map_or((conflict.field.as_str(), None), |(key, entry)| (key, Some(entry)));
                let label = self.words.of("field-", key);
                let values = conflict.values.iter().map(|value| DisputedValue {
                    text: self.value(document, key, &value.value),
                    json: value.value.to_string(),
                    who: value.author.map(|author| self.name(author)).unwrap_or_default(),
                    on_phone: value.device.is_some(),
                    when: self.clock.at(value.at),
                });
                disputes.push(Dispute {
                    label: match entry {
                        Some(entry) => format!("{label} · {entry}"),
                        None => label,
                    },
                    kind: self.describe(document),
                    document: document.row.id,
                    field: conflict.field.clone(),
                    values: values.collect(),
                    may_choose: self.shown.writable.contains(&document.row.id),
                });
            }
        }
        disputes
    }

    fn late(&self) -> Vec<LateValue> {
        let proposals = self.shown.proposals.iter();
        let found = proposals.filter_map(|proposal| {
            let mut documents = self.shown.documents.iter();
            let document = documents.find(|document| document.row.id == proposal.document)?;
            let label = self.words.of("field-", &proposal.field);
            let field = document.fields.get(&proposal.field);
            let now = match &proposal.entry {
                Some(entry) => field.and_then(|map| map.get(entry)),
                None => field,
            };
            Some(LateValue {
                id: proposal.id,
                label: match &proposal.entry {
                    Some(entry) => format!("{label} · {entry}"),
                    None => label,
                },
                kind: self.describe(document),
                text: self.value(document, &proposal.field, &proposal.value),
                now: now
                    .map(|value| self.value(document, &proposal.field, value))
                    .unwrap_or_default(),
                who: self.name(proposal.author),
                when: self.clock.at(proposal.device_time),
                arrived: self.clock.at(proposal.received_at),
                may_choose: self.shown.writable.contains(&proposal.document),
            })
        });
        found.collect()
    }

    /// Which document, in a few words.
    fn describe(&self, document: &ShownDocument) -> String {
        let kind = self.words.of("kind-", document.row.kind.name());
        let name = document.fields.get(if document.row.kind == Kind::Opportunity {
            "title"
        } else {
            "name"
        });
        match name.and_then(Value::as_str) {
            Some(name) if document.row.kind != Kind::Card => format!("{kind} · {name}"),
            _ => kind,
        }
    }

    fn contact(&self, document: &ShownDocument) -> Contact {
        let text = |key: &str| {
            document
                .fields
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Contact {
            id: document.row.id,
            name: text("name"),
            title: [text("title"), text("role")]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" · "),
            facts: self.facts(document, &["name", "title", "role", "do_not_contact"]),
            do_not_contact: document.fields.get("do_not_contact") == Some(&Value::Bool(true)),
        }
    }

    fn deal(&self, document: &ShownDocument) -> Deal {
        let settings = &self.viewer.directory().settings;
        let stages: Vec<_> = settings.pipeline.iter().map(|stage| stage.choice.clone()).collect();
        let text = |key: &str| document.fields.get(key).and_then(Value::as_str).unwrap_or_default();
        let amount = document.fields.get("amount_minor");
        Deal {
            title: text("title").to_owned(),
            stage: Some(text("stage"))
                .filter(|stage| !stage.is_empty())
                .map(|stage| Mark::of(&stages, self.words, stage)),
            amount: amount
                .map(|amount| self.value(document, "amount_minor", amount))
                .unwrap_or_default(),
            close_date: text("close_date").to_owned(),
            facts: self.facts(
                document,
                &["title", "stage", "amount_minor", "currency", "close_date", "comments"],
            ),
        }
    }

    fn inputs(&self, card: Option<&ShownDocument>) -> Vec<Input> {
        let settings = &self.viewer.directory().settings;
        let choices = |all: &[sync_core::directory::Choice]| -> Vec<(String, String)> {
            all.iter()
                .map(|choice| (choice.id.clone(), choice_name(choice, self.words)))
                .collect()
        };
        [
            "name", "address", "region", "industry", "source", "stage", "tier", "tags",
        ]
        .into_iter()
        .map(|key| {
            let value = card.and_then(|card| card.fields.get(key));
            let max = match Kind::Card.field(key).map(|field| field.value) {
                Some(FieldType::Line(max) | FieldType::Prose(max)) => max,
                _ => 1_000,
            };
            let value = match value {
                Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                Some(value) => plain(value, self.words),
                None => String::new(),
            };
            Input {
                key,
                label: self.words.of("field-", key),
                choices: match key {
                    "stage" => choices(&settings.stages),
                    "tier" => choices(&settings.tiers),
                    _ => Vec::new(),
                },
                value,
                max,
            }
        })
        .collect()
    }
}

pub(super) fn history_path(document: DocumentId, field: &str) -> String {
    let field: String = form_urlencoded::byte_serialize(field.as_bytes()).collect();
    format!("/documents/{document}/history?field={field}")
}
