//! An enrolled device that keeps what it is sent.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use server::{
    actions::{
        ActionError,
        devices::{Proof, prove_device},
        sync::sync,
    },
    app::App,
    auth::{self, AccessToken},
};
use sha2::{Digest, Sha256};
use sync_core::{
    airlock::{Trial, admit},
    document::{ChangeId, Document, Edit, Kind, SCHEMA_VERSION},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, IntentId, UserId},
    protocol::{
        frame,
        limits::PAGE_BYTES_MAX,
        message::{
            AccessItem, Confirmation, Intent, IntentAction, IntentOutcome, PullDocument, SyncRequest, SyncResponse,
            Verdict, digest, document_id,
        },
        oplist,
    },
    visibility::{DocumentFacts, document_access},
};

use super::{
    Draft, add,
    company::{HERE, Posted, headers, prove, version},
};

/// Round trips after which a sync that says there is more is taken for endless.
const ROUNDS_MAX: usize = 2_000;

/// A document as a device has it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its kind.
    pub kind: Kind,
    /// Its customer.
    pub customer: CustomerId,
    /// Who made it.
    pub author: Option<UserId>,
    /// Who is responsible; none: the owner.
    pub responsible: Option<UserId>,
    /// Its changes.
    pub document: Document,
}

/// An enrolled device: what it says is up to the test, what it is sent it keeps as a phone does.
pub struct Client {
    /// The server it speaks to.
    pub app: App,
    /// What its token says.
    pub token: AccessToken,
    /// The token as it stands in the header.
    pub bearer: String,
    /// As whom it writes.
    pub actor: ActorId,
    /// Number of the last message.
    pub message: u64,
    /// Where it stands.
    pub cursor: Option<ByteBuf>,
    /// Which directory it has.
    pub directory: Option<[u8; 8]>,
    /// The largest page it takes.
    pub page_bytes_max: u32,
    /// Documents it has.
    pub held: BTreeMap<DocumentId, Held>,
    /// What it may do with the customers it knows of.
    pub access: BTreeMap<CustomerId, AccessItem>,
    /// Losses it was told, to be confirmed.
    pub losses: Vec<AccessItem>,
    /// How often each change was delivered.
    pub deliveries: BTreeMap<(DocumentId, ChangeId), usize>,
    made: u64,
    key: SigningKey,
}

impl Client {
    pub(super) fn new(app: App, token: AccessToken, bearer: String, key: SigningKey) -> Self {
        let actor = ActorId(app.seam.random());
        Self {
            app,
            token,
            bearer,
            actor,
            message: 0,
            cursor: None,
            directory: None,
            page_bytes_max: PAGE_BYTES_MAX as u32,
            held: BTreeMap::new(),
            access: BTreeMap::new(),
            losses: Vec::new(),
            deliveries: BTreeMap::new(),
            made: 0,
            key,
        }
    }

