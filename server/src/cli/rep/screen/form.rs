//! Forms: lines to fill in, one after the other. Nothing here knows the phone.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm;
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
};

/// Characters typed into one line; the schema's own bounds are smaller or equal.
const CHARS_MAX: usize = 10_000;

/// A form that is open.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) purpose: Purpose,
    pub(super) title: String,
    pub(super) inputs: Vec<Input>,
    pub(super) focus: usize,
    pub(super) error: Option<String>,
    /// It was sent off and waits for the phone.
    pub(super) is_saving: bool,
}

/// What is done with what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A visit at this customer.
    Visit(CustomerId),
    /// A follow-up of this customer.
    FollowUp(CustomerId),
    /// A field of a document.
    Edit {
        /// The document.
        document: DocumentId,
        /// Its kind.
        kind: Kind,
        /// Its customer.
        customer: CustomerId,
        /// The field, or `map.entry`.
        key: String,
        /// What stood there, as it is typed.
        before: String,
    },
    /// A new customer.
    NewCustomer,
    /// Back to a pool.
    Release(CustomerId),
    /// Sign in.
    SignIn,
}

/// One line of a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub(super) key: &'static str,
    pub(super) label: String,
    pub(super) hint: &'static str,
    pub(super) content: Content,
}

/// What is in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Typed text.
    Text(Text),
    /// Typed text that nobody else should read.
    Secret(Text),
    /// One of these: what is written, what is read.
    Choice(Vec<(String, String)>, usize),
}

/// Text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    letters: Vec<char>,
    cursor: usize,
}

/// What a key did to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Open,
    /// Save it.
    Save,
    /// Forget it.
    Cancel,
}

impl Form {
    pub(super) fn new(purpose: Purpose, title: impl Into<String>, inputs: Vec<Input>) -> Self {
        Self {
            purpose,
            title: title.into(),
            inputs,
            focus: 0,
            error: None,
            is_saving: false,
        }
    }

    /// What stands in a line, without spaces around it.
    pub(super) fn value(&self, key: &str) -> String {
        let input = self.inputs.iter().find(|input| input.key == key);
        input.map_or_else(String::new, Input::value)
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Outcome {
        if self.is_saving {
            return Outcome::Open;
        }
        let last = self.inputs.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Outcome::Cancel,
            KeyCode::Char('s') if key.modifiers.contains(KeyModifiers::CONTROL) => return Outcome::Save,
            KeyCode::Enter if self.focus == last => return Outcome::Save,
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.focus = (self.focus + 1) % (last + 1),
            KeyCode::BackTab | KeyCode::Up => self.focus = self.focus.checked_sub(1).unwrap_or(last),
            _ => {
                if let Some(input) = self.inputs.get_mut(self.focus) {
                    input.press(key);
                    self.error = None;
                }
            }
        }
        Outcome::Open
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(Content::Text(into) | Content::Secret(into)) =
            self.inputs.get_mut(self.focus).map(|input| &mut input.content)
        {
            into.paste(text);
        }
    }
}

impl Input {
    pub(super) fn text(key: &'static str, label: impl Into<String>, text: &str) -> Self {
        Self {
            key,
            label: label.into(),
            hint: "",
            content: Content::Text(Text::new(text)),
        }
    }

    pub(super) fn secret(key: &'static str, label: impl Into<String>) -> Self {
        Self {
            content: Content::Secret(Text::default()),
            ..Self::text(key, label, "")
        }
    }

    /// A choice; what stands there now is chosen, and kept as one more choice if it is none of them.
    pub(super) fn choice(
        key: &'static str,
        label: impl Into<String>,
        mut choices: Vec<(String, String)>,
        now: &str,
    ) -> Self {
        let at = choices.iter().position(|(id, _)| id == now).unwrap_or_else(|| {
            choices.push((now.to_owned(), now.to_owned()));
            choices.len() - 1
        });
        Self {
            content: Content::Choice(choices, at),
            ..Self::text(key, label, "")
        }
    }

