//! The wire format, byte for byte: what this build writes and the hashes it must give are kept in
//! `tests/wire/v1.txt`. A line that changes breaks phones in the field; a new schema version adds lines.
//!
//! `FIELDPOOL_ACCEPT_WIRE=1 cargo test -p sync-core --test wire_format` writes the file anew.

use std::fmt::Write as _;

use serde_bytes::ByteBuf;
use sync_core::{
    airlock::{Trial, admit},
    document::{Document, Edit, Kind, Value, edits_from_words, fixed_changes},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, IntentId, OrgId, PoolId, UserId},
    protocol::{
        compare::{Behind, Belief, Compare, Compared, HeldDocument, Reconcile},
        message::{
            AccessItem, ActorInfo, Confirmation, Intent, IntentAction, IntentOutcome, PullChange, PullDocument,
            PushDocument, RetryReason, SyncRequest, SyncResponse, Verdict, WipeOrder,
        },
        oplist,
    },
    time::Timestamp,
    visibility::{Policy, Relation, Role, UserState, Viewer, class_rights},
};
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_772_413_200_123);

#[test]
fn op_lists_hashes_and_messages_are_those_of_protocol_1() {
    let mut text = String::new();
    for (name, hex) in op_lists().into_iter().chain(messages()) {
        writeln!(text, "{name} {hex}").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/v1.txt");
    if std::env::var_os("FIELDPOOL_ACCEPT_WIRE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    for (written, kept) in text.lines().zip(kept.lines()) {
        assert_eq!(written, kept);
    }
    assert_eq!(text, kept);
}

#[test]
fn every_kept_op_list_is_read_admitted_and_written_again_as_it_was() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/v1.txt")).unwrap();
    let mut documents: Vec<(Kind, Document)> = Vec::new();
    let mut read = 0;
    for line in kept.lines().filter(|line| line.starts_with("oplist.")) {
        let (name, hex) = line.split_once(' ').unwrap();
        let parts: Vec<&str> = name.split('.').collect();
        let kind: Kind = parts[1].parse().unwrap();
        let body = hex::decode(hex).unwrap();
        let change = oplist::decode(&body, kind).unwrap();
        assert_eq!(oplist::encode(&change, kind, 1), body, "{name}");
        if !documents.iter().any(|(known, _)| *known == kind) {
            documents.push((kind, Document::new(kind)));
        }
        let document = &mut documents.iter_mut().find(|(known, _)| *known == kind).unwrap().1;
        let built = admit(document, change, body.len(), Trial::Reload).unwrap();
        let hash = format!("hash.{}.{} {}", parts[1], parts[2], built.hash);
        assert!(kept.lines().any(|line| line == hash), "{hash}");
        read += 1;
    }
    assert!(read >= 16);
}

fn op_lists() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        for fixed in fixed_changes(kind) {
            lines.push((format!("fixed.{kind}"), fixed.hash.to_string()));
        }
        let mut one = Document::new(kind);
        let first = one.edit(ActorId([1; 16]), AT, &every_field(kind)).unwrap().unwrap();
        let mut two = Document::new(kind);
        admit(&mut two, first.change.clone(), first.body.len(), Trial::Reload).unwrap();
        let second = one
            .edit(ActorId([1; 16]), AT.plus_ms(5), &custom("a", Value::Int(-7)))
            .unwrap()
            .unwrap();
        let third = two
            .edit(ActorId([2; 16]), AT.plus_ms(-9), &custom("a", Value::F64(2.5)))
            .unwrap()
            .unwrap();
        admit(&mut one, third.change.clone(), third.body.len(), Trial::Reload).unwrap();
        let fourth = one
            .edit(ActorId([1; 16]), AT.plus_ms(7), &custom("a", Value::Null))
            .unwrap()
            .unwrap();
        for (number, built) in [first, second, third, fourth].into_iter().enumerate() {
            lines.push((format!("oplist.{kind}.{number}"), hex::encode(&built.body)));
            lines.push((format!("hash.{kind}.{number}"), built.hash.to_string()));
        }
    }
    lines
}

