//! Columns: a Chinese character takes two, and nothing may push what stands beside it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a text.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text cut or filled up to exactly so many columns.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// As [`fit`], at the right edge.
pub(super) fn fit_right(text: &str, columns: usize) -> String {
    let out = cut(text, columns);
    let missing = columns.saturating_sub(width(&out));
    format!("{}{out}", " ".repeat(missing))
}

/// A text of at most so many columns; one that was cut says so.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let takes = letter.width().unwrap_or(0);
        if used + takes + 1 > columns {
            break;
        }
        out.push(letter);
        used += takes;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// A text in lines of at most so many columns, broken at spaces and between Chinese characters.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        if width(&line) + width(word.trim_end()) > columns && !line.trim().is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for letter in word.chars() {
            if width(&line) + letter.width().unwrap_or(0) > columns {
                let full = std::mem::take(&mut line);
                lines.push(full.trim_end().to_owned());
                if letter == ' ' {
                    continue;
                }
            }
            line.push(letter);
        }
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Lines as one again, with a space where words meet.
pub(super) fn unwrap(lines: &[String]) -> String {
    let mut whole = String::new();
    for line in lines {
        if whole.ends_with(|letter: char| letter.is_ascii()) {
            whole.push(' ');
        }
        whole.push_str(line);
    }
    whole
}

/// Pieces that are not broken: words with the space behind them, Chinese characters with the sign behind them.
fn words(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let Some((next, following)) = letters.peek().copied() else {
            break;
        };
        let is_wide = |letter: char| letter.width() == Some(2);
        let is_sign = "，。、；：！？）”》…".contains(following);
        if (letter == ' ' || is_wide(letter) || is_wide(following)) && !is_sign && following != ' ' && at >= from {
            pieces.push(&text[from..next]);
            from = next;
        }
    }
    pieces.push(&text[from..]);
    pieces
}

/// The first of lines with these heights that is drawn so that the marked one is in sight, in the middle if it can be.
pub(super) fn first_visible(heights: &[usize], marked: usize, height: usize) -> usize {
    let mut first = marked.min(heights.len().saturating_sub(1));
    let mut above = 0;
    while first > 0 && above + heights[first - 1] <= height / 2 {
        first -= 1;
        above += heights[first];
    }
    let mut below: usize = heights.iter().skip(first).sum();
    while first > 0 && below + heights[first - 1] <= height {
        first -= 1;
        below += heights[first];
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_latin_texts_fill_the_same_columns() {
        for text in ["长城贸易有限公司", "Great Wall Trading", "长城 Trading", ""] {
            assert_eq!(width(&fit(text, 9)), 9, "{text}");
            assert_eq!(width(&fit_right(text, 9)), 9, "{text}");
        }
        // Half a character is no character: the cut leaves a column free rather than one too many.
        assert_eq!(fit("长城贸易", 6), "长城… ");
        assert_eq!(cut("长城", 4), "长城");
    }

    #[test]
    fn lines_break_at_spaces_and_between_chinese_characters_not_before_their_signs() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(
            wrap("无法连接服务器。您的记录", 8),
            ["无法连接", "服务器。", "您的记录"]
        );
        assert_eq!(wrap("服务器。您", 6), ["服务", "器。您"]);
        assert_eq!(wrap("incomprehensibilities", 8), ["incompre", "hensibil", "ities"]);
        assert_eq!(unwrap(&wrap("the quick brown fox", 10)), "the quick brown fox");
        assert_eq!(unwrap(&wrap("无法连接服务器。您的记录", 8)), "无法连接服务器。您的记录");
        assert_eq!(wrap("", 8), [""]);
        for line in wrap("客户 Acme 已被他人先领取，请联系主管 to go on.", 11) {
            assert!(width(&line) <= 11, "{line}");
        }
    }

    #[test]
    fn the_marked_line_is_in_sight() {
        let heights = [1; 100];
        assert_eq!(first_visible(&heights, 0, 10), 0);
        assert_eq!(first_visible(&heights, 50, 10), 45);
        assert_eq!(first_visible(&heights, 99, 10), 90);
        assert_eq!(first_visible(&[3, 3, 3], 2, 6), 1);
        assert_eq!(first_visible(&[], 0, 6), 0);
    }
}