    pub(super) fn hinted(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    fn value(&self) -> String {
        match &self.content {
            Content::Text(text) => text.all().trim().to_owned(),
            // Spaces may be part of a password.
            Content::Secret(text) => text.all(),
            Content::Choice(choices, at) => choices.get(*at).map(|(id, _)| id.clone()).unwrap_or_default(),
        }
    }

    fn press(&mut self, key: KeyEvent) {
        match &mut self.content {
            Content::Text(text) | Content::Secret(text) => text.press(key),
            Content::Choice(choices, at) => match key.code {
                KeyCode::Left => *at = at.checked_sub(1).unwrap_or(choices.len().saturating_sub(1)),
                KeyCode::Right | KeyCode::Char(' ') => *at = (*at + 1) % choices.len().max(1),
                _ => {}
            },
        }
    }
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        Self {
            cursor: letters.len(),
            letters,
        }
    }

    pub(super) fn all(&self) -> String {
        self.letters.iter().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// What stands before the cursor, and what behind it.
    pub(super) fn parts(&self) -> (String, String) {
        let (before, behind) = self.letters.split_at(self.cursor);
        (before.iter().collect(), behind.iter().collect())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn paste(&mut self, text: &str) {
        text.chars().for_each(|letter| self.insert(letter));
    }

    fn insert(&mut self, letter: char) {
        if self.letters.len() < CHARS_MAX && !letter.is_control() {
            self.letters.insert(self.cursor, letter);
            self.cursor += 1;
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if is_control => self.clear(),
            KeyCode::Char('w') if is_control => self.erase_word(),
            KeyCode::Char('a') if is_control => self.cursor = 0,
            KeyCode::Char('e') if is_control => self.cursor = self.letters.len(),
            KeyCode::Char(letter) if !is_control => self.insert(letter),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.letters.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.letters.len() => {
                self.letters.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.letters.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.letters.len(),
            _ => {}
        }
    }

    fn erase_word(&mut self) {
        let mut from = self.cursor;
        while from > 0 && self.letters[from - 1].is_whitespace() {
            from -= 1;
        }
        while from > 0 && !self.letters[from - 1].is_whitespace() {
            from -= 1;
        }
        self.letters.drain(from..self.cursor);
        self.cursor = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_into(text: &mut Text, keys: &[KeyCode]) {
        for key in keys {
            text.press(KeyEvent::new(*key, KeyModifiers::NONE));
        }
    }

    #[test]
    fn text_is_edited_by_characters_also_chinese_ones() {
        let mut text = Text::new("长城贸易");
        type_into(
            &mut text,
            &[KeyCode::Left, KeyCode::Left, KeyCode::Backspace, KeyCode::Char('江')],
        );
        assert_eq!(text.all(), "长江贸易");
        assert_eq!(text.parts(), ("长江".to_owned(), "贸易".to_owned()));
        type_into(
            &mut text,
            &[KeyCode::Home, KeyCode::Delete, KeyCode::End, KeyCode::Char('!')],
        );
        assert_eq!(text.all(), "江贸易!");
        text.press(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert!(text.is_empty());
        text.insert('\u{1b}');
        assert!(text.is_empty(), "a control character is not typed");
    }

    #[test]
    fn enter_goes_through_the_lines_and_saves_at_the_last() {
        let inputs = vec![
            Input::text("text", "Text", ""),
            Input::choice("channel", "Channel", vec![("phone".into(), "phone".into())], ""),
        ];
        let mut form = Form::new(Purpose::NewCustomer, "x", inputs);
        let press = |form: &mut Form, code| form.press(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(press(&mut form, KeyCode::Char('a')), Outcome::Open);
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open);
        assert_eq!(press(&mut form, KeyCode::Right), Outcome::Open);
        assert_eq!(
            (form.value("text"), form.value("channel")),
            ("a".into(), "phone".into())
        );
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Save);
        form.is_saving = true;
        assert_eq!(
            press(&mut form, KeyCode::Esc),
            Outcome::Open,
            "what was sent off is not taken back"
        );
    }
}
