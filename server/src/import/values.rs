//! Parses the text of one cell into a value that cannot be wrong.
//!
//! Everything here refuses rather than guesses: a date that is ambiguous, an amount with more digits than its
//! currency has, a text with a control character.

use jiff::civil::{Date, DateTime, Time};
use sync_core::time::Timestamp;

use super::limits;

/// What is wrong with a cell: a stable code and a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// The stable code.
    pub code: &'static str,
    /// What to do about it.
    pub sentence: String,
}

fn bad<T>(code: &'static str, sentence: impl Into<String>) -> Result<T, BadValue> {
    Err(BadValue {
        code,
        sentence: sentence.into(),
    })
}

/// When something was: an instant, or a civil time or day in the organisation's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A day.
    Day(Date),
    /// A time of day without a time zone.
    Local(DateTime),
    /// An instant.
    Instant(Timestamp),
}

/// Text of at most `chars_max` characters. Line breaks and tabs are allowed in prose only.
///
/// # Errors
/// `bad_text`, `too_long`.
pub fn text(cell: &str, chars_max: usize, prose: bool) -> Result<String, BadValue> {
    let chars = cell.chars().count();
    if chars > chars_max {
        return bad(
            "too_long",
            format!("it has {chars} characters, at most {chars_max} are kept"),
        );
    }
    if let Some(c) = cell.chars().find(|c| !is_allowed(*c, prose)) {
        let what = match c {
            '\u{fffd}' => "a character that could not be decoded".to_owned(),
            '\n' | '\r' => "a line break".to_owned(),
            c => format!("the control character U+{:04X}", c as u32),
        };
        return bad("bad_text", format!("it contains {what}; remove it"));
    }
    Ok(cell.replace("\r\n", "\n"))
}

fn is_allowed(c: char, prose: bool) -> bool {
    match c {
        '\n' | '\r' | '\t' => prose,
        // Overrides of the reading direction make a name look like another one.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => prose,
        '\u{fffd}' => false,
        c => !c.is_control(),
    }
}

