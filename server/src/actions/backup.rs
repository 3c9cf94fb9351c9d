//! Backups: one file with every table, written while the server serves, read into either database.
//!
//! The file is one zstd frame of records: a header, then for each table its name and columns and its rows, then a
//! SHA-256 over everything before. A restore reads all of it into one transaction and commits only when the hash is
//! right, so a torn file leaves the target as it was. Restoring begins a new log in every organisation: phones keep
//! what they hold, offer it again, and get new cursors; everybody signs in again.
//!
//! A backup holds personal data in the clear: keep it where only operators can read it, encrypted.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sync_core::ids::{LogId, OrgId};

use super::erasure::apply_again;
use crate::{
    seam::Seam,
    storage::{
        Database, StorageError,
        audit::{self, AuditRow},
        dump::{self, Cell, Table},
        erasures::{self, ErasureRow},
        organisation,
        recovery::{self, Recovery},
    },
};

/// The version of the file's form.
const FORMAT: u32 = 1;
/// zstd's level: the network and the disk are slower than this one.
const COMPRESSION_LEVEL: i32 = 3;
/// Bytes of one record at most: the largest row (a document of 1 MB with its snapshot) with room to spare. A longer one
/// is damage.
const RECORD_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Age of a backup up to which whoever restores it knows who was revoked since: he was there. For an older one he has to
/// look through people and devices before the server serves.
const REMEMBERED_MS: i64 = 10 * 60 * 1000;
/// Rows held in memory while restoring.
const ROWS_PER_BATCH: usize = 1_000;

const HEADER: u8 = b'H';
const TABLE: u8 = b'T';
const ROW: u8 = b'R';
const END: u8 = b'Z';

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
    /// The file failed.
    #[error("the file failed: {0}")]
    File(#[from] io::Error),
    /// The file is no backup, or a damaged one.
    #[error("not a whole backup ({0}); nothing was restored. Take another copy of the file")]
    Damaged(&'static str),
    /// The file is of another version.
    #[error(
        "the backup is of schema {found}, this program of {expected}; nothing was restored. Use the version of fieldpool \
         that made the backup, then update"
    )]
    OtherVersion {
        /// The file's.
        found: u32,
        /// This program's.
        expected: u32,
    },
    /// There is something in the target.
    #[error(
        "there is data in the target; nothing was restored. Give an empty one, or --force to replace what is there"
    )]
    NotEmpty,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    schema: u32,
    program: String,
    made_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TableHeader {
    name: String,
    columns: Vec<String>,
}

/// What was written or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Tables.
    pub tables: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Organisations.
    pub organisations: usize,
    /// People who were erased (again).
    pub erasures: u64,
}

