//! Full-text search by bigrams, the same on SQLite, on PostgreSQL and on a phone.
//!
//! Chinese has no spaces, and neither FTS5's trigrams nor `pg_trgm` find words of two characters (采购). So text is
//! folded, cut into runs of letters and digits, and every run into its overlapping pairs; a query is the pairs of its
//! runs. Pairs find candidates; [`Query::matches`] decides, on the text itself. A word is found by any part of it of
//! two characters or more. Whole words are not indexed besides: a query never needs them, and each token costs.

use serde_json::Value;

/// Characters of one document that are indexed; the rest is not searched. Larger than the longest prose field with
/// everything that stands beside it.
const INDEXED_CHARS_MAX: usize = 24_000;
/// Characters of a query that count: more only narrows what is already narrow.
const QUERY_CHARS_MAX: usize = 100;
/// Runs of a query that count.
const QUERY_RUNS_MAX: usize = 10;
/// Depth to which fields are read for text: `custom` and `comments` lie two deep.
const DEPTH_MAX: usize = 4;
/// Digits from which on grouped digits are read as one number.
const NUMBER_DIGITS_MIN: usize = 7;
/// Fields that hold no words: hashes, codes, dates, names of systems.
const NOT_SEARCHED: [&str; 9] = [
    "photos",
    "crs",
    "currency",
    "due",
    "next_date",
    "close_date",
    "birthday",
    "severity",
    "preferred_channel",
];

/// Folds text for comparison: lower case, full-width forms to half-width, everything that is neither letter nor digit
/// to one space; no space at either end.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for character in text.chars() {
        let character = match character {
            // Full-width ASCII (Ａ, １) lies in the same order as ASCII.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
            other => other,
        };
        if !character.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
        } else {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

/// The pairs of a text in their order, with repetitions; a run of one character is a token by itself.
#[must_use]
pub fn bigrams(text: &str) -> Vec<String> {
    let folded = fold(text);
    let mut tokens = Vec::with_capacity(folded.len() / 2);
    for_each_token(&folded, |token| tokens.push(token.to_owned()));
    tokens
}

/// The same, joined by spaces: what FTS5's tokenizer reads.
#[must_use]
pub fn bigram_text(text: &str) -> String {
    let folded = fold(text);
    let mut joined = String::with_capacity(folded.len() * 2);
    for_each_token(&folded, |token| {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(token);
    });
    joined
}

fn for_each_token(folded: &str, mut take: impl FnMut(&str)) {
    let mut left = INDEXED_CHARS_MAX;
    for run in folded.split(' ').filter(|run| !run.is_empty()) {
        // Byte offsets of the last two characters' starts are enough to cut pairs without collecting the run.
        let mut before: Option<usize> = None;
        let mut count = 0_usize;
        for (start, character) in run.char_indices() {
            if left == 0 {
                return;
            }
            left -= 1;
            count += 1;
            if let Some(first) = before {
                take(&run[first..start + character.len_utf8()]);
            }
            before = Some(start);
        }
        if count == 1 {
            take(run);
        }
    }
}

/// The words of a document: every string of its fields that a person would look for, one a line.
#[must_use]
pub fn searchable_text(fields: &Value) -> String {
    let mut text = String::new();
    collect(fields, DEPTH_MAX, &mut text);
    text
}

fn collect(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::String(words) => {
            text.push_str(words);
            text.push('\n');
            push_digits(words, text);
        }
        Value::Array(items) if depth > 0 => {
            for item in items {
                collect(item, depth - 1, text);
            }
        }
        Value::Object(members) if depth > 0 => {
            for (name, member) in members {
                if !NOT_SEARCHED.contains(&name.as_str()) {
                    collect(member, depth - 1, text);
                }
            }
        }
        _ => {}
    }
}

/// A number written in groups (138 0000 1111) is also found by its digits in one.
fn push_digits(words: &str, text: &mut String) {
    let is_number = words
        .chars()
        .all(|character| character.is_ascii_digit() || " -+().".contains(character));
    let digits = words.chars().filter(char::is_ascii_digit);
    if is_number && digits.clone().count() < words.len() && digits.clone().count() >= NUMBER_DIGITS_MIN {
        text.extend(digits);
        text.push('\n');
    }
}

