//! Splits delimited text into records that know their line.
//!
//! RFC 4180 as files really are: any line end, a detected delimiter, quotes inside unquoted cells taken as they
//! stand. A quoted cell that is not closed properly costs its own line only: reading goes on at the next one, so
//! that half a row never swallows the rows after it.

use super::{ImportError, limits, rows::RowProblem};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// Number of its first line in the file, from 1.
    pub line: u64,
    /// Its cells; one longer than [`limits::CELL_BYTES_MAX`] is cut and `problem` is set.
    pub cells: Vec<String>,
    /// Why it cannot be used, if so.
    pub problem: Option<RowProblem>,
}

impl RawRow {
    /// Whether every cell is empty.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.problem.is_none() && self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// The delimiter with which the first records fall most evenly into columns; `None` for a plain list.
#[must_use]
pub fn detect_delimiter(text: &str) -> Option<char> {
    let mut best: Option<(usize, usize, char)> = None;
    for delimiter in [',', ';', '\t', '|'] {
        let mut widths: Vec<usize> = Records::new(text, delimiter)
            .filter(|row| !row.is_blank())
            .take(limits::DELIMITER_SAMPLE_RECORDS)
            .map(|row| row.cells.len())
            .collect();
        let records = widths.len();
        widths.retain(|width| *width > 1);
        widths.sort_unstable();
        // The commonest width above one, and how many records have it.
        let Some((count, width)) = widths.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0])).max() else {
            continue;
        };
        if count * 2 >= records && best.is_none_or(|(c, w, _)| (count, width) > (c, w)) {
            best = Some((count, width, delimiter));
        }
    }
    best.map(|(_, _, delimiter)| delimiter)
}

/// Splits all of `text`; blank lines are left out.
///
/// # Errors
/// [`ImportError::TooLarge`] beyond the bounds on rows, columns and cells.
pub fn split(text: &str, delimiter: char) -> Result<Vec<RawRow>, ImportError> {
    let mut rows = Vec::new();
    let mut cells = 0_u64;
    for row in Records::new(text, delimiter).filter(|row| !row.is_blank()) {
        check_row(row.cells.len(), rows.len(), &mut cells)?;
        rows.push(row);
    }
    Ok(rows)
}

/// Counts one more row of `width` cells against the bounds.
pub(super) fn check_row(width: usize, rows_before: usize, cells: &mut u64) -> Result<(), ImportError> {
    if width as u64 > limits::COLUMNS_MAX {
        return Err(ImportError::TooLarge {
            what: format!("a row has {width} columns"),
            max: limits::COLUMNS_MAX,
        });
    }
    // The header and the lines above it come on top of the data rows.
    if rows_before as u64 >= limits::ROWS_MAX + limits::HEADER_SEARCH_ROWS as u64 {
        return Err(ImportError::TooLarge {
            what: format!("more than {} rows", limits::ROWS_MAX),
            max: limits::ROWS_MAX,
        });
    }
    *cells += width as u64;
    if *cells > limits::CELLS_MAX {
        return Err(ImportError::TooLarge {
            what: format!("more than {} cells", limits::CELLS_MAX),
            max: limits::CELLS_MAX,
        });
    }
    Ok(())
}

struct Records<'a> {
    text: &'a str,
    delimiter: char,
    at: usize,
    line: u64,
}

enum CellEnd {
    Delimiter,
    Line,
    Unclosed,
}

impl<'a> Records<'a> {
    fn new(text: &'a str, delimiter: char) -> Self {
        Self {
            text,
            delimiter,
            at: 0,
            line: 1,
        }
    }

    fn cell(&mut self, row: &mut RawRow) -> CellEnd {
        let rest = &self.text[self.at..];
        if let Some(quoted) = rest.strip_prefix('"') {
            return self.quoted_cell(quoted, row);
        }
        let end = rest.find([self.delimiter, '\n', '\r']).unwrap_or(rest.len());
        push_cell(row, &rest[..end]);
        self.at += end;
        self.after_cell()
    }

    fn quoted_cell(&mut self, quoted: &str, row: &mut RawRow) -> CellEnd {
        let mut value = String::new();
        let (mut from, mut lines) = (0, 0);
        loop {
            let Some(quote) = quoted[from..].find('"') else {
                return CellEnd::Unclosed;
            };
            let piece = &quoted[from..from + quote];
            lines += piece.bytes().filter(|byte| *byte == b'\n').count() as u64;
            if value.len() <= limits::CELL_BYTES_MAX {
                value.push_str(piece);
            }
            let after = &quoted[from + quote + 1..];
            if after.starts_with('"') {
                value.push('"');
                from += quote + 2;
                continue;
            }
            // Only spaces may stand between the closing quote and the delimiter or line end.
            let spaces = after.len() - after.trim_start_matches(' ').len();
            let next = after[spaces..].chars().next();
            if next.is_some_and(|c| c != self.delimiter && c != '\n' && c != '\r') {
                return CellEnd::Unclosed;
            }
            self.at += 1 + from + quote + 1 + spaces;
            self.line += lines;
            push_cell(row, &value);
            return self.after_cell();
        }
    }

