//! What Fieldpool's tests share: the simulated world, and clients that speak the wire by hand.

pub mod oracle;
pub mod simulate;
pub mod wire;
pub mod world;
