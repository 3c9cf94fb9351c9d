//! Random documents, edits and changes for the tests of the core, all from one seeded generator.

#![allow(dead_code, reason = "each test crate uses its own part of it")]

use std::collections::BTreeMap;

use automerge::ReadDoc;
use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sync_core::{
    airlock::{Trial, admit},
    document::{
        Action, Change, ChangeId, Content, DEPTH_MAX, Document, DocumentState, Edit, FieldType, Kind, MapType, Op,
        OpId, OpRef, SCHEMA_VERSION, Value,
    },
    ids::ActorId,
    protocol::oplist,
    time::Timestamp,
};
use uuid::Uuid;

/// Keys that no version of the schema has: what a newer app might write.
pub(crate) const NEWER_KEYS: &[&str] = &["x_newer", "x_更新", "zz"];

/// Actors whose order, first and last bytes differ in the ways that sorting could get wrong.
#[must_use]
pub(crate) fn actor(number: u8) -> ActorId {
    let mut bytes = [0x40; 16];
    match number % 4 {
        0 => bytes[15] = number,
        1 => bytes[0] = number,
        2 => bytes = [0xff; 16],
        _ => bytes = [0; 16],
    }
    bytes[7] ^= number;
    ActorId(bytes)
}

/// Makes ids of entries and photos.
#[must_use]
pub(crate) fn uuid(rng: &mut ChaCha8Rng) -> Uuid {
    Uuid::from_u128(rng.random::<u128>() % 4 + 1)
}

/// A text that often holds what is hard: Chinese, four-byte characters, combining marks, nothing.
#[must_use]
pub(crate) fn text(rng: &mut ChaCha8Rng) -> String {
    let words = [
        "",
        "a",
        "客户",
        "上海市浦东新区",
        "🦀",
        "e\u{301}",
        "\u{200b}",
        "Ünïcödé",
        "'; DROP TABLE",
        "零",
    ];
    let count = rng.random_range(1..4);
    (0..count).filter_map(|_| words.choose(rng).copied()).collect()
}

/// Any scalar within the bounds of keys this version does not know.
#[must_use]
pub(crate) fn scalar(rng: &mut ChaCha8Rng) -> Value {
    match rng.random_range(0..9) {
        0 => Value::Null,
        1 => Value::Bool(rng.random()),
        2 => Value::Int(*[0, -1, 1, i64::MIN, i64::MAX, 127, -129].choose(rng).unwrap()),
        3 => Value::Uint(*[0, 1, u64::MAX, 1 << 63, 255].choose(rng).unwrap()),
        4 => Value::F64(
            *[0.0, -0.0, 1.5, f64::MIN_POSITIVE, f64::MAX, -1e-300]
                .choose(rng)
                .unwrap(),
        ),
        5 => Value::Bytes((0..rng.random_range(0..20)).map(|_| rng.random()).collect()),
        6 => Value::Timestamp(*[0, -1, i64::MIN, i64::MAX, 1_700_000_000_000].choose(rng).unwrap()),
        _ => Value::Str(text(rng)),
    }
}

/// A value that fits the field.
#[must_use]
pub(crate) fn value_of(rng: &mut ChaCha8Rng, field: FieldType) -> Value {
    match field {
        FieldType::Line(max) | FieldType::Prose(max) => Value::Str(text(rng).chars().take(max).collect()),
        FieldType::Choice(words) => Value::Str((*words.choose(rng).unwrap()).to_owned()),
        FieldType::Date => Value::Str(format!(
            "2026-{:02}-{:02}",
            rng.random_range(1..13),
            rng.random_range(1..29)
        )),
        FieldType::Instant => Value::Timestamp(1_770_000_000_000 + rng.random_range(-5..5)),
        FieldType::Bool => Value::Bool(rng.random()),
        FieldType::Int(min, max) => Value::Int(*[min, max, min.midpoint(max)].choose(rng).unwrap()),
        FieldType::Number(min, max) => Value::F64(*[min, max, min / 3.0, max / 7.0].choose(rng).unwrap()),
        FieldType::Map(_) => Value::Null,
    }
}

