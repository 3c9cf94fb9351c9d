//! One customer: what happened, who is there, what is known, where two values stand.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use serde_json::Value as Json;
use sync_core::document::Kind;

use super::{
    super::{
        data::{Conflict, Customer, Document, Line as Field},
        labels,
        model::{Model, Section},
        words::fill,
    },
    ACCENT, BAD, DIM, GOOD, MARKED, NARROW, STRONG, WARN, draw_empty, draw_items, marker, text,
};

/// Columns of a field's label.
const LABEL: usize = 20;
const LABEL_NARROW: usize = 12;
/// Lines of a text that is not opened.
const TEXT_LINES_MAX: usize = 2;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let words = model.words();
    let Some(customer) = &model.customer.data else {
        let sentence = if model.reading.is_running {
            words.loading
        } else {
            words.gone
        };
        draw_empty(sentence, frame, area);
        return;
    };
    let width = usize::from(area.width);
    let mut head = heading(model, customer, width);
    head.push(sections(model, customer, width));
    head.push(super::rule(width));
    let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let [top, body] = Layout::vertical([Constraint::Length(height), Constraint::Min(1)]).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    let (items, empty) = items(model, customer, width);
    if items.is_empty() {
        draw_empty(empty, frame, body);
    } else {
        draw_items(&items, model.customer.selected, frame, body);
    }
}

fn items(model: &Model, customer: &Customer, width: usize) -> (Vec<Vec<Line<'static>>>, &'static str) {
    let words = model.words();
    let marked = model.customer.selected;
    if model.customer.document.is_some() || model.customer.section == Section::Fields {
        let lines = model.lines();
        let items = lines.iter().enumerate();
        let items = items
            .map(|(place, line)| field(model, line, place == marked, width))
            .collect();
        return (items, words.no_fields);
    }
    if model.customer.section == Section::Conflicts {
        return (conflicts(model, &customer.conflicts, width), words.no_conflicts);
    }
    let empty = match model.customer.section {
        Section::Contacts => words.no_contacts,
        Section::Opportunities => words.no_opportunities,
        _ => words.no_timeline,
    };
    let documents = model.documents().iter().enumerate();
    let items = documents
        .map(|(place, shown)| document(model, shown, place == marked, width))
        .collect();
    (items, empty)
}

fn heading(model: &Model, customer: &Customer, width: usize) -> Vec<Line<'static>> {
    let (words, row) = (model.words(), &customer.row);
    let mut parts = vec![Span::styled(row.name.clone(), STRONG)];
    // The owner is named below.
    if row.relation != "owner" && row.relation != "pool" {
        parts.push(Span::styled(labels::name(&row.relation, model.language), ACCENT));
    }
    let stage = Json::from(row.stage.clone());
    let stage = model.organisation.shown(Kind::Card, "stage", &stage, model.language);
    if !stage.is_empty() {
        parts.push(Span::raw(stage));
    }
    parts.push(match &row.pool {
        Some(pool) => Span::raw(format!("{} {pool}", words.pool)),
        None if row.owner.is_empty() => Span::styled(words.nobody, DIM),
        None => Span::raw(format!("{} {}", words.owner, row.owner)),
    });
    let provisional = match row.provisional.as_deref() {
        Some("claim") => Some(words.claiming),
        Some("release") => Some(words.releasing),
        Some("create") => Some(words.creating),
        _ => None,
    };
    parts.extend(provisional.map(|text| Span::styled(text, WARN)));
    super::flow(parts, " · ", width, TEXT_LINES_MAX)
}

