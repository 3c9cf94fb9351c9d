//! Every limit of the protocol, with its reason.

/// Bytes of a request or response body as it travels: a day's work of the busiest rep is a hundredth of it.
pub const BODY_ENCODED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a body once decompressed.
pub const BODY_DECODED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Window of a zstd frame, as a power of two: 8 MiB of memory.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Compression level of the wire: level 9 buys at most 4 % for three times the time.
pub const ZSTD_LEVEL: i32 = 3;
/// Bytes of a message, unpacked, from which it is compressed at [`ZSTD_LEVEL_LARGE`].
pub const LARGE_BYTES: usize = 64 * 1024;
/// Level for whole pages of documents: half the time of level 3 for a few percent more bytes.
pub const ZSTD_LEVEL_LARGE: i32 = 1;
/// Changes in one message; the rest follows in the next round trip.
pub const MESSAGE_CHANGES_MAX: usize = 500;
/// Intents in one message.
pub const MESSAGE_INTENTS_MAX: usize = 500;
/// Confirmations of evictions in one message.
pub const MESSAGE_CONFIRMATIONS_MAX: usize = 10_000;
/// Documents a phone may ask to be sent again in one message: about what a page of small ones holds.
pub const MESSAGE_WANTED_MAX: usize = 10_000;
/// Actors a device may declare in one message.
pub const MESSAGE_ACTORS_MAX: usize = 64;
/// People behind actors that are not the device's own, in one message: at most one for each change.
pub const MESSAGE_BEHIND_MAX: usize = MESSAGE_CHANGES_MAX;
/// Customers whose owner a device says in one message, after the server has come back from a backup.
pub const MESSAGE_BELIEFS_MAX: usize = 1_000;
/// Documents a device compares one by one in a message: about 350 KB.
pub const COMPARED_DOCUMENTS_MAX: usize = 5_000;
/// Actors of one document that are compared.
pub const COMPARED_ACTORS_MAX: usize = 10_000;
/// Actors of all documents that a message compares: ten for each document, and about a megabyte.
pub const MESSAGE_COMPARED_ACTORS_MAX: usize = 50_000;
/// Bytes of one change.
pub const CHANGE_BYTES_MAX: usize = 64 * 1024;
/// Operations of one change.
pub const CHANGE_OPERATIONS_MAX: usize = 5_000;
/// Actors one change may name.
pub const CHANGE_ACTORS_MAX: usize = 256;
/// Changes one change may be made on.
pub const CHANGE_DEPENDENCIES_MAX: usize = 256;
/// Operations one operation may overwrite.
pub const PREDECESSORS_MAX: usize = 256;
/// Bytes of all changes of a document: it is read whole to be edited.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Operations of all changes of a document.
pub const DOCUMENT_OPERATIONS_MAX: u64 = 100_000;
/// Highest operation counter: Automerge packs counters in 32 bits.
pub const COUNTER_MAX: u64 = 1 << 31;
/// Bytes of a page before compression; a page holds at least one document.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Changes a `missing_deps` answer lists.
pub const MISSING_DEPENDENCIES_MAX: usize = 64;
/// Customers a device holds; what lies beyond is online search.
pub const DEVICE_CUSTOMERS_MAX: usize = 10_000;
/// Characters of the reason given with a release or an assignment.
pub const REASON_CHARS_MAX: usize = 500;
