//! The demonstration: a company with 90 days behind it, and phones that go on working.
//!
//! The company's customers come in as an import would bring them; what happened since was done by phones, the real ones
//! of `mobile-ffi`, against the real routes, while the server's clock was led through the days. So the times that are
//! shown are the times at which it happened in that story. The same seed tells the same story; ids, keys and passwords
//! are the system's own every time, so that nobody who knows the seed knows them.
//!
//! Nothing here is part of a server that is run for real: it makes data, through the same doors as everybody.

mod cast;
mod company;
mod folder;
mod habits;
mod history;
mod inside;
mod language;
mod live;
mod names;
mod refusals;
mod rep;
mod texts;

pub(crate) use self::{
    cast::Person,
    folder::{DemoFolder, Note, find_person, find_running},
    history::{Story, tell},
    language::Language,
    live::LivePhones,
    refusals::FolderError,
};
