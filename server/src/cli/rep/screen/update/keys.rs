//! What a key does, by what is open: a form, the search, a page.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sync_core::{document::Kind, protocol::message::IntentAction};

use super::{
    super::{
        data::{Row, edited},
        form::Outcome,
        model::{Effect, Model, Open, Overlay, Page, Section, Tab, Write},
    },
    forms, read, sync,
};

/// Lines that Page Up and Page Down move by.
const PAGE_LINES: usize = 10;

pub(super) fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control && key.code == KeyCode::Char('c') {
        return quit(model);
    }
    match &mut model.overlay {
        Some(Overlay::Form(form)) => match form.press(key) {
            Outcome::Open => Vec::new(),
            Outcome::Save => forms::save(model),
            Outcome::Cancel => cancel_form(model),
        },
        Some(Overlay::Help) => {
            model.overlay = None;
            Vec::new()
        }
        Some(Overlay::Quit) => press_in_warning(model, key),
        None if model.page == Page::Customers && model.list.is_typing => press_in_search(model, key),
        None if is_control => Vec::new(),
        None => press_on_page(model, key),
    }
}

/// There is nothing to show on a phone that is nobody's: leaving its sign-in leaves the program.
fn cancel_form(model: &mut Model) -> Vec<Effect> {
    model.overlay = None;
    model.has_quit |= !model.status.enrolled;
    Vec::new()
}

/// Leaves at once if everything is synced; otherwise says what waits first.
fn quit(model: &mut Model) -> Vec<Effect> {
    let is_warned = matches!(model.overlay, Some(Overlay::Quit));
    if model.status.pending == 0 || is_warned {
        model.has_quit = true;
    } else {
        model.overlay = Some(Overlay::Quit);
    }
    Vec::new()
}

fn press_in_warning(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Char('q' | 'y') | KeyCode::Enter => model.has_quit = true,
        KeyCode::Char('s') => {
            model.overlay = None;
            return ask_sync(model);
        }
        _ => model.overlay = None,
    }
    Vec::new()
}

fn press_in_search(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter | KeyCode::Tab => {
            model.list.is_typing = false;
            Vec::new()
        }
        KeyCode::Up | KeyCode::Down => {
            model.list.is_typing = false;
            press_on_page(model, key)
        }
        KeyCode::Esc => clear_search(model),
        _ => {
            let before = model.list.query.all();
            model.list.query.press(key);
            if model.list.query.all() == before {
                return Vec::new();
            }
            model.list.selected = 0;
            read(model)
        }
    }
}

fn clear_search(model: &mut Model) -> Vec<Effect> {
    model.list.is_typing = false;
    model.list.query.clear();
    model.list.found = None;
    model.list.selected = 0;
    read(model)
}

fn press_on_page(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Char('q') => return quit(model),
        KeyCode::Char('?') => model.overlay = Some(Overlay::Help),
        KeyCode::Char('s') => return ask_sync(model),
        KeyCode::Char('m') => return vec![Effect::Write(Write::FlightMode(!model.status.flight_mode))],
        KeyCode::Char('o') => go(model, Page::Outbox),
        KeyCode::Char('n') => go(model, Page::Notices),
        KeyCode::Char('i') => forms::open_sign_in(model),
        KeyCode::Char('L') => model.language = model.language.other(),
        KeyCode::Down | KeyCode::Char('j') => move_by(model, 1),
        KeyCode::Up | KeyCode::Char('k') => move_by(model, -1),
        KeyCode::PageDown => move_by(model, PAGE_LINES.cast_signed()),
        KeyCode::PageUp => move_by(model, -PAGE_LINES.cast_signed()),
        KeyCode::Home | KeyCode::Char('g') => move_by(model, isize::MIN),
        KeyCode::End | KeyCode::Char('G') => move_by(model, isize::MAX),
        _ => {
            return match model.page {
                Page::Customers => press_on_list(model, key.code),
                Page::Customer => press_on_customer(model, key.code),
                Page::Outbox => press_on_outbox(model, key.code),
                Page::Notices => {
                    back_on(model, key.code);
                    Vec::new()
                }
            };
        }
    }
    Vec::new()
}

fn ask_sync(model: &mut Model) -> Vec<Effect> {
    if model.status.flight_mode {
        model.tell(model.words().flight_blocks_sync, true);
        return Vec::new();
    }
    sync(model, true).into_iter().collect()
}

/// Opens a page over the list or the customer; the same key closes it again.
fn go(model: &mut Model, page: Page) {
    let home = if model.customer.id.is_some() {
        Page::Customer
    } else {
        Page::Customers
    };
    model.page = if model.page == page { home } else { page };
}

fn back_on(model: &mut Model, code: KeyCode) {
    if matches!(code, KeyCode::Esc | KeyCode::Backspace) {
        let page = model.page;
        go(model, page);
    }
}

fn move_by(model: &mut Model, lines: isize) {
    let (count, place) = match model.page {
        Page::Customers => (model.rows().len(), &mut model.list.selected),
        Page::Customer => (model.customer_lines(), &mut model.customer.selected),
        Page::Outbox => (model.entries.len(), &mut model.entry),
        Page::Notices => (model.notices.len(), &mut model.notice),
    };
    let last = count.saturating_sub(1);
    *place = place.saturating_add_signed(lines).min(last);
}