/// Writes a backup of one moment. `progress` is told after each row how many have been written, and how many there are.
///
/// # Errors
/// See [`BackupError`].
pub async fn back_up<W: Write + Send>(
    database: &Database,
    seam: &Seam,
    out: W,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<Summary, BackupError> {
    let mut tx = database.read().await?;
    let tables = dump::tables();
    let mut total = 0;
    for table in &tables {
        total += u64::try_from(dump::count_rows(&mut tx, table).await?).unwrap_or(0);
    }
    let mut writer = Writer::new(out)?;
    let program = env!("CARGO_PKG_VERSION").to_owned();
    writer.json(
        HEADER,
        &Header {
            format: FORMAT,
            schema: dump::SCHEMA,
            program,
            made_at: seam.now().0,
        },
    )?;
    let mut rows = 0;
    for table in &tables {
        let columns = table.columns.iter().map(|column| column.name.to_owned()).collect();
        writer.json(
            TABLE,
            &TableHeader {
                name: table.name.to_owned(),
                columns,
            },
        )?;
        dump::read_table::<BackupError>(&mut tx, table, |row| {
            let bytes = postcard::to_stdvec(&row).map_err(io::Error::other)?;
            writer.record(ROW, &bytes)?;
            rows += 1;
            progress(rows, total);
            Ok(())
        })
        .await?;
    }
    let organisations = organisation::list(&mut tx).await?.len();
    let erasures = erasures::list_all(&mut tx).await?.len() as u64;
    writer.finish()?;
    Ok(Summary {
        tables: tables.len(),
        rows,
        organisations,
        erasures,
    })
}

/// What is to be done with what stands in the target, and with the people of the backup.
#[derive(Debug, Clone, Default)]
pub struct Restoring {
    /// Replace what is there.
    pub replace: bool,
    /// The operator has looked through people and devices: nobody was revoked since, or it does not matter.
    pub people_confirmed: bool,
    /// Who was erased, as far as the backup may not know of it; what the target and the backup know comes to it.
    pub erased: Vec<ErasureRow>,
}

/// Reads a backup into a database that is empty, or with `replace` instead of what is there. Phones then bring back what
/// the server has lost; unless the backup is fresh, or its people are confirmed, the server does not serve before they
/// are.
///
/// # Errors
/// See [`BackupError`]; nothing is changed then.
pub async fn restore<R: Read + Send>(
    database: &Database,
    seam: &Seam,
    from: R,
    restoring: Restoring,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(Summary, Vec<(OrgId, LogId)>), BackupError> {
    let mut reader = Reader::new(from)?;
    let header: Header = reader.json_record(HEADER)?;
    if header.format != FORMAT || header.schema != dump::SCHEMA {
        return Err(BackupError::OtherVersion {
            found: header.schema,
            expected: dump::SCHEMA,
        });
    }
    let known = dump::tables();
    let mut tx = database.write().await?;
    let mut erased = restoring.erased;
    if restoring.replace {
        // Who was erased since the backup was made is known here, and must not come back with it.
        erased.extend(erasures::list_all(&mut tx).await?);
        dump::clear(&mut tx).await?;
    } else if !organisation::list(&mut tx).await?.is_empty() {
        return Err(BackupError::NotEmpty);
    }
    let (mut rows, mut tables): (u64, usize) = (0, 0);
    let mut current: Option<&Table> = None;
    let mut batch: Vec<Vec<Cell>> = Vec::new();
    loop {
        let (tag, bytes) = reader.record()?;
        if batch.len() >= ROWS_PER_BATCH || (tag != ROW && !batch.is_empty()) {
            let table = current.ok_or(BackupError::Damaged("rows before a table"))?;
            dump::insert_rows(&mut tx, table, &std::mem::take(&mut batch)).await?;
            progress(rows);
        }
        match tag {
            TABLE => {
                current = Some(find_table(&known, &bytes)?);
                tables += 1;
            }
            ROW => {
                let table = current.ok_or(BackupError::Damaged("rows before a table"))?;
                let row: Vec<Cell> =
                    postcard::from_bytes(&bytes).map_err(|_| BackupError::Damaged("an unreadable row"))?;
                if row.len() != table.columns.len() {
                    return Err(BackupError::Damaged("a row of another length"));
                }
                batch.push(row);
                rows += 1;
            }
            END => break,
            _ => return Err(BackupError::Damaged("a record of no known kind")),
        }
    }
    if tables != known.len() {
        return Err(BackupError::Damaged("a table is missing"));
    }
    erased.extend(erasures::list_all(&mut tx).await?);
    erased.sort_by_key(|erasure| (erasure.org, erasure.document));
    erased.dedup_by_key(|erasure| (erasure.org, erasure.document));
    let erasures = apply_again(&mut tx, seam, &erased).await?;
    let mut logs = Vec::new();
    let now = seam.now();
    let is_old = now.0.saturating_sub(header.made_at) > REMEMBERED_MS;
    let standing = Recovery {
        recovering_since: Some(now.0),
        unconfirmed_since: (is_old && !restoring.people_confirmed).then_some(now.0),
    };
    for restored in organisation::list(&mut tx).await? {
        let log = LogId(seam.uuid());
        organisation::set_log(&mut tx, restored.org, log).await?;
        recovery::set(&mut tx, restored.org, standing).await?;
        let row = AuditRow::new(now, "restored", restored.org)
            .with_detail(serde_json::json!({ "made_at": header.made_at, "log": log }));
        audit::append(&mut tx, restored.org, &[row]).await?;
        logs.push((restored.org, log));
    }
    tx.commit().await?;
    Ok((
        Summary {
            tables,
            rows,
            organisations: logs.len(),
            erasures,
        },
        logs,
    ))
}

fn find_table<'a>(known: &'a [Table], bytes: &[u8]) -> Result<&'a Table, BackupError> {
    let header: TableHeader = serde_json::from_slice(bytes).map_err(|_| BackupError::Damaged("an unreadable table"))?;
    let fits = |table: &&Table| {
        table.name == header.name && table.columns.iter().map(|column| column.name).eq(header.columns.iter())
    };
    known
        .iter()
        .find(fits)
        .ok_or(BackupError::Damaged("a table that this version does not have"))
}