/// An entry that fits the map, out of few keys so that two replicas often meet on one.
#[must_use]
pub(crate) fn entry_of(rng: &mut ChaCha8Rng, map: MapType) -> (String, Value) {
    let name = (*["vip", "老客户", "x"].choose(rng).unwrap()).to_owned();
    match map {
        MapType::Tags => (name, Value::Bool(true)),
        MapType::Phones => (name, Value::Str("+86 21 5555".to_owned())),
        MapType::Photos => (format!("{:064x}", rng.random_range(0..4)), Value::Bool(true)),
        MapType::Comments | MapType::Actions => (uuid(rng).to_string(), Value::Str(text(rng))),
        MapType::Custom => (name, scalar(rng)),
    }
}

/// A typed edit of a field of the kind, as a person makes it.
#[must_use]
pub(crate) fn edit(rng: &mut ChaCha8Rng, kind: Kind) -> Edit {
    let field = kind.fields().choose(rng).unwrap();
    let key = field.key.to_owned();
    if let FieldType::Map(map) = field.value {
        let (entry, value) = entry_of(rng, map);
        return if rng.random_bool(0.25) {
            Edit::RemoveEntry { map: key, entry }
        } else {
            Edit::SetEntry { map: key, entry, value }
        };
    }
    if rng.random_bool(0.2) {
        Edit::Remove { key }
    } else {
        Edit::Set {
            key,
            value: value_of(rng, field.value),
        }
    }
}

/// Instants a phone's clock might show.
#[must_use]
pub(crate) fn time(rng: &mut ChaCha8Rng) -> Timestamp {
    Timestamp(
        *[
            0,
            -1,
            1_770_000_000_000,
            1_770_000_000_001,
            i64::MAX,
            i64::MIN,
            4_102_444_800_000,
        ]
        .choose(rng)
        .unwrap(),
    )
}

/// A change as a newer app, or a hostile one, writes it: no Automerge transaction behind it, but every reference good.
/// It uses everything op-lists can say: unknown keys, maps in maps, several operations on one key, values written
/// without naming what they replace.
#[must_use]
pub(crate) fn raw_change(rng: &mut ChaCha8Rng, document: &Document, actor: ActorId) -> Change {
    let state = document.state();
    let mut maker = Maker {
        state,
        operations: Vec::new(),
        maps: maps_of(state),
        current: BTreeMap::new(),
    };
    if state.changes().next().is_none() {
        for field in state.kind().containers() {
            let FieldType::Map(map) = field.value else { continue };
            let made = OpRef::Local(maker.operations.len() as u32);
            maker.maps.push((Some(made), Inside::Known(map, field.write_once), 1));
            maker.push(Action::MakeMap, None, field.key.to_owned(), Vec::new());
        }
    }
    for _ in 0..rng.random_range(1..6) {
        maker.operation(rng);
    }
    if maker.operations.is_empty() {
        maker.push(Action::Put(Value::Null), None, "zz".to_owned(), Vec::new());
    }
    let last_seq = state.last_seq(actor);
    let mut dependencies: Vec<ChangeId> = state.heads().collect();
    if last_seq > 0 {
        dependencies.push(ChangeId { actor, seq: last_seq });
    }
    dependencies.sort_unstable();
    dependencies.dedup();
    Change {
        actor,
        seq: last_seq + 1,
        dependencies,
        time: time(rng),
        operations: maker.operations,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Root,
    Known(MapType, bool),
    Open,
}

type MapRef = (Option<OpRef>, Inside, usize);

/// Every map of the document that can be reached, with what may be in it and its depth.
fn maps_of(state: &DocumentState) -> Vec<MapRef> {
    let mut maps: Vec<MapRef> = vec![(None, Inside::Root, 0)];
    let mut next = 0;
    while let Some(&(object, inside, depth)) = maps.get(next) {
        next += 1;
        let id = object.map(|object| object.resolve(ActorId([0; 16]), 0));
        for (key, register) in state.registers(id) {
            for entry in register.entries().iter().filter(|entry| entry.content == Content::Map) {
                let field = if inside == Inside::Root {
                    state.kind().field(key)
                } else {
                    None
                };
                let inside = match field.map(|field| (field.value, field.write_once)) {
                    Some((FieldType::Map(map), once)) => Inside::Known(map, once),
                    _ => Inside::Open,
                };
                maps.push((Some(OpRef::Known(entry.id)), inside, depth + 1));
            }
        }
    }
    maps
}

struct Maker<'a> {
    state: &'a DocumentState,
    operations: Vec<Op>,
    maps: Vec<MapRef>,
    /// What is visible under keys this change has touched.
    current: BTreeMap<(Option<OpRef>, String), Vec<OpRef>>,
}

