//! The eight kinds of document and the four classes of readers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a document is about. Each customer has one card, one dossier and one internal document, and any
/// number of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Name, address, region, stage, tags: what identifies the customer.
    Card,
    /// Needs, preferences, plan, prose.
    Dossier,
    /// One person at the customer.
    Contact,
    /// One deal.
    Opportunity,
    /// One visit, planned or made.
    Visit,
    /// One call, message or note, with its next action.
    FollowUp,
    /// One complaint or service request.
    Ticket,
    /// Managers' and back office's notes.
    Internal,
}

/// Who reads: the unit of the visibility table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The card.
    Card,
    /// Dossier, contacts, opportunities.
    Private,
    /// Visits, follow-ups, tickets.
    Activity,
    /// The internal document.
    Internal,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Self; 4] = [Self::Card, Self::Private, Self::Activity, Self::Internal];

    /// The stable name used in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Private => "private",
            Self::Activity => "activity",
            Self::Internal => "internal",
        }
    }
}

impl Kind {
    /// All kinds, in the order of their numbers on the wire.
    pub const ALL: [Self; 8] = [
        Self::Card,
        Self::Dossier,
        Self::Contact,
        Self::Opportunity,
        Self::Visit,
        Self::FollowUp,
        Self::Ticket,
        Self::Internal,
    ];

    /// The stable name used in tables, URLs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Dossier => "dossier",
            Self::Contact => "contact",
            Self::Opportunity => "opportunity",
            Self::Visit => "visit",
            Self::FollowUp => "follow_up",
            Self::Ticket => "ticket",
            Self::Internal => "internal",
        }
    }

    /// The number on the wire and in tables; never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Dossier => 2,
            Self::Contact => 3,
            Self::Opportunity => 4,
            Self::Visit => 5,
            Self::FollowUp => 6,
            Self::Ticket => 7,
            Self::Internal => 8,
        }
    }

    /// The kind with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The class whose readers may read it.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Card => Class::Card,
            Self::Dossier | Self::Contact | Self::Opportunity => Class::Private,
            Self::Visit | Self::FollowUp | Self::Ticket => Class::Activity,
            Self::Internal => Class::Internal,
        }
    }

    /// Whether each customer has exactly one, with a derived id and a genesis change.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Card | Self::Dossier | Self::Internal)
    }

    /// Whether somebody is responsible for each such document.
    #[must_use]
    pub const fn has_responsible(self) -> bool {
        matches!(self, Self::Visit | Self::FollowUp | Self::Ticket | Self::Opportunity)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such kind of document; the kinds are card, dossier, contact, opportunity, visit, follow_up, ticket, internal"
)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(UnknownKind)
    }
}
