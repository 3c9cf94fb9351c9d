//! Writes a table as CSV or as an .xlsx workbook.

use std::io::Write;

use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::cells;

/// Rows of one worksheet; the format itself ends at 1,048,576 with the header.
pub const XLSX_ROWS_MAX: usize = 1_048_575;
/// Characters of one cell that spreadsheet programs open; our longest text has 10,000.
const XLSX_CELL_CHARS_MAX: usize = 32_767;

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The output fails.
    #[error("cannot write the export: {0}")]
    Output(#[from] std::io::Error),
    /// A CSV record fails.
    #[error("cannot write the export: {0}")]
    Csv(#[from] csv::Error),
    /// A workbook cannot be made of it.
    #[error("cannot write the export: {0}; export to .csv instead")]
    Workbook(#[from] XlsxError),
}

/// A table to export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The header.
    pub columns: Vec<String>,
    /// The rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Writes CSV in UTF-8 with `\n`. Cells that a spreadsheet would take for formulas are guarded.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn write_csv(&self, out: impl Write) -> Result<(), SheetError> {
        let mut writer = csv::Writer::from_writer(out);
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            writer.write_record(row.iter().map(|cell| cells::guard(cell).into_owned()))?;
        }
        writer.flush()?;
        Ok(())
    }

    /// Writes a workbook with one sheet, every cell typed as text: nothing in it is calculated and phone numbers
    /// keep their zeros.
    ///
    /// # Errors
    /// What `out` fails with, or more rows than a sheet holds.
    pub fn write_xlsx(&self, name: &str, out: impl Write + std::io::Seek + Send) -> Result<(), SheetError> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet().set_name(name)?;
        let head = Format::new().set_bold();
        for (row, cells) in std::iter::once(&self.columns).chain(&self.rows).enumerate() {
            // Beyond u32 the row count has long been refused by the format's own bound.
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            for (column, cell) in (0_u16..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                let text: String = cell.chars().take(XLSX_CELL_CHARS_MAX).collect();
                if row == 0 {
                    sheet.write_string_with_format(row, column, text, &head)?;
                } else {
                    sheet.write_string(row, column, text)?;
                }
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        book.save_to_writer(out)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Entity, MappingRequest, ReadOptions, read_table};

    fn sheet() -> Sheet {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Sheet {
            columns: row(["name", "contact.phone", "address"]),
            rows: vec![
                row(["=HYPERLINK(1)", "+86 010", "two\nlines"]),
                row(["阿爸阿妈", "0755", "'-x"]),
            ],
        }
    }

    #[test]
    fn t092_what_is_exported_comes_back_the_same_and_runs_nothing() {
        let mut csv = Vec::new();
        sheet().write_csv(&mut csv).unwrap();
        let mut book = std::io::Cursor::new(Vec::new());
        sheet().write_xlsx("customers", &mut book).unwrap();
        assert!(!String::from_utf8(csv.clone()).unwrap().contains("\n=HYPER"));
        for bytes in [csv, book.into_inner()] {
            let table = read_table(
                &bytes,
                Entity::Customers,
                &MappingRequest::default(),
                &ReadOptions::default(),
            )
            .unwrap();
            let rows: Vec<_> = table.rows.into_iter().map(|row| row.cells).collect();
            assert_eq!((table.columns, rows), (sheet().columns, sheet().rows));
        }
    }
}
