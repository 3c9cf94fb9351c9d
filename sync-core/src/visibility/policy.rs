//! The table of rights, as data: a row for each relation, a cell for each class.

use serde::{Deserialize, Serialize};

use crate::document::{Class, Kind};

use super::{Relation, Rights};

/// What a relation gives in one class of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Nothing.
    Nothing,
    /// Read.
    Read,
    /// Add documents, and read and write the ones one authored.
    Create,
    /// Read, add and write. A visit of somebody else is only commented on.
    Write,
    /// Read; add and write tickets.
    WriteTickets,
    /// Write the documents one is responsible for.
    ThatDocument,
    /// Write the documents one is responsible for, and read the contacts.
    ThatDocumentAndContacts,
}

impl Cell {
    /// All that a cell can say.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Read,
        Self::Create,
        Self::Write,
        Self::WriteTickets,
        Self::ThatDocument,
        Self::ThatDocumentAndContacts,
    ];

    /// The stable word in commands and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::WriteTickets => "write_tickets",
            Self::ThatDocument => "that_document",
            Self::ThatDocumentAndContacts => "that_document_and_contacts",
        }
    }

    /// What the cell gives for documents of one kind, before author and responsible are known.
    #[must_use]
    pub const fn rights(self, kind: Kind) -> Rights {
        let that_document = if kind.has_responsible() {
            Rights::RESPONSIBLE
        } else {
            Rights::NONE
        };
        match self {
            Self::Nothing => Rights::NONE,
            Self::Read => Rights::READ,
            Self::Create => Rights::CREATE,
            Self::Write => match kind {
                Kind::Visit => Rights::CREATE
                    .union(Rights::READ)
                    .union(Rights::COMMENT)
                    .union(Rights::RESPONSIBLE),
                _ => Rights::CREATE.union(Rights::WRITE),
            },
            Self::WriteTickets => match kind {
                Kind::Ticket => Rights::CREATE.union(Rights::WRITE),
                _ => Rights::READ,
            },
            Self::ThatDocument => that_document,
            Self::ThatDocumentAndContacts => match kind {
                Kind::Contact => Rights::READ,
                _ => that_document,
            },
        }
    }
}

/// What an organisation has decided about who sees what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Goes up with every change; 0 is the policy that an organisation begins with.
    #[serde(default)]
    pub version: u64,
    /// Whether members of a team read the cards of each other's customers.
    pub team_read: bool,
    /// One row for each relation in the order of [`Relation::ALL`], one cell for each class in that of [`Class::ALL`].
    table: [[Cell; Class::ALL.len()]; Relation::COUNT],
}

impl Policy {
    /// The default table, with or without reading in the team.
    #[must_use]
    pub fn with_team_read(team_read: bool) -> Self {
        Self {
            team_read,
            ..Self::default()
        }
    }

    /// What an organisation may choose for a cell, what it begins with first. One choice: it is not adjustable.
    ///
    /// The bounds: owners and administrators keep what they have, auditors read and never write, the internal document is
    /// its managers' and the office's, a relation reads no class more or less than at first (whoever adds to what he does
    /// not read may be kept from adding), and nobody is given anything for being nothing to a customer.
    #[must_use]
    pub const fn choices(relation: Relation, class: Class) -> &'static [Cell] {
        use Cell::{Create, Nothing, Read, Write, WriteTickets};
        match (relation, class) {
            (Relation::CollaboratorWrite | Relation::PoolAdmin, Class::Card | Class::Private | Class::Activity)
            | (Relation::Cover, Class::Card | Class::Private)
            | (Relation::Manager | Relation::BackOffice, _) => &[Write, Read],
            (Relation::CollaboratorRead, Class::Activity)
            | (Relation::Responsible, Class::Card)
            | (Relation::Service, Class::Card | Class::Private) => &[Read, Write],
            (Relation::Pool | Relation::Team, Class::Activity) => &[Create, Nothing],
            (Relation::Service, Class::Activity) => &[WriteTickets, Read, Write],
            _ => &[],
        }
    }

    /// The cells that an organisation may choose, in the order of the table.
    pub fn adjustable() -> impl Iterator<Item = (Relation, Class)> {
        let cells = Relation::ALL
            .into_iter()
            .flat_map(|relation| Class::ALL.map(|class| (relation, class)));
        cells.filter(|(relation, class)| !Self::choices(*relation, *class).is_empty())
    }

    /// Chooses for one cell.
    ///
    /// # Errors
    /// [`OutOfBounds`] for a cell that is not adjustable, or a choice that is not one of its choices.
    pub fn choose(&mut self, relation: Relation, class: Class, cell: Cell) -> Result<(), OutOfBounds> {
        if !Self::choices(relation, class).contains(&cell) {
            return Err(OutOfBounds);
        }
        self.table[relation.index()][class as usize] = cell;
        Ok(())
    }

    /// What a relation gives in a class.
    #[must_use]
    pub const fn cell(&self, relation: Relation, class: Class) -> Cell {
        self.table[relation.index()][class as usize]
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: 0,
            team_read: true,
            table: DEFAULT_TABLE,
        }
    }
}

