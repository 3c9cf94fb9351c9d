//! Reads a sheet of an .xlsx workbook as text, without trusting the file.
//!
//! A workbook is a zip archive of XML. Before the spreadsheet library sees it, the archive's own figures are
//! checked and then every part is unpacked once into nothing and counted, since the figures may lie. Cells are
//! streamed: a sheet that claims to reach from A1 to XFD1048576 costs what it really holds.

use std::{
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};

use super::{ImportError, delimited, delimited::RawRow, limits, rows::RowProblem};

/// Bytes with which every zip archive, and so every .xlsx, begins.
pub const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// Bytes with which the older .xls format begins.
pub const OLD_EXCEL_MAGIC: &[u8] = b"\xd0\xcf\x11\xe0";
/// A zip archive ends with a record of 22 bytes and a comment of at most 65,535.
const ZIP_END_BYTES_MAX: usize = 22 + 65_535;
const UNPACK_BUFFER_BYTES: usize = 64 * 1024;

/// The rows of `sheet`, or of the first one.
///
/// # Errors
/// [`ImportError::TooLarge`], [`ImportError::NotATable`], [`ImportError::UnknownSheet`].
pub fn read_workbook(bytes: &[u8], sheet: Option<&str>) -> Result<Vec<RawRow>, ImportError> {
    check_archive(bytes)?;
    // The spreadsheet library is not built for hostile files; what it panics on is a damaged workbook. It holds
    // nothing that outlives the call.
    catch_unwind(AssertUnwindSafe(|| read_rows(bytes, sheet)))
        .unwrap_or_else(|_| Err(damaged("its parts do not fit together")))
}

fn read_rows(bytes: &[u8], sheet: Option<&str>) -> Result<Vec<RawRow>, ImportError> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(wanted) => names
            .iter()
            .find(|name| *name == wanted)
            .ok_or_else(|| ImportError::UnknownSheet {
                sheet: wanted.into(),
                sheets: names.join(", "),
            })?,
        None => names
            .first()
            .ok_or_else(|| ImportError::not_a_table("the workbook has no sheet"))?,
    }
    .clone();
    let mut reader = book.worksheet_cells_reader(&name).map_err(damaged)?;
    let (mut rows, mut cells_total) = (Vec::<RawRow>::new(), 0_u64);
    while let Some(cell) = reader.next_cell().map_err(damaged)? {
        let (row, column) = cell.get_position();
        if matches!(cell.get_value(), DataRef::Empty) {
            continue;
        }
        let width = column as usize + 1;
        let line = u64::from(row) + 1;
        let is_new = rows.last().is_none_or(|last| last.line != line);
        if is_new && rows.last().is_some_and(|last| last.line > line) {
            return Err(ImportError::not_a_table("the rows of the sheet are out of order"));
        }
        if is_new {
            delimited::check_row(width, rows.len(), &mut cells_total)?;
            rows.push(RawRow {
                line,
                cells: Vec::new(),
                problem: None,
            });
        }
        let Some(last) = rows.last_mut() else { continue };
        let added = width.saturating_sub(last.cells.len());
        delimited::check_row(width, 0, &mut 0)?;
        cells_total += added as u64;
        delimited::check_row(0, 0, &mut cells_total)?;
        if last.cells.len() < width {
            last.cells.resize(width, String::new());
        }
        match text_of(cell.get_value()) {
            Ok(text) if text.len() > limits::CELL_BYTES_MAX => last.problem = Some(RowProblem::cell_too_long(width)),
            Ok(text) => last.cells[column as usize] = text,
            Err(text) => {
                last.problem = Some(RowProblem::cell_error(width, &text));
                last.cells[column as usize] = text;
            }
        }
    }
    // A spreadsheet has no short rows: what is missing at the right is empty.
    let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    if rows.len() as u64 * width as u64 > limits::CELLS_MAX * 2 {
        return Err(ImportError::TooLarge {
            what: format!("{} rows of {width} cells", rows.len()),
            max: limits::CELLS_MAX,
        });
    }
    for row in &mut rows {
        row.cells.resize(width, String::new());
    }
    rows.retain(|row| !row.is_blank());
    Ok(rows)
}

fn damaged(error: impl std::fmt::Display) -> ImportError {
    ImportError::not_a_table(format!("the workbook is damaged ({error})"))
}

