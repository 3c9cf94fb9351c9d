//! Random op-lists through the whole airlock: creations, edits, nested maps and documents with fixed changes, mutated
//! in every part and in their bytes. Nothing may panic; what is accepted must read back equal from the fold and from
//! Automerge, reload, and have the same heads.
//!
//! `FIELDPOOL_FUZZ_SEED` replays one run, `FIELDPOOL_FUZZ_ITERATIONS` says how many op-lists are tried. Each group of
//! documents has the seed after the one before it, so the seed printed by a failure replays it at once.

#[path = "support/documents.rs"]
mod documents;

use std::{collections::BTreeMap, env};

use automerge::Automerge;
use documents::{actor, edit, encode, merge, raw_change, scalar, shown, shown_by_automerge, text, time, uuid};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sync_core::{
    airlock::{Trial, admit},
    document::{
        Action, Change, ChangeId, Content, Document, Kind, Op, OpId, OpRef, Refusal, Value, fixed_actor, fixed_changes,
    },
    ids::ActorId,
    protocol::oplist::{self, OpListError},
    time::Timestamp,
};

/// Op-lists in an ordinary run: about half a minute of one core in a debug build.
const ITERATIONS: u64 = 20_000;
const SEED: u64 = 0x46_50_00_02;
/// Op-lists tried on one hub document before a new one begins; longer documents make every trial slower.
const GROUP: u64 = 40;

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => default,
    }
}

/// Says how to replay a failure, whatever kind of failure it is.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with FIELDPOOL_FUZZ_SEED={} FIELDPOOL_FUZZ_ITERATIONS=1", self.0);
        }
    }
}

fn groups() -> impl Iterator<Item = (u64, Replay)> {
    let seed = setting("FIELDPOOL_FUZZ_SEED", SEED);
    let count = setting("FIELDPOOL_FUZZ_ITERATIONS", ITERATIONS).div_ceil(GROUP);
    println!("seed {seed}, {count} groups of {GROUP}");
    (0..count)
        .map(move |index| seed.wrapping_add(index))
        .map(|seed| (seed, Replay(seed)))
}

#[test]
fn t017_mutated_op_lists_are_refused_or_read_back_equal_and_never_panic() {
    let mut outcomes = BTreeMap::<&'static str, u64>::new();
    for (seed, _replay) in groups() {
        let mut lab = Lab::new(seed);
        for _ in 0..GROUP {
            *outcomes.entry(lab.step()).or_default() += 1;
        }
        lab.check_hub();
    }
    println!("{outcomes:#?}");
    if env::var("FIELDPOOL_FUZZ_ITERATIONS").is_err() {
        // The fuzz is worth something only while it reaches what it is meant for.
        for expected in EXPECTED_OUTCOMES {
            assert!(
                outcomes.contains_key(expected),
                "no case ended as {expected}: {outcomes:?}"
            );
        }
    }
}

const EXPECTED_OUTCOMES: &[&str] = &[
    "accepted",
    "accepted mutant",
    "not an op-list",
    "seq_gap",
    "missing_deps",
    "dependencies",
    "operation_count",
    "unknown_object",
    "unknown_predecessor",
    "schema",
    "evidence_fixed",
    "too_deep",
    "already_created",
];

/// A hub and three phones around one document.
struct Lab {
    rng: ChaCha8Rng,
    kind: Kind,
    hub: Document,
    phones: Vec<(ActorId, Document)>,
    /// The bodies that the hub has stored, in order.
    log: Vec<Vec<u8>>,
}

