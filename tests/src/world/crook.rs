//! A device that means ill: it speaks under others' actors, says two things under one name, asks for what is not its
//! own, writes where it may not.

use std::net::IpAddr;

use ed25519_dalek::SigningKey;
use mobile_ffi::Request;
use rand::{Rng, seq::IndexedRandom};
use serde_bytes::ByteBuf;
use server::{
    actions::devices::{Enrolment, enrol_device, prove_device},
    auth::proof_message,
    testing::PASSWORD,
};
use sync_core::{
    document::{BuiltChange, Document, Kind, SCHEMA_VERSION},
    ids::{ActorId, CustomerId, DeviceId, DocumentId},
    protocol::{
        frame,
        limits::PAGE_BYTES_MAX,
        message::{CONTENT_TYPE, Confirmation, SyncRequest, SyncResponse, Verdict},
    },
};
use uuid::Uuid;

use super::{
    Company, Promise, World,
    check::fold,
    oracle::{all, count},
    watch::Way,
};
use crate::wire::{Draft, add, prove, text};

/// From where it signs in.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The device.
pub(super) struct Crook {
    key: SigningKey,
    device: DeviceId,
    actor: ActorId,
    message: u64,
    made: u64,
    /// Where it stands, as long as it plays the honest phone.
    cursor: Option<ByteBuf>,
}

impl Crook {
    /// It begins as anybody's second phone.
    pub(super) fn enrol(world: &mut World) -> Self {
        let key = SigningKey::from_bytes(&world.rng.random());
        let public_key = key.verifying_key().to_bytes();
        let enrolled = world.act(async |app, company| {
            let enrolment = Enrolment {
                login: &company.people[Company::REPS].login,
                password: PASSWORD,
                name: "a phone like others",
                public_key,
                app_version: "test",
            };
            enrol_device(&app, enrolment, HERE).await.expect("it is enrolled")
        });
        Self {
            key,
            device: enrolled.device,
            actor: ActorId(world.rng.random()),
            message: 0,
            made: 0,
            cursor: None,
        }
    }
}

impl World {
    /// The crook tries something.
    pub(super) fn attack(&mut self) {
        self.tally.attacks += 1;
        match self.rng.random_range(0..7) {
            5..7 => self.write_after_confirming(),
            0 => self.speak_as_another(),
            1 => self.say_two_things(),
            2 => self.ask_for_everything(),
            3 => self.take_anothers_place(),
            _ => self.write_anywhere(),
        }
    }

    /// What somebody has recorded and not sent comes from a device that it is not of.
    fn speak_as_another(&mut self) {
        let handset = self.rng.random_range(0..self.handsets.len());
        if self.handsets[handset].is_wiped() {
            return;
        }
        let outbox = super::read(&mut self.handsets[handset].phone, |tx| tx.outbox());
        // Of an actor that the server has heard of. Before that nobody but its phone knows its sixteen random bytes.
        let look = self.network.borrow().look();
        let sql = "SELECT COUNT(*) FROM actor WHERE org_id = (SELECT org_id FROM organisation) AND actor = ?1";
        let entry = outbox
            .iter()
            .find(|entry| count(&look, sql, [entry.change.actor.0]) > 0);
        let Some(entry) = entry else { return };
        let draft = Draft {
            document: entry.document,
            customer: entry.customer,
            kind: entry.kind,
            changes: Vec::new(),
        };
        let mut request = self.forge();
        request.actors = vec![entry.change.actor];
        add(&mut request, &draft);
        request.documents[0].changes.push(ByteBuf::from(entry.body.clone()));
        request.documents[0].digest = crate::wire::digest_of([&entry.hash]);
        let Some(answer) = self.send_forged(&request) else {
            return;
        };
        let refused = answer
            .verdicts
            .iter()
            .any(|(_, verdict)| matches!(verdict, Verdict::Rejected { .. }));
        if !refused {
            self.broken(Promise::I7, "a device may speak under another's actor");
        }
    }

    /// A visit, and another under its name.
    fn say_two_things(&mut self) {
        let Some(customer) = self.company.customers.choose(&mut self.rng).copied() else {
            return;
        };
        let crook = self.crook.as_mut().expect("the crook");
        crook.made += 1;
        let document = DocumentId::made_by(crook.actor, crook.made);
        let actor = crook.actor;
        let mut verdicts = Vec::new();
        let mut first = None;
        for words in ["一", "二"] {
            let mut visit = Document::new(Kind::Visit);
            let built = visit.edit(actor, self.now, &[text("note", words)]).expect("an edit");
            let built = built.expect("a change");
            let hash = *first.get_or_insert(built.hash);
            let mut request = self.forge();
            add(&mut request, &draft(customer, document, Kind::Visit, built));
            // The sum of the first, so that nothing but the content tells them apart.
            request.documents[0].digest = crate::wire::digest_of([&hash]);
            let Some(answer) = self.send_forged(&request) else {
                return;
            };
            verdicts.push(answer.verdicts.first().map(|(_, verdict)| verdict.clone()));
        }
        let fine = |verdict: &Option<Verdict>| !matches!(verdict, Some(Verdict::Rejected { .. } | Verdict::Retry(_)));
        if fine(&verdicts[0]) && fine(&verdicts[1]) {
            self.broken(
                Promise::I7,
                format!("two things were taken under one name: {verdicts:?}"),
            );
        }
        let actor = ActorId(self.rng.random());
        self.crook.as_mut().expect("the crook").actor = actor;
    }

