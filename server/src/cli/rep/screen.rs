//! The full-screen phone: `fieldpool rep` without a command.
//!
//! Three parts: `model` is what is shown, `update` what becomes of it when something comes in, `view` draws it. What it
//! wants of the phone is done by `work`, on other threads. This file owns the terminal: it gives it back as it was, also
//! after a panic and after a signal. It decides nothing that the phone's engine decides.

mod data;
mod form;
mod labels;
mod model;
mod update;
mod view;
mod words;
mod work;

#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, stdout},
    panic,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use mobile_ffi::Seam;
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        event::{self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyEventKind},
        execute,
        terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::{Usage, language::Language, told};
use model::{Message, Model};

/// How often the screen looks at the clock while nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// Runs the full-screen phone until it is left.
pub(super) fn run(folder: &Path, language: Language) -> anyhow::Result<()> {
    if !stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let sentence = language.pick(
            "the full-screen phone needs a terminal; run it in one, or add a command (see: fieldpool rep --help)",
            "全屏界面需要终端；请在终端中运行，或添加子命令（见 fieldpool rep --help）",
        );
        return Err(Usage(sentence.to_owned()).into());
    }
    let status = work::status_of(folder).map_err(told)?;
    let (sender, receiver) = channel();
    let workers = work::Workers::start(folder, &sender)?;
    let _screen = Screen::open()?;
    thread::Builder::new().name("keys".to_owned()).spawn({
        let sender = sender.clone();
        move || read_keys(&sender)
    })?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || await_end(&sender))?;
    let model = Model::new(language, Seam::real().now(), status);
    show(model, &receiver, &workers)
}

/// Draws, waits, updates; until it is left.
fn show(mut model: Model, receiver: &Receiver<Message>, workers: &work::Workers) -> anyhow::Result<()> {
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    for effect in update::begin(&mut model) {
        workers.take(effect);
    }
    while !model.has_quit {
        terminal.draw(|frame| view::draw(&model, frame))?;
        let mut next = match receiver.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // What came in meanwhile is taken before the next picture.
        let mut effects = update::update(&mut model, Message::Tick(Seam::real().now()));
        while let Some(message) = next {
            effects.extend(update::update(&mut model, message));
            next = receiver.try_recv().ok();
        }
        for effect in effects {
            workers.take(effect);
        }
    }
    Ok(())
}

fn read_keys(sender: &Sender<Message>) {
    loop {
        let message = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Message::Key(key),
            Ok(Event::Paste(text)) => Message::Paste(text),
            // The size is read when it is drawn; the message makes that happen now.
            Ok(Event::Resize(..)) => Message::Tick(Seam::real().now()),
            Ok(_) => continue,
            Err(_) => Message::Ended,
        };
        let is_end = matches!(message, Message::Ended);
        if sender.send(message).is_err() || is_end {
            return;
        }
    }
}

/// Waits for a signal that ends the process, so that the terminal is given back before it does.
fn await_end(sender: &Sender<Message>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without one the system ends the process as it always does.
    let Ok(runtime) = runtime else { return };
    if runtime.block_on(end_signal()).is_ok() {
        // A screen that is gone has ended already.
        let _ = sender.send(Message::Ended);
    }
}

#[cfg(unix)]
async fn end_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn end_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

type Hook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Sync + Send + 'static>;

/// The terminal in our hands; given back when dropped.
struct Screen {
    hook: Arc<Hook>,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let hook: Arc<Hook> = Arc::new(panic::take_hook());
        let screen = Self { hook: hook.clone() };
        let screen_thread = thread::current().id();
        // A panic of another thread is caught there and told on the screen; one of this thread ends the program, and
        // its message must be readable.
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == screen_thread {
                give_back();
                hook(info);
            }
        }));
        enable_raw_mode()?;
        execute!(
            stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Clear(ClearType::All)
        )?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        if !thread::panicking() {
            let hook = self.hook.clone();
            panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

/// As far as it can be done: there may be no terminal any more.
fn give_back() {
    let _ = execute!(
        stdout(),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        ratatui::crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}
