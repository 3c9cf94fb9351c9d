//! What an import did, and the refused rows as a file.

use std::io::Write;

use serde::Serialize;

use super::{Table, limits, rows::RowRefusal};
use crate::export::cells;

/// Counts, as `--json` prints them. `rows` is the sum of the other four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Data rows in the file.
    pub rows: u64,
    /// Records that were made.
    pub created: u64,
    /// Records that were there and got new values.
    pub updated: u64,
    /// Records that were there and said the same.
    pub unchanged: u64,
    /// Rows that were refused.
    pub errors: u64,
}

impl Report {
    /// Adds the counts of another table.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.errors += other.errors;
    }
}

/// Writes the refused rows as CSV: the file's own columns as they were read, then `row` and `reason`. The result
/// can be corrected and imported again; columns `row` and `reason` that such a file already has are replaced.
///
/// # Errors
/// What `out` fails with.
pub fn write_refused(table: &Table, refused: &[RowRefusal], out: impl Write) -> Result<(), csv::Error> {
    let width = match table.columns.as_slice() {
        [own @ .., row, reason] if row == "row" && reason == "reason" => own.len(),
        all => all.len(),
    };
    let mut writer = csv::Writer::from_writer(out);
    let header = table.columns[..width]
        .iter()
        .map(String::as_str)
        .chain(["row", "reason"]);
    writer.write_record(header.map(|cell| cells::guard(cell).into_owned()))?;
    let mut refused: Vec<_> = refused.iter().collect();
    refused.sort_by_key(|refusal| refusal.line);
    for refusal in refused {
        // The rows are in the order of their lines.
        let Ok(index) = table.rows.binary_search_by_key(&refusal.line, |row| row.line) else {
            continue;
        };
        let mut own = table.rows[index].cells.clone();
        own.resize(width.max(own.len().min(limits::COLUMNS_MAX as usize)), String::new());
        own.truncate(width);
        own.extend([refusal.line.to_string(), refusal.reason()]);
        writer.write_record(own.iter().map(|cell| cells::guard(cell).into_owned()))?;
    }
    writer.flush().map_err(csv::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Entity, Mapping, MappingRequest, ReadOptions, parse_rows, read_table};

    fn refused_of(text: &[u8]) -> (String, usize) {
        let request = MappingRequest::default();
        let options = ReadOptions {
            file_name: "errors.csv".into(),
            ..ReadOptions::default()
        };
        let table = read_table(text, Entity::Customers, &request, &options).unwrap();
        let mapping = Mapping::resolve(Entity::Customers, &table, &request).unwrap();
        let parsed = parse_rows(Entity::Customers, &table, &mapping, "CNY");
        let mut out = Vec::new();
        write_refused(&table, &parsed.refused, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), parsed.records.len())
    }

    #[test]
    fn refused_rows_come_back_with_their_reason_and_go_in_once_corrected() {
        let (errors, good) = refused_of("name,region,Fax\nA,Berlin,1\n,\"Reims, FR\",=2\nB,x\n".as_bytes());
        assert_eq!(good, 1);
        assert_eq!(
            errors,
            "name,region,Fax,row,reason\n,\"Reims, FR\",'=2,3,missing_name\nB,x,,4,short_row\n"
        );

        let (again, _) = refused_of(errors.as_bytes());
        assert_eq!(again, "name,region,Fax,row,reason\n,\"Reims, FR\",'=2,2,missing_name\n");

        let corrected = errors.replacen("\n,\"Reims", "\nVins,\"Reims", 1);
        assert_eq!(
            refused_of(corrected.as_bytes()),
            ("name,region,Fax,row,reason\n".into(), 2)
        );
    }
}
