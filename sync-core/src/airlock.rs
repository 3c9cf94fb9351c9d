//! The airlock: every change from outside passes it, on the server and on the phone.
//!
//! Gate 1 is decoding with limits ([`crate::protocol`]); 2 and 3 are [`crate::document::check_change`]; 4 builds the
//! change and its hash; 5 tries it on a throw-away copy. Only a change that came out of [`admit`] is committed. A
//! panic of the document library is contained here and answers `trial_failed`; the copy it happened in is dropped.

mod trial;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    document::{BuiltChange, Change, Document, Refusal, check_change},
    protocol::limits::{CHANGE_BYTES_MAX, DOCUMENT_BYTES_MAX},
};

/// How much is tried before a change is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// Build it and compute its hash.
    Build,
    /// Apply it to a copy in Automerge and compare what both read.
    Apply,
    /// As `Apply`, then save, load and compare the heads. One in 64, all in tests.
    Reload,
}

/// Admits one change to a document, or says why not. The document then holds it.
///
/// # Errors
/// [`Refusal`]; the document stays as it was.
pub fn admit(document: &mut Document, change: Change, body_bytes: usize, trial: Trial) -> Result<BuiltChange, Refusal> {
    let start_op = check_change(document.state(), &change, body_bytes)?;
    let (automerge, built) = contain(|| document.build(&change, start_op))?;
    // What is stored and sent on is the canonical form, and that may be longer than what came.
    if built.body.len() > CHANGE_BYTES_MAX || document.state().bytes() + built.body.len() > DOCUMENT_BYTES_MAX {
        return Err(Refusal::DocumentTooLarge);
    }
    if trial == Trial::Build {
        document.push(change, built.hash, start_op, built.body.len());
        return Ok(built);
    }
    let mut copy = document.clone();
    copy.push(change, built.hash, start_op, built.body.len());
    let passed = contain(|| trial::reads_back(&copy, automerge, trial == Trial::Reload))?;
    if !passed {
        return Err(Refusal::TrialFailed);
    }
    *document = copy;
    Ok(built)
}

/// Runs work that may panic inside the document library; what it worked on is to be dropped then.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Refusal::TrialFailed)
}