    fn after_cell(&mut self) -> CellEnd {
        let rest = &self.text[self.at..];
        if rest.starts_with(self.delimiter) {
            self.at += self.delimiter.len_utf8();
            return CellEnd::Delimiter;
        }
        self.at += if rest.starts_with("\r\n") {
            2
        } else {
            usize::from(!rest.is_empty())
        };
        self.line += 1;
        CellEnd::Line
    }

    /// Gives up on the record that began at `start` and takes its first line as it stands.
    fn broken_line(&mut self, start: usize, line: u64) -> RawRow {
        let rest = &self.text[start..];
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        self.at = start + end;
        self.line = line;
        self.after_line_end();
        let mut row = RawRow {
            line,
            cells: Vec::new(),
            problem: None,
        };
        for cell in rest[..end].split(self.delimiter).take(limits::COLUMNS_MAX as usize) {
            push_cell(&mut row, cell.trim_matches('"'));
        }
        row.problem = Some(RowProblem::unclosed_quote());
        row
    }

    fn after_line_end(&mut self) {
        let rest = &self.text[self.at..];
        self.at += if rest.starts_with("\r\n") {
            2
        } else {
            usize::from(!rest.is_empty())
        };
        self.line += 1;
    }
}

fn push_cell(row: &mut RawRow, value: &str) {
    if value.len() <= limits::CELL_BYTES_MAX {
        row.cells.push(value.to_owned());
        return;
    }
    let mut end = limits::CELL_BYTES_MAX;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    row.problem = Some(RowProblem::cell_too_long(row.cells.len() + 1));
    row.cells.push(value[..end].to_owned());
}

impl Iterator for Records<'_> {
    type Item = RawRow;

    fn next(&mut self) -> Option<RawRow> {
        if self.at >= self.text.len() {
            return None;
        }
        let (start, line) = (self.at, self.line);
        let mut row = RawRow {
            line,
            cells: Vec::new(),
            problem: None,
        };
        loop {
            match self.cell(&mut row) {
                CellEnd::Delimiter => {}
                CellEnd::Line => return Some(row),
                CellEnd::Unclosed => return Some(self.broken_line(start, line)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(u64, Vec<String>)> {
        split(text, ',')
            .unwrap()
            .into_iter()
            .map(|row| (row.line, row.cells))
            .collect()
    }

    #[test]
    fn quotes_line_ends_and_blank_lines_are_read_as_meant() {
        let rows = cells("a,b\r\n\"x, y\",\"he said \"\"no\"\"\"\r\n\r\n\"two\nlines\",3\nlast,\"\"");
        assert_eq!(rows[1], (2, vec!["x, y".into(), "he said \"no\"".into()]));
        assert_eq!(rows[2], (4, vec!["two\nlines".into(), "3".into()]));
        assert_eq!(rows[3], (6, vec!["last".into(), String::new()]));
    }

    #[test]
    fn a_delimiter_at_the_end_of_the_text_makes_an_empty_cell() {
        assert_eq!(cells("a,b\n1,\n")[1].1, ["1", ""]);
    }

    #[test]
    fn half_a_row_costs_no_other_row() {
        let rows = split("id,name\nA,\"Alfreds\"\nB,\"Bergl\nC,\"Chop-suey\"\nD,\"Du mo", ',').unwrap();
        let broken: Vec<_> = rows
            .iter()
            .filter(|row| row.problem.is_some())
            .map(|row| row.line)
            .collect();
        assert_eq!(broken, [3, 5]);
        assert_eq!(rows[3].cells, ["C", "Chop-suey"]);
    }

    #[test]
    fn the_delimiter_is_found() {
        assert_eq!(detect_delimiter("a;b;c\n1,5;2;3\n"), Some(';'));
        assert_eq!(detect_delimiter("a\tb\n1\t2\n"), Some('\t'));
        assert_eq!(detect_delimiter("a,b\n\"x;y\",2\n"), Some(','));
        assert_eq!(detect_delimiter("阿爸阿妈\n阿比德\nA, B\n阿炳\n"), None);
    }

    #[test]
    fn a_cell_beyond_its_bound_is_a_bad_row_and_not_a_cut_one() {
        let long = "x".repeat(limits::CELL_BYTES_MAX + 1);
        let rows = split(&format!("a,b\n\"{long}\",2\n3,4\n"), ',').unwrap();
        assert_eq!(rows[1].problem.as_ref().unwrap().code, "too_long");
        assert_eq!(rows[2].cells, ["3", "4"]);
    }

    #[test]
    fn rows_beyond_the_bound_are_refused() {
        let text = "a\n".repeat(limits::ROWS_MAX as usize + limits::HEADER_SEARCH_ROWS + 1);
        assert_eq!(split(&text, ',').unwrap_err().code(), "too_large");
    }
}