impl Maker<'_> {
    fn operation(&mut self, rng: &mut ChaCha8Rng) {
        let (object, inside, depth) = *self.maps.choose(rng).unwrap();
        let (key, action, write_once) = match inside {
            Inside::Root if rng.random_bool(0.6) => {
                let field = self.state.kind().fields().choose(rng).unwrap();
                if matches!(field.value, FieldType::Map(_)) {
                    return;
                }
                (
                    field.key.to_owned(),
                    Action::Put(value_of(rng, field.value)),
                    field.write_once,
                )
            }
            Inside::Root | Inside::Open => {
                let key = (*NEWER_KEYS.choose(rng).unwrap()).to_owned();
                let deeper = depth < DEPTH_MAX && rng.random_bool(0.4);
                (
                    key,
                    if deeper {
                        Action::MakeMap
                    } else {
                        Action::Put(scalar(rng))
                    },
                    false,
                )
            }
            Inside::Known(map, once) => {
                let (entry, value) = entry_of(rng, map);
                (entry, Action::Put(value), once)
            }
        };
        let visible = self.visible(object, &key);
        if write_once {
            if self.written(object, &key) {
                return;
            }
            self.push(action, object, key, Vec::new());
            return;
        }
        let mut predecessors = visible;
        // Somebody may write without naming what is there: that is a conflict with himself, and legal.
        if rng.random_bool(0.15) {
            predecessors.retain(|_| rng.random_bool(0.5));
        }
        let action = if !predecessors.is_empty() && rng.random_bool(0.2) {
            Action::Delete
        } else {
            action
        };
        if action == Action::MakeMap {
            let made = OpRef::Local(self.operations.len() as u32);
            self.maps.push((Some(made), Inside::Open, depth + 1));
        }
        self.push(action, object, key, predecessors);
    }

    fn register(&self, object: Option<OpRef>, key: &str) -> Option<&sync_core::document::Register> {
        match object {
            None => self.state.register(None, key),
            Some(OpRef::Known(id)) => self.state.register(Some(id), key),
            Some(OpRef::Local(_)) => None,
        }
    }

    fn visible(&self, object: Option<OpRef>, key: &str) -> Vec<OpRef> {
        if let Some(current) = self.current.get(&(object, key.to_owned())) {
            return current.clone();
        }
        let register = self.register(object, key);
        register.map_or_else(Vec::new, |register| {
            register
                .visible()
                .into_iter()
                .map(|entry| OpRef::Known(entry.id))
                .collect()
        })
    }

    fn written(&self, object: Option<OpRef>, key: &str) -> bool {
        self.register(object, key).is_some() || self.current.contains_key(&(object, key.to_owned()))
    }

    fn push(&mut self, action: Action, object: Option<OpRef>, key: String, mut predecessors: Vec<OpRef>) {
        predecessors.sort_unstable();
        let mut current = self.visible(object, &key);
        current.retain(|reference| !predecessors.contains(reference));
        if action != Action::Delete {
            current.push(OpRef::Local(self.operations.len() as u32));
        }
        self.current.insert((object, key.clone()), current);
        self.operations.push(Op {
            action,
            object,
            key,
            predecessors,
        });
    }
}

