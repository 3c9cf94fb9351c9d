//! What Fieldpool's tests share: the simulated world.

pub mod world;
