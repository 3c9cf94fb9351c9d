//! What was done about a customer, in the order of time: visits, follow-ups, tickets, and who has had it.

use serde_json::{Map, Value};
use sync_core::{document::Kind, time::Timestamp};

use super::view::{Painter, history_path};
use crate::{
    actions::customers::ShownDocument,
    http::dashboard::{
        customers::TIMELINE,
        text::{When, plain},
    },
    storage::ownership::ShownEvent,
};

/// What arrived later than this after it was written was written without a connection.
const OFFLINE_MS: i64 = 5 * 60 * 1000;

/// One thing that was done.
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) when: When,
    pub(super) class: &'static str,
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) details: Vec<(String, String)>,
    pub(super) comments: Vec<(String, String)>,
    pub(super) on_phone: bool,
    pub(super) arrived: Option<When>,
    pub(super) late: bool,
    pub(super) history: Option<String>,
}

impl Painter<'_> {
    pub(super) fn entries(&self, chain: &[ShownEvent], wanted: &str) -> Vec<Entry> {
        let kinds = TIMELINE
            .into_iter()
            .filter(|kind| wanted.is_empty() || kind.name() == wanted);
        let mut entries: Vec<Entry> = kinds
            .flat_map(|kind| self.of_kind(kind))
            .map(|document| self.entry(document))
            .collect();
        if wanted.is_empty() || wanted == "owner" {
            entries.extend(chain.iter().map(|event| self.event(event)));
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries
    }

    fn entry(&self, document: &ShownDocument) -> Entry {
        let (row, words) = (&document.row, self.words);
        let instant = |key: &str| document.fields.get(key).and_then(Value::as_i64).map(Timestamp);
        let (body, class) = match row.kind {
            Kind::Visit => ("note", "visit"),
            Kind::Ticket => ("text", "ticket"),
            _ => ("text", "follow-up"),
        };
        let at = match row.kind {
            Kind::Visit => instant("started_at").or_else(|| instant("planned_at")),
            _ => None,
        };
        let at = at.unwrap_or(row.created_at);
        let what = document
            .fields
            .get(body)
            .map(|value| plain(value, words))
            .unwrap_or_default();
        let shown = [
            "outcome",
            "next_date",
            "channel",
            "due",
            "done",
            "severity",
            "satisfaction",
            "ended_at",
        ];
        let details = shown.iter().filter_map(|key| {
            let value = document.fields.get(*key)?;
            Some((words.of("field-", key), self.value(document, key, value)))
        });
        let offline = row.device.is_some() && row.received_at.since_ms(row.created_at) > OFFLINE_MS;
        let is_plan = row.kind == Kind::Visit && instant("started_at").is_none();
        Entry {
            at,
            when: self.clock.at(at),
            class,
            kind: if is_plan {
                words.say("visit-planned")
            } else {
                words.of("kind-", row.kind.name())
            },
            who: self.name(row.author),
            what: what.clone(),
            details: details.collect(),
            comments: self.comments(&document.fields),
            on_phone: row.device.is_some(),
            arrived: offline.then(|| self.clock.at(row.received_at)),
            late: row.late,
            history: (!what.is_empty()).then(|| history_path(row.id, body)),
        }
    }

    fn comments(&self, fields: &Map<String, Value>) -> Vec<(String, String)> {
        let comments = fields.get("comments").and_then(Value::as_array);
        let read = |comment: &Value| {
            let author = comment.get("author").and_then(Value::as_str)?.parse().ok()?;
            Some((self.name(author), comment.get("text")?.as_str()?.to_owned()))
        };
        comments.into_iter().flatten().filter_map(read).collect()
    }

    fn event(&self, event: &ShownEvent) -> Entry {
        let words = self.words;
        let pool = event.to_pool.and_then(|pool| {
            let pools = &self.viewer.directory().pools;
            pools
                .iter()
                .find(|entry| entry.id == pool)
                .map(|entry| words.with("in-pool", &entry.name))
        });
        let to = event
            .to_owner
            .map(|owner| self.name(owner))
            .or(pool)
            .unwrap_or_default();
        let mut what = if to.is_empty() {
            String::new()
        } else {
            format!("→ {to}")
        };
        if !event.reason.is_empty() {
            what.push_str(if what.is_empty() { "" } else { "\n" });
            what.push_str(&event.reason);
        }
        Entry {
            at: event.at,
            when: self.clock.at(event.at),
            class: "owner",
            kind: words.of("event-", &event.event),
            who: self.name(event.by),
            what,
            details: Vec::new(),
            comments: Vec::new(),
            on_phone: false,
            arrived: None,
            late: false,
            history: None,
        }
    }

    pub(super) fn kinds(&self, here: &str, wanted: &str) -> Vec<(String, String, bool)> {
        let mut kinds = vec![(self.words.say("tab-all"), here.to_owned(), wanted.is_empty())];
        for kind in TIMELINE {
            let name = self.words.of("kind-", kind.name());
            kinds.push((name, format!("{here}?kind={}", kind.name()), wanted == kind.name()));
        }
        kinds.push((
            self.words.say("timeline-owner"),
            format!("{here}?kind=owner"),
            wanted == "owner",
        ));
        kinds
    }
}
