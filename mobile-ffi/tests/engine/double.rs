//! A server that says what a test tells it to: messages in, messages out. It decides nothing by itself; what the real
//! server decides is tested with the real one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use mobile_ffi::{Phone, Request, Response, Seam, Store, Traffic, Transport, TransportError};
use serde_bytes::ByteBuf;
use serde_json::json;
use sync_core::{
    document::{BuiltChange, Document, Edit, Kind, edits_from_words},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::{
        frame,
        message::{
            AccessItem, ActorInfo, IntentOutcome, PullChange, PullDocument, SyncRequest, SyncResponse, Verdict, digest,
        },
    },
    time::Timestamp,
    visibility::{Policy, Relation, Role, UserState, Viewer, class_rights},
};
use uuid::Uuid;

pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) type Answer = Result<Option<SyncResponse>, &'static str>;
type Step = Box<dyn FnOnce(&SyncRequest) -> Answer>;

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) requests: Vec<SyncRequest>,
    steps: VecDeque<Step>,
    traffic: Traffic,
    /// Cuts every answer of a sync to so many bytes.
    pub(crate) cut: Option<usize>,
    /// How often it was told of a wipe.
    pub(crate) wiped: usize,
    /// Every sync is answered with this status and code.
    pub(crate) refuses: Option<(u16, &'static str)>,
    /// The person is leaving: no new device, and proofs are answered so.
    pub(crate) leaving: bool,
    /// It does not hear of wipes.
    pub(crate) deaf: bool,
}

/// The wire to the double.
#[derive(Clone, Default)]
pub(crate) struct Double(pub(crate) Rc<RefCell<Script>>);

impl Double {
    /// What is answered to the next message that nothing was said about yet.
    pub(crate) fn then(&self, step: impl FnOnce(&SyncRequest) -> Answer + 'static) {
        self.0.borrow_mut().steps.push_back(Box::new(step));
    }

    pub(crate) fn requests(&self) -> Vec<SyncRequest> {
        self.0.borrow().requests.clone()
    }

    pub(crate) fn last(&self) -> SyncRequest {
        self.requests().pop().expect("a message was sent")
    }
}

impl Transport for Double {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let json = |body: serde_json::Value| {
            Ok(Response {
                status: 200,
                retry_after_s: None,
                body: body.to_string().into_bytes(),
            })
        };
        match request.path.as_str() {
            "/v1/devices" if self.0.borrow().leaving => {
                return Ok(Response {
                    status: 403,
                    retry_after_s: None,
                    body: json!({"code": "account_not_active"}).to_string().into_bytes(),
                });
            }
            "/v1/token" if self.0.borrow().leaving => {
                return json(json!({"token": "t", "state": "offboarding"}));
            }
            "/v1/devices" => {
                return json(json!({"device": id(3), "user": id(2), "org": id(1), "login": "li", "name": "李雷"}));
            }
            "/v1/challenge" => return json(json!({"nonce": "00"})),
            "/v1/wiped" => {
                let mut script = self.0.borrow_mut();
                if script.deaf {
                    return Err(TransportError("cut".to_owned()));
                }
                script.wiped += 1;
                return json(json!({"state": "wiped"}));
            }
            "/v1/token" => return json(json!({"token": "t", "expires_at": i64::MAX, "state": "active"})),
            _ => {}
        }
        let message: SyncRequest = frame::decode(request.body.as_deref().unwrap_or_default()).expect("a sync message");
        let mut script = self.0.borrow_mut();
        script.traffic.round_trips += 1;
        script.requests.push(message.clone());
        if let Some((status, code)) = script.refuses {
            return Ok(Response {
                status,
                retry_after_s: None,
                body: serde_json::json!({"code": code}).to_string().into_bytes(),
            });
        }
        let step = script.steps.pop_front();
        let answer = match step {
            Some(step) => step(&message).map_err(|error| TransportError(error.to_owned()))?,
            None if message.documents.is_empty() && message.intents.is_empty() => None,
            None => Some(page().accepting(&message)),
        };
        Ok(match answer {
            None => Response {
                status: 204,
                retry_after_s: None,
                body: Vec::new(),
            },
            Some(answer) => {
                let mut body = frame::encode(&answer);
                if let Some(cut) = script.cut {
                    body.truncate(cut);
                }
                Response {
                    status: 200,
                    retry_after_s: None,
                    body,
                }
            }
        })
    }

    fn traffic(&self) -> Traffic {
        self.0.borrow().traffic
    }
}

pub(crate) fn id(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}

pub(crate) const ORG: OrgId = OrgId::from_bytes([1; 16]);
pub(crate) const ME: UserId = UserId::from_bytes([2; 16]);
pub(crate) const OTHER: UserId = UserId::from_bytes([7; 16]);

pub(crate) fn customer(byte: u8) -> CustomerId {
    CustomerId(id(byte))
}

/// An enrolled phone in a folder, and the double it speaks to.
pub(crate) fn phone_in(folder: &std::path::Path, seed: u64) -> (Phone<Double>, Double) {
    open(Store::open(folder).unwrap(), seed)
}

