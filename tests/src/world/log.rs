//! What has happened in a world, and how it says that a promise is broken.

use std::{cell::RefCell, fmt, fmt::Write as _};

use sync_core::time::Timestamp;

use super::START;

/// What a world holds the product to: the invariants of docs/SIMULATION.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// No acknowledged write is lost.
    I1,
    /// Nothing is delivered to a device that may not have it at that moment.
    I2,
    /// At rest every device holds what its person may read, as the server has it, and the server what its log says.
    I3,
    /// Cursors only go forward, and skip nothing.
    I4,
    /// What was confirmed as dropped is gone; what was not is listed.
    I5,
    /// What somebody saved is on his phone, in the log or in quarantine: never nowhere.
    I6,
    /// One name, one change: no actor and sequence stand for two.
    I7,
    /// The audit tells of every decision and every page, and its chain holds.
    I8,
    /// Said again, nothing happens again.
    I9,
    /// Everything comes to rest within its bounds, and nothing fails in a way nobody foresaw.
    I10,
    /// What was accepted its author might write, and what he might write was not refused for want of rights.
    I12,
    /// Who owned a customer is one unbroken chain, and its last link is where the customer is.
    Owners,
    /// A handover moves what its preview said, and its undo what nobody has touched since.
    Handover,
    /// What somebody wrote stands under his name.
    Author,
    /// A late value never covers what somebody else has written meanwhile.
    Late,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A broken promise, as the world panics with it.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The world.
    pub seed: u64,
    /// Which promise.
    pub promise: Promise,
    /// What is wrong.
    pub what: String,
    /// All that had happened.
    pub trace: String,
}

/// What has happened in one world.
pub(super) struct Log {
    seed: u64,
    lines: RefCell<String>,
}

impl Log {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            lines: RefCell::default(),
        }
    }

    pub(super) fn note(&self, now: Timestamp, line: impl fmt::Display) {
        let _ = writeln!(self.lines.borrow_mut(), "{} {line}", now.0 - START.0);
    }

    pub(super) fn text(&self) -> String {
        self.lines.borrow().clone()
    }

    /// Ends the world.
    pub(super) fn broken(&self, promise: Promise, what: impl fmt::Display) -> ! {
        std::panic::panic_any(Broken {
            seed: self.seed,
            promise,
            what: what.to_string(),
            trace: self.text(),
        });
    }
}