/// Refuses an archive that is or would become too large, before anything parses it.
fn check_archive(bytes: &[u8]) -> Result<(), ImportError> {
    let size = bytes.len() as u64;
    if size > limits::XLSX_BYTES_MAX {
        return Err(ImportError::TooLarge {
            what: format!("{size} bytes of .xlsx"),
            max: limits::XLSX_BYTES_MAX,
        });
    }
    check_part_count(bytes)?;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let (mut declared, mut unpacked) = (0_u64, 0_u64);
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(damaged)?;
        declared = declared.saturating_add(part.size());
        check_sizes(part.size(), part.compressed_size(), declared)?;
    }
    let mut buffer = vec![0; UNPACK_BUFFER_BYTES];
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(damaged)?;
        let packed = part.compressed_size();
        let shared_text = part
            .name()
            .map_err(damaged)?
            .to_ascii_lowercase()
            .ends_with("sharedstrings.xml");
        let (mut part_bytes, mut scan) = (0_u64, CountScan::default());
        loop {
            let read = part.read(&mut buffer).map_err(damaged)?;
            if read == 0 {
                break;
            }
            part_bytes += read as u64;
            unpacked += read as u64;
            check_sizes(part_bytes, packed, unpacked)?;
            if shared_text {
                if part_bytes > limits::XLSX_SHARED_TEXT_BYTES_MAX {
                    return Err(ImportError::TooLarge {
                        what: "more bytes of text in the workbook".into(),
                        max: limits::XLSX_SHARED_TEXT_BYTES_MAX,
                    });
                }
                scan.check(&buffer[..read])?;
            }
        }
    }
    Ok(())
}

fn check_sizes(part: u64, packed: u64, total: u64) -> Result<(), ImportError> {
    if total > limits::XLSX_UNPACKED_BYTES_MAX {
        return Err(ImportError::TooLarge {
            what: "more bytes when unpacked".into(),
            max: limits::XLSX_UNPACKED_BYTES_MAX,
        });
    }
    if part > limits::XLSX_RATIO_FREE_BYTES && part / packed.max(1) > limits::XLSX_RATIO_MAX {
        return Err(ImportError::TooLarge {
            what: "a part unpacks to more times its size".into(),
            max: limits::XLSX_RATIO_MAX,
        });
    }
    Ok(())
}

/// Reads the number of parts from the archive's last record, since the archive's directory is loaded as a whole.
fn check_part_count(bytes: &[u8]) -> Result<(), ImportError> {
    let tail = &bytes[bytes.len().saturating_sub(ZIP_END_BYTES_MAX)..];
    let end = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or_else(|| ImportError::not_a_table("the workbook is cut off"))?;
    let parts = tail
        .get(end + 10..end + 12)
        .map_or(0, |count| u64::from(u16::from_le_bytes([count[0], count[1]])));
    if parts > limits::XLSX_PARTS_MAX {
        return Err(ImportError::TooLarge {
            what: format!("{parts} parts in the workbook"),
            max: limits::XLSX_PARTS_MAX,
        });
    }
    Ok(())
}

/// Finds `uniqueCount="…"`, also across two buffers.
#[derive(Default)]
struct CountScan {
    tail: Vec<u8>,
}

impl CountScan {
    const NAME: &'static [u8] = b"uniqueCount";
    const KEPT: usize = 64;

    fn check(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.tail.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = self.tail[from..]
            .windows(Self::NAME.len())
            .position(|window| window == Self::NAME)
        {
            from += at + Self::NAME.len();
            let digits = self.tail[from..]
                .iter()
                .skip_while(|byte| matches!(byte, b'=' | b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n'))
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0_u64, |number, byte| {
                    number.saturating_mul(10).saturating_add(u64::from(byte - b'0'))
                });
            if digits > limits::XLSX_SHARED_TEXTS_MAX {
                return Err(ImportError::TooLarge {
                    what: format!("{digits} texts announced"),
                    max: limits::XLSX_SHARED_TEXTS_MAX,
                });
            }
        }
        let keep = self.tail.len().saturating_sub(Self::KEPT);
        self.tail.drain(..keep);
        Ok(())
    }
}

/// A cell as a person sees it: whole numbers without `.0`, dates as `YYYY-MM-DD`. `Err` for an error cell.
fn text_of(value: &DataRef<'_>) -> Result<String, String> {
    Ok(match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::DateTime(date) => date_text(date),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => return Err(error.to_string()),
    })
}

/// Spreadsheets calculate with 15 significant digits; the rest is noise of the binary form.
fn number_text(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{rounded}")
}

