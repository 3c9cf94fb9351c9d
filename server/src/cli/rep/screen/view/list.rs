//! The list of customers.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    super::{
        data::Row,
        model::{Model, Tab},
        words::fill,
    },
    ACCENT, BAD, DIM, GOOD, MARKED, NARROW, STRONG, WARN, draw_empty, text,
};

/// Columns of a line, apart from the name's.
const STAGE: usize = 15;
const STAGE_NARROW: usize = 10;
const OWNER: usize = 10;
const REGION: usize = 10;
const CONTACT: usize = 12;
const MARKS: usize = 9;
/// From these widths on the columns are shown.
const OWNER_FROM: u16 = 72;
const REGION_FROM: u16 = 90;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let [head, search, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(1)]).areas(area);
    frame.render_widget(Paragraph::new(tabs(model)), head);
    draw_search(model, frame, search);
    let rows = model.rows();
    if rows.is_empty() {
        let words = model.words();
        let query = model.list.query.all();
        let sentence = match model.list.tab {
            _ if !model.is_loaded => words.loading.to_owned(),
            _ if !query.trim().is_empty() => fill(words.no_match, &[&query.trim()]),
            Tab::Pool => words.no_pool.to_owned(),
            Tab::Mine | Tab::All => words.no_customers.to_owned(),
        };
        draw_empty(&sentence, frame, body);
        return;
    }
    let height = usize::from(body.height);
    let first = text::first_visible(&vec![1; rows.len()], model.list.selected, height);
    let lines: Vec<Line<'static>> = rows
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(place, row)| line(model, row, place == model.list.selected, body.width))
        .collect();
    frame.render_widget(Paragraph::new(lines), body);
}

fn tabs(model: &Model) -> Line<'static> {
    let words = model.words();
    let mut line = Line::default();
    for (key, tab, name) in [
        (1, Tab::Mine, words.mine),
        (2, Tab::Pool, words.pool),
        (3, Tab::All, words.everyone),
    ] {
        let count = model.list.rows(tab).len();
        let style = if tab == model.list.tab {
            MARKED.add_modifier(Modifier::BOLD)
        } else {
            Style::new()
        };
        line.push_span(Span::styled(format!(" {key} {name} {count} "), style));
        line.push_span(Span::raw(" "));
    }
    line
}

/// The line of the search: the query, or what could be typed.
fn draw_search(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let words = model.words();
    let query = &model.list.query;
    if !model.list.is_typing && query.is_empty() {
        frame.render_widget(Paragraph::new(headings(model, area.width)), area);
        return;
    }
    let label = format!(" {}: ", words.search);
    let mut line = Line::from(Span::styled(label.clone(), ACCENT));
    if query.is_empty() {
        line.push_span(Span::styled(words.search_hint, DIM));
    } else {
        line.push_span(Span::styled(query.all(), STRONG));
    }
    frame.render_widget(Paragraph::new(line), area);
    if model.list.is_typing {
        let before = text::width(&label) + text::width(&query.parts().0);
        let x = area.x
            + u16::try_from(before)
                .unwrap_or(u16::MAX)
                .min(area.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, area.y));
    }
}

/// The columns that have room beside the name, with their widths.
fn columns<'a>(stage: &'a str, owner: &'a str, region: &'a str, contact: &'a str, width: u16) -> Vec<(&'a str, usize)> {
    let stage_columns = if width < OWNER_FROM { STAGE_NARROW } else { STAGE };
    let all = [
        (0, stage, stage_columns),
        (OWNER_FROM, owner, OWNER),
        (REGION_FROM, region, REGION),
        (NARROW, contact, CONTACT),
    ];
    let shown = all.into_iter().filter(|(from, ..)| width >= *from);
    shown.map(|(_, value, columns)| (value, columns)).collect()
}

fn name_width(columns: &[(&str, usize)], width: u16) -> usize {
    let taken: usize = columns.iter().map(|(_, columns)| columns + 1).sum::<usize>() + MARKS + 3;
    usize::from(width).saturating_sub(taken)
}

fn headings(model: &Model, width: u16) -> Line<'static> {
    let words = model.words();
    let columns = columns(words.stage, words.owner, words.region, words.last_contact, width);
    let mut line = format!("  {}", text::fit(words.name, name_width(&columns, width)));
    for (value, columns) in columns {
        line = format!("{line} {}", text::fit(value, columns));
    }
    Line::styled(line, DIM)
}

fn line(model: &Model, row: &Row, is_marked: bool, width: u16) -> Line<'static> {
    let (stage, contact) = (stage(model, row), last_contact(model, row));
    let owner = row.pool.as_ref().unwrap_or(&row.owner);
    let columns = columns(&stage, owner, &row.region, &contact, width);
    let name = text::fit(&row.name, name_width(&columns, width));
    let style = if is_marked { STRONG } else { Style::new() };
    let mut line = Line::from(vec![super::marker(is_marked), Span::styled(name, style)]);
    let style = if is_marked { Style::new() } else { DIM };
    for (value, columns) in columns {
        line.push_span(Span::styled(format!(" {}", text::fit(value, columns)), style));
    }
    line.push_span(Span::raw(" "));
    line.spans.extend(marks(row));
    line
}

fn stage(model: &Model, row: &Row) -> String {
    let words = model.words();
    match row.provisional.as_deref() {
        Some("claim") => words.claiming.to_owned(),
        Some("release") => words.releasing.to_owned(),
        Some("create") => words.creating.to_owned(),
        _ => {
            let value = serde_json::Value::from(row.stage.clone());
            let kind = sync_core::document::Kind::Card;
            model.organisation.shown(kind, "stage", &value, model.language)
        }
    }
}

fn last_contact(model: &Model, row: &Row) -> String {
    let words = model.words();
    let Some(at) = row.last_contact else {
        return words.never.to_owned();
    };
    let since = model.organisation.day(model.now) - model.organisation.day(at);
    match since.get_days() {
        ..=0 => words.today.to_owned(),
        1 => words.yesterday.to_owned(),
        days => fill(words.days_ago, &[&days]),
    }
}

/// What is not synced, what has two values, what was refused; nothing where all is well.
fn marks(row: &Row) -> Vec<Span<'static>> {
    let all = [
        ("↑", row.pending, WARN),
        ("!", row.conflicts, BAD),
        ("✗", row.refused, BAD),
    ];
    let mut spans = Vec::new();
    let mut used = 0;
    for (sign, count, style) in all.into_iter().filter(|(_, count, _)| *count > 0) {
        let mark = format!("{sign}{count} ");
        used += text::width(&mark);
        spans.push(Span::styled(mark, style.add_modifier(Modifier::BOLD)));
    }
    if spans.is_empty() {
        return vec![Span::styled(
            text::fit_right("✓", MARKS),
            GOOD.add_modifier(Modifier::DIM),
        )];
    }
    spans.insert(0, Span::raw(" ".repeat(MARKS.saturating_sub(used))));
    spans
}
