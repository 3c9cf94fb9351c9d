//! How a device and the server find out where they differ: sums over what the device holds, of everything, then by
//! bucket, then the documents of the buckets that differ. What differs is healed in both directions; nothing is wiped.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sha2::{Digest, Sha256};

use crate::{
    document::{Kind, fixed_changes},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, PoolId, UserId},
};

use super::{
    bounded,
    limits::{
        COMPARED_ACTORS_MAX, COMPARED_DOCUMENTS_MAX, MESSAGE_BEHIND_MAX, MESSAGE_BELIEFS_MAX,
        MESSAGE_COMPARED_ACTORS_MAX, MESSAGE_WANTED_MAX,
    },
};

/// Into how many parts what a device holds is cut: of 60,000 documents one has about 235.
pub const BUCKETS: usize = 256;

/// What a device says that has yet to find out whether the server still has what it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// What it holds.
    pub compare: Compare,
    /// Whose the customers were as far as it knew when the server began a new log; each is said once.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_BELIEFS_MAX>")]
    pub beliefs: Vec<Belief>,
    /// Who stands behind changes of this message that the device did not make itself.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_BEHIND_MAX>")]
    pub behind: Vec<Behind>,
}

/// Who stands behind an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The actor.
    pub actor: ActorId,
    /// The person.
    pub user: UserId,
    /// The device; none for the web, imports and the hub.
    pub device: Option<DeviceId>,
}

/// What a device says of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    /// It will say later: it has still something to bring or to get.
    Later,
    /// The sum of everything.
    All(HeldSum),
    /// The sum of each bucket.
    Buckets(#[serde(deserialize_with = "bounded::list::<_, _, BUCKETS>")] Vec<HeldSum>),
    /// All documents of some buckets.
    Documents {
        /// The buckets.
        #[serde(deserialize_with = "bounded::list::<_, _, BUCKETS>")]
        buckets: Vec<u8>,
        /// What they hold.
        #[serde(deserialize_with = "held_documents")]
        documents: Vec<HeldDocument>,
    },
}

/// What the server answers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compared {
    /// Both have the same.
    Same {
        /// To be compared again with the next sync: the server is still getting back what it had.
        again: bool,
    },
    /// Say it by bucket.
    Buckets,
    /// Say what these buckets hold.
    Documents(#[serde(deserialize_with = "bounded::list::<_, _, BUCKETS>")] Vec<u8>),
    /// Of the documents said, this differs.
    Differ {
        /// Documents of which the device lacks something: to be asked for as a whole.
        #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_WANTED_MAX>")]
        wanted: Vec<DocumentId>,
        /// Documents of which the server lacks something.
        #[serde(deserialize_with = "bounded::list::<_, _, COMPARED_DOCUMENTS_MAX>")]
        offered: Vec<DocumentId>,
        /// The server also takes what others have written.
        foreign: bool,
        /// As above.
        again: bool,
    },
}

/// Count and sum modulo 2^128 of a number for each (document, actor, last sequence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldSum {
    /// How many (document, actor) there are.
    pub count: u64,
    /// The sum.
    pub sum: u128,
}

/// A document that a device holds, and how far of each actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDocument {
    /// The document.
    pub document: DocumentId,
    /// Actors with the last sequence of each, in order. Those of changes that every build embeds are left out.
    #[serde(deserialize_with = "bounded::list::<_, _, COMPARED_ACTORS_MAX>")]
    pub actors: Vec<(ActorId, u64)>,
}

impl HeldDocument {
    /// A document with these last sequences, in any order.
    #[must_use]
    pub fn new(document: DocumentId, actors: impl IntoIterator<Item = (ActorId, u64)>) -> Self {
        let mut actors: Vec<(ActorId, u64)> = actors.into_iter().filter(|(actor, _)| !is_fixed(*actor)).collect();
        actors.sort_unstable();
        Self { document, actors }
    }

    /// In which bucket it is.
    #[must_use]
    pub fn bucket(&self) -> u8 {
        bucket_of(self.document)
    }

    /// Whether the other one holds everything that this one does. Both lists are in order; one that is not, as a device
    /// may say it, holds less.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let mut others = other.actors.iter();
        self.actors.iter().all(|(actor, seq)| {
            let found = others.find(|(known, _)| known >= actor);
            found.is_some_and(|(known, last)| known == actor && last >= seq)
        })
    }

    /// A number for each actor.
    fn items(&self) -> impl Iterator<Item = u128> {
        self.actors.iter().map(|(actor, seq)| {
            let hash = Sha256::new()
                .chain_update(self.document.as_bytes())
                .chain_update(actor.0)
                .chain_update(seq.to_le_bytes())
                .finalize();
            let mut item = [0; 16];
            item.copy_from_slice(&hash[..16]);
            u128::from_le_bytes(item)
        })
    }
}

/// Documents as a device says them: each once, with no more actors in all than one message compares.
fn held_documents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeldDocument>, D::Error> {
    let documents: Vec<HeldDocument> = bounded::list::<_, _, COMPARED_DOCUMENTS_MAX>(deserializer)?;
    let named: BTreeSet<DocumentId> = documents.iter().map(|held| held.document).collect();
    if named.len() < documents.len() {
        return Err(D::Error::custom("a document is said twice"));
    }
    let actors: usize = documents.iter().map(|held| held.actors.len()).sum();
    if actors > MESSAGE_COMPARED_ACTORS_MAX {
        return Err(D::Error::custom("more actors than are compared in one message"));
    }
    Ok(documents)
}

/// The first of these documents that one message compares.
#[must_use]
pub fn fitting(documents: impl IntoIterator<Item = HeldDocument>) -> Vec<HeldDocument> {
    let mut actors = 0;
    let fitting = documents.into_iter().take_while(|held| {
        actors += held.actors.len();
        actors <= MESSAGE_COMPARED_ACTORS_MAX
    });
    fitting.take(COMPARED_DOCUMENTS_MAX).collect()
}

/// In which bucket a document is.
#[must_use]
pub fn bucket_of(document: DocumentId) -> u8 {
    document.as_bytes().iter().fold(0, |bucket, byte| bucket ^ byte)
}

impl HeldSum {
    /// Adds a document.
    pub fn add(&mut self, held: &HeldDocument) {
        for item in held.items() {
            self.count += 1;
            self.sum = self.sum.wrapping_add(item);
        }
    }

    /// The sum of documents.
    #[must_use]
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a HeldDocument>) -> Self {
        let mut sum = Self::default();
        for held in documents {
            sum.add(held);
        }
        sum
    }

    /// The sums of the buckets.
    #[must_use]
    pub fn by_bucket<'a>(documents: impl IntoIterator<Item = &'a HeldDocument>) -> Vec<Self> {
        let mut sums = vec![Self::default(); BUCKETS];
        for held in documents {
            sums[usize::from(held.bucket())].add(held);
        }
        sums
    }
}

/// Actors of changes that every build embeds.
#[must_use]
pub fn is_fixed(actor: ActorId) -> bool {
    let mut fixed = Kind::ALL.into_iter().flat_map(fixed_changes);
    fixed.any(|fixed| fixed.change.actor == actor)
}

/// Whose a device believed a customer to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belief {
    /// The customer.
    pub customer: CustomerId,
    /// His owner.
    pub owner: Option<UserId>,
    /// His pool.
    pub pool: Option<PoolId>,
    /// Version of the assignment.
    pub version: u64,
}
