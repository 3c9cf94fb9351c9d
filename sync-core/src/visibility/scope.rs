//! Scopes: named sets of customers (or of single documents) that one reader or one group of readers shares, and the
//! feeds in which a scope's readers learn what was touched.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    document::{Class, Kind},
    ids::{OrgId, PoolId, TeamId, UserId},
};

/// Length of a scope as bytes: type and id.
pub const SCOPE_LEN: usize = 17;

/// Length of a feed's key: scope and view.
pub const FEED_KEY_LEN: usize = SCOPE_LEN + 1;

/// A set of customers or documents. Which rows of it exist *names candidates*; what its reader may do with one of them
/// is always asked of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Customers he owns.
    Book(UserId),
    /// Customers he works on beside the owner.
    Collab(UserId),
    /// Customers he reads along.
    CollabRead(UserId),
    /// Customers he looks after for somebody.
    Cover(UserId),
    /// Customers he keeps on his device though they lie beyond its limit.
    Pin(UserId),
    /// Customers in a pool.
    Pool(PoolId),
    /// Customers owned in a team.
    Team(TeamId),
    /// All customers of the organisation.
    Org(OrgId),
    /// Open documents he is responsible for, and their customers.
    Responsible(UserId),
    /// Documents he authored.
    Own(UserId),
    /// Documents he is responsible for that are done.
    ResponsibleDone(UserId),
}

impl Scope {
    /// The scope as bytes: its type, then its id. The numbers of the types are never reused.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SCOPE_LEN] {
        let (number, id) = self.parts();
        let mut bytes = [number; SCOPE_LEN];
        bytes[1..].copy_from_slice(id.as_bytes());
        bytes
    }

    /// The scope from its bytes.
    ///
    /// # Errors
    /// [`InvalidScope`] for another length or an unknown type; the caller grants nothing for it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidScope> {
        let (&number, id) = bytes.split_first().ok_or(InvalidScope)?;
        let id = Uuid::from_slice(id).map_err(|_| InvalidScope)?;
        Ok(match number {
            1 => Self::Book(id.into()),
            2 => Self::Collab(id.into()),
            3 => Self::CollabRead(id.into()),
            4 => Self::Cover(id.into()),
            5 => Self::Pin(id.into()),
            6 => Self::Pool(id.into()),
            7 => Self::Team(id.into()),
            8 => Self::Org(id.into()),
            9 => Self::Responsible(id.into()),
            10 => Self::Own(id.into()),
            11 => Self::ResponsibleDone(id.into()),
            _ => return Err(InvalidScope),
        })
    }

    /// The word for the type of scope, as in `book:` and `pool:`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Book(_) => "book",
            Self::Collab(_) => "collab",
            Self::CollabRead(_) => "collab_read",
            Self::Cover(_) => "cover",
            Self::Pin(_) => "pin",
            Self::Pool(_) => "pool",
            Self::Team(_) => "team",
            Self::Org(_) => "org",
            Self::Responsible(_) => "resp",
            Self::Own(_) => "own",
            Self::ResponsibleDone(_) => "resp_done",
        }
    }

    fn parts(self) -> (u8, Uuid) {
        match self {
            Self::Book(user) => (1, user.0),
            Self::Collab(user) => (2, user.0),
            Self::CollabRead(user) => (3, user.0),
            Self::Cover(user) => (4, user.0),
            Self::Pin(user) => (5, user.0),
            Self::Pool(pool) => (6, pool.0),
            Self::Team(team) => (7, team.0),
            Self::Org(org) => (8, org.0),
            Self::Responsible(user) => (9, user.0),
            Self::Own(user) => (10, user.0),
            Self::ResponsibleDone(user) => (11, user.0),
        }
    }

    /// The views whose feeds a customer in this scope has.
    const fn views(self) -> &'static [View] {
        match self {
            Self::Book(_) | Self::Collab(_) | Self::CollabRead(_) | Self::Cover(_) => &[View::Working],
            Self::Responsible(_) | Self::ResponsibleDone(_) => &[View::Working],
            Self::Team(_) => &[View::Card, View::All],
            Self::Pool(_) => &[View::Card, View::Working],
            // Back office, administrators and auditors see everything: they read the organisation's log itself by
            // sequence number, so nothing is written for them. Service reads all but the internal document.
            Self::Org(_) => &[View::Working],
            // Whoever pinned a customer reads it in the view that he has of it anyway.
            Self::Pin(_) => &[View::Card, View::Working, View::All],
            Self::Own(_) => &[],
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.word(), self.parts().1)
    }
}

/// Bytes that are no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: one type byte this version knows and an id of 16 bytes are expected")]
pub struct InvalidScope;

/// What the readers of a feed see of its customers, so that no probe moves because of something they may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The card.
    Card,
    /// Card, private and activity documents.
    Working,
    /// The internal document as well.
    All,
}

impl View {
    /// All views, narrowest first.
    pub const ALL: [Self; 3] = [Self::Card, Self::Working, Self::All];

    /// Whether documents of the class are seen in it.
    #[must_use]
    pub const fn sees(self, class: Class) -> bool {
        match self {
            Self::Card => matches!(class, Class::Card),
            Self::Working => !matches!(class, Class::Internal),
            Self::All => true,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Working => 2,
            Self::All => 3,
        }
    }
}

/// The key of the feed of a scope's readers with this view.
#[must_use]
pub fn feed_key(scope: Scope, view: View) -> [u8; FEED_KEY_LEN] {
    let mut key = [view.number(); FEED_KEY_LEN];
    key[..SCOPE_LEN].copy_from_slice(&scope.to_bytes());
    key
}

/// The feeds to which a touched document of this kind is written, given the scopes that contain its customer.
/// The feeds of the document's own scopes come from [`document_feeds`].
#[must_use]
pub fn feeds_of(customer_scopes: &[Scope], kind: Kind) -> Vec<[u8; FEED_KEY_LEN]> {
    let mut feeds = Vec::with_capacity(customer_scopes.len() + 2);
    for scope in customer_scopes {
        // Of a customer, whoever is responsible for one document sees the card and, while it is open, the contacts.
        let concerned = match scope {
            Scope::Responsible(_) => matches!(kind, Kind::Card | Kind::Contact),
            Scope::ResponsibleDone(_) => kind == Kind::Card,
            _ => true,
        };
        let views = scope.views().iter().filter(|view| concerned && view.sees(kind.class()));
        feeds.extend(views.map(|view| feed_key(*scope, *view)));
    }
    feeds
}

/// The feeds to which a touched document is written because of itself (see [`super::document_scopes`]).
#[must_use]
pub fn document_feeds(document_scopes: &[Scope]) -> Vec<[u8; FEED_KEY_LEN]> {
    document_scopes
        .iter()
        .map(|scope| feed_key(*scope, View::Working))
        .collect()
}
