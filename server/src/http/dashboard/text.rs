//! Values as people read them: times in their zone, money, phone numbers, fields of any type.

use jiff::{Timestamp as Instant, tz::TimeZone};
use serde_json::Value;
use sync_core::{directory::Choice, time::Timestamp};

use super::words::{Words, group_digits};

/// An instant on a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct When {
    /// For machines.
    pub iso: String,
    /// As short as it can be understood: without the year if it is this one, without the date if it is today.
    pub short: String,
    /// In full, with the zone.
    pub full: String,
}

/// Writes instants in a zone and a language.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    zone: TimeZone,
    words: Words,
    now: Timestamp,
}

impl Clock {
    /// A clock at `now`.
    pub(super) fn new(zone: &TimeZone, words: Words, now: Timestamp) -> Self {
        Self {
            zone: zone.clone(),
            words,
            now,
        }
    }

    /// An instant.
    pub(super) fn at(&self, at: Timestamp) -> When {
        let (Ok(instant), Ok(now)) = (Instant::from_millisecond(at.0), Instant::from_millisecond(self.now.0)) else {
            return When::default();
        };
        let (local, today) = (instant.to_zoned(self.zone.clone()), now.to_zoned(self.zone.clone()));
        let pattern = match (self.words.is_chinese(), local.year() == today.year()) {
            _ if local.date() == today.date() => "%H:%M",
            (true, true) => "%-m月%-d日 %H:%M",
            (true, false) => "%Y年%-m月%-d日",
            (false, true) => "%-d %b %H:%M",
            (false, false) => "%-d %b %Y",
        };
        When {
            iso: instant.to_string(),
            short: local.strftime(pattern).to_string(),
            full: local.strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        }
    }

    /// How long ago, roughly.
    pub(super) fn ago(&self, at: Timestamp) -> String {
        let minutes = self.now.since_ms(at).max(0) / 60_000;
        match minutes {
            0..=1 => self.words.say("ago-now"),
            2..=119 => self.words.count("ago-minutes", minutes),
            120..=2_879 => self.words.count("ago-hours", minutes / 60),
            _ => self.words.count("ago-days", minutes / (24 * 60)),
        }
    }

    /// Whole days since an instant.
    pub(super) fn days_since(&self, at: Timestamp) -> i64 {
        self.now.since_ms(at).max(0) / (24 * 60 * 60 * 1000)
    }

    /// The day it is.
    pub(super) fn today(&self) -> String {
        let now = Instant::from_millisecond(self.now.0).unwrap_or_default();
        now.to_zoned(self.zone.clone()).date().to_string()
    }

    /// The time of day.
    pub(super) fn time(&self) -> String {
        self.at(self.now).short
    }
}

/// What is read for a choice; one that the organisation does not know (any more) as it is written.
pub(super) fn choice(choices: &[Choice], words: Words, id: &str) -> String {
    let found = choices.iter().find(|choice| choice.id == id);
    found.map_or_else(|| id.to_owned(), |choice| choice_name(choice, words))
}

/// What is read for a choice.
pub(super) fn choice_name(choice: &Choice, words: Words) -> String {
    if words.is_chinese() { &choice.zh } else { &choice.en }.clone()
}

/// An amount in minor units with its currency.
pub(super) fn money(minor: i64, currency: &str) -> String {
    // Currencies of the people who use this have two decimals or none; amounts are stored in hundredths for all.
    let (whole, part) = (minor / 100, (minor % 100).abs());
    let sign = match currency {
        "CNY" => "¥",
        "EUR" => "€",
        "USD" => "$",
        _ => "",
    };
    let amount = if part == 0 {
        group_digits(whole)
    } else {
        format!("{}.{part:02}", group_digits(whole))
    };
    if sign.is_empty() {
        format!("{amount} {currency}").trim_end().to_owned()
    } else {
        format!("{sign}{amount}")
    }
}

/// A field's value as text.
pub(super) fn plain(value: &Value, words: Words) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => words.say("yes"),
        Value::Bool(false) => words.say("no"),
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            let entries: Vec<String> = entries.iter().map(|entry| plain(entry, words)).collect();
            entries.join(if words.is_chinese() { "、" } else { ", " })
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", plain(value, words)))
                .collect();
            entries.join(" · ")
        }
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::problem::Language;

    fn clock(language: Language) -> Clock {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        // 2026-03-02 09:00 in Shanghai.
        Clock::new(&zone, Words(language), Timestamp(1_772_413_200_000))
    }

    #[test]
    fn an_instant_is_written_as_short_as_it_can_be_understood_in_the_readers_zone() {
        let hour = 3_600_000;
        let now = Timestamp(1_772_413_200_000);
        for (ms, chinese, english) in [
            (0, "09:00", "09:00"),
            (-12 * hour, "3月1日 21:00", "1 Mar 21:00"),
            (-24 * 90 * hour, "2025年12月2日", "2 Dec 2025"),
        ] {
            assert_eq!(clock(Language::Chinese).at(now.plus_ms(ms)).short, chinese);
            assert_eq!(clock(Language::English).at(now.plus_ms(ms)).short, english);
        }
        assert_eq!(clock(Language::English).at(now).iso, "2026-03-02T01:00:00Z");
        assert_eq!(clock(Language::English).at(Timestamp(i64::MAX)), When::default());
    }

    #[test]
    fn amounts_are_written_with_their_currency() {
        assert_eq!(money(12_345_600, "CNY"), "¥123,456");
        assert_eq!(money(-150, "USD"), "$-1.50");
        assert_eq!(money(100, "CHF"), "1 CHF");
        assert_eq!(money(100, ""), "1");
    }

    #[test]
    fn any_value_can_be_read() {
        let words = Words(Language::English);
        assert_eq!(plain(&json!(["a", "b"]), words), "a, b");
        assert_eq!(plain(&json!({"work": "1", "home": "2"}), words), "work: 1 · home: 2");
        assert_eq!(plain(&json!(true), words), "yes");
        assert_eq!(plain(&json!(null), words), "");
    }
}