fn custom(entry: &str, value: Value) -> Vec<Edit> {
    vec![Edit::SetEntry {
        map: "custom".into(),
        entry: entry.into(),
        value,
    }]
}

fn every_field(kind: Kind) -> Vec<Edit> {
    let words: &[&str] = match kind {
        Kind::Card => &[
            "name=长城电子",
            "address=上海市",
            "lat=31.2",
            "lon=121.4",
            "crs=wgs84",
            "stage=lead",
            "tags+=vip",
        ],
        Kind::Dossier => &["needs=轴承", "plan=a\nb"],
        Kind::Contact => &[
            "name=王芳",
            "phone=13800000000",
            "birthday=1990-02-28",
            "do_not_contact=true",
        ],
        Kind::Opportunity => &[
            "title=O",
            "stage=won",
            "amount_minor=-12345",
            "currency=CNY",
            "close_date=2026-03-31",
        ],
        Kind::Visit => &[
            "started_at=1772413200000",
            "lat=31.2",
            "mock=false",
            "note=谈价格",
            "next_date=2026-04-01",
        ],
        Kind::FollowUp => &["text=call", "channel=phone", "due=2026-03-05", "done=false"],
        Kind::Ticket => &["text=t", "severity=high", "satisfaction=5"],
        Kind::Internal => &["credit=A", "floor_price_minor=9007199254740991"],
    };
    edits_from_words(kind, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn id(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}

fn messages() -> Vec<(String, String)> {
    let request = SyncRequest {
        device: DeviceId(id(1)),
        message: 300,
        sent_at: AT,
        schema_version: 1,
        actors: vec![ActorId([2; 16])],
        cursor: Some(ByteBuf::from(vec![1, 2, 3])),
        directory: Some([7; 8]),
        pending: 4,
        page_bytes_max: 1_048_576,
        intents: vec![
            intent(IntentAction::Create {
                pool: Some(PoolId(id(5))),
            }),
            intent(IntentAction::Claim),
            intent(IntentAction::Release {
                pool: None,
                reason: "没有预算".into(),
            }),
            intent(IntentAction::Assign {
                owner: UserId(id(6)),
                reason: String::new(),
            }),
            intent(IntentAction::Responsible {
                document: DocumentId(id(8)),
                user: None,
            }),
        ],
        customers: vec![CustomerId(id(3))],
        documents: vec![PushDocument {
            document: None,
            kind: 1,
            customer: 0,
            digest: [1, 2, 3, 4],
            hashes: vec![[9; 16]],
            changes: vec![ByteBuf::from(vec![5; 3])],
        }],
        confirmations: vec![Confirmation {
            customer: CustomerId(id(3)),
            lost_seq: 77,
        }],
        wanted: vec![DocumentId(id(8))],
        reconcile: Some(Reconcile {
            compare: Compare::Documents {
                buckets: vec![9],
                documents: vec![HeldDocument::new(DocumentId(id(8)), [(ActorId([2; 16]), 3)])],
            },
            beliefs: vec![Belief {
                customer: CustomerId(id(3)),
                owner: Some(UserId(id(6))),
                pool: None,
                version: 2,
            }],
            behind: vec![Behind {
                actor: ActorId([2; 16]),
                user: UserId(id(6)),
                device: Some(DeviceId(id(1))),
            }],
        }),
    };
    vec![
        (
            "derived.card".into(),
            DocumentId::derived(OrgId(id(1)), CustomerId(id(2)), Kind::Card, 0).to_string(),
        ),
        ("request".into(), hex::encode(postcard::to_stdvec(&request).unwrap())),
        (
            "response".into(),
            hex::encode(postcard::to_stdvec(&response()).unwrap()),
        ),
    ]
}

#[test]
fn what_a_device_compares_names_each_document_once_and_so_many_actors_in_all() {
    let held = |byte: u8, actors: u64| {
        let actors = (0..actors).map(|number| {
            let mut actor = [7; 16];
            actor[..8].copy_from_slice(&number.to_be_bytes());
            (ActorId(actor), 1)
        });
        HeldDocument::new(DocumentId(id(byte)), actors)
    };
    let reads = |documents: Vec<HeldDocument>| {
        let said = Compare::Documents {
            buckets: vec![9],
            documents,
        };
        postcard::from_bytes::<Compare>(&postcard::to_stdvec(&said).unwrap()).is_ok()
    };
    assert!(reads(vec![held(1, 2), held(2, 2)]));
    assert!(!reads(vec![held(1, 2), held(1, 3)]));
    assert!(reads((1..=5).map(|byte| held(byte, 10_000)).collect()));
    assert!(!reads((1..=6).map(|byte| held(byte, 9_000)).collect()));
    assert!(held(1, 2).is_within(&held(1, 3)) && !held(1, 3).is_within(&held(1, 2)));
}

fn intent(action: IntentAction) -> Intent {
    Intent {
        id: IntentId(id(4)),
        at: AT,
        customer: CustomerId(id(3)),
        expected_version: Some(2),
        action,
    }
}

fn response() -> SyncResponse {
    let viewer = Viewer {
        user: UserId(id(6)),
        role: Role::Rep,
        state: UserState::Active,
    };
    let relations = [Relation::Owner].into_iter().collect();
    let rejected = |code: &str| Verdict::Rejected { code: code.into() };
    SyncResponse {
        server_time: AT,
        schema_version: 1,
        reset: false,
        intents: vec![
            IntentOutcome::Accepted {
                version: 3,
                marked: Some("pool_left".into()),
            },
            IntentOutcome::Rejected {
                code: "already_claimed".into(),
                owner: Some(UserId(id(6))),
                since: Some(AT),
            },
            IntentOutcome::Retry,
        ],
        verdicts: vec![
            (0, Verdict::Accepted { late: true }),
            (1, Verdict::Amended),
            (
                2,
                Verdict::Quarantined {
                    reason: "no_permission".into(),
                    ticket: id(10),
                },
            ),
            (3, rejected("schema")),
            (4, Verdict::Superseded),
            (5, Verdict::Retry(RetryReason::MissingCustomer)),
        ],
        access: vec![AccessItem {
            customer: CustomerId(id(3)),
            rights: class_rights(viewer, relations, &Policy::default()),
            relations,
            owner: Some(UserId(id(6))),
            pool: None,
            team: None,
            version: 1,
            lost: Some(12),
        }],
        users: vec![UserId(id(6))],
        devices: vec![DeviceId(id(1))],
        actors: vec![ActorInfo {
            actor: ActorId([2; 16]),
            user: 0,
            device: 1,
        }],
        customers: vec![CustomerId(id(3))],
        documents: vec![PullDocument {
            document: Some(DocumentId(id(8))),
            kind: 5,
            customer: 0,
            whole: true,
            gone: false,
            responsible: 1,
            changes: vec![PullChange {
                body: ByteBuf::from(vec![1]),
                received: -5,
                author: 1,
                late: true,
            }],
        }],
        digest: [3; 16],
        directory: Some(ByteBuf::from(b"{}".to_vec())),
        cursor: ByteBuf::from(vec![4]),
        more: true,
        retry_after_ms: Some(500),
        wipe: Some(WipeOrder {
            device: DeviceId(id(1)),
            ordered_at: AT,
            reason: "revoked".into(),
        }),
        compared: Some(Compared::Same { again: true }),
    }
}

#[test]
fn the_ids_a_creator_makes_begin_with_his_actor() {
    let made = DocumentId::made_by(ActorId([0xab; 16]), 258);
    assert_eq!(made.to_string(), "abababab-abab-8bab-8000-000000000102");
}