impl Lab {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = *Kind::ALL.choose(&mut rng).unwrap();
        let first: u8 = rng.random();
        let phones = (0..3)
            .map(|index| (actor(first.wrapping_add(index)), Document::new(kind)))
            .collect();
        Self {
            rng,
            kind,
            hub: Document::new(kind),
            phones,
            log: Vec::new(),
        }
    }

    /// One op-list: an honest one, which must be accepted, or a mutant. Gives its outcome.
    fn step(&mut self) -> &'static str {
        let which = self.rng.random_range(0..self.phones.len());
        if self.rng.random_bool(0.4) {
            self.sync(which);
        }
        if self.rng.random_bool(0.3) {
            self.honest(which)
        } else {
            self.mutant(which)
        }
    }

    /// The phone sends what the hub lacks, oldest first, and takes what it lacks itself.
    fn sync(&mut self, which: usize) {
        let phone = self.phones[which].1.clone();
        let sent: Vec<Change> = phone
            .changes()
            .iter()
            .filter(|change| self.hub.state().change(change.id()).is_none())
            .cloned()
            .collect();
        for change in sent {
            let body = encode(&change, self.kind);
            match self.submit(&body) {
                Ok(()) => {}
                // Of two phones that began the same document one is told that it exists, and starts again.
                Err(Answer::Gate(Refusal::AlreadyCreated)) => {
                    self.phones[which].1 = self.hub.clone();
                    return;
                }
                Err(other) => panic!("an honest change was refused: {other:?} {change:?}"),
            }
        }
        merge(&mut self.phones[which].1, &self.hub);
        assert!(
            self.phones[which].1.state() == self.hub.state(),
            "phone and hub hold the same after a sync"
        );
    }

    fn next_change(&mut self, which: usize) -> Option<Change> {
        let (actor, phone) = &self.phones[which];
        if self.rng.random_bool(0.5) {
            let mut copy = phone.clone();
            let edits: Vec<_> = (0..self.rng.random_range(1..4))
                .map(|_| edit(&mut self.rng, self.kind))
                .collect();
            let at = time(&mut self.rng);
            return match copy.edit(*actor, at, &edits) {
                Ok(built) => built.map(|built| built.change),
                Err(error) => {
                    assert_eq!(error.code(), "evidence_fixed", "{error} {edits:?}");
                    None
                }
            };
        }
        Some(raw_change(&mut self.rng, phone, *actor))
    }

    /// What a mutant is made of: mostly a phone's next change, sometimes a fixed change or a migration on top of one.
    fn sound_change(&mut self, which: usize) -> Option<Change> {
        let fixed = fixed_changes(self.kind).first().filter(|_| self.rng.random_bool(0.1));
        let Some(fixed) = fixed else {
            return self.next_change(which);
        };
        if self.rng.random_bool(0.3) {
            return Some(fixed.change.clone());
        }
        let mut migration = raw_change(&mut self.rng, &Document::new(self.kind), fixed_actor(self.kind, 2));
        migration.time = Timestamp(0);
        Some(migration)
    }

    fn honest(&mut self, which: usize) -> &'static str {
        let Some(change) = self.next_change(which) else {
            return "no change";
        };
        let body = encode(&change, self.kind);
        assert_eq!(
            oplist::decode(&body, self.kind),
            Ok(change.clone()),
            "decode(encode(x)) is x"
        );
        let phone = &mut self.phones[which].1;
        admit(phone, change.clone(), body.len(), Trial::Reload)
            .unwrap_or_else(|refusal| panic!("an honest change was refused: {refusal} {change:?}"));
        "accepted"
    }

    fn mutant(&mut self, which: usize) -> &'static str {
        if self.rng.random_bool(0.5) {
            self.sync(which);
        }
        let Some(mut change) = self.sound_change(which) else {
            return "no change";
        };
        for _ in 0..self.rng.random_range(0..4) {
            self.mutate(&mut change);
        }
        let mut body = encode(&change, self.kind);
        if self.rng.random_bool(0.3) {
            mutate_bytes(&mut self.rng, &mut body);
        }
        let before = self.hub.clone();
        match self.submit(&body) {
            Ok(()) => {
                // It is now what the hub holds; everybody begins from there.
                for (_, phone) in &mut self.phones {
                    *phone = self.hub.clone();
                }
                "accepted mutant"
            }
            Err(answer) => {
                assert!(self.hub == before, "a refused change leaves no trace");
                match answer {
                    Answer::Codec => "not an op-list",
                    Answer::Gate(Refusal::TrialFailed) => panic!("the earlier gates let through {change:?} {body:?}"),
                    Answer::Gate(refusal) => refusal.code(),
                }
            }
        }
    }

    /// The way of every foreign change: decode, then all gates with the full trial.
    fn submit(&mut self, body: &[u8]) -> Result<(), Answer> {
        let change = oplist::decode(body, self.kind).map_err(|_| Answer::Codec)?;
        let built = admit(&mut self.hub, change, body.len(), Trial::Reload).map_err(Answer::Gate)?;
        self.log.push(built.body);
        Ok(())
    }

    fn mutate(&mut self, change: &mut Change) {
        let rng = &mut self.rng;
        let actors: Vec<ActorId> = self
            .phones
            .iter()
            .map(|(actor, _)| *actor)
            .chain(fixed_changes(self.kind).iter().map(|fixed| fixed.change.actor))
            .chain([ActorId([0; 16]), ActorId([0xff; 16])])
            .collect();
        match rng.random_range(0..10) {
            0 => change.actor = *actors.choose(rng).unwrap(),
            1 => change.seq = number(rng, change.seq),
            2 => mutate_dependencies(rng, change, &actors, &self.hub),
            3 => {
                change.time = if rng.random() {
                    time(rng)
                } else {
                    Timestamp(rng.random())
                }
            }
            4 => mutate_list(rng, change),
            _ => {
                let count = change.operations.len() as u32;
                let known = known_operations(&self.hub);
                let Some(index) = (0..change.operations.len()).collect::<Vec<_>>().choose(rng).copied() else {
                    return;
                };
                mutate_operation(rng, &mut change.operations[index], self.kind, count, &known, &actors);
            }
        }
    }

    /// The log is the truth: read back it gives the same document, and so does another causal order.
    fn check_hub(&mut self) {
        let mut restored = Document::new(self.kind);
        for body in &self.log {
            let change = oplist::decode(body, self.kind).expect("what was stored decodes");
            assert_eq!(&encode(&change, self.kind), body, "what was stored is canonical");
            let hash = self.hub.state().change(change.id()).expect("it was stored").hash;
            restored
                .restore(change, hash, body.len())
                .expect("what was admitted once is admitted again");
        }
        assert!(restored == self.hub, "the document read back from its log is the same");
        let automerge = self.hub.to_automerge().expect("an admitted document opens");
        assert_eq!(shown(&self.hub), shown_by_automerge(&automerge));
        let reloaded = Automerge::load(&automerge.save()).expect("an admitted document reloads");
        assert_eq!(shown(&self.hub), shown_by_automerge(&reloaded));
        let mut reordered = Document::new(self.kind);
        let mut waiting: Vec<Change> = self.hub.changes().to_vec();
        while !waiting.is_empty() {
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|index| {
                    let dependencies = &waiting[*index].dependencies;
                    dependencies
                        .iter()
                        .all(|dependency| reordered.state().change(*dependency).is_some())
                })
                .collect();
            let change = waiting.remove(*ready.choose(&mut self.rng).expect("something is always ready"));
            let length = encode(&change, self.kind).len();
            admit(&mut reordered, change, length, Trial::Build).expect("any causal order is admitted");
        }
        assert!(
            reordered.state() == self.hub.state(),
            "the order of arrival does not matter"
        );
    }
}

