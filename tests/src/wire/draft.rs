//! Changes as a client sends them, and as a hostile one mutilates them.

use serde_bytes::ByteBuf;
use sync_core::{
    document::{BuiltChange, Change, Edit, Kind, SCHEMA_VERSION, Value},
    ids::{ChangeHash, CustomerId, DocumentId},
    protocol::{
        message::{PushDocument, SyncRequest, digest},
        oplist,
    },
};
use uuid::Uuid;

/// Changes of one document that are to be sent.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// The changes in order.
    pub changes: Vec<BuiltChange>,
}

impl Draft {
    /// The first change: what most tests send.
    pub fn change(&self) -> &Change {
        &self.changes[0].change
    }

    /// Both drafts' changes, this one's first.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        assert_eq!(self.document, next.document, "drafts of one document");
        self.changes.extend(next.changes);
        self
    }
}

/// The first bytes of the digest over changes' hashes, as they stand in a push.
pub fn digest_of<'a>(hashes: impl IntoIterator<Item = &'a ChangeHash>) -> [u8; 4] {
    digest(hashes)[..4].try_into().unwrap()
}

/// Adds a draft to a message.
pub fn add(request: &mut SyncRequest, draft: &Draft) {
    let customer = put_customer(request, draft.customer);
    request.documents.push(PushDocument {
        document: (!draft.kind.is_single()).then_some(draft.document),
        kind: draft.kind.number(),
        customer,
        digest: digest_of(draft.changes.iter().map(|built| &built.hash)),
        hashes: Vec::new(),
        changes: draft
            .changes
            .iter()
            .map(|built| ByteBuf::from(built.body.clone()))
            .collect(),
    });
}

fn put_customer(request: &mut SyncRequest, customer: CustomerId) -> u32 {
    let known = request.customers.iter().position(|known| *known == customer);
    let index = known.unwrap_or_else(|| {
        request.customers.push(customer);
        request.customers.len() - 1
    });
    index as u32
}

/// Changes what a document of a message says, behind its author's back; the digest stays as it was.
pub fn rewrite(pushed: &mut PushDocument, index: usize, rewrite: impl FnOnce(&mut Change)) {
    let kind = Kind::from_number(pushed.kind).unwrap();
    let mut change = oplist::decode(&pushed.changes[index], kind).unwrap();
    rewrite(&mut change);
    pushed.changes[index] = ByteBuf::from(oplist::encode(&change, kind, SCHEMA_VERSION));
}

/// Writes a text.
pub fn text(key: &str, value: &str) -> Edit {
    put(key, Value::Str(value.to_owned()))
}

/// Writes a value.
pub fn put(key: &str, value: Value) -> Edit {
    Edit::Set {
        key: key.to_owned(),
        value,
    }
}

/// Adds a comment.
pub fn comment(id: u128, value: &str) -> Edit {
    Edit::SetEntry {
        map: "comments".to_owned(),
        entry: Uuid::from_u128(id).to_string(),
        value: Value::Str(value.to_owned()),
    }
}