struct Writer<W: Write> {
    out: zstd::Encoder<'static, W>,
    hash: Sha256,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> io::Result<Self> {
        let mut out = zstd::Encoder::new(out, COMPRESSION_LEVEL)?;
        out.include_checksum(true)?;
        Ok(Self {
            out,
            hash: Sha256::new(),
        })
    }

    fn json(&mut self, tag: u8, value: &impl Serialize) -> io::Result<()> {
        self.record(tag, &serde_json::to_vec(value)?)
    }

    fn record(&mut self, tag: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length <= RECORD_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("a row is larger than a backup can hold"))?;
        for part in [&[tag][..], &length.to_le_bytes(), bytes] {
            self.hash.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        let hash = std::mem::take(&mut self.hash).finalize();
        self.record(END, &hash)?;
        self.out.finish()?.flush()
    }
}

struct Reader<R: Read> {
    from: zstd::Decoder<'static, io::BufReader<R>>,
    hash: Sha256,
}

impl<R: Read> Reader<R> {
    fn new(from: R) -> Result<Self, BackupError> {
        Ok(Self {
            from: zstd::Decoder::new(from)?,
            hash: Sha256::new(),
        })
    }

    fn json_record<T: for<'de> Deserialize<'de>>(&mut self, expected: u8) -> Result<T, BackupError> {
        let (tag, bytes) = self.record()?;
        if tag != expected {
            return Err(BackupError::Damaged("another beginning"));
        }
        serde_json::from_slice(&bytes).map_err(|_| BackupError::Damaged("an unreadable header"))
    }

    /// The next record. The last one is given only if the hash in it is right.
    fn record(&mut self) -> Result<(u8, Vec<u8>), BackupError> {
        // What zstd cannot read, and an early end, are damage and no failure of the disk.
        let torn = |_| BackupError::Damaged("it ends early or is no backup");
        let mut head = [0; 5];
        self.from.read_exact(&mut head).map_err(torn)?;
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > RECORD_BYTES_MAX {
            return Err(BackupError::Damaged("a record too long"));
        }
        let mut bytes = Vec::new();
        let read = self
            .from
            .by_ref()
            .take(u64::from(length))
            .read_to_end(&mut bytes)
            .map_err(torn)?;
        if read != usize::try_from(length).unwrap_or(usize::MAX) {
            return Err(BackupError::Damaged("it ends early"));
        }
        if tag == END {
            let expected = std::mem::take(&mut self.hash).finalize();
            if bytes != expected[..] {
                return Err(BackupError::Damaged("its hash is wrong"));
            }
            // The frame must end here, with its own checksum.
            if self.from.read(&mut [0]).map_err(torn)? != 0 {
                return Err(BackupError::Damaged("it goes on behind its end"));
            }
        } else {
            self.hash.update(head);
            self.hash.update(&bytes);
        }
        Ok((tag, bytes))
    }
}
