//! From when to when a certificate is valid. The TLS library checks this for others' certificates only, and a server
//! that starts with one that is over would be refused by every phone.
//!
//! Reads the few fields of X.509 that lie before the dates; anything unexpected is `None`, never a panic.

use jiff::{civil::DateTime, tz::TimeZone};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

impl Validity {
    /// Of a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = Der(certificate).take(SEQUENCE)?;
        let (_, mut fields) = certificate.take(SEQUENCE)?;
        if let Some((rest, _)) = fields.take(VERSION) {
            fields = rest;
        }
        // Serial number, algorithm, issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (fields, _) = fields.take(tag)?;
        }
        let (_, dates) = fields.take(SEQUENCE)?;
        let (dates, from_ms) = dates.take_time()?;
        let (_, until_ms) = dates.take_time()?;
        Some(Self { from_ms, until_ms })
    }
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The rest, and the content of the next element if it is of this kind.
    fn take(self, tag: u8) -> Option<(Self, Self)> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // A certificate is far below 16 MB: three bytes of length are enough.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((Self(rest), Self(content)))
    }

    fn take_time(self) -> Option<(Self, i64)> {
        if let Some((rest, Self(text))) = self.take(UTC_TIME) {
            // Two digits of a year mean 1950 to 2049.
            let year = number(text.get(..2)?)?;
            let century = if year < 50 { 2000 } else { 1900 };
            return Some((rest, milliseconds(century + year, text.get(2..)?)?));
        }
        let (rest, Self(text)) = self.take(GENERALIZED_TIME)?;
        Some((rest, milliseconds(number(text.get(..4)?)?, text.get(4..)?)?))
    }
}

/// `MMDDHHMMSSZ` of a year.
fn milliseconds(year: i16, text: &[u8]) -> Option<i64> {
    let part = |at: usize| {
        text.get(at..at + 2)
            .and_then(number)
            .and_then(|part| i8::try_from(part).ok())
    };
    let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn number(digits: &[u8]) -> Option<i16> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["pool.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 3, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_dates_of_a_certificate_are_read_in_both_forms_of_a_year() {
        for (from, until) in [(1999, 2026), (2020, 2080), (2060, 2100)] {
            let validity = Validity::of(&certificate(from, until)).unwrap();
            let ms = |year: i32, month, day| {
                let date = jiff::civil::date(i16::try_from(year).unwrap(), month, day);
                date.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond()
            };
            assert_eq!(
                (validity.from_ms, validity.until_ms),
                (ms(from, 3, 1), ms(until, 12, 31))
            );
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_dates_and_does_no_harm() {
        let whole = certificate(2020, 2030);
        for length in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..length]), None);
        }
        for at in 0..200 {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            let _ = Validity::of(&broken);
        }
        assert_eq!(Validity::of(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