fn date_text(date: &ExcelDateTime) -> String {
    if date.is_duration() {
        return number_text(date.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    if (hour, minute, second) == (0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_xlsxwriter::{ExcelDateTime as Date, Format, Workbook};

    fn sample() -> Vec<u8> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        let day = Format::new().set_num_format("yyyy-mm-dd");
        sheet.write_row(0, 0, ["名称", "电话", "数量", "日期", "合计"]).unwrap();
        sheet.write(1, 0, "México D.F.").unwrap();
        sheet.write(1, 1, "0755-0012").unwrap();
        sheet.write(1, 2, 13_800_138_000_i64).unwrap();
        sheet
            .write_with_format(1, 3, Date::from_ymd(1996, 7, 4).unwrap(), &day)
            .unwrap();
        sheet.write(1, 4, 0.1 + 0.2).unwrap();
        sheet.write(3, 0, "阿爸阿妈").unwrap();
        book.save_to_buffer().unwrap()
    }

    #[test]
    fn t094_typed_cells_become_the_text_a_person_sees() {
        let rows = read_workbook(&sample(), None).unwrap();
        assert_eq!(
            rows[1].cells,
            ["México D.F.", "0755-0012", "13800138000", "1996-07-04", "0.3"]
        );
        assert_eq!((rows[2].line, rows[2].cells[0].as_str()), (4, "阿爸阿妈"));
        assert_eq!(rows[2].cells.len(), 5);
    }

    #[test]
    fn a_sheet_that_is_not_there_is_named_with_those_that_are() {
        let error = read_workbook(&sample(), Some("Kunden")).unwrap_err();
        assert_eq!(error.code(), "unknown_sheet");
        assert!(error.to_string().contains("Sheet1"));
    }

    #[test]
    fn t093_a_sheet_of_repeated_bytes_is_refused_by_what_it_unpacks_to() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::copy(&mut std::io::repeat(b' ').take(220 * 1024 * 1024), &mut archive).unwrap();
        let bytes = archive.finish().unwrap().into_inner();
        assert!(bytes.len() < 1024 * 1024);
        assert_eq!(read_workbook(&bytes, None).unwrap_err().code(), "too_large");
    }

    fn parts_of(book: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = zip::ZipArchive::new(Cursor::new(book)).unwrap();
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let mut part = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            part.read_to_end(&mut bytes).unwrap();
            parts.push((part.name().unwrap().into_owned(), bytes));
        }
        parts
    }

    fn archive(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            archive
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            std::io::Write::write_all(&mut archive, bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn t093_a_thousand_parts_are_refused_before_any_is_opened() {
        let parts: Vec<_> = (0..=limits::XLSX_PARTS_MAX)
            .map(|number| (format!("xl/{number}.xml"), Vec::new()))
            .collect();
        assert_eq!(read_workbook(&archive(&parts), None).unwrap_err().code(), "too_large");
    }

    #[test]
    fn t093_a_cell_with_a_mountain_of_attributes_is_read_or_refused_in_one_go() {
        let mut parts = parts_of(&sample());
        let sheet = parts.iter_mut().find(|(name, _)| name.ends_with("sheet1.xml")).unwrap();
        let attributes: String = (0..800_000).map(|number| format!(" a{number}=\"\"")).collect();
        let text = String::from_utf8(sheet.1.clone()).unwrap();
        sheet.1 = text.replacen("<c ", &format!("<c{attributes} "), 1).into_bytes();
        let _ = read_workbook(&archive(&parts), None);
    }

    #[test]
    fn t093_an_announced_number_of_texts_reserves_no_memory() {
        let mut scan = CountScan::default();
        scan.check(b"<sst count=\"1\" unique").unwrap();
        assert_eq!(
            scan.check(b"Count=\"99999999999999\">").unwrap_err().code(),
            "too_large"
        );
    }

    #[test]
    fn t093_a_workbook_with_mutilated_parts_is_read_or_refused_and_nothing_else() {
        use rand::{Rng, SeedableRng, rngs::StdRng};
        let parts = parts_of(&sample());
        let mut generator = StdRng::seed_from_u64(94);
        let pieces: [&[u8]; 8] = [b"<", b">", b"\"", b"/", b"99999999999", b"-1", b"&amp;", b"\xff"];
        for _ in 0..400 {
            let mut mutilated = parts.clone();
            for _ in 0..generator.random_range(1..4) {
                let part = generator.random_range(0..mutilated.len());
                let bytes = &mut mutilated[part].1;
                let at = generator.random_range(0..bytes.len());
                let piece = pieces[generator.random_range(0..pieces.len())];
                let end = (at + generator.random_range(0..4)).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            let _ = read_workbook(&archive(&mutilated), None);
        }
    }

    #[test]
    fn a_file_that_only_begins_like_a_workbook_is_no_table() {
        assert_eq!(
            read_workbook(b"PK\x03\x04 nothing", None).unwrap_err().code(),
            "not_a_table"
        );
    }
}
