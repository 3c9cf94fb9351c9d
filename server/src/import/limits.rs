//! Every bound of the import, with its reason.

/// An .xlsx file as it lies on disk. A file is checked before anything of it is unpacked.
pub const XLSX_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// All parts of a workbook unpacked together, so that a small file cannot fill the memory.
pub const XLSX_UNPACKED_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// The shared texts of a workbook unpacked: the spreadsheet library holds them all at once.
pub const XLSX_SHARED_TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The number of shared texts that a workbook may announce: the spreadsheet library reserves room for them unseen.
pub const XLSX_SHARED_TEXTS_MAX: u64 = 2_000_000;
/// Unpacked over packed size of one part. Sheets of repeated rows reach about 50.
pub const XLSX_RATIO_MAX: u64 = 200;
/// Parts smaller than this unpacked are exempt from [`XLSX_RATIO_MAX`].
pub const XLSX_RATIO_FREE_BYTES: u64 = 1024 * 1024;
/// Files inside a workbook. Ordinary ones have about ten.
pub const XLSX_PARTS_MAX: u64 = 1_000;
/// A CSV or list as it lies on disk: [`ROWS_MAX`] rows of about 600 bytes.
pub const CSV_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Data rows of one file; more go in as several files.
pub const ROWS_MAX: u64 = 100_000;
/// Columns of one file.
pub const COLUMNS_MAX: u64 = 200;
/// Cells that hold something: with their bookkeeping about 64 bytes each are in memory.
pub const CELLS_MAX: u64 = 2_500_000;
/// One cell. Every field has a smaller bound of its own; beyond this one the rest is not even kept.
pub const CELL_BYTES_MAX: usize = 64 * 1024;
/// Rows at the top among which the header row is looked for: exports put titles and dates above it.
pub const HEADER_SEARCH_ROWS: usize = 10;
/// Records that are looked at to find the delimiter.
pub const DELIMITER_SAMPLE_RECORDS: usize = 50;

/// Characters of a one-line text such as a name.
pub const LINE_CHARS_MAX: usize = 200;
/// Characters of an address.
pub const ADDRESS_CHARS_MAX: usize = 500;
/// Characters of a note: the bound of prose in a document.
pub const TEXT_CHARS_MAX: usize = 10_000;
/// Characters of one tag, of a stage, a tier and a phone number: the bound of choices in a document.
pub const WORD_CHARS_MAX: usize = 64;
/// Tags of one customer in one row.
pub const TAGS_MAX: usize = 50;
/// Characters of the key of a custom field.
pub const CUSTOM_KEY_CHARS_MAX: usize = 64;

/// Rows that are stored in one transaction: large enough to share the cost of a commit, small enough that a
/// server on the same database does not wait noticeably.
pub const ROWS_PER_TRANSACTION: usize = 200;
/// Refused rows that are explained in a sentence each; all of them are in the errors file.
pub const EXPLAINED_ROWS_MAX: usize = 20;
