//! Scalars, their bounds, and their JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::schema::{
    FieldType, KEY_BYTES_MAX, MapType, NAME_CHARS_MAX, PARAGRAPH_CHARS_MAX, PROSE_CHARS_MAX, SCALAR_BYTES_MAX,
};
use crate::time;

/// A scalar of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed whole number.
    Int(i64),
    /// An unsigned whole number.
    Uint(u64),
    /// A floating-point number.
    F64(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
}

/// Why a value does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ValueError {
    /// Another type is expected.
    #[error("expects {expected}")]
    Type {
        /// The expected type in words.
        expected: String,
    },
    /// Longer than its bound.
    #[error("is longer than {characters_max} characters")]
    TooLong {
        /// The bound.
        characters_max: usize,
    },
    /// A number or date outside its bounds.
    #[error("is out of bounds: {expected}")]
    Bounds {
        /// The bounds in words.
        expected: String,
    },
    /// Control characters, or direction overrides in a single line.
    #[error("contains characters that may not be stored")]
    Characters,
}

impl Value {
    /// The value as JSON: instants as milliseconds, bytes as hexadecimal, a number that JSON cannot hold as null.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::from(*value),
            Self::Int(value) | Self::Timestamp(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::F64(value) => Json::from(*value),
            Self::Str(value) => Json::from(value.as_str()),
            Self::Bytes(value) => Json::from(hex::encode(value)),
        }
    }

    /// Bytes the value takes, for bounds.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Str(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 8,
        }
    }
}

/// Checks a value against a field's type and bounds.
///
/// # Errors
/// What does not fit.
pub(super) fn check_value(kind: FieldType, value: &Value) -> Result<(), ValueError> {
    match (kind, value) {
        (FieldType::Line(max), Value::Str(text)) => check_text(text, max, false),
        (FieldType::Prose(max), Value::Str(text)) => check_text(text, max, true),
        (FieldType::Choice(words), Value::Str(text)) => {
            if words.contains(&text.as_str()) {
                Ok(())
            } else {
                Err(ValueError::Bounds {
                    expected: words.join(", "),
                })
            }
        }
        (FieldType::Date, Value::Str(text)) => {
            if time::is_civil_date(text) {
                Ok(())
            } else {
                Err(ValueError::Type {
                    expected: describe(kind),
                })
            }
        }
        (FieldType::Int(min, max), Value::Int(number)) => {
            if (min..=max).contains(number) {
                Ok(())
            } else {
                Err(ValueError::Bounds {
                    expected: format!("{min} to {max}"),
                })
            }
        }
        (FieldType::Number(min, max), Value::F64(number)) => {
            if (min..=max).contains(number) {
                Ok(())
            } else {
                Err(ValueError::Bounds {
                    expected: format!("{min} to {max}"),
                })
            }
        }
        (FieldType::Bool, Value::Bool(_)) | (FieldType::Instant, Value::Timestamp(_)) => Ok(()),
        _ => Err(ValueError::Type {
            expected: describe(kind),
        }),
    }
}

/// Checks the key and the value of an entry of a known map.
///
/// # Errors
/// What does not fit.
pub(super) fn check_entry(map: MapType, key: &str, value: &Value) -> Result<(), ValueError> {
    check_text(key, NAME_CHARS_MAX, false)?;
    match map {
        MapType::Tags => check_value(FieldType::Bool, value),
        MapType::Phones => check_value(FieldType::Line(NAME_CHARS_MAX), value),
        MapType::Photos => {
            if key.len() == 64 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                check_value(FieldType::Bool, value)
            } else {
                Err(ValueError::Type {
                    expected: "a SHA-256 hash in hexadecimal as its key".into(),
                })
            }
        }
        MapType::Comments => {
            check_uuid_key(key)?;
            check_value(FieldType::Prose(PROSE_CHARS_MAX), value)
        }
        MapType::Actions => {
            check_uuid_key(key)?;
            check_value(FieldType::Prose(PARAGRAPH_CHARS_MAX), value)
        }
        MapType::Custom => check_unknown(value),
    }
}

/// Checks a scalar under a key this version does not know.
///
/// # Errors
/// What does not fit.
pub(super) fn check_unknown(value: &Value) -> Result<(), ValueError> {
    match value {
        Value::Str(text) => check_text(text, SCALAR_BYTES_MAX, true),
        Value::Bytes(bytes) if bytes.len() > SCALAR_BYTES_MAX => Err(ValueError::TooLong {
            characters_max: SCALAR_BYTES_MAX,
        }),
        Value::F64(number) if !number.is_finite() => Err(ValueError::Bounds {
            expected: "a finite number".into(),
        }),
        _ => Ok(()),
    }
}

