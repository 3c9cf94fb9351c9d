//! The wire: messages, op-lists, their codec and their limits.

mod bounded;
pub mod compare;
#[cfg(feature = "compression")]
pub mod frame;
pub mod limits;
pub mod message;
pub mod oplist;
