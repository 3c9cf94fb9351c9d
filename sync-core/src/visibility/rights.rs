//! What may be done with documents: per kind of one customer, and for one document.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    document::{Class, Kind},
    ids::UserId,
    seeded::{Bug, seeded},
};

use super::{Policy, Relation, RelationSet, UserState, Viewer};

/// A set of rights on a document or a kind of documents. Writing includes reading and commenting, commenting reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Add documents of the kind, and read and write the ones one authored.
    pub const CREATE: Self = Self(1);
    /// Read.
    pub const READ: Self = Self(1 << 1);
    /// Add comments.
    pub const COMMENT: Self = Self(1 << 2 | Self::READ.0);
    /// Write.
    pub const WRITE: Self = Self(1 << 3 | Self::COMMENT.0);
    /// Write those one is responsible for. Only said of a kind, never of a document.
    pub const RESPONSIBLE: Self = Self(1 << 4);

    const BITS: u32 = 5;
    const MASK: u8 = (1 << Self::BITS) - 1;

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a document of the kind may be added.
    #[must_use]
    pub const fn may_create(self) -> bool {
        self.contains(Self::CREATE)
    }

    /// Whether it may be read.
    #[must_use]
    pub const fn may_read(self) -> bool {
        self.contains(Self::READ)
    }

    /// Whether comments may be added.
    #[must_use]
    pub const fn may_comment(self) -> bool {
        self.contains(Self::COMMENT)
    }

    /// Whether it may be written.
    #[must_use]
    pub const fn may_write(self) -> bool {
        self.contains(Self::WRITE)
    }

    /// What is in it, as stable words: create, read, comment, write, responsible.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        let words = [
            (Self::CREATE, "create"),
            (Self::READ, "read"),
            (Self::COMMENT, "comment"),
            (Self::WRITE, "write"),
            (Self::RESPONSIBLE, "responsible"),
        ];
        let held = words.into_iter().filter(|(right, _)| self.contains(*right));
        held.map(|(_, word)| word).collect()
    }

    const fn without_responsible(self) -> Self {
        Self(self.0 & !Self::RESPONSIBLE.0)
    }
}

impl From<u8> for Rights {
    /// Rights this version does not know are not granted.
    fn from(bits: u8) -> Self {
        Self(bits & Self::MASK)
    }
}

impl From<Rights> for u8 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.words()).finish()
    }
}

/// What a person may do with a customer's documents, kind by kind: the access item on the wire, from which his phone
/// decides offline. Kinds of one class differ where the table says so (visits, tickets, contacts), hence kinds.
/// Travels as one number of at most 40 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassRights(u64);

impl ClassRights {
    /// Nothing at all.
    pub const NONE: Self = Self(0);

    /// The rights on a kind, before author and responsible are known.
    #[must_use]
    pub const fn of(self, kind: Kind) -> Rights {
        Rights((self.0 >> Self::shift(kind)) as u8 & Rights::MASK)
    }

    /// All that some kind of the class gives.
    #[must_use]
    pub fn of_class(self, class: Class) -> Rights {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.class() == class);
        kinds.fold(Rights::NONE, |rights, kind| rights.union(self.of(kind)))
    }

    /// The same with more rights on a kind.
    #[must_use]
    pub const fn with(self, kind: Kind, rights: Rights) -> Self {
        Self(self.0 | (rights.0 as u64) << Self::shift(kind))
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there may be documents that he reads with these rights and not with the others: more than an access item
    /// has to be delivered.
    #[must_use]
    pub fn reads_beyond(self, other: Self) -> bool {
        Kind::ALL.into_iter().any(|kind| {
            let (here, there) = (self.of(kind), other.of(kind));
            let some = Rights::CREATE.union(Rights::RESPONSIBLE).0;
            !there.may_read() && (here.may_read() || here.0 & some & !there.0 != 0)
        })
    }

    /// Whether it is nothing: the customer is to be dropped.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number, for a column.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// From the number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    const fn shift(kind: Kind) -> u32 {
        (kind.number() as u32 - 1) * Rights::BITS
    }
}

impl fmt::Debug for ClassRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(Kind::ALL.map(|kind| (kind, self.of(kind))))
            .finish()
    }
}

/// What of one document decides who may do what with it. What is not known is left empty and gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentFacts {
    /// Its kind.
    pub kind: Kind,
    /// Who made it.
    pub author: Option<UserId>,
    /// Who is responsible by name; empty is the owner.
    pub responsible: Option<UserId>,
    /// The customer's owner.
    pub owner: Option<UserId>,
    /// For a visit: who has checked in.
    pub checked_in_by: Option<UserId>,
}

/// What [`access`] is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Documents of a kind in general: is one to be added, are all of them read?
    Kind(Kind),
    /// One document.
    Document(DocumentFacts),
}

/// What the viewer, being this to the customer, may do with the target.
#[must_use]
pub fn access(viewer: Viewer, relations: RelationSet, target: Target, policy: &Policy) -> Rights {
    let rights = class_rights(viewer, relations, policy);
    match target {
        Target::Kind(kind) => rights.of(kind).without_responsible(),
        Target::Document(document) => document_access(rights, viewer.user, &document),
    }
}

/// What the viewer, being this to the customer, may do with its documents, kind by kind: the union of the table's
/// rows of all relations that somebody of his role can have.
#[must_use]
pub fn class_rights(viewer: Viewer, relations: RelationSet, policy: &Policy) -> ClassRights {
    if viewer.state == UserState::Disabled {
        return ClassRights::NONE;
    }
    let counts =
        |relation: &Relation| viewer.role.may_have(*relation) && (policy.team_read || *relation != Relation::Team);
    let mut rights = ClassRights::NONE;
    for relation in relations.iter().filter(counts) {
        for kind in Kind::ALL {
            rights = rights.with(kind, policy.cell(relation, kind.class()).rights(kind));
        }
    }
    rights
}

/// What `me`, with these rights on the customer's documents, may do with this one. The only place of the rule; the
/// phone and the server both call it.
#[must_use]
pub fn document_access(rights: ClassRights, me: UserId, document: &DocumentFacts) -> Rights {
    if seeded(Bug::InternalToOwner) && document.kind == Kind::Internal && document.owner == Some(me) {
        return Rights::READ;
    }
    let general = rights.of(document.kind);
    let mut granted = general.without_responsible();
    let is_author = document.author == Some(me);
    if is_author && general.may_create() {
        granted = granted.union(Rights::WRITE);
    }
    if document.kind.has_responsible() && general.contains(Rights::RESPONSIBLE) {
        let is_responsible = document.responsible.or(document.owner) == Some(me);
        // Once somebody has checked in, the visit is his account of what happened: he goes on writing it, and
        // whoever becomes responsible for it after that comments.
        let writes = match (document.kind, document.checked_in_by) {
            (Kind::Visit, Some(somebody)) => somebody == me,
            _ => is_responsible,
        };
        if writes {
            granted = granted.union(Rights::WRITE);
        } else if is_responsible {
            granted = granted.union(Rights::COMMENT);
        }
    }
    granted
}
