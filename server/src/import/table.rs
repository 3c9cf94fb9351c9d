//! A file as a header and rows of text, whatever its format.
//!
//! The header row is found, not assumed: exports put titles, dates and attributions above it. The rule, which
//! docs/IMPORT.md repeats for users:
//!
//! 1. Among the first ten rows, the one that holds the columns named by `--map` is the header.
//! 2. Else the first row is, if it holds at least one known field name; else the first of the ten in which at
//!    least two cells and half of all are known field names.
//! 3. Else a file with a single column whose name ends in `.txt` is a plain list of customers' names without a
//!    header: lines at its top that are no names (a date, an attribution with `@` or an address, a comment) are
//!    skipped and reported.
//! 4. Else the first row is the header, and the mapping will say which fields it misses.

use super::{
    Entity, ImportError, MappingRequest,
    delimited::{self, RawRow},
    encoding, fields, limits,
    rows::RowProblem,
    workbook,
};
use crate::export::cells;

/// How to read a file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The file's name: only its ending is looked at.
    pub file_name: String,
    /// The encoding of a text file, if it shall not be detected.
    pub encoding: Option<String>,
    /// The sheet of a workbook, if not the first.
    pub sheet: Option<String>,
    /// Rows to leave out at the top, if they shall not be detected.
    pub skip_rows: usize,
}

/// A header and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The header's cells; for a plain list one column `name`.
    pub columns: Vec<String>,
    /// The data rows, as many cells as there are columns unless `problem` says otherwise.
    pub rows: Vec<TableRow>,
    /// What was left out above the header, with its line.
    pub skipped: Vec<(u64, String)>,
    /// `UTF-8`, `gb18030`, … or `xlsx`.
    pub encoding: &'static str,
}

/// One data row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its cells, trimmed.
    pub cells: Vec<String>,
    /// Why it cannot be used, if so.
    pub problem: Option<RowProblem>,
}

/// Reads `bytes` as a table of `entity`.
///
/// # Errors
/// See [`ImportError`]; nothing has been read then.
pub fn read_table(
    bytes: &[u8],
    entity: Entity,
    request: &MappingRequest,
    options: &ReadOptions,
) -> Result<Table, ImportError> {
    if bytes.starts_with(workbook::OLD_EXCEL_MAGIC) {
        return Err(ImportError::not_a_table("it is in the old .xls format"));
    }
    if bytes.starts_with(workbook::ZIP_MAGIC) {
        let rows = workbook::read_workbook(bytes, options.sheet.as_deref())?;
        return with_header(rows, entity, request, options, "xlsx");
    }
    let size = bytes.len() as u64;
    if size > limits::CSV_BYTES_MAX {
        return Err(ImportError::TooLarge {
            what: format!("{size} bytes"),
            max: limits::CSV_BYTES_MAX,
        });
    }
    let decoded = encoding::decode(bytes, options.encoding.as_deref())?;
    let delimiter = delimited::detect_delimiter(&decoded.text);
    let mut rows = match delimiter {
        Some(delimiter) => delimited::split(&decoded.text, delimiter)?,
        // A plain list: commas in it belong to the names.
        None => delimited::split(&decoded.text, '\u{1f}')?,
    };
    for cell in rows.iter_mut().flat_map(|row| &mut row.cells) {
        if let Some(plain) = cells::strip_guard(cell) {
            *cell = plain.to_owned();
        }
    }
    with_header(rows, entity, request, options, decoded.encoding)
}

fn with_header(
    mut rows: Vec<RawRow>,
    entity: Entity,
    request: &MappingRequest,
    options: &ReadOptions,
    encoding: &'static str,
) -> Result<Table, ImportError> {
    let mut skipped: Vec<_> = rows.drain(..options.skip_rows.min(rows.len())).collect();
    if rows.is_empty() {
        return Err(ImportError::not_a_table("it has no rows"));
    }
    let header = match find_header(&rows, entity, request) {
        Some(header) => Some(header),
        None if is_plain_list(&rows, entity, request, options) => None,
        None => Some(0),
    };
    let columns = match header {
        Some(header) => {
            let mut above: Vec<_> = rows.drain(..=header).collect();
            let columns = above.pop().map(|row| row.cells).unwrap_or_default();
            skipped.extend(above);
            columns.iter().map(|cell| cell.trim().to_owned()).collect()
        }
        None => {
            let noise = rows
                .iter()
                .take(limits::HEADER_SEARCH_ROWS)
                .take_while(|row| is_noise(&row.cells[0]))
                .count();
            skipped.extend(rows.drain(..noise));
            vec!["name".to_owned()]
        }
    };
    if rows.len() as u64 > limits::ROWS_MAX {
        return Err(ImportError::TooLarge {
            what: format!("{} rows", rows.len()),
            max: limits::ROWS_MAX,
        });
    }
    let rows = rows.into_iter().map(|row| table_row(row, columns.len())).collect();
    let skipped = skipped
        .into_iter()
        .map(|row| (row.line, row.cells.join(" ").trim().to_owned()))
        .collect();
    Ok(Table {
        columns,
        rows,
        skipped,
        encoding,
    })
}

fn table_row(mut raw: RawRow, width: usize) -> TableRow {
    for cell in &mut raw.cells {
        let trimmed = cell.trim_matches([' ', '\t', '\r', '\n', '\u{3000}', '\u{a0}', '\u{feff}']);
        if trimmed.len() != cell.len() {
            *cell = trimmed.to_owned();
        }
    }
    while raw.cells.len() > width && raw.cells.last().is_some_and(String::is_empty) {
        raw.cells.pop();
    }
    if raw.problem.is_none() && raw.cells.len() != width {
        raw.problem = Some(RowProblem::wrong_width(raw.cells.len(), width));
    }
    TableRow {
        line: raw.line,
        cells: raw.cells,
        problem: raw.problem,
    }
}

