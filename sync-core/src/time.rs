//! Instants. The core never asks for the time; callers pass it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An instant in milliseconds since the Unix epoch, UTC. Negative before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `ms` milliseconds later (earlier if negative), held inside the range of `i64`.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant, negative if it lies before; held inside the range of `i64`.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Reads an instant: RFC 3339 with an offset, or milliseconds since the Unix epoch.
///
/// # Errors
/// A sentence naming the accepted forms.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, InvalidTime> {
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(Timestamp(ms));
    }
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp(instant.as_millisecond()))
        .map_err(|_| InvalidTime)
}

/// Whether `text` is a civil date written `YYYY-MM-DD`.
#[must_use]
pub fn is_civil_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// Text that is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an instant: write it like 2026-03-01T09:30:00+08:00, or as milliseconds since 1970")]
pub struct InvalidTime;