/// Who refused.
#[derive(Debug)]
enum Answer {
    Codec,
    Gate(Refusal),
}

fn known_operations(document: &Document) -> Vec<OpId> {
    let mut known = Vec::new();
    let mut objects = vec![None];
    while let Some(object) = objects.pop() {
        for entry in document
            .state()
            .registers(object)
            .flat_map(|(_, register)| register.entries())
        {
            known.push(entry.id);
            if entry.content == Content::Map {
                objects.push(Some(entry.id));
            }
        }
    }
    known
}

fn number(rng: &mut ChaCha8Rng, now: u64) -> u64 {
    let near = [now.wrapping_sub(1), now.wrapping_add(1), now.wrapping_add(2), 0, 1, 99];
    let far = [
        u64::from(u32::MAX),
        1 << 31,
        1 << 63,
        u64::MAX,
        u64::MAX - 1,
        i64::MAX as u64,
    ];
    *if rng.random_bool(0.7) {
        near.choose(rng)
    } else {
        far.choose(rng)
    }
    .unwrap()
}

fn mutate_dependencies(rng: &mut ChaCha8Rng, change: &mut Change, actors: &[ActorId], hub: &Document) {
    let dependencies = &mut change.dependencies;
    let known: Vec<ChangeId> = hub.state().changes().map(|(id, _)| id).collect();
    match rng.random_range(0..6) {
        0 => dependencies.clear(),
        1 => {
            dependencies.pop();
        }
        2 => dependencies.extend(known.choose(rng).copied()),
        3 => dependencies.push(ChangeId {
            actor: *actors.choose(rng).unwrap(),
            seq: number(rng, change.seq),
        }),
        4 => dependencies.extend(dependencies.first().copied()),
        _ => {
            if let Some(dependency) = dependencies.first_mut() {
                dependency.seq = number(rng, dependency.seq);
            }
        }
    }
    // Half of the time well-formed, so that the next check is reached.
    if rng.random() {
        dependencies.sort_unstable();
        dependencies.dedup();
    }
}

