//! A program in a pseudo-terminal: what it draws is read as a person would see it, what is typed reaches it as keys.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use super::company::BINARY;

/// How long something may take to appear: a deadline for a machine that does other things, not a measure.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Pty {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    // The program's terminal is gone when this is closed.
    terminal: Box<dyn MasterPty + Send>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    screen: Mutex<Screen>,
    changed: Condvar,
}

#[derive(Default)]
struct Screen {
    parser: Parser,
    has_ended: bool,
}

impl Pty {
    /// `fieldpool rep --store STORE …` in a terminal of this size.
    pub(crate) fn open(store: &Path, words: &[&str], columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size_of(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(BINARY);
        command.arg("rep");
        command.arg("--store");
        command.arg(store);
        command.args(words);
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new(Seen::default());
        let (rows, columns) = (rows.try_into().unwrap(), columns.try_into().unwrap());
        seen.screen.lock().unwrap().parser = Parser::new(rows, columns, 0);
        let mut output = pair.master.try_clone_reader().unwrap();
        let into = seen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let read = output.read(&mut bytes).unwrap_or(0);
                let mut screen = into.screen.lock().unwrap();
                screen.parser.process(&bytes[..read]);
                screen.has_ended = read == 0;
                into.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self {
            child,
            keys: pair.master.take_writer().unwrap(),
            terminal: pair.master,
            seen,
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until all of these stand on the screen at once.
    pub(crate) fn see(&self, words: &[&str]) -> String {
        self.until(&format!("{words:?}"), |text| {
            words.iter().all(|word| text.contains(word))
        })
    }

    /// Waits until this does not stand on the screen.
    pub(crate) fn see_no(&self, word: &str) -> String {
        self.until(&format!("no {word:?}"), |text| !text.contains(word))
    }

    fn until(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let screen = self.seen.screen.lock().unwrap();
        let waits = |screen: &mut Screen| !screen.has_ended && !is_there(&screen.parser.screen().contents());
        let (screen, _) = self.seen.changed.wait_timeout_while(screen, DEADLINE, waits).unwrap();
        let text = screen.parser.screen().contents();
        assert!(is_there(&text), "{what} did not appear:\n{text}");
        text
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut screen = self.seen.screen.lock().unwrap();
        let size = (rows.try_into().unwrap(), columns.try_into().unwrap());
        screen.parser.screen_mut().set_size(size.0, size.1);
        self.terminal.resize(size_of(columns, rows)).unwrap();
    }

    /// Waits until the program has ended: its exit status, and whether it gave the terminal back as it was.
    pub(crate) fn end(mut self) -> (u32, bool) {
        let screen = self.seen.screen.lock().unwrap();
        let (screen, _) = self
            .seen
            .changed
            .wait_timeout_while(screen, DEADLINE, |screen| !screen.has_ended)
            .unwrap();
        assert!(
            screen.has_ended,
            "it did not end:\n{}",
            screen.parser.screen().contents()
        );
        let is_back = !screen.parser.screen().alternate_screen() && !screen.parser.screen().hide_cursor();
        drop(screen);
        (self.child.wait().unwrap().exit_code(), is_back)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.process_id().unwrap()
    }
}

fn size_of(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}