/// A choice that no organisation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this cell of the table of rights cannot say that")]
pub struct OutOfBounds;

/// A policy that was in force until some place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastPolicy {
    /// The place of the change that ended it.
    pub until_seq: i64,
    /// What it was.
    pub policy: Policy,
}

/// What an organisation has decided, and what it had decided before: rights as of an earlier place in the log are judged
/// by the policy of that place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Those that are over, the oldest first.
    pub past: Vec<PastPolicy>,
    /// The one in force.
    pub now: Policy,
}

impl Policies {
    /// The policy in force right after a place.
    #[must_use]
    pub fn at(&self, seq: i64) -> &Policy {
        self.since(seq).next().unwrap_or(&self.now)
    }

    /// All that were in force from right after a place until now.
    pub fn since(&self, seq: i64) -> impl Iterator<Item = &Policy> {
        let past = self.past.iter().filter(move |past| past.until_seq > seq);
        past.map(|past| &past.policy).chain([&self.now])
    }

    /// Whether it changed after a place.
    #[must_use]
    pub fn has_changed_after(&self, seq: i64) -> bool {
        self.past.last().is_some_and(|past| past.until_seq > seq)
    }

    /// The places at which it changed.
    pub fn changes(&self) -> impl Iterator<Item = i64> {
        self.past.iter().map(|past| past.until_seq)
    }
}

#[rustfmt::skip] // One row of the table a line.
const DEFAULT_TABLE: [[Cell; Class::ALL.len()]; Relation::COUNT] = {
    use Cell::{Create, Nothing, Read, ThatDocument, ThatDocumentAndContacts, Write, WriteTickets};
    let mut table = [[Nothing; Class::ALL.len()]; Relation::COUNT];
    //                                            card   private                  activity      internal
    table[Relation::Owner.index()] =             [Write, Write,                   Write,        Nothing];
    table[Relation::CollaboratorWrite.index()] = [Write, Write,                   Write,        Nothing];
    table[Relation::Cover.index()] =             [Write, Write,                   Write,        Nothing];
    table[Relation::CollaboratorRead.index()] =  [Read,  Read,                    Read,         Nothing];
    table[Relation::Responsible.index()] =       [Read,  ThatDocumentAndContacts, ThatDocument, Nothing];
    table[Relation::ResponsibleDone.index()] =   [Read,  ThatDocument,            ThatDocument, Nothing];
    table[Relation::Manager.index()] =           [Write, Write,                   Write,        Write];
    table[Relation::Pool.index()] =              [Read,  Nothing,                 Create,       Nothing];
    table[Relation::PoolAdmin.index()] =         [Write, Write,                   Write,        Nothing];
    table[Relation::Team.index()] =              [Read,  Nothing,                 Create,       Nothing];
    table[Relation::BackOffice.index()] =        [Write, Write,                   Write,        Write];
    table[Relation::Admin.index()] =             [Write, Write,                   Write,        Write];
    table[Relation::Service.index()] =           [Read,  Read,                    WriteTickets, Nothing];
    table[Relation::Auditor.index()] =           [Read,  Read,                    Read,         Read];
    table
};
