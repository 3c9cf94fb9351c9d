//! What a person is to a customer, and sets of that.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a person is to one customer. In the order of strength: the first one held is the one shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The customer is his.
    Owner,
    /// Works on it beside the owner.
    CollaboratorWrite,
    /// Stands in for the owner for a while.
    Cover,
    /// Manages the owner's team or one above it.
    Manager,
    /// Runs the pool in which the customer is.
    PoolAdmin,
    /// Is back office.
    BackOffice,
    /// Is an administrator.
    Admin,
    /// Reads along.
    CollaboratorRead,
    /// Is responsible for one of its visits, follow-ups, tickets or opportunities that is still open.
    Responsible,
    /// Is responsible only for such documents that are done. He keeps them, but the contacts are no longer his concern.
    ResponsibleDone,
    /// Is a service person.
    Service,
    /// Is an auditor.
    Auditor,
    /// Is a member of the pool in which the customer is.
    Pool,
    /// Is in the owner's team.
    Team,
}

impl Relation {
    /// How many relations there are.
    pub const COUNT: usize = 14;

    /// All relations, strongest first.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Owner,
        Self::CollaboratorWrite,
        Self::Cover,
        Self::Manager,
        Self::PoolAdmin,
        Self::BackOffice,
        Self::Admin,
        Self::CollaboratorRead,
        Self::Responsible,
        Self::ResponsibleDone,
        Self::Service,
        Self::Auditor,
        Self::Pool,
        Self::Team,
    ];

    /// The word shown to people and scripts; variants that differ only in what they permit share it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::CollaboratorWrite | Self::CollaboratorRead => "collaborator",
            Self::Cover => "cover",
            Self::Responsible | Self::ResponsibleDone => "responsible",
            Self::Manager => "manager",
            Self::Pool => "pool",
            Self::PoolAdmin => "pool_admin",
            Self::Team => "team",
            Self::BackOffice => "back_office",
            Self::Admin => "admin",
            Self::Service => "service",
            Self::Auditor => "auditor",
        }
    }

    /// The word in tables, one for each variant.
    #[must_use]
    pub const fn storage_name(self) -> &'static str {
        match self {
            Self::CollaboratorWrite => "collaborator_write",
            Self::CollaboratorRead => "collaborator_read",
            Self::ResponsibleDone => "responsible_done",
            other => other.name(),
        }
    }

    /// The relation with this word in tables.
    ///
    /// # Errors
    /// [`UnknownRelation`] for any other word; the caller grants nothing for it.
    pub fn from_storage_name(text: &str) -> Result<Self, UnknownRelation> {
        Self::ALL
            .into_iter()
            .find(|relation| relation.storage_name() == text)
            .ok_or(UnknownRelation)
    }

    /// Its row in the table of rights.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    const fn bit(self) -> u16 {
        1 << self.index()
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is no relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such relation to a customer; nothing is granted for it")]
pub struct UnknownRelation;

/// All that a person is to one customer. Travels as a number; bits this version does not know are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct RelationSet(u16);

impl RelationSet {
    /// Nothing to do with the customer.
    pub const NONE: Self = Self(0);

    /// The set with this relation too.
    #[must_use]
    pub const fn with(self, relation: Relation) -> Self {
        Self(self.0 | relation.bit())
    }

    /// The set without this relation.
    #[must_use]
    pub const fn without(self, relation: Relation) -> Self {
        Self(self.0 & !relation.bit())
    }

    /// Adds a relation.
    pub const fn insert(&mut self, relation: Relation) {
        *self = self.with(relation);
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the relation is held.
    #[must_use]
    pub const fn contains(self, relation: Relation) -> bool {
        self.0 & relation.bit() != 0
    }

    /// Whether none is held.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The relations held, strongest first.
    pub fn iter(self) -> impl Iterator<Item = Relation> {
        Relation::ALL
            .into_iter()
            .filter(move |relation| self.contains(*relation))
    }

    /// The one to show.
    #[must_use]
    pub fn strongest(self) -> Option<Relation> {
        self.iter().next()
    }
}

impl From<u16> for RelationSet {
    fn from(bits: u16) -> Self {
        Self(bits & ((1 << Relation::COUNT) - 1))
    }
}

impl From<RelationSet> for u16 {
    fn from(relations: RelationSet) -> Self {
        relations.0
    }
}

impl FromIterator<Relation> for RelationSet {
    fn from_iter<I: IntoIterator<Item = Relation>>(relations: I) -> Self {
        relations.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Relation> for RelationSet {
    fn from(relation: Relation) -> Self {
        Self::NONE.with(relation)
    }
}

impl fmt::Debug for RelationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
