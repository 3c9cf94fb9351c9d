//! What each kind of document may hold: keys with their numbers on the wire, types and bounds.
//!
//! Keys are never removed and numbers never reused. A key this version does not know is kept if it holds a bounded
//! scalar or map (a newer app wrote it) and is not shown.

use super::Kind;

/// The schema version this build writes and understands. Keys above the lower of both sides' versions travel as text.
pub const SCHEMA_VERSION: u16 = 1;

/// Characters of a single line (names, titles).
pub const LINE_CHARS_MAX: usize = 200;
/// Characters of an address or a reason.
pub const PARAGRAPH_CHARS_MAX: usize = 500;
/// Characters of prose; it is a scalar in protocol 1.
pub const PROSE_CHARS_MAX: usize = 10_000;
/// Bytes of a key, also of one inside a map.
pub const KEY_BYTES_MAX: usize = 256;
/// Characters of a tag, of a custom field's name and of a choice.
pub const NAME_CHARS_MAX: usize = 64;
/// Entries of one map ever written, removed ones included.
pub const MAP_ENTRIES_MAX: usize = 2_000;
/// Bytes of an unknown or custom scalar.
pub const SCALAR_BYTES_MAX: usize = 8_000;
/// Maps inside maps: the root is 0, a container 1.
pub const DEPTH_MAX: usize = 4;

/// The type and bounds of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldType {
    /// Text on one line of at most so many characters.
    Line(usize),
    /// Text on several lines of at most so many characters.
    Prose(usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `YYYY-MM-DD`.
    Date,
    /// An instant in milliseconds.
    Instant,
    /// True or false.
    Bool,
    /// A whole number inside these bounds.
    Int(i64, i64),
    /// A finite number inside these bounds.
    Number(f64, f64),
    /// A map from names to values; made with the document, never again.
    Map(MapType),
}

/// The maps a document may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapType {
    /// Tag → true.
    Tags,
    /// Label → phone number.
    Phones,
    /// SHA-256 of a photo in hexadecimal → true; write-once.
    Photos,
    /// UUID → text.
    Comments,
    /// UUID → text of one visit action.
    Actions,
    /// Custom field → any scalar.
    Custom,
}

/// One key of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The key in the document and in JSON.
    pub key: &'static str,
    /// Its number on the wire, from 1.
    pub number: u8,
    /// The schema version it came with.
    pub since: u16,
    /// Type and bounds.
    pub value: FieldType,
    /// Evidence: once written it stays; a correction is a new key.
    pub write_once: bool,
}

const fn field(number: u8, key: &'static str, value: FieldType) -> Field {
    Field {
        key,
        number,
        since: 1,
        value,
        write_once: false,
    }
}

const fn evidence(number: u8, key: &'static str, value: FieldType) -> Field {
    Field {
        key,
        number,
        since: 1,
        value,
        write_once: true,
    }
}

const LINE: FieldType = FieldType::Line(LINE_CHARS_MAX);
const NAME: FieldType = FieldType::Line(NAME_CHARS_MAX);
const PARAGRAPH: FieldType = FieldType::Prose(PARAGRAPH_CHARS_MAX);
const PROSE: FieldType = FieldType::Prose(PROSE_CHARS_MAX);
const LATITUDE: FieldType = FieldType::Number(-90.0, 90.0);
const LONGITUDE: FieldType = FieldType::Number(-180.0, 180.0);
const METRES: FieldType = FieldType::Number(0.0, 100_000.0);
/// Largest amount in minor units: exact in JSON readers that use doubles.
const MONEY: FieldType = FieldType::Int(-9_007_199_254_740_991, 9_007_199_254_740_991);
const COMMENTS: FieldType = FieldType::Map(MapType::Comments);
const CUSTOM: FieldType = FieldType::Map(MapType::Custom);

/// Coordinate systems a position may come in; it is stored as it came, with its system.
pub const COORDINATE_SYSTEMS: &[&str] = &["wgs84", "gcj02", "bd09"];
/// Channels of a follow-up.
pub const CHANNELS: &[&str] = &["visit", "phone", "wechat", "email", "meeting", "other"];
/// Severities of a ticket.
pub const SEVERITIES: &[&str] = &["low", "normal", "high"];