/// The op-list of a change.
#[must_use]
pub(crate) fn encode(change: &Change, kind: Kind) -> Vec<u8> {
    oplist::encode(change, kind, SCHEMA_VERSION)
}

/// Takes over what the other replica has and this one lacks.
pub(crate) fn merge(into: &mut Document, from: &Document) {
    for change in from.changes() {
        if into.state().change(change.id()).is_none() {
            let body = encode(change, from.state().kind());
            admit(into, change.clone(), body.len(), Trial::Build).expect("what one replica holds, another takes");
        }
    }
}

/// What a document shows: for each path the values, the winner first, with the operation that wrote each.
pub(crate) type Shown = BTreeMap<String, Vec<(String, String)>>;

/// What the fold shows.
#[must_use]
pub(crate) fn shown(document: &Document) -> Shown {
    fn walk(state: &DocumentState, object: Option<OpId>, path: &str, shown: &mut Shown) {
        for (key, register) in state.registers(object) {
            let path = format!("{path}/{key}");
            for entry in register.visible() {
                let name = format!("{}@{}", entry.id.counter, entry.id.actor);
                let value = match &entry.content {
                    Content::Map => "map".to_owned(),
                    Content::Scalar(value) => format!("{value:?}"),
                    Content::Removed => "removed".to_owned(),
                };
                if entry.content == Content::Map {
                    walk(state, Some(entry.id), &format!("{path}[{name}]"), shown);
                }
                shown.entry(path.clone()).or_default().push((value, name));
            }
        }
    }
    let mut all = Shown::new();
    walk(document.state(), None, "", &mut all);
    all
}

/// What Automerge shows, read without any help of the fold.
#[must_use]
pub(crate) fn shown_by_automerge(automerge: &automerge::Automerge) -> Shown {
    fn walk(automerge: &automerge::Automerge, object: &automerge::ObjId, path: &str, shown: &mut Shown) {
        for key in automerge.keys(object) {
            let path = format!("{path}/{key}");
            for (value, id) in automerge.get_all(object, key.as_str()).unwrap().into_iter().rev() {
                let automerge::ObjId::Id(counter, actor, _) = &id else {
                    panic!("an operation has an id")
                };
                let name = format!("{counter}@{}", hex::encode(actor.to_bytes()));
                let value = match value {
                    automerge::Value::Object(_) => {
                        walk(automerge, &id, &format!("{path}[{name}]"), shown);
                        "map".to_owned()
                    }
                    automerge::Value::Scalar(scalar) => written(&scalar),
                };
                shown.entry(path.clone()).or_default().push((value, name));
            }
        }
    }
    let mut all = Shown::new();
    walk(automerge, &automerge::ROOT, "", &mut all);
    all
}

fn written(scalar: &automerge::ScalarValue) -> String {
    use automerge::ScalarValue as Scalar;
    let value = match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Int(value) => Value::Int(*value),
        Scalar::Uint(value) => Value::Uint(*value),
        Scalar::F64(value) => Value::F64(*value),
        Scalar::Str(value) => Value::Str(value.to_string()),
        Scalar::Bytes(value) => Value::Bytes(value.clone()),
        Scalar::Timestamp(value) => Value::Timestamp(*value),
        other => panic!("op-lists cannot say {other:?}"),
    };
    format!("{value:?}")
}

/// The heads of a document as hashes, sorted.
#[must_use]
pub(crate) fn heads(document: &Document) -> Vec<[u8; 32]> {
    let state = document.state();
    let mut heads: Vec<[u8; 32]> = state
        .heads()
        .map(|head| state.change(head).expect("a head is a change").hash.0)
        .collect();
    heads.sort_unstable();
    heads
}
