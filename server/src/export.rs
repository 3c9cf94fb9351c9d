//! Gives customers and their history back as files other programs open.
//!
//! Promises that a file opened in a spreadsheet runs nothing: see [`cells`].

pub mod cells;
pub mod collect;
pub mod sheets;