/// The sections side by side; the open one alone where there is no room for all.
fn sections(model: &Model, customer: &Customer, width: usize) -> Line<'static> {
    let words = model.words();
    let all = [
        (Section::Timeline, words.timeline, Some(customer.timeline.len())),
        (Section::Contacts, words.contacts, Some(customer.contacts.len())),
        (
            Section::Opportunities,
            words.opportunities,
            Some(customer.opportunities.len()),
        ),
        (Section::Fields, words.fields, None),
        (Section::Conflicts, words.conflicts, Some(customer.conflicts.len())),
    ];
    let text = |(_, name, count): &(Section, &str, Option<usize>)| match count {
        Some(count) => format!(" {name} {count} "),
        None => format!(" {name} "),
    };
    let open = all
        .iter()
        .position(|(section, ..)| *section == model.customer.section)
        .unwrap_or(0);
    let total: usize = all.iter().map(|section| text::width(&text(section))).sum();
    let strong = MARKED.add_modifier(Modifier::BOLD);
    if total > width {
        let place = format!(" {}/{} Tab", open + 1, all.len());
        return Line::from(vec![Span::styled(text(&all[open]), strong), Span::styled(place, DIM)]);
    }
    let mut line = Line::default();
    for (place, section) in all.iter().enumerate() {
        let has_conflicts = section.0 == Section::Conflicts && !customer.conflicts.is_empty();
        let style = match place {
            _ if place == open => strong,
            _ if has_conflicts => BAD,
            _ => Style::new(),
        };
        line.push_span(Span::styled(text(section), style));
    }
    line
}

/// A document in a list: when, what, who and how it stands; then what it says.
fn document(model: &Model, shown: &Document, is_marked: bool, width: usize) -> Vec<Line<'static>> {
    let form = if width < usize::from(NARROW) {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    let mut head = Line::from(marker(is_marked));
    let style = if is_marked { STRONG } else { Style::new() };
    if matches!(shown.kind, Kind::Visit | Kind::FollowUp | Kind::Ticket) {
        let at = model.organisation.instant(shown.at, form);
        head.push_span(Span::styled(format!("{at}  "), DIM));
        head.push_span(Span::styled(
            labels::name(shown.kind.name(), model.language),
            style.patch(ACCENT),
        ));
    } else {
        let title = if shown.kind == Kind::Contact { "name" } else { "title" };
        head.push_span(Span::styled(shown.text(title), style.add_modifier(Modifier::BOLD)));
    }
    if !shown.author.is_empty() {
        head.push_span(Span::styled(format!("  {}", shown.author), DIM));
    }
    head.spans.extend(states(model, shown));
    let mut lines = vec![head];
    let rest = said(model, shown);
    let columns = width.saturating_sub(4);
    let style = if is_marked { Style::new() } else { DIM };
    let mut wrapped = text::wrap(&rest, columns);
    if wrapped.len() > TEXT_LINES_MAX {
        // The rest stands on one line that is cut, so that one sees that there is more.
        let rest = text::unwrap(&wrapped.split_off(TEXT_LINES_MAX - 1));
        wrapped.push(text::cut(&rest, columns));
    }
    for line in wrapped.into_iter().filter(|line| !line.is_empty()) {
        lines.push(Line::styled(format!("    {line}"), style));
    }
    lines
}

fn states(model: &Model, shown: &Document) -> Vec<Span<'static>> {
    let words = model.words();
    let mut spans = Vec::new();
    let mut push = |text: String, style: Style| spans.push(Span::styled(format!("  {text}"), style));
    match shown.state.as_str() {
        "pending" => push(words.pending.to_owned(), WARN),
        "refused" => push(words.refused.to_owned(), BAD),
        _ => {}
    }
    if shown.late {
        push(words.late.to_owned(), WARN);
    }
    let is_planned = shown.fields.contains_key("planned_at") && !shown.fields.contains_key("started_at");
    if shown.kind == Kind::Visit && is_planned {
        let at = model.organisation.instant(shown.at, "%m-%d %H:%M");
        push(fill(words.planned, &[&at]), ACCENT);
    }
    if shown.fields.get("done") == Some(&Json::Bool(true)) {
        push(words.done.to_owned(), GOOD);
    } else if let Some(due) = shown.fields.get("due").and_then(Json::as_str) {
        let is_over = due < model.organisation.day(model.now).to_string().as_str();
        push(fill(words.due, &[&due]), if is_over { BAD } else { ACCENT });
    }
    spans
}

