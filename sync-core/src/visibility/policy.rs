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

    /// What a relation gives in a class.
    #[must_use]
    pub const fn cell(&self, relation: Relation, class: Class) -> Cell {
        self.table[relation.index()][class as usize]
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            team_read: true,
            table: DEFAULT_TABLE,
        }
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
