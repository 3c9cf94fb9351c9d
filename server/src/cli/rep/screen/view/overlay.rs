//! What lies over the page: a form, the keys, the warning before leaving.

use ratatui::{
    Frame,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Padding, Paragraph},
};

use super::{
    super::{
        form::{Content, Form, Input},
        model::Model,
        words::fill,
    },
    ACCENT, BAD, DIM, STRONG, WARN, text,
};

/// Columns of a box at most: longer lines are hard to read.
const WIDTH_MAX: u16 = 72;
/// Columns of a form's labels.
const LABEL: usize = 14;

/// A box in the middle; what it leaves free inside.
fn draw_box(title: &str, height: usize, colour: Style, frame: &mut Frame<'_>) -> Rect {
    let area = frame.area();
    let width = area.width.min(WIDTH_MAX);
    let height = u16::try_from(height + 2).unwrap_or(u16::MAX).min(area.height);
    let rect = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let title = text::cut(title, usize::from(width.saturating_sub(6)));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(colour)
        .title(Span::styled(format!(" {title} "), STRONG))
        .padding(Padding::horizontal(1));
    let inner = block.inner(rect);
    frame.render_widget(Clear, rect);
    frame.render_widget(block, rect);
    inner
}

fn inner_width(frame: &Frame<'_>) -> usize {
    usize::from(frame.area().width.min(WIDTH_MAX).saturating_sub(4))
}

pub(super) fn draw_form(model: &Model, form: &Form, frame: &mut Frame<'_>) {
    let words = model.words();
    let width = inner_width(frame);
    let mut lines = Vec::new();
    let mut cursor = None;
    for (place, input) in form.inputs.iter().enumerate() {
        let is_focused = place == form.focus;
        let first = lines.len();
        let (shown, at) = input_lines(input, is_focused, width);
        if is_focused {
            cursor = at.map(|(column, row)| (column, first + row));
        }
        lines.extend(shown);
        if is_focused && !input.hint.is_empty() {
            lines.push(Line::styled(format!("{}  {}", " ".repeat(LABEL), input.hint), DIM));
        }
    }
    lines.push(Line::default());
    if let Some(error) = &form.error {
        lines.extend(text::wrap(error, width).into_iter().map(|line| Line::styled(line, BAD)));
    }
    let keys = if form.is_saving { words.saving } else { words.form_keys };
    lines.extend(
        text::wrap(keys, width)
            .into_iter()
            .map(|line| Line::styled(line, ACCENT)),
    );
    let inner = draw_box(&form.title, lines.len(), ACCENT, frame);
    frame.render_widget(Paragraph::new(lines), inner);
    if let Some((column, row)) = cursor {
        let x = inner.x
            + u16::try_from(column)
                .unwrap_or(u16::MAX)
                .min(inner.width.saturating_sub(1));
        let y = inner.y
            + u16::try_from(row)
                .unwrap_or(u16::MAX)
                .min(inner.height.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, y));
    }
}

/// A line of a form, wrapped, and where the cursor stands in it.
fn input_lines(input: &Input, is_focused: bool, width: usize) -> (Vec<Line<'static>>, Option<(usize, usize)>) {
    let columns = width.saturating_sub(LABEL + 2).max(4);
    let label_style = if is_focused {
        ACCENT.add_modifier(Modifier::BOLD)
    } else {
        DIM
    };
    let label = |place: usize| {
        let text = if place == 0 {
            text::fit(&input.label, LABEL)
        } else {
            " ".repeat(LABEL)
        };
        Span::styled(format!("{text}  "), label_style)
    };
    let value_style = if is_focused {
        Style::new().add_modifier(Modifier::UNDERLINED)
    } else {
        Style::new()
    };
    let typed = |before: String, behind: String| {
        let rows = chunks(&format!("{before}{behind}"), columns);
        let until = chunks(&before, columns);
        let mut row = until.len() - 1;
        let mut column = until.last().map_or(0, |line| text::width(line));
        // A full line is followed by the next one's beginning.
        if column >= columns {
            (row, column) = (row + 1, 0);
        }
        (rows, (LABEL + 2 + column, row))
    };
    let (rows, cursor) = match &input.content {
        Content::Text(content) => {
            let (before, behind) = content.parts();
            typed(before, behind)
        }
        Content::Secret(content) => {
            let hidden = |text: String| "*".repeat(text.chars().count());
            let (before, behind) = content.parts();
            typed(hidden(before), hidden(behind))
        }
        Content::Choice(choices, at) => {
            let name = choices.get(*at).map(|(_, name)| name.clone()).unwrap_or_default();
            let shown = if is_focused { format!("‹ {name} ›") } else { name };
            (vec![text::cut(&shown, columns)], (LABEL + 2, 0))
        }
    };
    let lines = rows.into_iter().enumerate().map(|(place, row)| {
        let row = if is_focused { text::fit(&row, columns) } else { row };
        Line::from(vec![label(place), Span::styled(row, value_style)])
    });
    (lines.collect(), is_focused.then_some(cursor))
}

/// A text in lines of so many columns, broken anywhere: what is typed stays where it is typed.
fn chunks(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for letter in text.chars() {
        let is_full = lines.last().is_some_and(|line| {
            let mut longer = line.clone();
            longer.push(letter);
            text::width(&longer) > columns
        });
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
    lines
}

pub(super) fn draw_help(model: &Model, frame: &mut Frame<'_>) {
    let words = model.words();
    let keys = [
        words.key_move,
        words.key_open,
        words.key_back,
        words.key_tabs,
        words.key_sections,
        words.key_search,
        words.key_visit,
        words.key_follow_up,
        words.key_done,
        words.key_edit,
        words.key_choose,
        words.key_new,
        words.key_claim,
        words.key_release,
        words.key_sync,
        words.key_flight,
        words.key_outbox,
        words.key_notices,
        words.key_dismiss,
        words.key_sign_in,
        words.key_language,
        words.key_quit,
    ];
    let width = inner_width(frame);
    // Two columns where there is room for two.
    let columns = if width >= 56 { 2 } else { 1 };
    let rows = keys.len().div_ceil(columns);
    let fits = rows + 3 <= usize::from(frame.area().height);
    let columns = if fits { columns } else { 2 };
    let rows = keys.len().div_ceil(columns);
    let each = width / columns;
    let mut lines: Vec<Line<'static>> = (0..rows)
        .map(|row| {
            let cells = (0..columns).filter_map(|column| keys.get(column * rows + row));
            Line::from(cells.map(|key| Span::raw(text::fit(key, each))).collect::<Vec<_>>())
        })
        .collect();
    lines.push(Line::styled(words.any_key, DIM));
    let inner = draw_box(words.help, lines.len(), ACCENT, frame);
    frame.render_widget(Paragraph::new(lines), inner);
}

pub(super) fn draw_quit(model: &Model, frame: &mut Frame<'_>) {
    let words = model.words();
    let width = inner_width(frame);
    let warning = fill(words.quit_warning, &[&model.status.pending]);
    let mut lines: Vec<Line<'static>> = text::wrap(&warning, width).into_iter().map(Line::from).collect();
    lines.push(Line::default());
    lines.extend(
        text::wrap(words.quit_keys, width)
            .into_iter()
            .map(|line| Line::styled(line, ACCENT)),
    );
    let inner = draw_box(words.quit_title, lines.len(), WARN, frame);
    frame.render_widget(Paragraph::new(lines), inner);
}
