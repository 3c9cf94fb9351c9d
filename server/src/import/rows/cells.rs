//! One row's cells by field, collecting what is wrong with them.

use sync_core::time::Timestamp;

use super::RowProblem;
use crate::import::{
    Mapping, limits,
    table::TableRow,
    values::{self, BadValue, When},
};

/// The cells of one row. An empty cell counts as not given.
pub(super) struct Cells<'a> {
    row: &'a TableRow,
    mapping: &'a Mapping,
    problems: Vec<RowProblem>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(row: &'a TableRow, mapping: &'a Mapping) -> Self {
        Self {
            row,
            mapping,
            problems: Vec::new(),
        }
    }

    pub(super) fn line_number(&self) -> u64 {
        self.row.line
    }

    pub(super) fn into_problems(self) -> Vec<RowProblem> {
        self.problems
    }

    pub(super) fn refuse(&mut self, problem: RowProblem) {
        self.problems.push(problem);
    }

    /// The raw text of a field.
    pub(super) fn raw(&self, field: &str) -> Option<&'a str> {
        let (_, index) = self.mapping.columns.iter().find(|(name, _)| name == field)?;
        self.row
            .cells
            .get(*index)
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
    }

    /// A field parsed by `parse`; a refusal is noted and counts as not given.
    pub(super) fn parsed<T>(&mut self, field: &str, parse: impl FnOnce(&str) -> Result<T, BadValue>) -> Option<T> {
        match parse(self.raw(field)?) {
            Ok(value) => Some(value),
            Err(bad) => {
                self.problems.push(RowProblem::of_field(field, bad));
                None
            }
        }
    }

    /// A one-line text.
    pub(super) fn line(&mut self, field: &str) -> Option<String> {
        self.parsed(field, |cell| values::text(cell, limits::LINE_CHARS_MAX, false))
    }

    /// A short one-line text, such as a stage or a phone number.
    pub(super) fn word(&mut self, field: &str) -> Option<String> {
        self.parsed(field, |cell| values::text(cell, limits::WORD_CHARS_MAX, false))
    }

    /// A one-line text that must be there.
    pub(super) fn needed(&mut self, field: &str, code: &'static str) -> String {
        if self.raw(field).is_none() {
            self.problems.push(RowProblem::missing(code, field));
        }
        self.line(field).unwrap_or_default()
    }

    /// Prose.
    pub(super) fn prose(&mut self, field: &str) -> Option<String> {
        self.parsed(field, |cell| values::text(cell, limits::TEXT_CHARS_MAX, true))
    }

    /// A time that must be there.
    pub(super) fn needed_when(&mut self, field: &str, code: &'static str) -> When {
        if self.raw(field).is_none() {
            self.problems.push(RowProblem::missing(code, field));
        }
        self.parsed(field, values::when).unwrap_or(When::Instant(Timestamp(0)))
    }

    /// The custom fields that have a column.
    pub(super) fn custom(&mut self) -> Vec<(String, String)> {
        let fields: Vec<&str> = self
            .mapping
            .columns
            .iter()
            .map(|(field, _)| field.as_str())
            .filter(|field| field.starts_with("custom."))
            .collect();
        let given = fields
            .into_iter()
            .filter_map(|field| Some((field["custom.".len()..].to_owned(), self.line(field)?)));
        given.collect()
    }
}