    /// Proves its key again, as when a token ends. Gives how the server says it stands.
    pub async fn prove_again(&self) -> Result<&'static str, ActionError> {
        let proved = self
            .prove(|proof| prove_device(&self.app, proof, HERE), auth::proof_message)
            .await?;
        Ok(proved.state)
    }

    /// Signs a message over a fresh challenge with its key, and does with the proof what is wanted.
    pub async fn prove<T, F: Future<Output = Result<T, ActionError>>>(
        &self,
        then: impl FnOnce(Proof<'static>) -> F,
        message: impl Fn(DeviceId, &[u8]) -> Vec<u8>,
    ) -> Result<T, ActionError> {
        // A challenge issued in the same millisecond as the last one that was answered is spent with it.
        self.app.seam.advance_ms(1);
        prove(&self.app, self.token.org, self.token.device, &self.key, message, then).await
    }

    /// Signs with its key that another device was wiped.
    pub async fn prove_as<T, F: Future<Output = Result<T, ActionError>>>(
        &self,
        device: DeviceId,
        then: impl FnOnce(Proof<'static>) -> F,
    ) -> Result<T, ActionError> {
        prove(&self.app, self.token.org, device, &self.key, auth::wiped_message, then).await
    }

    /// A new actor, as after a refusal.
    pub fn take_new_actor(&mut self) {
        self.actor = ActorId(self.app.seam.random());
    }

    /// The next message, with nothing in it.
    pub fn request(&mut self) -> SyncRequest {
        self.message += 1;
        SyncRequest {
            device: self.token.device,
            message: self.message,
            sent_at: self.app.seam.now(),
            schema_version: SCHEMA_VERSION,
            actors: Vec::new(),
            cursor: self.cursor.clone(),
            directory: self.directory,
            pending: 0,
            page_bytes_max: self.page_bytes_max,
            intents: Vec::new(),
            customers: Vec::new(),
            documents: Vec::new(),
            confirmations: Vec::new(),
            wanted: Vec::new(),
            reconcile: None,
        }
    }

    /// The next message, with these drafts in it.
    pub fn request_with(&mut self, drafts: &[Draft]) -> SyncRequest {
        let mut request = self.request();
        request.actors.push(self.actor);
        for draft in drafts {
            add(&mut request, draft);
        }
        request
    }

    /// Sends a message and keeps what comes back.
    pub async fn send(&mut self, request: SyncRequest) -> Result<Option<SyncResponse>, ActionError> {
        let response = sync(&self.app, &self.token, request).await?;
        if let Some(response) = &response {
            self.keep(response);
        }
        Ok(response)
    }

    /// Sends a message whose answer is lost on the way.
    pub async fn send_into_the_void(&mut self, request: SyncRequest) {
        sync(&self.app, &self.token, request).await.unwrap();
    }

    /// Sends a message over HTTP, through every layer, and keeps nothing of the answer.
    pub async fn post(&self, company: &super::Company, request: &SyncRequest) -> Posted {
        self.post_bytes(company, frame::encode(request)).await
    }

    /// Sends bytes over HTTP with the headers of an honest phone.
    pub async fn post_bytes(&self, company: &super::Company, body: Vec<u8>) -> Posted {
        company.post(&headers(&self.bearer, &version()), body).await
    }

    /// Sends drafts and gives a verdict for each change.
    pub async fn push(&mut self, drafts: &[Draft]) -> Vec<Verdict> {
        let request = self.request_with(drafts);
        let changes = drafts.iter().map(|draft| draft.changes.len()).sum();
        let response = self.send(request).await.unwrap().expect("an answer to a push");
        all_verdicts(&response, changes)
    }

    /// Asks for one thing.
    pub async fn ask(&mut self, customer: CustomerId, action: IntentAction) -> IntentOutcome {
        let intent = self.intent(customer, action);
        let mut request = self.request();
        request.intents.push(intent);
        let response = self.send(request).await.unwrap().expect("an answer to an intent");
        assert_eq!(response.intents.len(), 1);
        response.intents.into_iter().next().unwrap()
    }

    /// An intent as a phone makes it, with the version of the assignment that it has seen.
    pub fn intent(&self, customer: CustomerId, action: IntentAction) -> Intent {
        Intent {
            id: IntentId(self.app.seam.uuid()),
            at: self.app.seam.now(),
            customer,
            expected_version: self.access.get(&customer).map(|item| item.version),
            action,
        }
    }

    /// Syncs until there is nothing more. Gives the pages.
    pub async fn pull(&mut self) -> Vec<SyncResponse> {
        let mut pages = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let request = self.request();
            let Some(page) = self.send(request).await.unwrap() else {
                return pages;
            };
            let more = page.more;
            pages.push(page);
            if !more {
                return pages;
            }
        }
        panic!("the sync does not end");
    }

    /// Confirms every loss it was told.
    pub async fn confirm(&mut self) {
        let mut request = self.request();
        request.confirmations = self
            .losses
            .drain(..)
            .filter_map(|item| {
                Some(Confirmation {
                    customer: item.customer,
                    lost_seq: item.lost?,
                })
            })
            .collect();
        self.send(request).await.unwrap();
    }

    /// The id of a new document.
    pub fn new_id(&mut self) -> DocumentId {
        self.made += 1;
        DocumentId::made_by(self.actor, self.made)
    }

    /// The card of a customer.
    pub fn card(&self, customer: CustomerId) -> DocumentId {
        DocumentId::derived(self.token.org, customer, Kind::Card, 0)
    }

    /// Makes a document, or edits the one there is of its kind.
    pub fn write(&mut self, customer: CustomerId, kind: Kind, edits: &[Edit]) -> Draft {
        let document = if kind.is_single() {
            DocumentId::derived(self.token.org, customer, kind, 0)
        } else {
            self.new_id()
        };
        self.write_as(document, customer, kind, edits)
    }

    /// Edits a document it has.
    pub fn edit(&mut self, document: DocumentId, edits: &[Edit]) -> Draft {
        let held = &self.held[&document];
        self.write_as(document, held.customer, held.kind, edits)
    }

    /// Makes or edits a document under an id of the test's choice.
    pub fn write_as(&mut self, document: DocumentId, customer: CustomerId, kind: Kind, edits: &[Edit]) -> Draft {
        let held = self.held.entry(document).or_insert_with(|| Held {
            kind,
            customer,
            author: Some(self.token.user),
            responsible: None,
            document: Document::new(kind),
        });
        let built = held.document.edit(self.actor, self.app.seam.now(), edits).unwrap();
        Draft {
            document,
            customer,
            kind,
            changes: vec![built.expect("the edits change something")],
        }
    }

    /// What a field shows.
    pub fn shown(&self, document: DocumentId, key: &str) -> Option<String> {
        let register = self.held.get(&document)?.document.state().register(None, key)?;
        Some(format!("{:?}", register.winner()?.content))
    }

    fn keep(&mut self, response: &SyncResponse) {
        for item in &response.access {
            if item.rights.is_empty() {
                self.access.remove(&item.customer);
                self.losses.push(item.clone());
                self.held.retain(|_, held| held.customer != item.customer);
            } else {
                self.access.insert(item.customer, item.clone());
            }
        }
        let mut hashes = Vec::new();
        for pulled in &response.documents {
            self.keep_document(response, pulled, &mut hashes);
        }
        if !response.documents.is_empty() {
            let built = &digest(&hashes)[..16];
            assert_eq!(built, response.digest, "what was built has the page's digest");
        }
        self.drop_unreadable(response);
        if let Some(directory) = &response.directory {
            let sha256: [u8; 32] = Sha256::digest(directory).into();
            self.directory = Some(sha256[..8].try_into().unwrap());
        }
        if !response.cursor.is_empty() {
            self.cursor = Some(response.cursor.clone());
        }
    }

    fn keep_document(
        &mut self,
        response: &SyncResponse,
        pulled: &PullDocument,
        hashes: &mut Vec<sync_core::ids::ChangeHash>,
    ) {
        let kind = Kind::from_number(pulled.kind).unwrap();
        let customer = response.customers[pulled.customer as usize];
        let id = document_id(self.token.org, pulled.document, customer, kind).unwrap();
        if pulled.gone {
            self.held.remove(&id);
            return;
        }
        if pulled.whole {
            self.held.remove(&id);
        }
        let held = self.held.entry(id).or_insert_with(|| Held {
            kind,
            customer,
            author: None,
            responsible: None,
            document: Document::new(kind),
        });
        held.responsible = person(response, pulled.responsible);
        for pulled in &pulled.changes {
            let change = oplist::decode(&pulled.body, kind).unwrap();
            *self.deliveries.entry((id, change.id())).or_default() += 1;
            let known = response.actors.iter().rev().find(|known| known.actor == change.actor);
            let author =
                person(response, pulled.author).or_else(|| known.map(|known| response.users[known.user as usize]));
            held.author = held.author.or(author);
            if let Some(applied) = held.document.state().change(change.id()) {
                hashes.push(applied.hash);
                continue;
            }
            let built = admit(&mut held.document, change, pulled.body.len(), Trial::Build);
            hashes.push(built.expect("what is delivered fits what is there").hash);
        }
    }

    /// A phone drops what its new rights no longer let it read.
    fn drop_unreadable(&mut self, response: &SyncResponse) {
        let user = self.token.user;
        for item in &response.access {
            self.held.retain(|_, held| {
                let facts = DocumentFacts {
                    kind: held.kind,
                    author: held.author,
                    responsible: held.responsible,
                    owner: item.owner,
                    checked_in_by: None,
                };
                held.customer != item.customer || document_access(item.rights, user, &facts).may_read()
            });
        }
    }
}

fn person(response: &SyncResponse, index: u32) -> Option<UserId> {
    index.checked_sub(1).map(|index| response.users[index as usize])
}

/// A verdict for each change: what is not listed was accepted.
pub fn all_verdicts(response: &SyncResponse, changes: usize) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::Accepted { late: false }; changes];
    for (index, verdict) in &response.verdicts {
        verdicts[*index as usize] = verdict.clone();
    }
    verdicts
}
