//! What is wrong with a row.

use crate::import::{limits, values::BadValue};

/// One thing that is wrong with a row: a stable code, the field it is about and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The stable code, as in the `reason` column of the errors file.
    pub code: &'static str,
    /// The sentence.
    pub sentence: String,
}

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRefusal {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why, at least one.
    pub problems: Vec<RowProblem>,
}

impl RowRefusal {
    /// A refusal for one reason.
    #[must_use]
    pub fn one(line: u64, problem: RowProblem) -> Self {
        Self {
            line,
            problems: vec![problem],
        }
    }

    /// The codes, each once, separated by `;`.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut codes: Vec<&str> = Vec::new();
        for problem in &self.problems {
            if !codes.contains(&problem.code) {
                codes.push(problem.code);
            }
        }
        codes.join(";")
    }

    /// The sentences in one line.
    #[must_use]
    pub fn explanation(&self) -> String {
        self.problems
            .iter()
            .map(|problem| problem.sentence.as_str())
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl RowProblem {
    /// A problem with a code of the caller's.
    #[must_use]
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: sentence.into(),
        }
    }

    pub(crate) fn of_field(field: &str, bad: BadValue) -> Self {
        Self {
            code: bad.code,
            sentence: format!("{field}: {}", bad.sentence),
        }
    }

    pub(crate) fn missing(code: &'static str, field: &str) -> Self {
        Self {
            code,
            sentence: format!("{field} is empty; fill it in"),
        }
    }

    pub(crate) fn unclosed_quote() -> Self {
        Self::new(
            "unclosed_quote",
            "a quotation mark is not closed properly: the row was cut or a mark inside it is not doubled",
        )
    }

    pub(crate) fn cell_too_long(column: usize) -> Self {
        Self::new(
            "too_long",
            format!(
                "the cell in column {column} has more than {} bytes",
                limits::CELL_BYTES_MAX
            ),
        )
    }

    pub(crate) fn cell_error(column: usize, error: &str) -> Self {
        Self::new(
            "cell_error",
            format!("the cell in column {column} holds the spreadsheet's error {error}; correct its formula"),
        )
    }

    pub(crate) fn wrong_width(cells: usize, columns: usize) -> Self {
        if cells < columns {
            Self::new(
                "short_row",
                format!("it has {cells} cells, the header {columns}; the row was cut or a delimiter is missing"),
            )
        } else {
            Self::new(
                "long_row",
                format!(
                    "it has {cells} cells, the header {columns}; put quotation marks around a cell that contains the delimiter"
                ),
            )
        }
    }
}
