//! Work that arrives after its author has lost the customer: how long it still counts, and what becomes of a field that
//! somebody else has written meanwhile.
//!
//! Such work is taken as it is. Where a field now has a late value beside one of somebody else's that its author had not
//! seen, the hub puts the other value back on top, under the name of whoever had written it; the late one stays in the
//! history and becomes a proposal to whoever has the customer now. No device's clock is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    airlock::contain,
    document::{BuiltChange, ChangeId, Content, Document, DocumentState, Edit, Entry, Kind, Register, Value},
    ids::{ActorId, UserId},
    seeded::{Bug, seeded},
    time::Timestamp,
};

/// How long after the order to give a customer up was delivered the device may still bring what it had: it sends first
/// and then confirms, so an honest one needs a moment.
pub const LATE_AFTER_ORDER: Duration = Duration::from_secs(24 * 3600);
/// How long after the loss itself anything of that device is late work: thirty days without a network.
pub const LATE_AFTER_LOSS: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the server knows of a loss and of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Its place in the log.
    pub seq: i64,
    /// When it happened, by the server's clock, as far as that is known.
    pub at: Option<Timestamp>,
    /// When the device was first ordered to give the customer up, by the server's clock.
    pub ordered_at: Option<Timestamp>,
    /// Place of the last loss of this customer that the device has confirmed; 0 if none.
    pub confirmed_seq: i64,
    /// How far in the log the device has ever said that it has got.
    pub acknowledged_seq: i64,
    /// When the device was enrolled: one that came later has never had what was lost.
    pub enrolled_at: Timestamp,
}

impl Loss {
    /// Whether what the device sends of this customer is late work: its user did not have to know of the loss.
    #[must_use]
    pub fn may_come_late(&self, now: Timestamp) -> bool {
        let within = |since: Timestamp, time: Duration| {
            now.since_ms(since) <= i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
        };
        let told = self.ordered_at.filter(|_| self.acknowledged_seq >= self.seq);
        (self.confirmed_seq < self.seq || seeded(Bug::LateAfterConfirmation))
            && told.is_none_or(|ordered| within(ordered, LATE_AFTER_ORDER))
            && self
                .at
                .is_none_or(|at| at >= self.enrolled_at && within(at, LATE_AFTER_LOSS))
    }
}

/// A value that came late for a field somebody else has written.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The change that wrote it.
    pub change: ChangeId,
    /// The field, or the map's field.
    pub field: String,
    /// The entry, if the field is a map.
    pub entry: Option<String>,
    /// The value.
    pub value: Value,
}

/// What late changes of one document lead to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Amendment {
    /// The hub's changes, each with whose values it puts back.
    pub changes: Vec<(UserId, BuiltChange)>,
    /// The late values that are below others now.
    pub proposals: Vec<Proposal>,
    /// The late changes that wrote there.
    pub amended: BTreeSet<ChangeId>,
}

/// Puts the values of others back on top of those that `late` changes of `me` brought, and says what was proposed.
///
/// `author_of` names who stands behind a change, `hub` the actor under which the hub restates a person's values. Where
/// putting back is impossible both values stay, as in any conflict. The document then holds the hub's changes too.
pub fn amend(
    document: &mut Document,
    me: UserId,
    late: &BTreeSet<ChangeId>,
    author_of: impl Fn(ChangeId) -> Option<UserId>,
    hub: impl Fn(UserId) -> ActorId,
    now: Timestamp,
) -> Amendment {
    let mut amendment = Amendment::default();
    let mut restored: BTreeMap<UserId, Restored> = BTreeMap::new();
    for place in places(document.state()) {
        let Some((author, value, proposals)) = overruled(document.state(), &place, me, late, &author_of) else {
            continue;
        };
        let entries = place.register.entries().iter();
        let written = entries.filter_map(|entry| document.state().change_of(entry.id));
        let of_author = restored.entry(author).or_default();
        of_author.amended.extend(written.filter(|change| late.contains(change)));
        of_author.edits.push(place.set(value));
        of_author.proposals.extend(proposals);
    }
    for (author, restored) in restored {
        let mut copy = document.clone();
        let Ok(Ok(Some(built))) = contain(|| copy.edit(hub(author), now, &restored.edits)) else {
            continue;
        };
        *document = copy;
        amendment.changes.push((author, built));
        amendment.amended.extend(restored.amended);
        amendment.proposals.extend(restored.proposals);
    }
    amendment
}

