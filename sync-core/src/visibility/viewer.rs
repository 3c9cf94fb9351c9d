//! The person who asks: his role and whether he still works here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

use super::Relation;

/// What a person is in the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells in the field.
    Rep,
    /// Leads a team and those below it.
    Manager,
    /// Keeps all customers of the organisation in order.
    BackOffice,
    /// Answers tickets.
    Service,
    /// Sets up the organisation.
    Admin,
    /// Reads everything and writes nothing.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] = [
        Self::Rep,
        Self::Manager,
        Self::BackOffice,
        Self::Service,
        Self::Admin,
        Self::Auditor,
    ];

    /// The stable name used in tables, commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rep => "rep",
            Self::Manager => "manager",
            Self::BackOffice => "back_office",
            Self::Service => "service",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Whether a customer may be his, or his pool's.
    #[must_use]
    pub const fn may_own(self) -> bool {
        matches!(self, Self::Rep | Self::Manager | Self::BackOffice | Self::Admin)
    }

    /// What he is to every customer of the organisation, by his role alone.
    #[must_use]
    pub const fn organisation_relation(self) -> Option<Relation> {
        match self {
            Self::Rep | Self::Manager => None,
            Self::BackOffice => Some(Relation::BackOffice),
            Self::Service => Some(Relation::Service),
            Self::Admin => Some(Relation::Admin),
            Self::Auditor => Some(Relation::Auditor),
        }
    }

    /// Whether the relation can hold for somebody of this role. A row left from an earlier role grants nothing: an
    /// auditor who once owned a customer does not write it.
    #[must_use]
    pub fn may_have(self, relation: Relation) -> bool {
        match relation {
            Relation::Owner
            | Relation::CollaboratorWrite
            | Relation::CollaboratorRead
            | Relation::Cover
            | Relation::Pool
            | Relation::PoolAdmin => self.may_own(),
            Relation::Responsible | Relation::ResponsibleDone => self != Self::Auditor,
            Relation::Team => matches!(self, Self::Rep | Self::Manager),
            Relation::Manager => self == Self::Manager,
            Relation::BackOffice | Relation::Admin | Relation::Service | Relation::Auditor => {
                self.organisation_relation() == Some(relation)
            }
        }
    }
}

/// Whether a person works here, is leaving or has left. Nobody who has authored anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// Works here.
    Active,
    /// His devices hand in what they hold and get nothing any more.
    Offboarding,
    /// Nothing is given to him or taken from him.
    Disabled,
}

impl UserState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::Offboarding, Self::Disabled];

    /// The stable name used in tables, commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Offboarding => "offboarding",
            Self::Disabled => "disabled",
        }
    }
}

/// Whether anything is delivered to a person in this state. [`super::access`] still answers for somebody who is
/// leaving, because what his devices hand in is judged by it; so everything that *shows* documents asks this first.
#[must_use]
pub const fn may_read(state: UserState) -> bool {
    matches!(state, UserState::Active)
}

/// The person whose rights are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// What he is.
    pub role: Role,
    /// Whether he works here.
    pub state: UserState,
}

/// A name that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such role; the roles are rep, manager, back_office, service, admin, auditor")]
pub struct UnknownRole;

/// A name that is no state of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such state; a person is active, offboarding or disabled")]
pub struct UnknownUserState;

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

impl fmt::Display for UserState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UserState {
    type Err = UnknownUserState;

    fn from_str(text: &str) -> Result<Self, UnknownUserState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or(UnknownUserState)
    }
}