    /// Every document there is, as if it had lost them. The watch sees what it gets.
    fn ask_for_everything(&mut self) {
        let look = self.network.borrow().look();
        let sql = "SELECT document_id FROM document LIMIT 200";
        let mut request = self.forge();
        request.wanted = all(&look, sql, [], |row| row.get::<_, Vec<u8>>(0))
            .iter()
            .map(|id| DocumentId(Uuid::from_slice(id).expect("an id")))
            .collect();
        self.send_forged(&request);
    }

    /// The cursor of somebody else: from there on it would hear what he hears.
    fn take_anothers_place(&mut self) {
        let cursors: Vec<ByteBuf> = self
            .network
            .borrow()
            .answered
            .values()
            .flatten()
            .filter_map(|request| frame::decode::<SyncRequest>(request.body.as_deref()?).ok()?.cursor)
            .collect();
        let Some(cursor) = cursors.choose(&mut self.rng) else {
            return;
        };
        let mut request = self.forge();
        request.cursor = Some(cursor.clone());
        if self.send_forged(&request).is_some_and(|answer| !answer.reset) {
            self.broken(Promise::I4, "a device goes on from another's cursor");
        }
    }

    /// A well-made edit of a document it may know nothing of. The watch sees whether it was accepted rightly.
    fn write_anywhere(&mut self) {
        let look = self.network.borrow().look();
        let sql = "SELECT document_id, customer_id, kind FROM document LIMIT 200";
        let documents: Vec<(Vec<u8>, Vec<u8>, u8)> =
            all(&look, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some((id, customer, kind)) = documents.choose(&mut self.rng) else {
            return;
        };
        let kind = Kind::from_number(*kind).expect("a kind");
        let (mut document, _) = fold(&look, id, kind);
        let field = match kind {
            Kind::Card | Kind::Contact => "name",
            Kind::Dossier | Kind::Internal => "notes",
            Kind::Opportunity => "title",
            Kind::Visit => "note",
            Kind::FollowUp | Kind::Ticket => "text",
        };
        let actor = self.crook.as_ref().expect("the crook").actor;
        let Ok(Some(built)) = document.edit(actor, self.now, &[text(field, "篡改")]) else {
            return;
        };
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).expect("an id");
        self.push_forged(&draft(CustomerId(uuid(customer)), DocumentId(uuid(id)), kind, built));
    }

    /// It hears what it has lost and says that it has dropped it, and then brings something for it all the same. The watch
    /// sees that this is not taken for late work.
    fn write_after_confirming(&mut self) {
        let mut request = self.forge();
        request
            .cursor
            .clone_from(&self.crook.as_ref().expect("the crook").cursor);
        let Some(answer) = self.send_forged(&request) else {
            return;
        };
        let crook = self.crook.as_mut().expect("the crook");
        crook.cursor = Some(answer.cursor.clone());
        let lost: Vec<Confirmation> = answer
            .access
            .iter()
            .filter_map(|item| {
                let (customer, lost_seq) = (item.customer, item.lost?);
                Some(Confirmation { customer, lost_seq })
            })
            .collect();
        let Some(first) = lost.first().copied() else { return };
        let mut request = self.forge();
        request.cursor = Some(answer.cursor);
        request.confirmations = lost;
        if self.send_forged(&request).is_none() {
            return;
        }
        let crook = self.crook.as_mut().expect("the crook");
        crook.made += 1;
        let document = DocumentId::made_by(crook.actor, crook.made);
        let mut visit = Document::new(Kind::Visit);
        let built = visit
            .edit(crook.actor, self.now, &[text("note", "补")])
            .expect("an edit");
        self.push_forged(&draft(first.customer, document, Kind::Visit, built.expect("a change")));
    }

    fn push_forged(&mut self, draft: &Draft) -> Option<SyncResponse> {
        let mut request = self.forge();
        add(&mut request, draft);
        self.send_forged(&request)
    }

    /// The crook's next message, with nothing in it.
    fn forge(&mut self) -> SyncRequest {
        let now = self.now;
        let crook = self.crook.as_mut().expect("the crook");
        crook.message += 1;
        SyncRequest {
            device: crook.device,
            message: crook.message,
            sent_at: now,
            schema_version: SCHEMA_VERSION,
            actors: vec![crook.actor],
            cursor: None,
            directory: None,
            // Never done, so that it is never told to go.
            pending: 1,
            page_bytes_max: PAGE_BYTES_MAX as u32,
            intents: Vec::new(),
            customers: Vec::new(),
            documents: Vec::new(),
            confirmations: Vec::new(),
            wanted: Vec::new(),
            reconcile: None,
        }
    }

    fn send_forged(&mut self, request: &SyncRequest) -> Option<SyncResponse> {
        // Two proofs of one key in one instant would be one.
        self.set_now(self.now.plus_ms(1_000));
        let (device, key) = (request.device, self.crook.as_ref().expect("the crook").key.clone());
        let proved = self.act(async |app, company| {
            let then = |proof| prove_device(&app, proof, HERE);
            prove(&app, company.org, device, &key, proof_message, then).await
        });
        let token = proved.ok()?.token;
        let request = Request {
            path: "/v1/sync".to_owned(),
            body: Some(frame::encode(request)),
            token: Some(token),
            content_type: CONTENT_TYPE,
            is_sync: true,
        };
        let response = self.network.borrow_mut().call(&request, Way::Hostile);
        (response.status == 200).then(|| frame::decode(&response.body).expect("an answer"))
    }
}

fn draft(customer: CustomerId, document: DocumentId, kind: Kind, built: BuiltChange) -> Draft {
    Draft {
        document,
        customer,
        kind,
        changes: vec![built],
    }
}