fn press_on_list(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    match code {
        KeyCode::Char('/') => model.list.is_typing = true,
        KeyCode::Char('1') => show_tab(model, Tab::Mine),
        KeyCode::Char('2') => show_tab(model, Tab::Pool),
        KeyCode::Char('3') => show_tab(model, Tab::All),
        KeyCode::Tab => {
            let next = match model.list.tab {
                Tab::Mine => Tab::Pool,
                Tab::Pool => Tab::All,
                Tab::All => Tab::Mine,
            };
            show_tab(model, next);
        }
        KeyCode::Char('a') => forms::open_new_customer(model),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => return open_customer(model, Section::Timeline),
        KeyCode::Char('e') => return open_customer(model, Section::Fields),
        KeyCode::Esc if !model.list.query.is_empty() => return clear_search(model),
        _ => return act(model, code),
    }
    Vec::new()
}

fn show_tab(model: &mut Model, tab: Tab) {
    model.list.tab = tab;
    model.list.selected = 0;
}

fn open_customer(model: &mut Model, section: Section) -> Vec<Effect> {
    let Some(id) = model.selected_row().map(|row| row.id) else {
        return Vec::new();
    };
    model.page = Page::Customer;
    model.customer = Open {
        id: Some(id),
        section,
        ..Open::default()
    };
    read(model)
}

/// What can be done with a customer, open or marked in the list.
fn act(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    let Some(row) = model.customer_at_hand().cloned() else {
        return Vec::new();
    };
    match code {
        KeyCode::Char('v') => forms::open_visit(model, row.id, &row.name),
        KeyCode::Char('f') => forms::open_follow_up(model, row.id, &row.name),
        KeyCode::Char('c') => return claim(model, &row),
        KeyCode::Char('r') if row.is_mine => forms::open_release(model, row.id, &row.name),
        KeyCode::Char('r') => model.tell(model.words().not_yours, true),
        _ => {}
    }
    Vec::new()
}

fn claim(model: &mut Model, row: &Row) -> Vec<Effect> {
    let words = model.words();
    if row.provisional.as_deref() == Some("claim") {
        model.tell(words.already_claiming, true);
        return Vec::new();
    }
    if row.pool.is_none() {
        model.tell(words.not_in_pool, true);
        return Vec::new();
    }
    vec![Effect::Write(Write::Intend(row.id, IntentAction::Claim))]
}

fn press_on_customer(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    let is_document_open = model.customer.document.is_some();
    match code {
        KeyCode::Esc | KeyCode::Backspace if is_document_open => {
            model.customer.document = None;
            model.customer.selected = model.customer.selected_before;
        }
        KeyCode::Esc | KeyCode::Backspace => {
            model.page = Page::Customers;
            model.customer = Open::default();
        }
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => show_section(model, 1),
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => show_section(model, Section::ALL.len() - 1),
        KeyCode::Enter | KeyCode::Char('e') => return enter(model),
        KeyCode::Char('x') => return mark_done(model),
        _ => return act(model, code),
    }
    Vec::new()
}

fn show_section(model: &mut Model, places: usize) {
    model.customer.section = model.customer.section.plus(places);
    model.customer.document = None;
    model.customer.selected = 0;
}

/// Opens the marked document, edits the marked field, keeps the marked value.
fn enter(model: &mut Model) -> Vec<Effect> {
    let selected = model.customer.selected;
    if model.customer.document.is_some() || model.customer.section == Section::Fields {
        let (Some(customer), Some(line)) = (model.customer.id, model.lines().get(selected).cloned()) else {
            return Vec::new();
        };
        if line.is_editable {
            forms::open_edit(model, customer, &line);
        } else {
            model.tell(model.words().not_editable, true);
        }
        return Vec::new();
    }
    if model.customer.section == Section::Conflicts {
        return keep_value(model);
    }
    if let Some(id) = model.documents().get(selected).map(|document| document.id) {
        model.customer.document = Some(id);
        model.customer.selected_before = selected;
        model.customer.selected = 0;
    }
    Vec::new()
}

fn keep_value(model: &Model) -> Vec<Effect> {
    let conflicts = model
        .customer
        .data
        .as_ref()
        .map_or(&[][..], |customer| &customer.conflicts);
    let values = conflicts
        .iter()
        .flat_map(|conflict| conflict.values.iter().map(move |value| (conflict, value)));
    let chosen = values
        .skip(model.customer.selected)
        .map(|(conflict, value)| Write::Edit {
            document: conflict.document,
            words: vec![format!("{}={}", conflict.field, edited(&value.value))],
            is_choice: true,
        });
    chosen.take(1).map(Effect::Write).collect()
}

fn mark_done(model: &mut Model) -> Vec<Effect> {
    let document = match (model.customer.document, &model.customer.data) {
        (Some(id), Some(customer)) => customer.document(id),
        _ => model.documents().get(model.customer.selected),
    };
    match document {
        Some(document) if document.kind == Kind::FollowUp => vec![Effect::Write(Write::Edit {
            document: document.id,
            words: vec!["done=true".to_owned()],
            is_choice: false,
        })],
        _ => {
            model.tell(model.words().not_a_follow_up, true);
            Vec::new()
        }
    }
}

fn press_on_outbox(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    match code {
        KeyCode::Char('d') => {
            let entry = model.entries.get(model.entry);
            match entry.filter(|entry| entry.is_refused).map(|entry| entry.id.parse()) {
                Some(Ok(id)) => return vec![Effect::Write(Write::Dismiss(id))],
                _ if entry.is_none() => {}
                _ => model.tell(model.words().only_refused, true),
            }
        }
        KeyCode::Enter => {
            let customer = model.entries.get(model.entry).and_then(|entry| entry.customer);
            if let Some(id) = customer.filter(|id| model.list.all.iter().any(|row| row.id == *id)) {
                model.page = Page::Customer;
                model.customer = Open {
                    id: Some(id),
                    ..Open::default()
                };
                return read(model);
            }
        }
        _ => back_on(model, code),
    }
    Vec::new()
}