/// What somebody looks for: all runs must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    runs: Vec<String>,
}

impl Query {
    /// Reads a query; any text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let cut: String = text.chars().take(QUERY_CHARS_MAX).collect();
        let mut runs: Vec<String> = Vec::new();
        for run in fold(&cut).split(' ').filter(|run| !run.is_empty()).take(QUERY_RUNS_MAX) {
            if !runs.iter().any(|known| known == run) {
                runs.push(run.to_owned());
            }
        }
        Self { runs }
    }

    /// Whether there is nothing to look for: only spaces and punctuation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The folded words.
    #[must_use]
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// The pairs of each run of two characters or more, in order: phrases for FTS5. Empty when every run is a single
    /// character: the caller then compares without the index.
    #[must_use]
    pub fn phrases(&self) -> Vec<Vec<String>> {
        self.runs
            .iter()
            .filter(|run| run.chars().nth(1).is_some())
            .map(|run| {
                let mut tokens = Vec::new();
                for_each_token(run, |token| tokens.push(token.to_owned()));
                tokens
            })
            .collect()
    }

    /// Whether a text holds every run. Decides; the index only proposes.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let folded = fold(text);
        self.runs.iter().all(|run| folded.contains(run.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_folded_to_lower_case_half_width_letters_and_digits() {
        assert_eq!(fold("  ＡＢＣ轴承（有限）１２3!  "), "abc轴承 有限 123");
        assert_eq!(fold("\u{0}\u{200b}…"), "");
        assert_eq!(fold("ÉCOLE-Straße"), "école straße");
    }

    #[test]
    fn han_and_words_become_overlapping_pairs_and_a_lone_character_itself() {
        assert_eq!(bigrams("紧急投诉"), ["紧急", "急投", "投诉"]);
        assert_eq!(bigrams("SKF 6 轴承"), ["sk", "kf", "6", "轴承"]);
        assert_eq!(bigram_text("SKF 6 轴承"), "sk kf 6 轴承");
        assert_eq!(bigrams(""), Vec::<String>::new());
    }

    #[test]
    fn a_query_finds_two_characters_parts_of_words_and_all_of_its_words() {
        let text = "上海宏伟轴承有限公司 bearings 13800001111";
        for found in ["轴承", "宏伟", "BEAR", "earing", "8000", "公司 bear", "ｂｅ 宏", "司"] {
            assert!(Query::parse(found).matches(text), "{found}");
        }
        for missing in ["承轴", "公司 nothing", "8001"] {
            assert!(!Query::parse(missing).matches(text), "{missing}");
        }
    }

    #[test]
    fn a_query_proposes_phrases_for_runs_of_two_and_more_only() {
        assert_eq!(
            Query::parse("轴承 x 投诉单").phrases(),
            [vec!["轴承"], vec!["投诉", "诉单"]]
        );
        assert!(Query::parse("轴").phrases().is_empty());
        assert!(Query::parse(" .,!? ").is_empty());
        assert_eq!(Query::parse("轴承 轴承").runs(), ["轴承"]);
    }

    #[test]
    fn a_hostile_query_or_text_is_cut_at_the_limits() {
        assert!(Query::parse(&"字 ".repeat(1_000)).runs().len() <= QUERY_RUNS_MAX);
        assert_eq!(
            Query::parse(&"字".repeat(1_000)).runs()[0].chars().count(),
            QUERY_CHARS_MAX
        );
        assert!(bigrams(&"字".repeat(100_000)).len() < INDEXED_CHARS_MAX);
    }

    #[test]
    fn words_are_read_from_nested_fields_and_not_from_hashes_or_dates() {
        let fields = json!({
            "note": "谈价格", "photos": {"ab12": true}, "next_date": "2026-03-01", "amount_minor": 5,
            "comments": {"1": {"text": "好"}}, "tags": ["VIP", "华东"]
        });
        assert_eq!(searchable_text(&fields), "谈价格\n好\nVIP\n华东\n");
        let phones = json!({ "phones": { "office": "+86 138-0000-1111", "ext": "12 34" } });
        assert_eq!(searchable_text(&phones), "+86 138-0000-1111\n8613800001111\n12 34\n");
    }
}