pub(crate) fn phone() -> (Phone<Double>, Double) {
    open(Store::open_in_memory().unwrap(), 1)
}

pub(crate) fn open(store: Store, seed: u64) -> (Phone<Double>, Double) {
    let wire = Double::default();
    let mut phone = Phone::new(store, wire.clone(), Seam::simulated(seed, START));
    phone.set_patience(1);
    if phone.state().unwrap().is_none() {
        phone.enroll("http://double", "li", "secret", "phone").unwrap();
    }
    (phone, wire)
}

pub(crate) fn words(kind: Kind, words: &[&str]) -> Vec<Edit> {
    edits_from_words(kind, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// An empty page that says nothing but "accepted".
pub(crate) fn page() -> SyncResponse {
    SyncResponse {
        server_time: START,
        schema_version: 1,
        reset: false,
        intents: Vec::new(),
        verdicts: Vec::new(),
        access: Vec::new(),
        users: vec![OTHER, ME],
        devices: vec![DeviceId(id(8))],
        actors: vec![ActorInfo {
            actor: ActorId([9; 16]),
            user: 0,
            device: 1,
        }],
        customers: Vec::new(),
        documents: Vec::new(),
        digest: [0; 16],
        directory: None,
        cursor: ByteBuf::from(vec![1, 2, 3]),
        more: false,
        retry_after_ms: None,
        wipe: None,
        compared: None,
    }
}

pub(crate) trait Page: Sized {
    /// Accepts all intents of the message.
    fn accepting(self, message: &SyncRequest) -> Self;
    fn verdict(self, change: u32, verdict: Verdict) -> Self;
    fn access(self, customer: CustomerId, relation: Option<Relation>) -> Self;
    fn document(self, customer: CustomerId, kind: Kind, id: DocumentId, whole: bool, changes: &[BuiltChange]) -> Self;
}

impl Page for SyncResponse {
    fn accepting(mut self, message: &SyncRequest) -> Self {
        let accepted = IntentOutcome::Accepted {
            version: 1,
            marked: None,
        };
        self.intents = message.intents.iter().map(|_| accepted.clone()).collect();
        self
    }

    fn verdict(mut self, change: u32, verdict: Verdict) -> Self {
        self.verdicts.push((change, verdict));
        self
    }

    fn access(mut self, customer: CustomerId, relation: Option<Relation>) -> Self {
        let viewer = Viewer {
            user: ME,
            role: Role::Rep,
            state: UserState::Active,
        };
        let relations = relation.into_iter().collect();
        self.access.push(AccessItem {
            customer,
            rights: class_rights(viewer, relations, &Policy::default()),
            relations,
            owner: match relation {
                Some(Relation::Owner) => Some(ME),
                Some(Relation::Pool) => None,
                _ => Some(OTHER),
            },
            pool: (relation == Some(Relation::Pool)).then_some(sync_core::ids::PoolId(id(6))),
            team: None,
            version: 1,
            lost: relation.is_none().then_some(77),
        });
        self
    }

    fn document(
        mut self,
        customer: CustomerId,
        kind: Kind,
        id: DocumentId,
        whole: bool,
        changes: &[BuiltChange],
    ) -> Self {
        let place = self.customers.len();
        self.customers.push(customer);
        let derived = kind.is_single();
        self.documents.push(PullDocument {
            document: (!derived).then_some(id),
            kind: kind.number(),
            customer: u32::try_from(place).unwrap(),
            whole,
            gone: false,
            responsible: 0,
            changes: changes
                .iter()
                .map(|built| PullChange {
                    body: ByteBuf::from(built.body.clone()),
                    received: -1,
                    author: 0,
                    late: false,
                })
                .collect(),
        });
        HASHES.with_borrow_mut(|hashes| {
            let known = hashes.entry(self.server_time.0).or_default();
            if place == 0 {
                known.clear();
            }
            known.extend(changes.iter().map(|built| built.hash));
            self.digest.copy_from_slice(&digest(known.iter())[..16]);
        });
        self
    }
}

thread_local! {
    /// Hashes of the page being put together.
    static HASHES: RefCell<BTreeMap<i64, Vec<sync_core::ids::ChangeHash>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Somebody else's hand: changes made on another device.
pub(crate) fn foreign(document: &mut Document, edits: &[Edit]) -> BuiltChange {
    document
        .edit(ActorId([9; 16]), Timestamp(START.0 - 1000), edits)
        .unwrap()
        .expect("the edit changes something")
}

/// A phone that owns a customer with a card named "Acme".
pub(crate) fn phone_with_customer(phone: &mut Phone<Double>, wire: &Double, number: u8) -> CustomerId {
    let customer = customer(number);
    let mut card = Document::new(Kind::Card);
    let first = foreign(&mut card, &words(Kind::Card, &["name=Acme"]));
    let id = DocumentId::derived(ORG, customer, Kind::Card, 0);
    wire.then(move |message| {
        Ok(Some(
            page()
                .accepting(message)
                .access(customer, Some(Relation::Owner))
                .document(customer, Kind::Card, id, true, &[first]),
        ))
    });
    phone.sync().unwrap();
    customer
}