/// Checks a key this version does not know.
///
/// # Errors
/// What does not fit.
pub(super) fn check_key(key: &str) -> Result<(), ValueError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(ValueError::TooLong {
            characters_max: KEY_BYTES_MAX,
        });
    }
    check_text(key, KEY_BYTES_MAX, false)
}

fn check_uuid_key(key: &str) -> Result<(), ValueError> {
    if key.len() == 36 && uuid::Uuid::try_parse(key).is_ok() {
        Ok(())
    } else {
        Err(ValueError::Type {
            expected: "a UUID as its key".into(),
        })
    }
}

/// Text is refused where one of the databases or a screen would read it differently: NUL and control characters
/// everywhere, line breaks and direction overrides where a single line is expected.
fn check_text(text: &str, characters_max: usize, lines: bool) -> Result<(), ValueError> {
    // A character has at most four bytes, so most texts need no count.
    if text.len() > characters_max && text.chars().count() > characters_max {
        return Err(ValueError::TooLong { characters_max });
    }
    let refused = |character: char| match character {
        '\n' | '\t' | '\r' => !lines,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => !lines,
        _ => character.is_control(),
    };
    if text.chars().any(refused) {
        Err(ValueError::Characters)
    } else {
        Ok(())
    }
}

/// A field's type in words, for errors.
#[must_use]
pub fn describe(kind: FieldType) -> String {
    match kind {
        FieldType::Line(max) => format!("text on one line of at most {max} characters"),
        FieldType::Prose(max) => format!("text of at most {max} characters"),
        FieldType::Choice(words) => format!("one of {}", words.join(", ")),
        FieldType::Date => "a date written YYYY-MM-DD".into(),
        FieldType::Instant => "an instant in milliseconds since 1970".into(),
        FieldType::Bool => "true or false".into(),
        FieldType::Int(min, max) => format!("a whole number from {min} to {max}"),
        FieldType::Number(min, max) => format!("a number from {min} to {max}"),
        FieldType::Map(_) => "an object".into(),
    }
}

/// Reads a JSON scalar as a value of a field.
///
/// # Errors
/// What does not fit.
pub fn value_from_json(kind: FieldType, json: &Json) -> Result<Value, ValueError> {
    let mismatch = || ValueError::Type {
        expected: describe(kind),
    };
    let value = match (kind, json) {
        (FieldType::Int(..), Json::Number(number)) => Value::Int(number.as_i64().ok_or_else(mismatch)?),
        (FieldType::Number(..), Json::Number(number)) => Value::F64(number.as_f64().ok_or_else(mismatch)?),
        (FieldType::Instant, Json::Number(number)) => Value::Timestamp(number.as_i64().ok_or_else(mismatch)?),
        (FieldType::Instant, Json::String(text)) => {
            Value::Timestamp(time::parse_timestamp(text).map_err(|_| mismatch())?.0)
        }
        _ => scalar_from_json(json).ok_or_else(mismatch)?,
    };
    check_value(kind, &value)?;
    Ok(value)
}

/// Reads a word from a command line as a value of a field: `true`, `12`, `3.5`, an instant or text.
///
/// # Errors
/// What does not fit.
pub fn value_from_text(kind: FieldType, text: &str) -> Result<Value, ValueError> {
    let mismatch = || ValueError::Type {
        expected: describe(kind),
    };
    let value = match kind {
        FieldType::Bool => Value::Bool(text.parse().map_err(|_| mismatch())?),
        FieldType::Int(..) => Value::Int(text.parse().map_err(|_| mismatch())?),
        FieldType::Number(..) => Value::F64(text.parse().map_err(|_| mismatch())?),
        FieldType::Instant => Value::Timestamp(time::parse_timestamp(text).map_err(|_| mismatch())?.0),
        _ => Value::Str(text.to_owned()),
    };
    check_value(kind, &value)?;
    Ok(value)
}

/// A JSON scalar as the nearest value; `None` for objects and arrays.
#[must_use]
pub fn scalar_from_json(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Bool(value) => Some(Value::Bool(*value)),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::Uint))
            .or_else(|| number.as_f64().map(Value::F64)),
        Json::String(text) => Some(Value::Str(text.clone())),
        Json::Array(_) | Json::Object(_) => None,
    }
}