/// Tags separated by `;` `,` `、` `|` or their full-width forms, each once.
///
/// # Errors
/// `bad_text`, `too_long`, `too_many`.
pub fn tags(cell: &str) -> Result<Vec<String>, BadValue> {
    let mut tags = Vec::new();
    for part in cell
        .split([';', ',', '、', '|', '；', '，', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let tag = text(part, limits::WORD_CHARS_MAX, false)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > limits::TAGS_MAX {
        return bad(
            "too_many",
            format!("it has {} tags, at most {} are kept", tags.len(), limits::TAGS_MAX),
        );
    }
    Ok(tags)
}

/// A coordinate in degrees, at most `bound` from zero.
///
/// # Errors
/// `bad_number`.
pub fn degrees(cell: &str, bound: f64) -> Result<f64, BadValue> {
    let plain = cell
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    match cell.parse::<f64>() {
        Ok(value) if plain && value.abs() <= bound => Ok(value),
        Ok(_) if plain => bad("bad_number", format!("write degrees between -{bound} and {bound}")),
        _ => bad("bad_number", "write it in decimal degrees, for example 22.5431"),
    }
}

/// A currency that amounts may be in: its code and the digits of its minor unit.
///
/// # Errors
/// `unknown_currency`.
pub fn currency(cell: &str) -> Result<(&'static str, u32), BadValue> {
    match cell.trim().to_uppercase().as_str() {
        "CNY" | "RMB" | "人民币" | "元" | "￥" | "¥" => Ok(("CNY", 2)),
        "USD" | "美元" | "$" => Ok(("USD", 2)),
        "EUR" | "欧元" | "€" => Ok(("EUR", 2)),
        "GBP" | "英镑" | "£" => Ok(("GBP", 2)),
        "HKD" | "港币" | "港元" => Ok(("HKD", 2)),
        "JPY" | "日元" => Ok(("JPY", 0)),
        _ => bad("unknown_currency", "the currencies are CNY, USD, EUR, GBP, HKD, JPY"),
    }
}

/// An amount of money in minor units, exactly: `1,234.5` in a currency of two digits is 123450.
///
/// # Errors
/// `bad_amount`.
pub fn amount_minor(cell: &str, digits: u32) -> Result<i64, BadValue> {
    let plain = cell.trim().trim_start_matches(['¥', '￥', '$', '€', '£']).trim();
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let whole = without_groups(whole).ok_or(()).or_else(|()| {
        bad(
            "bad_amount",
            "write an amount of at least zero, such as 1234.50 or 1,234.50",
        )
    })?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad(
            "bad_amount",
            "write an amount of at least zero, such as 1234.50 or 1,234.50",
        );
    }
    let significant = fraction.trim_end_matches('0');
    let digits = digits as usize;
    if significant.len() > digits {
        return bad(
            "bad_amount",
            format!(
                "the currency has {digits} digits after the point, the amount {}",
                significant.len()
            ),
        );
    }
    let minor = format!("{whole}{significant:0<digits$}");
    minor.parse().or_else(|_| bad("bad_amount", "the amount is too large"))
}

/// Digits, with commas allowed before each group of three.
fn without_groups(whole: &str) -> Option<String> {
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let rest: Vec<_> = groups.collect();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = rest.iter().all(|group| group.len() == 3 && digits(group));
    let first_fits = !first.is_empty() && digits(first) && (rest.is_empty() || first.len() <= 3);
    (grouped && first_fits).then(|| whole.replace(',', ""))
}

/// A civil date; a time of day behind it is left out.
///
/// # Errors
/// `bad_date`.
pub fn date(cell: &str) -> Result<Date, BadValue> {
    match when(cell)? {
        When::Day(date) => Ok(date),
        When::Local(local) => Ok(local.date()),
        When::Instant(_) => bad("bad_date", "write a day, such as 2026-03-01"),
    }
}

/// A day, local time or instant: `2026-03-01`, `2026/3/1`, `2026年3月1日`, `20260301`, each with ` 09:30[:00[.000]]`
/// or `T09:30`, RFC 3339 with an offset, or milliseconds since 1970.
///
/// # Errors
/// `bad_date`.
pub fn when(cell: &str) -> Result<When, BadValue> {
    let cell = cell.trim();
    let refuse = || {
        bad(
            "bad_date",
            "write a day such as 2026-03-01, or an instant such as 2026-03-01T09:30:00+08:00",
        )
    };
    if let Ok(instant) = cell.parse::<jiff::Timestamp>() {
        return Ok(When::Instant(Timestamp(instant.as_millisecond())));
    }
    if cell.len() >= 11 && cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return cell
            .parse()
            .map(|ms| When::Instant(Timestamp(ms)))
            .or_else(|_| refuse());
    }
    let (day, time) = match cell.find([' ', 'T']) {
        Some(at) => (&cell[..at], cell[at + 1..].trim()),
        None => (cell, ""),
    };
    let Some(day) = civil_day(day) else { return refuse() };
    if time.is_empty() {
        return Ok(When::Day(day));
    }
    let Some(time) = civil_time(time) else { return refuse() };
    // Databases write a day without a time as midnight.
    if time == Time::midnight() {
        Ok(When::Day(day))
    } else {
        Ok(When::Local(day.to_datetime(time)))
    }
}

fn civil_day(text: &str) -> Option<Date> {
    let parts: Vec<&str> = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        vec![&text[..4], &text[4..6], &text[6..]]
    } else {
        text.trim_end_matches('日').split(['-', '/', '.', '年', '月']).collect()
    };
    let [year, month, day] = parts[..] else { return None };
    // The year stands first and has four digits: 03/04/2026 could be two days.
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn civil_time(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let second = parts.next().map_or(Some(0), |second| second.parse().ok())?;
    let nanosecond = format!("{fraction:0<9}").parse().ok()?;
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, nanosecond).ok()
}

/// Yes or no.
///
/// # Errors
/// `bad_value`.
pub fn yes_no(cell: &str) -> Result<bool, BadValue> {
    match cell.to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "是" | "已完成" | "done" => Ok(true),
        "no" | "n" | "false" | "0" | "否" | "未完成" | "open" => Ok(false),
        _ => bad("bad_value", "write yes or no"),
    }
}

/// The channel of a follow-up.
///
/// # Errors
/// `unknown_channel`.
pub fn channel(cell: &str) -> Result<&'static str, BadValue> {
    Ok(match cell.to_lowercase().as_str() {
        "visit" | "拜访" | "上门" | "实地拜访" => "visit",
        "phone" | "call" | "电话" | "通话" => "phone",
        "wechat" | "微信" | "企业微信" => "wechat",
        "email" | "e-mail" | "mail" | "邮件" | "邮箱" => "email",
        "meeting" | "会议" | "面谈" => "meeting",
        "other" | "其他" | "其它" => "other",
        _ => {
            return bad(
                "unknown_channel",
                "the channels are visit, phone, wechat, email, meeting, other",
            );
        }
    })
}