fn find_header(rows: &[RawRow], entity: Entity, request: &MappingRequest) -> Option<usize> {
    let candidates = &rows[..rows.len().min(limits::HEADER_SEARCH_ROWS)];
    let named = |row: &RawRow| request.named_columns().filter(|name| has_cell(row, name)).count();
    if let Some(best) = candidates.iter().map(named).max().filter(|best| *best > 0) {
        return candidates.iter().position(|row| named(row) == best);
    }
    let known = |row: &RawRow| {
        row.cells
            .iter()
            .filter(|cell| fields::field_of_column(entity, cell).is_some())
            .count()
    };
    if candidates.first().is_some_and(|row| known(row) > 0) {
        return Some(0);
    }
    candidates.iter().position(|row| {
        let filled = row.cells.iter().filter(|cell| !cell.trim().is_empty()).count();
        let known = known(row);
        // A file with one column has no second cell to be sure by; its title row may stand below noise.
        (known >= 2 && known * 2 >= filled) || (known == 1 && filled == 1 && row.cells.len() == 1)
    })
}

fn has_cell(row: &RawRow, name: &str) -> bool {
    row.cells.iter().any(|cell| fields::same_column(cell, name))
}

fn is_plain_list(rows: &[RawRow], entity: Entity, request: &MappingRequest, options: &ReadOptions) -> bool {
    entity == Entity::Customers
        && !request.names_any_column()
        && options.file_name.to_lowercase().ends_with(".txt")
        && rows.iter().all(|row| row.cells.len() == 1)
}

/// A line at the top of a list that cannot be a customer's name.
fn is_noise(line: &str) -> bool {
    let line = line.trim();
    let date_like = line
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '/' | ':' | ' ' | '年' | '月' | '日'));
    let comment = ["#", "//", "--", "==", "©"].iter().any(|mark| line.starts_with(mark));
    date_like || comment || line.contains('@') || line.contains("://") || line.ends_with([':', '：'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, file_name: &str) -> Result<Table, ImportError> {
        let options = ReadOptions {
            file_name: file_name.into(),
            ..ReadOptions::default()
        };
        read_table(text.as_bytes(), Entity::Customers, &MappingRequest::default(), &options)
    }

    #[test]
    fn a_list_of_names_is_read_as_it_comes() {
        let table = read(
            "\u{feff}By@萌名NameMoe\r\n2022.11.30\r\n阿爸阿妈\r\n阿比德\r\n",
            "company_short_names.txt",
        )
        .unwrap();
        assert_eq!(table.columns, ["name"]);
        assert_eq!(table.skipped, [(1, "By@萌名NameMoe".into()), (2, "2022.11.30".into())]);
        assert_eq!(
            table
                .rows
                .iter()
                .map(|row| (row.line, row.cells[0].as_str()))
                .collect::<Vec<_>>(),
            [(3, "阿爸阿妈"), (4, "阿比德")]
        );
    }

    #[test]
    fn titles_above_the_header_are_skipped() {
        let table = read(
            "客户清单,,\n导出,2026-03-01,\n名称,地区,电话\n阿爸阿妈,北京市,010-1\n",
            "list.csv",
        )
        .unwrap();
        assert_eq!(table.columns, ["名称", "地区", "电话"]);
        assert_eq!((table.skipped.len(), table.rows.len(), table.rows[0].line), (2, 1, 4));
    }

    #[test]
    fn half_a_row_is_known_by_its_cells() {
        let table = read("name,region\nAlfreds,Berlin\nBerglunds\n", "a.csv").unwrap();
        assert_eq!(table.rows[1].problem.as_ref().unwrap().code, "short_row");
        assert!(table.rows[0].problem.is_none());
    }

    #[test]
    fn a_guard_against_formulas_is_taken_off() {
        let table = read("name,phone\n'=Dots Ltd,'+86 10 1234\n'quoted',1\n", "a.csv").unwrap();
        assert_eq!(table.rows[0].cells, ["=Dots Ltd", "+86 10 1234"]);
        assert_eq!(table.rows[1].cells[0], "'quoted'");
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_every_line_is_one_that_is_there() {
        use rand::{Rng, SeedableRng, rngs::StdRng};
        let mut generator = StdRng::seed_from_u64(5);
        let pieces: [&[u8]; 12] = [
            b",",
            b"\"",
            b"\n",
            b"\r\n",
            b"\r",
            b"\"\"",
            b"name",
            b"x",
            b" ",
            b"\xb0\xa2",
            b"\xff",
            "\u{feff}名称".as_bytes(),
        ];
        for _ in 0..3_000 {
            let length = generator.random_range(0..40);
            let bytes: Vec<u8> = (0..length)
                .flat_map(|_| pieces[generator.random_range(0..pieces.len())].iter().copied())
                .collect();
            let request = MappingRequest::default();
            let options = ReadOptions {
                file_name: "a.txt".into(),
                ..ReadOptions::default()
            };
            let Ok(table) = read_table(&bytes, Entity::Customers, &request, &options) else {
                continue;
            };
            let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
            assert!(
                table.rows.iter().all(|row| (1..=lines).contains(&row.line)),
                "{bytes:?}"
            );
            assert!(
                table.rows.windows(2).all(|pair| pair[0].line < pair[1].line),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_is_no_table_says_so() {
        assert_eq!(read("", "a.csv").unwrap_err().code(), "not_a_table");
        assert_eq!(read("\n \n", "a.csv").unwrap_err().code(), "not_a_table");
    }
}
