//! Draws the model: a status line, a page, the newest notice, the keys. Pure: the same model gives the same picture.

mod customer;
mod entries;
mod list;
mod overlay;
mod text;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    model::{Link, Model, Overlay, Page, Section},
    words::{Words, fill},
};

/// Below this width lists leave columns out and the status line takes more lines.
const NARROW: u16 = 60;
/// Lines of the status line, of the notice and of the keys at most; the page needs the rest.
const STATUS_LINES_MAX: usize = 3;
const NOTICE_LINES_MAX: usize = 3;
const KEY_LINES_MAX: usize = 2;

const ACCENT: Style = Style::new().fg(Color::Cyan);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().fg(Color::DarkGray);
const GOOD: Style = Style::new().fg(Color::Green);
const WARN: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red);
const MARKED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws everything.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let width = usize::from(frame.area().width);
    let status = status_lines(model, width);
    let notice = notice_lines(model, width);
    let keys = key_lines(&keys(model), width);
    let height = |lines: &[Line<'_>]| Constraint::Length(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let [top, page, middle, bottom] =
        Layout::vertical([height(&status), Constraint::Min(1), height(&notice), height(&keys)]).areas(frame.area());
    frame.render_widget(Paragraph::new(status), top);
    match model.page {
        Page::Customers => list::draw(model, frame, page),
        Page::Customer => customer::draw(model, frame, page),
        Page::Outbox => entries::draw_outbox(model, frame, page),
        Page::Notices => entries::draw_notices(model, frame, page),
    }
    frame.render_widget(Paragraph::new(notice), middle);
    frame.render_widget(Paragraph::new(keys), bottom);
    match &model.overlay {
        Some(Overlay::Form(form)) => overlay::draw_form(model, form, frame),
        Some(Overlay::Help) => overlay::draw_help(model, frame),
        Some(Overlay::Quit) => overlay::draw_quit(model, frame),
        None => {}
    }
}

/// Who, how the server is reached, what waits, when it was last synced, whether the store is encrypted, which server.
fn status_lines(model: &Model, width: usize) -> Vec<Line<'static>> {
    let (words, status) = (model.words(), &model.status);
    if !status.enrolled {
        return vec![Line::styled(words.not_signed_in, WARN), rule(width)];
    }
    let mut parts = vec![
        Span::styled(status.name.clone(), STRONG.fg(Color::Cyan)),
        link_part(model),
    ];
    let pending = fill(words.pending_count, &[&status.pending]);
    parts.push(Span::styled(
        pending,
        if status.pending > 0 { WARN } else { Style::new() },
    ));
    if status.refused > 0 {
        parts.push(Span::styled(fill(words.refused_count, &[&status.refused]), BAD));
    }
    parts.push(Span::raw(match status.last_sync {
        Some(at) if model.organisation.day(at) == model.organisation.day(model.now) => {
            fill(words.last_sync, &[&model.organisation.instant(Some(at), "%H:%M")])
        }
        Some(at) => fill(words.last_sync, &[&model.organisation.instant(Some(at), "%m-%d %H:%M")]),
        None => words.never_synced.to_owned(),
    }));
    parts.push(if status.encrypted {
        Span::styled(words.encrypted, GOOD)
    } else {
        Span::styled(words.not_encrypted, WARN)
    });
    parts.push(Span::styled(status.server.clone(), DIM));
    let mut lines = flow(parts, " · ", width, STATUS_LINES_MAX);
    let banner = match status.state.as_str() {
        "offboarding" => Some(words.state_offboarding),
        "wiped" => Some(words.state_wiped),
        "locked" => Some(words.state_locked),
        _ => None,
    };
    for line in banner.into_iter().flat_map(|banner| text::wrap(banner, width)) {
        lines.push(Line::styled(line, BAD));
    }
    lines.push(rule(width));
    lines
}

fn link_part(model: &Model) -> Span<'static> {
    let words = model.words();
    if model.status.flight_mode {
        return Span::styled(words.flight, WARN.add_modifier(Modifier::BOLD));
    }
    if model.sync.running.is_some() {
        return Span::styled(words.syncing, ACCENT);
    }
    match model.link {
        Link::NotTried => Span::styled(words.not_tried, DIM),
        Link::Online => Span::styled(words.online, GOOD),
        Link::Offline => Span::styled(words.offline, WARN),
        Link::SignIn => Span::styled(words.sign_in_needed, BAD),
        Link::ShutOut => Span::styled(words.shut_out, BAD),
    }
}

