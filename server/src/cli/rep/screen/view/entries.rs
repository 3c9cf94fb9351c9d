//! The outbox with what was refused, and the notices.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};
use sync_core::document::Kind;

use super::{
    super::{data::Entry, labels, model::Model},
    ACCENT, BAD, DIM, GOOD, STRONG, WARN, draw_empty, draw_items, marker, text,
};

/// Lines of what an entry wrote.
const WHAT_LINES_MAX: usize = 2;
/// Fields that say nothing to a person who reads the outbox.
const SILENT_FIELDS: [&str; 2] = ["started_at", "ended_at"];

pub(super) fn draw_outbox(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let words = model.words();
    let waiting = model.entries.iter().filter(|entry| !entry.is_refused).count();
    let refused = model.entries.len() - waiting;
    let heading = format!(
        "{}: {} {waiting} · {} {refused}",
        words.outbox, words.pending, words.refused
    );
    let body = draw_heading(&heading, frame, area);
    if model.entries.is_empty() {
        draw_empty(words.no_outbox, frame, body);
        return;
    }
    let entries = model.entries.iter().enumerate();
    let items: Vec<_> = entries
        .map(|(place, entry)| lines(model, entry, place == model.entry, usize::from(area.width)))
        .collect();
    draw_items(&items, model.entry, frame, body);
}

fn draw_heading(heading: &str, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let [top, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let heading = text::cut(heading, usize::from(area.width));
    frame.render_widget(Paragraph::new(Line::styled(heading, STRONG)), top);
    body
}

fn lines(model: &Model, entry: &Entry, is_marked: bool, width: usize) -> Vec<Line<'static>> {
    let (words, language) = (model.words(), model.language);
    let style = if is_marked { STRONG } else { Style::new() };
    let (state, colour) = if entry.is_refused {
        (words.refused, BAD)
    } else {
        (words.pending, WARN)
    };
    let head = vec![
        marker(is_marked),
        Span::styled(state, colour),
        Span::styled(
            format!("  {}", labels::name(&entry.kind, language)),
            style.patch(ACCENT),
        ),
        Span::styled(format!("  {}", entry.customer_name), style),
        Span::styled(
            format!("  {}", model.organisation.instant(entry.at, "%m-%d %H:%M")),
            DIM,
        ),
    ];
    let mut lines = vec![Line::from(head)];
    let indented = |line: String, style: Style| Line::styled(format!("    {line}"), style);
    let what = what(model, entry);
    if !what.is_empty() {
        let wrapped = text::wrap(&what, width.saturating_sub(4));
        lines.extend(wrapped.into_iter().take(WHAT_LINES_MAX).map(|line| indented(line, DIM)));
    }
    if !entry.reason.is_empty() {
        let wrapped = text::wrap(&why(model, entry), width.saturating_sub(4));
        lines.extend(wrapped.into_iter().map(|line| indented(line, colour)));
    }
    lines
}

/// What was written: labels and values.
fn what(model: &Model, entry: &Entry) -> String {
    let kind: Option<Kind> = serde_json::from_value(entry.kind.clone().into()).ok();
    let fields = entry
        .fields
        .iter()
        .filter(|(key, _)| !SILENT_FIELDS.contains(&key.as_str()));
    let words: Vec<String> = fields
        .map(|(key, value)| {
            let shown = model
                .organisation
                .shown(kind.unwrap_or(Kind::Card), key, value, model.language);
            format!("{}: {shown}", labels::field(key, model.language))
        })
        .collect();
    words.join(" · ")
}

/// Why it was refused or waits, and who was faster.
fn why(model: &Model, entry: &Entry) -> String {
    let words = model.words();
    let reason = labels::reason(&entry.reason, model.language).unwrap_or(&entry.reason);
    let mut why = reason.to_owned();
    if entry.verdict == "quarantined" {
        why = format!("{why} {}", words.held);
    }
    if !entry.owner.is_empty() {
        why = format!("{why} ({}: {})", words.owner, entry.owner);
    }
    why
}

pub(super) fn draw_notices(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let words = model.words();
    let body = draw_heading(words.notices, frame, area);
    if model.notices.is_empty() {
        draw_empty(words.no_notices, frame, body);
        return;
    }
    let items: Vec<Vec<Line<'static>>> = model
        .notices
        .iter()
        .rev()
        .enumerate()
        .map(|(place, notice)| {
            let at = model.organisation.instant(Some(notice.at), "%H:%M:%S");
            let style = if notice.is_bad { BAD } else { GOOD };
            let mut lines = Vec::new();
            for (part, line) in text::wrap(&notice.text, usize::from(area.width).saturating_sub(12))
                .into_iter()
                .enumerate()
            {
                let left = if part == 0 { at.clone() } else { " ".repeat(at.len()) };
                let marker = marker(place == model.notice && part == 0);
                lines.push(Line::from(vec![
                    marker,
                    Span::styled(format!("{left}  "), DIM),
                    Span::styled(line, style),
                ]));
            }
            lines
        })
        .collect();
    draw_items(&items, model.notice, frame, body);
}