fn mutate_list(rng: &mut ChaCha8Rng, change: &mut Change) {
    let operations = &mut change.operations;
    if operations.is_empty() {
        return;
    }
    let at = rng.random_range(0..operations.len());
    let other = rng.random_range(0..operations.len());
    match rng.random_range(0..6) {
        0 => {
            operations.remove(at);
        }
        1 => operations.push(operations[at].clone()),
        2 => operations.swap(at, other),
        3 => operations.insert(at, operations[other].clone()),
        4 => operations.clear(),
        _ => {
            // A ladder of maps, each in the one before it.
            let mut object = None;
            for _ in 0..rng.random_range(2..8) {
                let made = OpRef::Local(operations.len() as u32);
                operations.push(Op {
                    action: Action::MakeMap,
                    object,
                    key: "zz".to_owned(),
                    predecessors: Vec::new(),
                });
                object = Some(made);
            }
        }
    }
}

fn mutate_operation(
    rng: &mut ChaCha8Rng,
    operation: &mut Op,
    kind: Kind,
    count: u32,
    known: &[OpId],
    actors: &[ActorId],
) {
    let reference = |rng: &mut ChaCha8Rng| match rng.random_range(0..6) {
        0 => OpRef::Local(rng.random_range(0..count)),
        1 => OpRef::Local(*[count, count + 1, u32::MAX, 1 << 31].choose(rng).unwrap()),
        2 => OpRef::Known(OpId {
            actor: *actors.choose(rng).unwrap(),
            counter: number(rng, 5),
        }),
        3 => OpRef::Known(OpId {
            actor: *actors.choose(rng).unwrap(),
            counter: rng.random_range(0..30),
        }),
        _ => match known.choose(rng) {
            Some(id) => OpRef::Known(*id),
            None => OpRef::Local(0),
        },
    };
    match rng.random_range(0..8) {
        0 => {
            operation.object = if rng.random_bool(0.2) {
                None
            } else {
                Some(reference(rng))
            }
        }
        1 => {
            let field = kind.fields().choose(rng).unwrap().key;
            let other = Kind::ALL.choose(rng).unwrap().fields().choose(rng).unwrap().key;
            let id = uuid(rng).to_string();
            let keys = [
                field,
                field,
                other,
                "zz",
                "x_newer",
                "",
                "a\0b",
                "\u{202e}abc",
                "vip",
                id.as_str(),
            ];
            operation.key = (*keys.choose(rng).unwrap()).to_owned();
            if rng.random_bool(0.05) {
                operation.key = "长".repeat(rng.random_range(60..120));
            }
        }
        2 => operation.predecessors.push(reference(rng)),
        3 => {
            operation.predecessors.pop();
        }
        4 => operation.predecessors.reverse(),
        5 => operation.predecessors.extend(operation.predecessors.first().copied()),
        6 => {
            operation.action = match rng.random_range(0..3) {
                0 => Action::MakeMap,
                1 => Action::Delete,
                _ => Action::Put(scalar(rng)),
            }
        }
        _ => {
            operation.action = Action::Put(match rng.random_range(0..6) {
                0 => Value::F64(*[f64::NAN, f64::INFINITY, -f64::INFINITY].choose(rng).unwrap()),
                1 => Value::Str(text(rng).repeat(rng.random_range(0..200))),
                2 => Value::Str("\0\u{1}\u{202e}".to_owned()),
                3 => Value::Bytes(vec![0; rng.random_range(0..9000)]),
                _ => scalar(rng),
            });
        }
    }
    if rng.random_bool(0.6) {
        operation.predecessors.sort_unstable();
        operation.predecessors.dedup();
    }
}