/// How far a sync is, or the newest notice.
fn notice_lines(model: &Model, width: usize) -> Vec<Line<'static>> {
    let words = model.words();
    if let Some(progress) = model
        .sync
        .running
        .filter(|progress| progress.rounds > 0 && model.sync.is_asked)
    {
        let bytes = bytes(progress.bytes);
        let text = fill(
            words.progress,
            &[&progress.rounds, &progress.sent, &progress.received, &bytes],
        );
        return vec![Line::styled(text::cut(&text, width), ACCENT)];
    }
    if model.sync.running.is_some() && model.sync.is_asked {
        return vec![Line::styled(words.sync_begins, ACCENT)];
    }
    let newest = model.notices.last().filter(|_| model.now < model.notice_until);
    let Some(notice) = newest else {
        return Vec::new();
    };
    let style = if notice.is_bad { BAD } else { GOOD };
    let lines = text::wrap(&notice.text, width);
    lines
        .into_iter()
        .take(NOTICE_LINES_MAX)
        .map(|line| Line::styled(line, style))
        .collect()
}

fn bytes(bytes: u64) -> String {
    if bytes < 10_000 {
        format!("{bytes} B")
    } else {
        format!("{} kB", bytes / 1000)
    }
}

/// The keys that do something here, the most wanted first.
fn keys(model: &Model) -> Vec<&'static str> {
    let words = model.words();
    let mut keys = vec![words.key_help, words.key_quit];
    if model.page == Page::Customers && model.list.is_typing {
        return vec![words.key_accept, words.key_back];
    }
    keys.extend(page_keys(model, words));
    if model.status.enrolled && matches!(model.link, Link::SignIn) {
        keys.push(words.key_sign_in);
    }
    keys.extend([
        words.key_sync,
        words.key_flight,
        words.key_outbox,
        words.key_notices,
        words.key_language,
    ]);
    keys
}

fn page_keys(model: &Model, words: &'static Words) -> Vec<&'static str> {
    match model.page {
        Page::Customers => {
            let mut keys = vec![words.key_search, words.key_open, words.key_visit, words.key_follow_up];
            keys.push(if model.list.tab == super::model::Tab::Pool {
                words.key_claim
            } else {
                words.key_new
            });
            keys.push(words.key_tabs);
            keys
        }
        Page::Customer => {
            let mut keys = vec![words.key_back];
            if model.customer.document.is_some() || model.customer.section == Section::Fields {
                keys.push(words.key_edit);
            } else if model.customer.section == Section::Conflicts {
                keys.push(words.key_choose);
            } else {
                keys.push(words.key_open);
            }
            keys.extend([words.key_sections, words.key_visit, words.key_follow_up, words.key_done]);
            keys.push(match model.customer_at_hand() {
                Some(row) if row.pool.is_some() => words.key_claim,
                _ => words.key_release,
            });
            keys
        }
        Page::Outbox => vec![words.key_back, words.key_open, words.key_dismiss],
        Page::Notices => vec![words.key_back],
    }
}

/// Keys in as few lines as they need; those that find no room stand on the page of keys.
fn key_lines(keys: &[&'static str], width: usize) -> Vec<Line<'static>> {
    let parts = keys.iter().map(|key| Span::styled(*key, ACCENT)).collect();
    flow(parts, "  ", width, KEY_LINES_MAX)
}

/// Parts side by side, broken between them.
fn flow(parts: Vec<Span<'static>>, between: &'static str, width: usize, lines_max: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    let mut used = 0;
    for part in parts {
        let part = Span::styled(text::cut(&part.content, width), part.style);
        let takes = text::width(&part.content);
        let is_first = used == 0;
        if !is_first && used + text::width(between) + takes > width {
            if lines.len() == lines_max {
                continue;
            }
            lines.push(Line::default());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if used > 0 {
            line.push_span(Span::styled(between, DIM));
            used += text::width(between);
        }
        used += takes;
        line.push_span(part);
    }
    lines
}

fn rule(width: usize) -> Line<'static> {
    Line::styled("─".repeat(width), DIM)
}

/// One sentence where a page has nothing else to show.
fn draw_empty(sentence: &str, frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = text::wrap(sentence, usize::from(area.width.saturating_sub(4)))
        .into_iter()
        .map(|line| Line::styled(format!("  {line}"), DIM))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// Lines that can be marked, each of one or more lines on the screen.
fn draw_items(items: &[Vec<Line<'static>>], marked: usize, frame: &mut Frame<'_>, area: Rect) {
    let heights: Vec<usize> = items.iter().map(Vec::len).collect();
    let first = text::first_visible(&heights, marked, usize::from(area.height));
    let lines: Vec<Line<'static>> = items.iter().skip(first).flatten().cloned().collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The sign before a line: whether it is the marked one.
fn marker(is_marked: bool) -> Span<'static> {
    if is_marked {
        Span::styled("▌ ", ACCENT)
    } else {
        Span::raw("  ")
    }
}