/// What a document says in a line or two.
fn said(model: &Model, shown: &Document) -> String {
    let keys: &[&str] = match shown.kind {
        Kind::Visit => &["custom.purpose", "note", "outcome"],
        Kind::FollowUp => &["channel", "text"],
        Kind::Ticket => &["severity", "text", "outcome"],
        Kind::Contact => &["title", "role", "phones", "wechat", "email"],
        Kind::Opportunity => &["stage", "product", "close_date"],
        _ => &[],
    };
    let mut parts: Vec<String> = Vec::new();
    if shown.kind == Kind::Opportunity {
        parts.push(amount(shown));
    }
    for key in keys {
        let (field, entry) = key
            .split_once('.')
            .map_or((*key, None), |(map, entry)| (map, Some(entry)));
        let value = shown.fields.get(field);
        let value = entry.map_or(value, |entry| value.and_then(|map| map.get(entry)));
        if let Some(value) = value {
            parts.push(model.organisation.shown(shown.kind, key, value, model.language));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// Minor units as people write them.
fn amount(shown: &Document) -> String {
    let Some(minor) = shown.fields.get("amount_minor").and_then(Json::as_i64) else {
        return String::new();
    };
    let sign = if minor < 0 { "-" } else { "" };
    let (major, rest) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    format!("{sign}{major}.{rest:02} {}", shown.text("currency"))
}

/// A field: its label, its value in as many lines as it needs.
fn field(model: &Model, line: &Field, is_marked: bool, width: usize) -> Vec<Line<'static>> {
    let label_columns = if width < usize::from(NARROW) {
        LABEL_NARROW
    } else {
        LABEL
    };
    let label = text::fit(&labels::field(&line.key, model.language), label_columns);
    let columns = width.saturating_sub(label_columns + 4);
    let (value, style) = match (line.shown.as_str(), line.is_editable) {
        ("", _) => ("–", DIM),
        (shown, true) => (shown, Style::new()),
        (shown, false) => (shown, DIM),
    };
    let style = if is_marked {
        style.add_modifier(Modifier::BOLD)
    } else {
        style
    };
    let mut lines = Vec::new();
    for (place, part) in text::wrap(value, columns).into_iter().enumerate() {
        let left = if place == 0 {
            label.clone()
        } else {
            " ".repeat(label_columns)
        };
        lines.push(Line::from(vec![
            marker(is_marked),
            Span::styled(format!("{left}  "), DIM),
            Span::styled(part, style),
        ]));
    }
    lines
}

/// Each value of each field that has two, with its author and time.
fn conflicts(model: &Model, conflicts: &[Conflict], width: usize) -> Vec<Vec<Line<'static>>> {
    let mut items = Vec::new();
    for conflict in conflicts {
        for (place, value) in conflict.values.iter().enumerate() {
            let is_marked = items.len() == model.customer.selected;
            let mut lines = Vec::new();
            if place == 0 {
                let kind = conflict.kind.map(|kind| labels::name(kind.name(), model.language));
                let field = labels::field(&conflict.field, model.language);
                let head = format!("{} · {field}", kind.unwrap_or_default());
                lines.push(Line::styled(text::cut(&head, width), BAD));
            }
            let kind = conflict.kind.unwrap_or(Kind::Card);
            let shown = model
                .organisation
                .shown(kind, &conflict.field, &value.value, model.language);
            let shown = if shown.is_empty() { "–".to_owned() } else { shown };
            for part in text::wrap(&shown, width.saturating_sub(2)) {
                let style = if is_marked { STRONG } else { Style::new() };
                lines.push(Line::from(vec![marker(is_marked), Span::styled(part, style)]));
            }
            let at = model.organisation.instant(value.at, "%m-%d %H:%M");
            lines.push(Line::styled(format!("    {}  {at}", value.author), DIM));
            if is_marked {
                lines.push(Line::styled(
                    text::cut(&format!("    {}", model.words().choose_value), width),
                    ACCENT,
                ));
            }
            items.push(lines);
        }
    }
    items
}