fn mutate_bytes(rng: &mut ChaCha8Rng, body: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        if body.is_empty() {
            return;
        }
        let at = rng.random_range(0..body.len());
        match rng.random_range(0..7) {
            0 => body[at] ^= 1 << rng.random_range(0..8),
            1 => body[at] = rng.random(),
            2 => body[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(rng).unwrap(),
            3 => body.truncate(at),
            4 => body.insert(at, rng.random()),
            5 => {
                body.remove(at);
            }
            _ => {
                let end = rng.random_range(at..body.len());
                let piece = body[at..end].to_vec();
                let to = rng.random_range(0..body.len());
                body.splice(to..to, piece);
            }
        }
    }
}

#[test]
fn t018_any_bytes_decode_to_an_error_or_to_what_encodes_canonically() {
    let (mut decoded, mut refused) = (0_u64, 0_u64);
    for (seed, _replay) in groups() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = *Kind::ALL.choose(&mut rng).unwrap();
        let mut document = Document::new(kind);
        for round in 0..GROUP {
            let change = raw_change(&mut rng, &document, actor(round as u8 % 3));
            let mut body = encode(&change, kind);
            if round % 8 == 0 {
                admit(&mut document, change, body.len(), Trial::Build).expect("an honest change is admitted");
            }
            if rng.random_bool(0.1) {
                body = (0..rng.random_range(0..200)).map(|_| rng.random()).collect();
            } else {
                mutate_bytes(&mut rng, &mut body);
            }
            // A change of one kind may be sent under the name of another.
            let kind = if rng.random_bool(0.1) {
                *Kind::ALL.choose(&mut rng).unwrap()
            } else {
                kind
            };
            match oplist::decode(&body, kind) {
                Ok(change) => {
                    let canonical = encode(&change, kind);
                    let again = oplist::decode(&canonical, kind).expect("what was encoded decodes");
                    // Compared as text: a value that is not a number differs from itself.
                    assert_eq!(format!("{again:?}"), format!("{change:?}"));
                    assert_eq!(encode(&again, kind), canonical);
                    decoded += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    println!("{decoded} decoded, {refused} refused");
    assert!(env::var("FIELDPOOL_FUZZ_ITERATIONS").is_ok() || (decoded > 1_000 && refused > 1_000));
}

#[test]
fn t018_an_op_list_cut_anywhere_is_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(setting("FIELDPOOL_FUZZ_SEED", SEED));
    for kind in Kind::ALL {
        let change = raw_change(&mut rng, &Document::new(kind), actor(1));
        let body = encode(&change, kind);
        for end in 0..body.len() {
            let cut = oplist::decode(&body[..end], kind);
            assert!(cut.is_err(), "{kind} cut at {end} of {}", body.len());
        }
        let longer = [&body[..], &[0]].concat();
        assert_eq!(oplist::decode(&longer, kind), Err(OpListError::Trailing));
    }
}