const CARD: &[Field] = &[
    field(1, "name", LINE),
    field(2, "address", PARAGRAPH),
    field(3, "lat", LATITUDE),
    field(4, "lon", LONGITUDE),
    field(5, "crs", FieldType::Choice(COORDINATE_SYSTEMS)),
    field(6, "region", LINE),
    field(7, "industry", LINE),
    field(8, "source", LINE),
    field(9, "stage", NAME),
    field(10, "tier", NAME),
    field(11, "tags", FieldType::Map(MapType::Tags)),
    field(12, "custom", CUSTOM),
];

const DOSSIER: &[Field] = &[
    field(1, "needs", PROSE),
    field(2, "preferences", PROSE),
    field(3, "plan", PROSE),
    field(4, "notes", PROSE),
    field(5, "custom", CUSTOM),
];

const CONTACT: &[Field] = &[
    field(1, "name", LINE),
    field(2, "title", LINE),
    field(3, "role", LINE),
    field(4, "phones", FieldType::Map(MapType::Phones)),
    field(5, "email", LINE),
    field(6, "wechat", LINE),
    field(7, "birthday", FieldType::Date),
    field(8, "preferred_channel", NAME),
    field(9, "do_not_contact", FieldType::Bool),
    field(10, "custom", CUSTOM),
];

const OPPORTUNITY: &[Field] = &[
    field(1, "title", LINE),
    field(2, "stage", NAME),
    field(3, "amount_minor", MONEY),
    field(4, "currency", FieldType::Line(3)),
    field(5, "close_date", FieldType::Date),
    field(6, "product", LINE),
    field(7, "loss_reason", PARAGRAPH),
    field(8, "comments", COMMENTS),
    field(9, "custom", CUSTOM),
];

const VISIT: &[Field] = &[
    field(1, "planned_at", FieldType::Instant),
    evidence(2, "started_at", FieldType::Instant),
    evidence(3, "ended_at", FieldType::Instant),
    evidence(4, "lat", LATITUDE),
    evidence(5, "lon", LONGITUDE),
    evidence(6, "accuracy_m", METRES),
    evidence(7, "mock", FieldType::Bool),
    field(8, "note", PROSE),
    field(9, "outcome", LINE),
    field(10, "next_date", FieldType::Date),
    evidence(11, "photos", FieldType::Map(MapType::Photos)),
    field(12, "comments", COMMENTS),
    field(13, "actions", FieldType::Map(MapType::Actions)),
    field(14, "custom", CUSTOM),
    evidence(15, "ended_lat", LATITUDE),
    evidence(16, "ended_lon", LONGITUDE),
    evidence(17, "ended_accuracy_m", METRES),
];

const FOLLOW_UP: &[Field] = &[
    field(1, "text", PROSE),
    field(2, "channel", FieldType::Choice(CHANNELS)),
    field(3, "due", FieldType::Date),
    field(4, "done", FieldType::Bool),
    field(5, "comments", COMMENTS),
    field(6, "custom", CUSTOM),
];

const TICKET: &[Field] = &[
    field(1, "text", PROSE),
    field(2, "severity", FieldType::Choice(SEVERITIES)),
    field(3, "due", FieldType::Date),
    field(4, "outcome", PARAGRAPH),
    field(5, "satisfaction", FieldType::Int(1, 5)),
    field(6, "comments", COMMENTS),
    field(7, "custom", CUSTOM),
];

const INTERNAL: &[Field] = &[
    field(1, "notes", PROSE),
    field(2, "credit", LINE),
    field(3, "floor_price_minor", MONEY),
    field(4, "custom", CUSTOM),
];

impl Kind {
    /// The keys of this kind, by number.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Card => CARD,
            Self::Dossier => DOSSIER,
            Self::Contact => CONTACT,
            Self::Opportunity => OPPORTUNITY,
            Self::Visit => VISIT,
            Self::FollowUp => FOLLOW_UP,
            Self::Ticket => TICKET,
            Self::Internal => INTERNAL,
        }
    }

    /// The field with this key, if this version knows it.
    #[must_use]
    pub fn field(self, key: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.key == key)
    }

    /// The field with this number on the wire.
    #[must_use]
    pub fn field_by_number(self, number: u64) -> Option<&'static Field> {
        self.fields().iter().find(|field| u64::from(field.number) == number)
    }

    /// The maps every document of this kind has from its first change on.
    pub fn containers(self) -> impl Iterator<Item = &'static Field> {
        self.fields()
            .iter()
            .filter(|field| matches!(field.value, FieldType::Map(_)))
    }
}