/// The role of a person.
///
/// # Errors
/// `unknown_role`.
pub fn role(cell: &str) -> Result<&'static str, BadValue> {
    Ok(match cell.to_lowercase().replace(['-', ' '], "_").as_str() {
        "rep" | "sales" | "销售" | "业务员" | "销售代表" => "rep",
        "manager" | "经理" | "主管" | "销售经理" => "manager",
        "back_office" | "内勤" | "后台" => "back_office",
        "service" | "客服" | "售后" => "service",
        "admin" | "administrator" | "管理员" => "admin",
        "auditor" | "审计" | "审计员" => "auditor",
        _ => {
            return bad(
                "unknown_role",
                "the roles are rep, manager, back_office, service, admin, auditor",
            );
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_never_rounded() {
        for (cell, digits, minor) in [
            ("440.0", 2, 44_000),
            ("1863.4", 2, 186_340),
            ("1,234,567.89", 2, 123_456_789),
            ("¥ 5", 2, 500),
            ("5", 0, 5),
            ("5.000", 0, 5),
        ] {
            assert_eq!(amount_minor(cell, digits), Ok(minor), "{cell}");
        }
        for cell in [
            "12,34",
            "1.005",
            "-5",
            "abc",
            "",
            "1.2.3",
            "99999999999999999999",
            "1e5",
            ".5",
        ] {
            assert_eq!(amount_minor(cell, 2).unwrap_err().code, "bad_amount", "{cell}");
        }
        assert_eq!(amount_minor("5.5", 0).unwrap_err().code, "bad_amount");
    }

    #[test]
    fn dates_are_read_in_the_forms_that_databases_and_people_write() {
        let day = When::Day(Date::constant(1996, 7, 4));
        for cell in [
            "1996-07-04",
            "1996-07-04 00:00:00.000",
            "1996/7/4",
            "1996年7月4日",
            "19960704",
            "1996-07-04T00:00",
        ] {
            assert_eq!(when(cell), Ok(day), "{cell}");
        }
        assert_eq!(
            when("1996-07-04T08:30:00+08:00"),
            Ok(When::Instant(Timestamp(836_440_200_000)))
        );
        assert_eq!(when("836440200000"), Ok(When::Instant(Timestamp(836_440_200_000))));
        assert_eq!(
            when("1996-07-04 08:30"),
            Ok(When::Local(Date::constant(1996, 7, 4).at(8, 30, 0, 0)))
        );
        for cell in [
            "04/07/1996",
            "1996-13-01",
            "1996-02-30",
            "yesterday",
            "5",
            "",
            "1996-07-04 25:00",
            "日",
            "年月",
        ] {
            assert_eq!(when(cell).unwrap_err().code, "bad_date", "{cell}");
        }
    }

    #[test]
    fn t027_text_that_a_database_or_a_reader_would_take_wrongly_is_refused() {
        for cell in ["a\0b", "a\u{1b}b", "a\u{fffd}b", "a\u{202e}b", "two\nlines"] {
            assert_eq!(text(cell, 200, false).unwrap_err().code, "bad_text", "{cell:?}");
        }
        for cell in ["México D.F.", "阿爸阿妈", "👩‍🌾 农场", "Al‏-Rashid"] {
            assert_eq!(text(cell, 200, false).unwrap(), cell);
        }
        assert_eq!(text("two\r\nlines", 200, true).unwrap(), "two\nlines");
        assert_eq!(text(&"字".repeat(200), 200, false).unwrap().chars().count(), 200);
        assert_eq!(text(&"字".repeat(201), 200, false).unwrap_err().code, "too_long");
    }

    #[test]
    fn tags_are_separated_by_what_people_write() {
        assert_eq!(tags("老客户、重点; vip|vip").unwrap(), ["老客户", "重点", "vip"]);
        assert_eq!(tags(&"x".repeat(65)).unwrap_err().code, "too_long");
    }

    #[test]
    fn coordinates_are_decimal_and_on_the_globe() {
        assert_eq!(degrees("22.5431", 90.0), Ok(22.5431));
        for cell in ["91", "NaN", "inf", "22,5", "1e1"] {
            assert_eq!(degrees(cell, 90.0).unwrap_err().code, "bad_number", "{cell}");
        }
    }
}