/// What the hub restates of one person.
#[derive(Default)]
struct Restored {
    edits: Vec<Edit>,
    proposals: Vec<Proposal>,
    amended: BTreeSet<ChangeId>,
}

/// Whether a late change was below a value that the hub put back, when it is asked for again.
#[must_use]
pub fn was_amended(state: &DocumentState, change: ChangeId, is_hub: impl Fn(ActorId) -> bool) -> bool {
    places(state).any(|place| {
        let entries = place.register.entries();
        let own = entries
            .iter()
            .position(|entry| state.change_of(entry.id) == Some(change));
        own.is_some_and(|own| entries[own..].iter().any(|entry| is_hub(entry.id.actor)))
    })
}

/// A field, or an entry of a field that is a map.
struct Place<'a> {
    field: &'a str,
    entry: Option<&'a str>,
    register: &'a Register,
}

impl Place<'_> {
    fn set(&self, value: Value) -> Edit {
        match self.entry {
            None => Edit::Set {
                key: self.field.to_owned(),
                value,
            },
            Some(entry) => Edit::SetEntry {
                map: self.field.to_owned(),
                entry: entry.to_owned(),
                value,
            },
        }
    }
}

/// Every place of a document that the schema knows and that may be written again.
fn places(state: &DocumentState) -> impl Iterator<Item = Place<'_>> {
    let kind: Kind = state.kind();
    kind.fields()
        .iter()
        .filter(|field| !field.write_once)
        .flat_map(|field| {
            let own = state.register(None, field.key).map(|register| Place {
                field: field.key,
                entry: None,
                register,
            });
            let container = state.container(field.key);
            let entries = container
                .into_iter()
                .flat_map(|map| state.registers(Some(map)))
                .map(|(entry, register)| Place {
                    field: field.key,
                    entry: Some(entry),
                    register,
                });
            own.into_iter().filter(move |_| container.is_none()).chain(entries)
        })
}

/// Where late values stand beside somebody else's: whose value goes back on top, and the late ones.
fn overruled(
    state: &DocumentState,
    place: &Place<'_>,
    me: UserId,
    late: &BTreeSet<ChangeId>,
    author_of: &impl Fn(ChangeId) -> Option<UserId>,
) -> Option<(UserId, Value, Vec<Proposal>)> {
    let visible = place.register.visible();
    let behind = |entry: &Entry| match &entry.content {
        Content::Scalar(value) => Some((state.change_of(entry.id)?, value.clone())),
        _ => None,
    };
    let proposals: Vec<Proposal> = visible
        .iter()
        .filter_map(|entry| behind(entry))
        .filter(|(change, _)| late.contains(change))
        .map(|(change, value)| Proposal {
            change,
            field: place.field.to_owned(),
            entry: place.entry.map(str::to_owned),
            value,
        })
        .collect();
    let others: Vec<(ChangeId, Value)> = visible
        .iter()
        .filter_map(|entry| behind(entry))
        .filter(|(change, _)| !late.contains(change))
        .collect();
    let (change, value) = others.first()?.clone();
    let author = author_of(change).filter(|author| *author != me)?;
    // Between others who disagree nobody chooses for them: the late value joins what stands side by side.
    if others.iter().any(|(_, other)| *other != value) {
        return None;
    }
    // Two who wrote the same have no disagreement.
    let differs = proposals.iter().any(|proposal| proposal.value != value);
    differs.then_some((author, value, proposals))
}
