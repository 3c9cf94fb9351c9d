//! Parses rows of text into typed records, or says what is wrong with each.
//!
//! What can be judged from the row alone is judged here; what needs the organisation's data (an unknown owner, an
//! unknown stage) is judged when it is applied, with codes from the same family.

mod cells;
mod problem;
mod records;

pub use problem::{RowProblem, RowRefusal};
pub use records::{ContactFields, ContactRow, CustomerRow, FollowUpRow, OpportunityRow, Record, UserRow, VisitRow};

use cells::Cells;

use super::{Entity, Mapping, Table};

/// What became of a table's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Good rows, in the order of the file.
    pub records: Vec<Record>,
    /// Bad rows, in the order of the file.
    pub refused: Vec<RowRefusal>,
}

/// Parses every row of `table`. `default_currency` is the organisation's, for amounts without one.
#[must_use]
pub fn parse_rows(entity: Entity, table: &Table, mapping: &Mapping, default_currency: &str) -> Parsed {
    let mut parsed = Parsed {
        records: Vec::with_capacity(table.rows.len()),
        refused: Vec::new(),
    };
    for row in &table.rows {
        if let Some(problem) = &row.problem {
            parsed.refused.push(RowRefusal {
                line: row.line,
                problems: vec![problem.clone()],
            });
            continue;
        }
        let mut cells = Cells::new(row, mapping);
        let record = match entity {
            Entity::Customers => Record::Customer(CustomerRow::read(&mut cells)),
            Entity::Contacts => Record::Contact(ContactRow::read(&mut cells)),
            Entity::Opportunities => Record::Opportunity(OpportunityRow::read(&mut cells, default_currency)),
            Entity::Visits => Record::Visit(VisitRow::read(&mut cells)),
            Entity::FollowUps => Record::FollowUp(FollowUpRow::read(&mut cells)),
            Entity::Users => Record::User(UserRow::read(&mut cells)),
        };
        let problems = cells.into_problems();
        if problems.is_empty() {
            parsed.records.push(record);
        } else {
            parsed.refused.push(RowRefusal {
                line: row.line,
                problems,
            });
        }
    }
    parsed
}

#[cfg(test)]
mod tests;
