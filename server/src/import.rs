//! Reads other systems' customers, people and history into the pool.
//!
//! A file goes through these steps, each usable and testable by itself: [`table`] turns bytes (CSV in UTF-8 or GBK,
//! XLSX, a plain list of names) into rows of text; [`mapping`] says which column is which field; [`rows`] parses
//! each row into a typed record or says what is wrong with it; [`plan`] groups what is good into transactions;
//! [`report`] counts, and gives the refused rows back as a file that can be corrected and imported again.
//!
//! Promises: one bad row never costs another; nothing of a row is cut off silently; the same file gives the same
//! records every time, so that a second run changes nothing. Only [`apply`] touches a database.

pub mod apply;
pub mod delimited;
pub mod encoding;
pub mod fields;
pub mod limits;
pub mod mapping;
pub mod northwind;
pub mod plan;
pub mod report;
pub mod rows;
pub mod table;
pub mod values;
pub mod wanted;
pub mod workbook;

use std::fmt;

pub use mapping::{Mapping, MappingRequest};
pub use plan::Plan;
pub use report::Report;
pub use rows::{Record, RowProblem, RowRefusal, parse_rows};
pub use table::{ReadOptions, Table, read_table};

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// Customers, each with at most one contact in its row.
    Customers,
    /// People at customers.
    Contacts,
    /// Deals, won and open.
    Opportunities,
    /// Visits made or planned.
    Visits,
    /// Calls, messages and notes.
    FollowUps,
    /// People with a login.
    Users,
}

impl Entity {
    /// All entities, in the order in which they are imported into an empty organisation.
    pub const ALL: [Self; 6] = [
        Self::Users,
        Self::Customers,
        Self::Contacts,
        Self::Opportunities,
        Self::Visits,
        Self::FollowUps,
    ];

    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Contacts => "contacts",
            Self::Opportunities => "opportunities",
            Self::Visits => "visits",
            Self::FollowUps => "follow-ups",
            Self::Users => "users",
        }
    }

    /// The entity with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.name() == name)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a file as a whole cannot be imported. Nothing of it has been stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A bound of [`limits`] is exceeded.
    #[error("the file is too large: {what}, at most {max} are read; split it into several files")]
    TooLarge {
        /// What there is too much of, with its number.
        what: String,
        /// The bound.
        max: u64,
    },
    /// No rows and columns can be found.
    #[error("this is not a table: {why}; save it as CSV (UTF-8) or as .xlsx and try again")]
    NotATable {
        /// What was met instead.
        why: String,
    },
    /// The text is neither UTF-8 nor GBK.
    #[error(
        "the text is neither UTF-8 nor GBK; save it as \"CSV UTF-8\", or name its encoding with --encoding (for example windows-1252)"
    )]
    Encoding,
    /// `--encoding` names none that is known.
    #[error("there is no encoding named {0:?}; examples are utf-8, gbk, gb18030, big5, windows-1252")]
    UnknownEncoding(String),
    /// `--sheet` names none of the workbook's.
    #[error("the workbook has no sheet named {sheet:?}; its sheets are: {sheets}")]
    UnknownSheet {
        /// The name asked for.
        sheet: String,
        /// The sheets there are.
        sheets: String,
    },
    /// `--map` is not of the form `field=Column`.
    #[error("--map takes field=Column, separated by commas; {0:?} is not of that form")]
    BadMap(String),
    /// `--map` names a field that the entity does not have.
    #[error("{entity} have no field {field:?}; their fields are: {fields}; the file's columns are: {columns}")]
    UnknownField {
        /// The entity.
        entity: Entity,
        /// The name asked for.
        field: String,
        /// The fields there are.
        fields: String,
        /// The columns there are.
        columns: String,
    },
    /// `--map` names a column that the file does not have.
    #[error("the file has no column {column:?}; its columns are: {columns}; the fields of {entity} are: {fields}")]
    UnknownColumn {
        /// The entity.
        entity: Entity,
        /// The name asked for.
        column: String,
        /// The fields there are.
        fields: String,
        /// The columns there are.
        columns: String,
    },
    /// A field without which no row could be imported has no column.
    #[error(
        "no column gives the field {field}; name one with --map {field}=Column; the file's columns are: {columns}; the fields of {entity} are: {fields}"
    )]
    MissingColumn {
        /// The entity.
        entity: Entity,
        /// The field that is needed.
        field: &'static str,
        /// The fields there are.
        fields: String,
        /// The columns there are.
        columns: String,
    },
}

impl ImportError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotATable { .. } => "not_a_table",
            Self::Encoding => "encoding",
            Self::UnknownEncoding(_) => "unknown_encoding",
            Self::UnknownSheet { .. } => "unknown_sheet",
            Self::BadMap(_) => "bad_map",
            Self::UnknownField { .. } => "unknown_field",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::MissingColumn { .. } => "missing_column",
        }
    }

    /// Whether the command was written wrongly (exit status 2), rather than the file being bad (1).
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::NotATable { .. } | Self::Encoding)
    }

    pub(crate) fn not_a_table(why: impl Into<String>) -> Self {
        Self::NotATable { why: why.into() }
    }
}
